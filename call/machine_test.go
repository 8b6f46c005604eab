package call

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/detect"
	"github.com/loopstart/loopstart/media/sound"
)

// chatter is voice-like sound: words of 250 ms with pauses between them.
func chatter(d time.Duration) *sound.Prompt {
	rnd := rand.New(rand.NewPCG(1, 2))
	pcm := make([]int16, d*8/time.Millisecond)
	for i := range pcm {
		if i%2400 < 2000 {
			pcm[i] = int16(rnd.IntN(8000) - 4000)
		}
	}
	return sound.NewPrompt(pcm)
}

func quiet(d time.Duration) *sound.Prompt {
	return sound.NewPrompt(make([]int16, d*8/time.Millisecond))
}

func TestDetectMachine(t *testing.T) {
	beep := tone("tone:1000/500ms")
	for name, tc := range map[string]struct {
		says []*sound.Prompt
		want string
	}{
		"a person":  {[]*sound.Prompt{quiet(400 * time.Millisecond), chatter(600 * time.Millisecond)}, `"verdict":"human"`},
		"a machine": {[]*sound.Prompt{quiet(400 * time.Millisecond), chatter(5 * time.Second), beep}, `"verdict":"machine"`},
		"a beep":    {[]*sound.Prompt{quiet(400 * time.Millisecond), beep}, `"verdict":"beep"`},
		"nobody":    {[]*sound.Prompt{quiet(100 * time.Millisecond)}, `"verdict":"unknown"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			caller := w.inbound(Spec{})
			w.answer()
			r := w.do(func(l *Leg, v Verb) { l.DetectMachine(Detection{}, v) })
			caller.session.Play(media.Playback{Parts: tc.says})
			w.pass(8 * time.Second)
			if !strings.Contains(r.get(), tc.want) {
				t.Fatalf("%s, want %s", r.get(), tc.want)
			}
			if n := len(w.call.main.detectors); n != 0 {
				t.Fatalf("%d detectors are left", n)
			}
		})
	}
}

func TestWaitForBeep(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	parts := []*sound.Prompt{chatter(3 * time.Second), quiet(300 * time.Millisecond), tone("tone:1000/500ms")}
	r := w.do(func(l *Leg, v Verb) { l.WaitForBeep(0, v) })
	caller.session.Play(media.Playback{Parts: parts})
	w.pass(5 * time.Second)
	if !strings.HasPrefix(r.get(), `{"beep":true,"afterMs":`) {
		t.Fatal(r.get())
	}
	r = w.do(func(l *Leg, v Verb) { l.WaitForBeep(2*time.Second, v) })
	w.pass(3 * time.Second)
	w.want(r, `{"beep":false,"afterMs":2000}`)
	var cancel func()
	r = w.do(func(l *Leg, v Verb) { cancel = l.WaitForBeep(0, v) })
	w.do(func(*Leg, Verb) { cancel() })
	w.want(r, "CONFLICT")
	r = w.do(func(l *Leg, v Verb) { l.DetectMachine(Detection{}, v) })
	caller.bye()
	w.pass(time.Second)
	w.want(r, "HANGUP")
}

// TestMachineIsAnOutcome: whoever was not reached is not delivered to, whatever
// the machine was told.
func TestMachineIsAnOutcome(t *testing.T) {
	f := facts{outbound: true, answered: true, scriptEnded: true, machine: true}
	if got := f.outcome(); got != Machine {
		t.Fatal(got)
	}
	f.scriptFailed = true
	if got := f.outcome(); got != Failed {
		t.Fatal(got)
	}
	if !slices.Contains(detect.AnswerPresets(), "balanced") {
		t.Fatal("no preset")
	}
}

// TestKeyIsDelivered under every rule: who presses a key is not rung again for
// having been quick. A machine stays a machine.
func TestKeyIsDelivered(t *testing.T) {
	for rule, want := range map[string][3]Outcome{ // nothing pressed and left, pressed, heard all
		"": {AnsweredShort, Delivered, Delivered}, "6s": {AnsweredShort, Delivered, Delivered},
		"80%": {AnsweredShort, Delivered, Delivered}, "key": {AnsweredShort, Delivered, AnsweredShort},
	} {
		after, err := ParseDeliveredAfter(rule)
		if err != nil {
			t.Fatal(err)
		}
		short := facts{outbound: true, answered: true, heard: 2 * time.Second, percent: 20, after: after}
		pressed, all := short, short
		pressed.keyPressed = true
		all.heard, all.percent, all.scriptEnded = 20*time.Second, 100, true
		if got := [3]Outcome{short.outcome(), pressed.outcome(), all.outcome()}; got != want {
			t.Errorf("%q: %v, want %v", rule, got, want)
		}
	}
}

// TestClipOfAnAnswer: what was heard until the verdict is a recording.
func TestClipOfAnAnswer(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{ID: "c1"})
	w.answer()
	r := w.do(func(l *Leg, v Verb) { l.DetectMachine(Detection{Clip: true}, v) })
	caller.session.Play(media.Playback{Parts: []*sound.Prompt{quiet(400 * time.Millisecond), tone("tone:1000/500ms")}})
	w.pass(8 * time.Second)
	if !strings.Contains(r.get(), `"clip":{"id":"c1-answer","durationMs":1`) || !strings.Contains(r.get(), `"verdict":"beep"`) {
		t.Fatal(r.get())
	}
	p, err := sound.NewLibrary(sound.LibraryOptions{}).Load(t.Context(), filepath.Join(w.dir, "c1-answer.wav"), sound.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pcm := p.PCM(); len(pcm) < 8*1000 || len(pcm) > 8*2000 || meanOf(pcm[8*600:8*800]) < 1000 || meanOf(pcm[:8*300]) > 10 {
		t.Fatalf("%d samples", len(pcm))
	}
	if !slices.Contains(w.events, "stored c1-answer") {
		t.Errorf("%v", w.events)
	}
}

func meanOf(pcm []int16) int {
	sum := 0
	for _, v := range pcm {
		sum += max(int(v), -int(v))
	}
	return sum / len(pcm)
}
