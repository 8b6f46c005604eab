package sound

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/mediatest"
)

func TestTrimLeavesThirtyAndEightyMs(t *testing.T) {
	silence := func(ms int) []int16 { return make([]int16, ms*8) }
	word := mediatest.Sine(500, 8000, 4000, 8000)
	for _, tc := range []struct{ lead, trail, wantLead, wantTrail int }{
		{500, 900, 30, 80},
		{30, 80, 30, 80},
		{10, 20, 10, 20},
		{0, 0, 0, 0},
		{0, 300, 0, 80},
	} {
		got := trim(slices.Concat(silence(tc.lead), word, silence(tc.trail)))
		want := len(word) + 8*(tc.wantLead+tc.wantTrail)
		if diff := len(got) - want; diff < 0 || diff > 2*trimWindow {
			t.Errorf("%d/%d ms: %d samples, want %d", tc.lead, tc.trail, len(got), want)
		}
		if rest := mediatest.RMS(mediatest.Floats(got)) * math.Sqrt(float64(len(got))); math.Abs(rest/(mediatest.RMS(mediatest.Floats(word))*math.Sqrt(4000))-1) > 0.01 {
			t.Errorf("%d/%d ms: the word lost energy", tc.lead, tc.trail)
		}
	}
}

func TestTrimIgnoresNoiseFloor(t *testing.T) {
	noise := mediatest.Sine(1234, 8000, 8000, 40) // −58 dBFS, 46 dB under the word
	got := trim(slices.Concat(noise, mediatest.Sine(500, 8000, 4000, 8000), noise))
	if ms := len(got) / 8; ms < 610 || ms > 625 {
		t.Fatalf("%d ms", ms)
	}
	if got[0] != 0 || got[len(got)-1] != 0 {
		t.Fatalf("cut edges are not faded: %d %d", got[0], got[len(got)-1])
	}
}

func TestTrimKeepsAPause(t *testing.T) {
	if got := trim(make([]int16, 24000)); len(got) != 24000 {
		t.Fatalf("%d samples of a silent file", len(got))
	}
	if got := trim(nil); len(got) != 0 {
		t.Fatal("nothing became something")
	}
}

func TestJoinFadesOnlyWhereItJoins(t *testing.T) {
	flat := func() *Prompt {
		pcm := make([]int16, 800)
		for i := range pcm {
			pcm[i] = 10000
		}
		return NewPrompt(pcm)
	}
	a, b := flat(), flat()
	joined := Join(a, b)
	if joined.Duration() != 200*time.Millisecond {
		t.Fatalf("%s", joined.Duration())
	}
	pcm := joined.PCM()
	if pcm[0] != 10000 || pcm[1599] != 10000 || pcm[799] != 0 || pcm[800] != 0 {
		t.Errorf("edges %d %d %d %d", pcm[0], pcm[799], pcm[800], pcm[1599])
	}
	for i := 1; i < len(pcm); i++ {
		if step := int(pcm[i]) - int(pcm[i-1]); max(step, -step) > 10000/fadeSamples+1 {
			t.Fatalf("a step of %d at %d clicks", step, i)
		}
	}
	if a.PCM()[799] != 10000 || b.PCM()[0] != 10000 {
		t.Error("joining changed a shared prompt")
	}
	if Join().Frames() != 0 || Join(a).PCM()[799] != 10000 {
		t.Error("edge cases")
	}
}

func TestFadeOfShortPieces(t *testing.T) {
	for n := range fadeSamples + 2 {
		pcm := make([]int16, n)
		fadeIn(pcm)
		fadeOut(pcm)
	}
}
