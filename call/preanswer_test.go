package call

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/sip"
)

// early sends audio before the answer.
func (p *phone) early(parts ...*sound.Prompt) {
	p.w.t.Helper()
	answer, err := p.session.Answer(p.offer)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.send(sip.Event{Kind: sip.Provisional, Code: 183, Reason: "Session Progress", Body: answer})
	p.session.Start()
	p.session.Play(media.Playback{Parts: parts})
}

// TestTonesBeforeTheAnswer: a busy or reorder tone in early media ends the dial
// after three of them, whatever the time to ring is; everything else rings on.
func TestTonesBeforeTheAnswer(t *testing.T) {
	repeat := func(n int, parts ...*sound.Prompt) (all []*sound.Prompt) {
		for range n {
			all = append(all, parts...)
		}
		return all
	}
	busy := repeat(8, tone("tone:425/350ms"), quiet(350*time.Millisecond))
	for name, tc := range map[string]struct {
		says []*sound.Prompt
		note bool
		want string // R: the ring time
		ms   int    // of it, give or take the 20 ms of a slot
	}{
		"busy":            {busy, false, `"legs":[{"target":"101","status":"busy","code":486,"ringMs":R,"early":"busy"}]`, 1864},
		"busy, noted":     {busy, true, `"status":"no_answer","code":0,"ringMs":R,"early":"busy"}]`, 20000},
		"reorder":         {repeat(12, tone("tone:425/200ms"), quiet(200*time.Millisecond)), false, `"status":"failed","code":503,"ringMs":R,"early":"reorder"}]`, 1064},
		"ring-back":       {repeat(4, tone("tone:425/1000ms"), quiet(4*time.Second)), false, `"status":"no_answer","code":0,"ringMs":R,"early":"ringback"}]`, 20000},
		"an announcement": {[]*sound.Prompt{chatter(5 * time.Second)}, false, `"status":"no_answer","code":0,"ringMs":R,"early":"voice"}]`, 20000},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.noteTones = tc.note
			w.callees["101"] = func(p *phone) { p.early(tc.says...) }
			w.inbound(Spec{})
			w.answer()
			r := w.do(func(l *Leg, v Verb) {
				l.Connect(ConnectOptions{Targets: []DialRequest{{Target: "101"}}, Timeout: 20 * time.Second}, v)
			})
			w.pass(21 * time.Second)
			got := regexp.MustCompile(`"ringMs":\d+`).ReplaceAllString(r.get(), `"ringMs":R`)
			if !strings.Contains(got, tc.want) || !within(r.get(), `"ringMs":`, tc.ms, 40) {
				t.Fatalf("%s, want %s, %d ms", r.get(), tc.want, tc.ms)
			}
			if strings.Count(w.story(), "early media") != 1 {
				t.Errorf("the timeline: %s", w.story())
			}
		})
	}
}

// TestAnswerEndsTheListening: tones of a party that has answered end nothing.
func TestAnswerEndsTheListening(t *testing.T) {
	w := newWorld(t)
	w.callees["101"] = func(p *phone) {
		p.early(tone("tone:425/350ms"), quiet(350*time.Millisecond), tone("tone:425/350ms"))
	}
	w.inbound(Spec{})
	w.answer()
	w.do(func(l *Leg, v Verb) {
		l.Connect(ConnectOptions{Targets: []DialRequest{{Target: "101"}}, Timeout: 20 * time.Second}, v)
	})
	w.pass(time.Second)
	p := w.callee("101")
	p.pickUp()
	for range 6 {
		p.session.Play(media.Playback{Parts: []*sound.Prompt{tone("tone:425/350ms"), quiet(350 * time.Millisecond)}})
		w.pass(700 * time.Millisecond)
	}
	b := w.call.legs["b"]
	if b == nil || b.state != legUp || b.talk == nil {
		t.Fatal("the talk is over")
	}
	if n := len(b.detectors); n != 0 {
		t.Fatalf("%d detectors are left", n)
	}
}
