package call

import (
	"strconv"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/sip"
)

// progress answers 183 with early media of that phone's session; an empty tag
// is the one of a dialog that does not fork.
func (p *phone) progress(s *media.Session, tag string) {
	answer, err := s.Answer(p.offer)
	if err != nil {
		p.w.t.Error(err)
	}
	s.Start()
	p.send(sip.Event{Kind: sip.Provisional, Code: 183, Body: answer, Tag: tag})
}

// TestEarlyMediaOfTrunks: what the caller of a connect hears before the answer.
// The callee's side sends a steady tone, our ring tone has pauses.
func TestEarlyMediaOfTrunks(t *testing.T) {
	for _, tc := range []struct {
		early            EarlyMedia
		up, rings        bool // the caller is answered; a 180 comes before
		at1, at3         bool // heard after 1 s (the tone, or the ring), and after 3 s (the tone, or the ring's pause)
		told180, told183 bool
	}{
		{EarlyPass, false, true, true, true, true, true},
		{EarlyPass, false, false, true, true, false, true},
		{EarlyRingback, false, true, true, false, false, true},
		{EarlyRingback, false, false, true, false, false, true},
		{EarlyIgnore, false, true, false, false, true, false},
		{EarlyIgnore, false, false, false, false, false, false},
		{EarlyPass, true, true, true, true, false, false},
		{EarlyRingback, true, true, true, false, false, false},
		{EarlyIgnore, true, true, false, false, false, false},
	} {
		t.Run(strconv.Itoa(int(tc.early))+strconv.FormatBool(tc.up)+strconv.FormatBool(tc.rings), func(t *testing.T) {
			w := newWorld(t)
			w.early = tc.early
			caller := w.inbound(Spec{})
			if tc.up {
				w.answer()
			}
			w.callees["anna"] = func(p *phone) {
				if tc.rings {
					p.ring()
				}
				p.progress(p.session, "")
				p.speak("tone:800/6s")
			}
			o := connectTo("anna")
			o.Waiting = Waiting{Silent: true}
			r := w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
			w.pass(900 * time.Millisecond)
			if caller.hears() != tc.at1 {
				t.Errorf("after 1 s: %v\n%s", caller.hears(), w.story())
			}
			w.pass(2 * time.Second)
			if caller.hears() != tc.at3 {
				t.Errorf("after 3 s: %v\n%s", caller.hears(), w.story())
			}
			if caller.did("180") != tc.told180 || caller.did("183") != tc.told183 {
				t.Errorf("told %v", caller.log)
			}
			w.pass(4 * time.Second) // the callee is silent now
			anna := w.callee("anna")
			anna.session.StopPlay()
			anna.pickUp()
			w.pass(200 * time.Millisecond)
			if caller.hears() {
				t.Error("something goes on in the talk")
			}
			anna.speak("tone:800/2s")
			w.pass(time.Second)
			if !caller.hears() {
				t.Errorf("the caller does not hear the callee\n%s", w.story())
			}
			anna.bye()
			w.pass(time.Second)
			if got := r.get(); got == "…" {
				t.Error("connect goes on")
			}
		})
	}
}

// TestForkedEarlyMedia: two phones behind a proxy send early media; the caller
// hears the newest, and after the answer the one that picked up.
func TestForkedEarlyMedia(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.callees["anna"] = func(p *phone) {
		other, err := w.phones.Open(media.SessionOptions{Bind: loopback})
		if err != nil {
			t.Error(err)
		}
		t.Cleanup(other.Close)
		p.progress(p.session, "one")
		p.progress(other, "two")
		other.Play(media.Playback{Parts: []*sound.Prompt{tone("tone:800/2s")}})
	}
	o := connectTo("anna")
	w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
	w.pass(time.Second)
	if !caller.hears() {
		t.Fatalf("the newest fork is not heard\n%s", w.story())
	}
	w.pass(2 * time.Second)
	anna := w.callee("anna")
	anna.pickUp()
	w.pass(200 * time.Millisecond)
	anna.speak("tone:500/2s")
	w.pass(time.Second)
	if !caller.hears() {
		t.Fatalf("the fork that answered is not heard\n%s", w.story())
	}
	caller.speak("tone:500/2s")
	w.pass(2 * time.Second)
	if !anna.hears() && anna.voice == 0 {
		t.Fatal("the fork that answered does not hear the caller")
	}
}
