package call

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
)

// TestDeadAir: an alarm after so long of nothing, once, until something is
// heard; prompts, voices and hold are no dead air.
func TestDeadAir(t *testing.T) {
	w := newWorld(t)
	w.deps.DeadAir = 10 * time.Second
	caller := w.inbound(Spec{})
	w.answer()
	alarms := func() int { return strings.Count(w.story(), "dead air") }
	for _, step := range []struct {
		name string
		do   func()
		pass time.Duration
		want int
	}{
		{"not yet", func() {}, 9 * time.Second, 0},
		{"a prompt", func() {
			w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/5s"}}, PromptOptions{}, v) })
		}, 14 * time.Second, 0},
		{"the caller speaks", func() { caller.session.Play(media.Playback{Parts: []*sound.Prompt{chatter(4 * time.Second)}}) }, 13 * time.Second, 0},
		{"the caller's packets hold silence", func() { caller.session.Play(media.Playback{Parts: []*sound.Prompt{quiet(30 * time.Second)}}) }, 12 * time.Second, 1},
		{"once", func() {}, time.Minute, 1},
		{"heard, and again nothing", func() { caller.speak("tone:300/2s") }, 30 * time.Second, 2},
	} {
		step.do()
		w.pass(step.pass)
		if got := alarms(); got != step.want {
			t.Fatalf("%s: %d alarms, want %d\n%s", step.name, got, step.want, w.story())
		}
	}
	if !w.told("media") || w.deps.Counters.DeadAir.Load() != 2 {
		t.Errorf("%d counted", w.deps.Counters.DeadAir.Load())
	}
}
