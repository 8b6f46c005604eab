// Package mediatest makes and measures audio for tests.
package mediatest

import (
	"encoding/binary"
	"math"
	"testing"
)

// Sine is n samples of a sine of the peak amplitude.
func Sine(hz, rate float64, n int, amplitude float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/rate)))
	}
	return pcm
}

// Tone is a sine of so many milliseconds at 8 kHz.
func Tone(hz float64, ms int, amplitude float64) []int16 { return Sine(hz, 8000, 8*ms, amplitude) }

// LevelAt is the amplitude of one frequency, by a Hann-windowed transform at
// that frequency, which keeps other frequencies out by more than 100 dB.
func LevelAt(pcm []float64, hz, rate float64) float64 {
	var re, im, gain float64
	n := float64(len(pcm))
	for i, v := range pcm {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/n)
		re += w * v * math.Cos(2*math.Pi*hz*float64(i)/rate)
		im += w * v * math.Sin(2*math.Pi*hz*float64(i)/rate)
		gain += w
	}
	return 2 * math.Hypot(re, im) / gain
}

// Floats is the same as floating point numbers.
func Floats[T int16 | float32](in []T) []float64 {
	out := make([]float64, len(in))
	for i, v := range in {
		out[i] = float64(v)
	}
	return out
}

// RMS is the root of the mean square.
func RMS(pcm []float64) float64 {
	sum := 0.0
	for _, v := range pcm {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(pcm)))
}

// Decibels of a ratio of amplitudes.
func Decibels(ratio float64) float64 { return 20 * math.Log10(ratio) }

// WAVBytes builds a WAVE file of the format around the data.
func WAVBytes(tag uint16, channels, rate, bits int, data []byte) []byte {
	le := binary.LittleEndian
	b := []byte("RIFF")
	b = le.AppendUint32(b, uint32(36+len(data)))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, tag)
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*channels*bits/8))
	b = le.AppendUint16(b, uint16(channels*bits/8))
	b = le.AppendUint16(b, uint16(bits))
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// Bytes are the samples as the bytes of a file.
func Bytes(pcm []int16) []byte {
	b := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

// Must ends the test with the error, if there is one.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// LevelAgainst is the level of a tone in dB against one of the amplitude.
func LevelAgainst(pcm []int16, amplitude float64) float64 {
	power := 0.0
	for _, v := range pcm {
		power += float64(v) * float64(v) / float64(len(pcm))
	}
	return 10 * math.Log10(max(power, 1e-3)/(amplitude*amplitude/2))
}

// EnergyAt is the energy of a frequency in audio at a rate, by Goertzel's
// algorithm.
func EnergyAt(pcm []int16, hz float64, rate int) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var a, b float64
	for _, s := range pcm {
		a, b = float64(s)+c*a-b, a
	}
	return (a*a + b*b - c*a*b) * 2 / float64(len(pcm))
}
