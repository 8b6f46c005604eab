package sound

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

func TestPromptFramesAndPadding(t *testing.T) {
	for _, tc := range []struct {
		samples, frames int
		length          time.Duration
	}{{0, 0, 0}, {1, 1, 125 * time.Microsecond}, {160, 1, 20 * time.Millisecond}, {161, 2, 20125 * time.Microsecond}, {320, 2, 40 * time.Millisecond}} {
		pcm := mediatest.Sine(440, 8000, tc.samples, 10000)
		p := NewPrompt(pcm)
		if p.Frames() != tc.frames || p.Duration() != tc.length || p.Endless() {
			t.Errorf("%d samples: %d frames, %s", tc.samples, p.Frames(), p.Duration())
		}
		for _, c := range codec.All() {
			e := p.Encoded(c)
			if e.Frames() != tc.frames || e.Codec() != c {
				t.Fatalf("%s: %d frames", c, e.Frames())
			}
			if c.G711 == nil {
				continue // what they say is looked at in prompt_wide_test.go
			}
			want := bytes.Repeat(c.Silence()[:1], tc.frames*160)
			c.Encode(want, pcm)
			var got []byte
			for i := range e.Frames() {
				got = append(got, e.Frame(i)...)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %d samples: frames differ from the audio", c, tc.samples)
			}
		}
	}
}

func TestFrameOutsideIsSilence(t *testing.T) {
	e := NewPrompt(mediatest.Sine(440, 8000, 500, 10000)).Encoded(codec.PCMU)
	for _, i := range []int{-1, 4, 1 << 40} {
		if !bytes.Equal(e.Frame(i), codec.PCMU.Silence()) {
			t.Errorf("frame %d", i)
		}
	}
	if f := e.Frame(0); cap(f) != 160 {
		t.Errorf("an append to a frame would write into the next: cap %d", cap(f))
	}
}

func TestPromptIsEncodedOnceForAll(t *testing.T) {
	p := NewPrompt(mediatest.Sine(440, 8000, 80000, 10000))
	const callers = 32
	forms := make([]*Encoded, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			forms[i] = p.Encoded(codec.PCMA)
			p.Encoded(codec.PCMU)
		})
	}
	wg.Wait()
	for _, f := range forms {
		if f != forms[0] {
			t.Fatal("two encoded forms of one codec")
		}
	}
	if p.Encoded(codec.PCMU) == forms[0] {
		t.Fatal("the codecs share a form")
	}
}

func BenchmarkEncodePromptMinute(b *testing.B) {
	pcm := mediatest.Sine(440, 8000, 60*8000, 10000)
	for b.Loop() {
		NewPrompt(pcm).Encoded(codec.PCMA)
	}
}

func TestFramesOfPromptsDoNotAllocate(t *testing.T) {
	payload := make([]byte, audio.FrameSamples)
	encoded := NewPrompt(make([]int16, 10*audio.FrameSamples)).Encoded(codec.PCMU)
	n := testing.AllocsPerRun(100, func() {
		copy(payload, encoded.Frame(3))
		copy(payload, encoded.Frame(99))
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
