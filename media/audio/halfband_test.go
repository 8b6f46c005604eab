package audio

import (
	"math"
	"testing"

	"github.com/loopstart/loopstart/media/mediatest"
)

// Both filters pass speech at its level and take away what the lower rate
// cannot hold, or what doubling would mirror.
func TestHalfBand(t *testing.T) {
	for _, tc := range []struct {
		hz       float64
		low, top float64 // of the level after 16 → 8 kHz, dB
	}{
		{300, -0.1, 0.1}, {1000, -0.1, 0.1}, {3000, -0.1, 0.1}, {3400, -0.5, 0.1}, {4900, -200, -45}, {6000, -200, -55}, {7500, -200, -55},
	} {
		var f Narrower
		out := inFrames(WideFrame, mediatest.Sine(tc.hz, WideRate, WideRate, 10000), func(pcm []int16) []int16 {
			return f.Process(make([]int16, WideFrame), pcm)
		})
		if got := mediatest.LevelAgainst(out[500:], 10000); got < tc.low || got > tc.top {
			t.Errorf("%v Hz down: %.2f dB", tc.hz, got)
		}
	}
	for _, hz := range []float64{300, 1000, 3000, 3300} {
		var f Wider
		out := inFrames(FrameSamples, mediatest.Sine(hz, SampleRate, SampleRate, 10000), func(pcm []int16) []int16 {
			return f.Process(make([]int16, WideFrame), pcm)
		})
		image := 10 * math.Log10(mediatest.EnergyAt(out[1000:], 8000-hz, WideRate)/mediatest.EnergyAt(out[1000:], hz, WideRate))
		if got := mediatest.LevelAgainst(out[1000:], 10000); math.Abs(got) > 0.5 || image > -35 {
			t.Errorf("%v Hz up: %.2f dB, image %.1f dB", hz, got, image)
		}
	}
}

func TestHalfBandKeepsSilenceAndClips(t *testing.T) {
	var down Narrower
	var up Wider
	for _, v := range down.Process(make([]int16, 160), make([]int16, 320)) {
		if v != 0 {
			t.Fatal("silence is no longer silent")
		}
	}
	loud := mediatest.Sine(3000, SampleRate, 1600, 32767)
	for i, v := range up.Process(make([]int16, 3200), loud)[200:] {
		if i%2 == 0 && math.Abs(float64(v)-float64(loud[(i+200)/2-halfTaps])) > 0 {
			t.Fatal("the samples that were there have changed")
		}
	}
	n := testing.AllocsPerRun(10, func() { down.Process(loud[:160], loud[:320]) })
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func inFrames(n int, pcm []int16, f func([]int16) []int16) (out []int16) {
	for i := 0; i+n <= len(pcm); i += n {
		out = append(out, f(pcm[i:i+n])...)
	}
	return out
}
