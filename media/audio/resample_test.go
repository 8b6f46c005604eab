package audio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/loopstart/loopstart/media/mediatest"
)

// resampled passes a whole signal through in pieces of the size.
func resampled(t testing.TB, rate int, in []float32, piece int) []float32 {
	t.Helper()
	r, err := NewResampler(rate)
	if err != nil {
		t.Fatal(err)
	}
	var out []float32
	for len(in) > 0 {
		n := min(piece, len(in))
		out = r.Process(out, in[:n])
		in = in[n:]
	}
	return r.Flush(out)
}

func tone32(hz float64, rate, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(10000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return out
}

// The filter is measured as a listener would: tones in, level out. What lies
// above 4 kHz folds down to 8000−f (or stays silent).
func TestResamplerPassAndStopBand(t *testing.T) {
	for _, rate := range []int{11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			for _, tc := range []struct{ hz, low, high float64 }{
				{100, -0.05, 0.05},
				{300, -0.05, 0.05},
				{1004, -0.05, 0.05},
				{2000, -0.05, 0.05},
				{2800, -0.1, 0.1},
				{3000, -0.3, 0.05},
				{3400, -1.5, 0.05},
				{4400, -300, -75},
				{5000, -300, -95},
				{5400, -300, -95},
				{7000, -300, -95},
			} {
				if tc.hz >= float64(rate)/2 {
					continue
				}
				out := mediatest.Floats(resampled(t, rate, tone32(tc.hz, rate, rate), 1000))
				out = out[800 : len(out)-800] // the edges of the signal are no tone
				heard := tc.hz
				if heard > 4000 {
					heard = math.Abs(8000 - heard)
				}
				if got := mediatest.Decibels(mediatest.LevelAt(out, heard, 8000) / 10000); got < tc.low || got > tc.high {
					t.Errorf("%.0f Hz: %.2f dB, want %.2f to %.2f", tc.hz, got, tc.low, tc.high)
				}
				if tc.hz > 4000 { // nowhere else either
					if got := mediatest.Decibels(mediatest.RMS(out) * math.Sqrt2 / 10000); got > tc.high+3 {
						t.Errorf("%.0f Hz: %.2f dB in all", tc.hz, got)
					}
				}
			}
		})
	}
}

func TestUpsamplingMakesNoImages(t *testing.T) {
	out := mediatest.Floats(resampled(t, 6000, tone32(1000, 6000, 6000), 1000))
	out = out[800 : len(out)-800]
	if got := mediatest.Decibels(mediatest.LevelAt(out, 1000, 8000) / 10000); math.Abs(got) > 0.05 {
		t.Errorf("1000 Hz: %.2f dB", got)
	}
	for i, v := range out { // what is left after the tone is noise and images
		out[i] = v - 10000*math.Sin(2*math.Pi*1000*float64(i+800)/8000)
	}
	if got := mediatest.Decibels(mediatest.RMS(out) / 10000); got > -60 {
		t.Errorf("images and phase error: %.1f dB", got)
	}
}

// A sample of the output lies at the same instant as in the input.
func TestResamplerKeepsTime(t *testing.T) {
	for _, rate := range []int{16000, 22050, 48000} {
		out := resampled(t, rate, tone32(500, rate, rate), 777)
		for i := 400; i < 7600; i++ {
			want := 10000 * math.Sin(2*math.Pi*500*float64(i)/8000)
			if math.Abs(float64(out[i])-want) > 20 {
				t.Fatalf("%d: sample %d is %.1f, want %.1f", rate, i, out[i], want)
			}
		}
	}
}

func TestResamplerLengthAndChunks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []int{4000, 7999, 11025, 12345, 16000, 22050, 44100, 47999, 48000, 192000} {
		for _, n := range []int{0, 1, 7, 1000, 4097} {
			in := make([]float32, n)
			for i := range in {
				in[i] = float32(rnd.IntN(20000) - 10000)
			}
			whole := resampled(t, rate, in, max(n, 1))
			if want := math.Ceil(float64(n) * 8000 / float64(rate)); math.Abs(float64(len(whole))-want) > 1+want/1000 {
				t.Errorf("%d samples at %d: %d out, want %.0f", n, rate, len(whole), want)
			}
			pieces := resampled(t, rate, in, 1+rnd.IntN(300))
			if len(pieces) != len(whole) {
				t.Fatalf("%d at %d: %d in pieces, %d as a whole", n, rate, len(pieces), len(whole))
			}
			for i := range whole {
				if whole[i] != pieces[i] {
					t.Fatalf("%d at %d: sample %d differs in pieces", n, rate, i)
				}
			}
		}
	}
}

func TestRatio(t *testing.T) {
	for rate, want := range map[int][2]int{16000: {1, 2}, 24000: {1, 3}, 22050: {160, 441}, 44100: {80, 441}, 11025: {320, 441}, 6000: {4, 3}} {
		if p, q := ratio(SampleRate, rate, maxPhases); p != want[0] || q != want[1] {
			t.Errorf("%d: %d/%d", rate, p, q)
		}
	}
	for rate := MinInputRate; rate <= MaxInputRate; rate += 13 {
		p, q := ratio(SampleRate, rate, maxPhases)
		if p < 1 || p > maxPhases || math.Abs(float64(p)/float64(q)*float64(rate)/SampleRate-1) > 1e-3 {
			t.Fatalf("%d: %d/%d", rate, p, q)
		}
	}
}

func TestResamplerRefusesRates(t *testing.T) {
	for _, rate := range []int{-1, 0, MinInputRate - 1, MaxInputRate + 1} {
		if _, err := NewResampler(rate); err == nil {
			t.Errorf("%d is accepted", rate)
		}
	}
	if r, err := NewResampler(8000); r != nil || err != nil {
		t.Error("8000 needs no filter")
	}
}

func BenchmarkResampleSecond(b *testing.B) {
	for _, rate := range []int{16000, 22050, 24000, 44100, 48000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			r, _ := NewResampler(rate)
			in, out := tone32(440, rate, rate), make([]float32, 0, 8192)
			r.Process(out, in)
			b.ReportAllocs()
			for b.Loop() {
				r.Process(out[:0], in)
			}
		})
	}
}
