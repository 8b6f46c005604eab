package sound

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

func TestToneLengths(t *testing.T) {
	for spec, want := range map[string]struct {
		length  time.Duration
		endless bool
	}{
		"tone:440":                {time.Second, true},
		"tone:350+440":            {time.Second, true},
		"tone:440/500ms":          {500 * time.Millisecond, false},
		"tone:440/500":            {500 * time.Millisecond, false},
		"tone:425/1s,silence/4s":  {5 * time.Second, false},
		"tone:425/1s, silence/4s": {5 * time.Second, false},
		"silence:3s":              {3 * time.Second, false},
		"silence:1.5s":            {1500 * time.Millisecond, false},
		"tone:silence":            {time.Second, true},
	} {
		p, err := Tone(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if p.Duration() != want.length || p.Endless() != want.endless {
			t.Errorf("%s: %s, endless %v", spec, p.Duration(), p.Endless())
		}
	}
}

func TestToneLevelAndFrequencies(t *testing.T) {
	for spec, freqs := range map[string][]float64{"tone:440": {440}, "tone:480+620": {480, 620}, "tone:425/1s": {425}} {
		p, err := Tone(spec)
		mediatest.Must(t, err)
		pcm := mediatest.Floats(p.PCM())
		if got := mediatest.Decibels(mediatest.RMS(pcm)/32767) + 3.01 + 3.14; math.Abs(got+10) > 0.1 {
			t.Errorf("%s: %.2f dBm0, want -10", spec, got)
		}
		for _, hz := range freqs {
			want := toneLevel * math.Sqrt2 / math.Sqrt(float64(len(freqs)))
			if got := mediatest.LevelAt(pcm, hz, 8000); math.Abs(got/want-1) > 0.02 {
				t.Errorf("%s: %.0f Hz has amplitude %.0f, want %.0f", spec, hz, got, want)
			}
		}
	}
}

func TestEndlessToneHasNoSeam(t *testing.T) {
	p, err := Tone("tone:441+1003")
	mediatest.Must(t, err)
	twice := append(append([]int16{}, p.PCM()...), p.PCM()...)
	for i := range 400 {
		at := 8000 - 200 + i
		want := 0.0
		for _, hz := range []float64{441, 1003} {
			want += toneLevel * math.Sin(2*math.Pi*hz*float64(at)/8000)
		}
		if math.Abs(float64(twice[at])-want) > 1 {
			t.Fatalf("sample %d: %d, want %.1f", at, twice[at], want)
		}
	}
}

func TestCadenceIsSilentBetween(t *testing.T) {
	p, err := Tone("tone:425/100ms,silence/100ms,425/100ms")
	mediatest.Must(t, err)
	pcm := p.PCM()
	if peak(pcm[800:1600]) != 0 || peak(pcm[:800]) == 0 || peak(pcm[1600:]) == 0 {
		t.Fatalf("%d %d %d", peak(pcm[:800]), peak(pcm[800:1600]), peak(pcm[1600:]))
	}
	if pcm[799] != 0 || pcm[0] != 0 {
		t.Fatal("edges of a beep click")
	}
}

func TestToneErrors(t *testing.T) {
	for _, spec := range []string{
		"", "440", "tone:", "tone:abc", "tone:0", "tone:-440", "tone:3901", "tone:440/0s", "tone:440/-1s", "tone:440/x", "tone:440/11m",
		"tone:440,silence/1s", "tone:1+2+3+4+5", "silence:", "silence:0", "silence:99999999999", "tone:440/9m,440/9m",
		"tone:" + strings.Repeat("440/1s,", 40), strings.Repeat("x", 300), "tone:NaN", "tone:4\r\n40/1s",
	} {
		p, err := Tone(spec)
		if e, ok := errors.AsType[*fault.Error](err); p != nil || !ok || e.Code != fault.Invalid || e.Hint == "" {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestIsTone(t *testing.T) {
	for source, want := range map[string]bool{"tone:440": true, "silence:1s": true, "hello.wav": false, "tones/a.wav": false, "": false} {
		if IsTone(source) != want {
			t.Errorf("%q", source)
		}
	}
}

func FuzzTone(f *testing.F) {
	for _, s := range []string{"tone:440", "tone:350+440/1s,silence/4s", "silence:3s", "tone:425/1ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		segments, err := parseTone(spec)
		if err != nil {
			return
		}
		total := 0
		for _, s := range segments {
			total += s.samples
		}
		if total < 0 || time.Duration(total)*time.Second/audio.SampleRate > maxToneDuration {
			t.Fatalf("%q lasts %d samples", spec, total)
		}
	})
}
