package call

import (
	"strings"
	"testing"
	"time"
)

// TestPauseAndSeek: a prompt rests, goes on, and goes on elsewhere; what counts
// as heard is what was sent.
func TestPauseAndSeek(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	play := func(spec string, from time.Duration) *reply {
		return w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: spec}}, PromptOptions{From: from}, v) })
	}
	r := play("tone:440/10s", 0)
	w.pass(2 * time.Second)
	w.do(func(l *Leg, v Verb) { l.PausePrompt(true, v) })
	w.pass(time.Minute)
	if r.get() != "…" {
		t.Fatalf("it has ended: %s", r.get())
	}
	w.do(func(l *Leg, v Verb) { l.PausePrompt(false, v) })
	w.pass(time.Second)
	w.do(func(l *Leg, v Verb) { l.SeekPrompt(4*time.Second, true, v) })
	w.pass(2 * time.Second)
	w.do(func(l *Leg, v Verb) { l.SeekPrompt(-time.Second, true, v) })
	w.pass(3 * time.Second)
	if !within(r.get(), `"playedMs":`, 7000, 100) || !strings.Contains(r.get(), `"completed":true`) {
		t.Fatal(r.get())
	}
	r = play("tone:440/10s", 8*time.Second)
	w.pass(3 * time.Second)
	if !within(r.get(), `"playedMs":`, 2000, 0) || !strings.Contains(r.get(), `"percent":100`) {
		t.Fatal(r.get())
	}
	r = play("tone:440/10s", 0)
	w.pass(time.Second)
	w.do(func(l *Leg, v Verb) { l.SeekPrompt(time.Minute, false, v) })
	w.pass(100 * time.Millisecond)
	if !strings.Contains(r.get(), `"completed":true`) {
		t.Fatalf("behind its end it is over: %q", r.get())
	}
	if s := w.story(); !strings.Contains(s, `prompt pause "<tone`) || !strings.Contains(s, `prompt resume "<tone`) || !strings.Contains(s, "by 4s") {
		t.Error(s)
	}
	w.do(func(l *Leg, v Verb) { l.PausePrompt(true, v) }) // nothing plays
}

// within finds a number behind a name and compares it.
func within(text, name string, want, off int) bool {
	_, rest, ok := strings.Cut(text, name)
	n := 0
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return ok && n >= want-off && n <= want+off
}
