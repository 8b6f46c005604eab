package sound

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

// speechlike is noise in bursts with pauses, peaks well above its RMS.
func speechlike(seconds int, level float64) []int16 {
	rnd := rand.New(rand.NewPCG(3, 4))
	pcm := make([]int16, seconds*audio.SampleRate)
	for i := range pcm {
		burst := math.Max(0, math.Sin(2*math.Pi*3*float64(i)/audio.SampleRate)) // syllables
		if i/audio.SampleRate%2 == 1 && i%audio.SampleRate > 4000 {
			burst = 0.001 // a pause with some noise
		}
		pcm[i] = int16(max(min(rnd.NormFloat64()*level*burst, 32767), -32768))
	}
	return pcm
}

func peak(pcm []int16) int {
	p := 0
	for _, s := range pcm {
		p = max(p, int(s), -int(s))
	}
	return p
}

func TestNormaliseReachesLevelAndPeak(t *testing.T) {
	for name, pcm := range map[string][]int16{
		"quiet speech":  speechlike(4, 800),
		"loud speech":   speechlike(4, 12000),
		"quiet tone":    mediatest.Sine(440, 8000, 16000, 500),
		"loud tone":     mediatest.Sine(440, 8000, 16000, 32000),
		"mostly pauses": append(speechlike(2, 5000), make([]int16, 80000)...),
	} {
		normalise(pcm)
		if got := mediatest.Decibels(activeRMS(pcm) / 32768); math.Abs(got+20) > 0.5 {
			t.Errorf("%s: active level %.2f dBFS, want -20", name, got)
		}
		if peak(pcm) > peakLimit {
			t.Errorf("%s: peak %.2f dBFS", name, mediatest.Decibels(float64(peak(pcm))/32768))
		}
	}
}

func TestNormaliseLimitsPeaksOfSpikyAudio(t *testing.T) {
	pcm := speechlike(2, 1500)
	for i := 0; i < len(pcm); i += 400 {
		pcm[i] = 32767
	}
	normalise(pcm)
	if p := peak(pcm); p > peakLimit || p < limiterKnee {
		t.Fatalf("peak %d", p)
	}
}

func TestNormaliseLeavesNoiseAndSilence(t *testing.T) {
	silent := make([]int16, 1000)
	normalise(silent)
	if peak(silent) != 0 {
		t.Error("silence got a level")
	}
	hum := mediatest.Sine(50, 8000, 8000, 100) // below the activity floor
	before := slices.Clone(hum)
	normalise(hum)
	if !slices.Equal(hum, before) {
		t.Error("noise below -50 dBFS was amplified")
	}
	quiet := mediatest.Sine(440, 8000, 8000, 160) // −49 dBFS: the gain is capped
	normalise(quiet)
	if got := float64(peak(quiet)) / 160; math.Abs(got-maxGain) > 0.1 {
		t.Errorf("gain %.1f", got)
	}
}

func TestSoftLimitIsSmoothAndBounded(t *testing.T) {
	last := -float64(peakLimit) - 1
	for v := -400000.0; v <= 400000; v += 10 {
		out := softLimit(v)
		if math.Abs(out) > peakLimit || out < last {
			t.Fatalf("%.0f -> %.0f", v, out)
		}
		if math.Abs(v) <= limiterKnee && out != v {
			t.Fatalf("%.0f is below the knee and changed to %.0f", v, out)
		}
		last = out
	}
}

func BenchmarkNormaliseMinute(b *testing.B) {
	pcm := speechlike(60, 4000)
	for b.Loop() {
		normalise(pcm)
	}
}
