package phone

import (
	"math"
	"time"
)

// Tone is a sine of about -10 dBm0 as an endless source of samples.
func Tone(hz float64) func(n int) int16 {
	return func(n int) int16 { return int16(9000 * math.Sin(2*math.Pi*hz*float64(n)/8000)) }
}

// Noise is a sequence that no codec could invent: every sample its own, the
// same for the same seed.
func Noise(seed uint32) func(n int) int16 {
	return func(n int) int16 {
		x := uint32(n)*2654435761 + seed
		x ^= x >> 15
		x *= 2246822519
		x ^= x >> 13
		return int16(x>>16) / 2
	}
}

// block is 20 ms: one packet.
const block = 160

// power is the mean square of the samples, and that part of it which belongs
// to hz (Goertzel 1958).
func power(pcm []int16, hz float64) (total, tone float64) {
	w := 2 * math.Cos(2*math.Pi*hz/8000)
	var s1, s2 float64
	for _, v := range pcm {
		x := float64(v)
		total += x * x
		s1, s2 = x+w*s1-s2, s1
	}
	n := float64(len(pcm))
	return total / n, 2 * (s1*s1 + s2*s2 - w*s1*s2) / (n * n)
}

// audible is the mean square above which a block is no silence, about -50 dBm0.
const audible = 80 * 80

// IsTone reports whether a block is a sine of that frequency and nothing else.
func IsTone(pcm []int16, hz float64) bool {
	total, tone := power(pcm, hz)
	return total > audible && tone > 0.8*total
}

// HasTone reports whether a block has that frequency among others.
func HasTone(pcm []int16, hz float64) bool {
	total, tone := power(pcm, hz)
	return tone > audible && tone > 0.2*total
}

// IsSilent reports whether a block is silence.
func IsSilent(pcm []int16) bool {
	total, _ := power(pcm, 1000)
	return total < audible
}

// ToneTime is how long a tone is heard in samples, in steps of 20 ms.
func ToneTime(pcm []int16, hz float64) time.Duration {
	n := 0
	for ; len(pcm) >= block; pcm = pcm[block:] {
		if IsTone(pcm[:block], hz) {
			n++
		}
	}
	return time.Duration(n) * 20 * time.Millisecond
}
