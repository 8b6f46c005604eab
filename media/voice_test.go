package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

func TestVoiceBeginsAndEnds(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(func(o *SessionOptions) { o.Voice = 300 * time.Millisecond })
	quiet := func(ms int) {
		if ms%20 == 1 {
			p.say(codec.PCMA.Silence())
		}
	}
	loud := sayTone(t, p)
	st.run(time.Second, quiet, p)
	if n := len(p.events.of(VoiceBegan)); n != 0 {
		t.Fatal("silence is no voice")
	}
	st.run(time.Second, loud, p)
	st.run(200*time.Millisecond, quiet, p) // a breath
	st.run(time.Second, loud, p)
	ended := st.clk.Now()
	st.run(time.Second, quiet, p)
	began, over := p.events.of(VoiceBegan), p.events.of(VoiceEnded)
	if len(began) != 1 || len(over) != 1 {
		t.Fatalf("%d began, %d ended", len(began), len(over))
	}
	if after := over[0].At.Sub(ended); after < 260*time.Millisecond || after > 360*time.Millisecond {
		t.Fatalf("the end is told %v after it", after)
	}
	// A peer that stops sending is silent too.
	st.run(500*time.Millisecond, loud, p)
	st.run(time.Second, nil, p)
	if n := len(p.events.of(VoiceEnded)); n != 2 {
		t.Fatalf("%d ends", n)
	}
}

func TestVoiceIsOffByDefault(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(time.Second, sayTone(t, p), p)
	st.run(time.Second, nil, p)
	if n := len(p.events.of(VoiceBegan)) + len(p.events.of(VoiceEnded)); n != 0 {
		t.Fatalf("%d events", n)
	}
}

// sayTone says a tone.
func sayTone(t *testing.T, p *party) func(ms int) {
	t.Helper()
	prompt, err := sound.Tone("tone:440/1s")
	if err != nil {
		t.Fatal(err)
	}
	audio, n := prompt.Encoded(codec.PCMA), 0
	return func(ms int) {
		if ms%20 == 1 {
			p.say(audio.Frame(n % audio.Frames()))
			n++
		}
	}
}
