package call

import "time"

// HoldTone is what a party hears while the other's phone holds and nothing better
// is known: two short notes in ten seconds say that nobody has hung up.
const HoldTone = "tone:425/150ms,silence/200ms,425/150ms,silence/9500ms"

// holdLook is how often it is looked whether a phone that holds sends music of its
// own, as a PBX does. Music that was silent for two looks has ended.
const holdLook = time.Second

// onHold is what becomes of a talk while one of its phones holds.
type onHold struct {
	music []Part // chosen for the connect or the queue; nil is HoldTone
	look  *timer
	tune  *playing // ours, for the other party
}

// tunes takes the music of a connect or a queue over for holds.
func (t *talk) tunes(music []Part) {
	if len(music) > 0 {
		t.hold.music = music
	}
}

// heldAnew follows the phones of the talk that hold. The other party hears music
// in place of silence, unless the phone sends some or the script plays something.
func (t *talk) heldAnew() {
	t.stopTune()
	for _, l := range []*Leg{t.a, t.b} {
		if l.held {
			t.lookAgain(l)
			return
		}
	}
}

// lookAgain looks in a moment at what the holding phone sends.
func (t *talk) lookAgain(l *Leg) {
	t.hold.look = t.call.after(holdLook, func() {
		if !l.held || l.talk != t {
			t.stopTune()
			return
		}
		other := t.other(l)
		switch {
		case t.call.clk.Now().Sub(l.session.LastMusic()) < 2*holdLook:
			t.endTune()
		case other.play == nil && other.state == legUp && !other.held:
			t.playTune(other)
		}
		t.lookAgain(l)
	})
}

func (t *talk) playTune(l *Leg) {
	music := t.hold.music
	if music == nil {
		music = []Part{{Play: HoldTone}}
	}
	l.speak(music, PromptOptions{Loop: true}, "", func(_ PromptResult, err error) {
		l.unheard("music of hold", "", err)
		if err != nil {
			t.hold.music = nil // told once
		}
	})
	t.hold.tune = l.play
}

// stopTune ends what is ours of the other party's prompts, and looks no more.
func (t *talk) stopTune() {
	t.hold.look.stop()
	t.endTune()
}

func (t *talk) endTune() {
	if p := t.hold.tune; p != nil && p.leg.play == p {
		p.stop()
	}
	t.hold.tune = nil
}

// other is the other party of the talk.
func (t *talk) other(l *Leg) *Leg {
	if l == t.a {
		return t.b
	}
	return t.a
}
