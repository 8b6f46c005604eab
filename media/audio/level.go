package audio

import "math"

// VoiceLevel is the mean of |sample| from which on a packet is no silence.
const VoiceLevel = 256

// Loud reports whether the mean magnitude is above that of silence.
func Loud(pcm []int16) bool { return MeanLevel(pcm) >= VoiceLevel }

// MeanLevel is the mean of the samples without their signs, 0 of no samples.
func MeanLevel(pcm []int16) int {
	sum := 0
	for _, v := range pcm {
		sum += max(int(v), -int(v))
	}
	return sum / max(len(pcm), 1)
}

// Power is the mean square.
func Power(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return sum / float64(max(len(pcm), 1))
}

// Goertzel is the energy of one frequency in a piece of audio (Goertzel's
// algorithm), as the squares of its samples would add up to if there were
// nothing else.
func Goertzel[T int16 | float64](pcm []T, hz float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/SampleRate)
	var a, b float64
	for _, s := range pcm {
		a, b = float64(s)+c*a-b, a
	}
	return (a*a + b*b - c*a*b) * 2 / float64(len(pcm))
}
