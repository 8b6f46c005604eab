package call

import (
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// A leg may change the phone behind it: after a transfer somebody else goes on
// with the talk, under the same handle, in the same bridge and with the same
// verbs waiting. What changes is dialog and media session.

// byeAfter is how long the party that has transferred its talk may take to hang
// up by itself, once it knows that the transfer has succeeded.
const byeAfter = 500 * time.Millisecond

// moving is what a leg keeps of transfers and messages.
type moving struct {
	hidden  bool // the script has no handle of the leg
	moved   bool // somebody else is there than at its begin
	heir    *Leg // who goes on with dialog and session
	consult *Leg // who was asked before, in an attended transfer of ours
	taken   bool // the party has agreed to our transfer
	handing *handing
	parted  *sip.Event       // the party has left during the transfer that it asked for
	sending []func(code int) // messages and INFOs under way; nil for those that nobody waits for
}

// adopt gives the leg the dialog and session of n, which is answered and stops
// being a leg of its own. Who was there has that time to hang up by itself.
func (l *Leg) adopt(n *Leg, patience time.Duration) {
	c, old, session, t := l.call, l.dialog, l.session, l.talk
	gone := l.parted != nil
	wasUp := l.state == legUp
	l.settleMedia()
	c.measure(l)
	recorded := l.rec != nil
	l.dialog, l.session, l.place, l.route, l.parted = n.dialog, n.session, n.place, n.route, nil
	l.lateOffer, l.described, l.started, l.rfc4733, l.held, l.holding = n.lateOffer, n.described, n.started, false, false, false
	l.suite, l.policy, l.bareTold = n.suite, n.policy, n.bareTold
	l.leaving, l.code, l.reason, l.remoteEnd, l.moved = false, 0, "", false, true
	n.heir, n.onState, n.onEnd = l, nil, nil
	delete(c.legs, n.name)
	c.shareTargets()
	if session != nil {
		if m := l.room; m != nil {
			session.Unmix()
			c.deps.Rooms.handOver(m, n.Party().Number())
		}
		session.Close()
	}
	if recorded {
		c.recordAgain(l)
	}
	if p := l.play; p != nil && p.started { // whoever came has heard nothing of it
		p.start(p.audio, p.volume)
	}
	if t != nil {
		t.rejoin()
		if t.moved != nil {
			t.moved(l)
		}
	}
	l.note("state", "goes on with "+n.Party().Number(), "")
	if old != nil && !gone {
		end := func() { old.Hangup() }
		if !wasUp && !l.outbound {
			end = func() { _ = old.Reject(487, "") } // it may have cancelled already
		}
		if patience == 0 {
			end()
		} else {
			c.after(patience, end)
			l.onEnd = append(l.onEnd, end) // the timer ends with the call
		}
	}
	switch {
	case wasUp:
	case n.state == legUp:
		l.up(c.clk.Now())
	default:
		l.state = n.state
	}
}

// recordAgain goes on with a recording in a new file: the one before has ended
// with its session.
func (c *Call) recordAgain(l *Leg) {
	of := c.talkRec == l.rec
	l.rec = nil
	r, err := l.startRecording(c.recordingID(), "", media.RecorderOptions{Mixed: true, Stereo: c.spec.Stereo}, "")
	if err != nil {
		l.note("recording", err.Error(), "")
		return
	}
	if of {
		c.talkRec = r
	}
}

// settleMedia ends what waits for the session that goes.
func (l *Leg) settleMedia() {
	if r := l.message; r != nil {
		r.finish("hangup")
	}
	if l.rec != nil {
		l.session.StopRecord(l.rec.rec)
	}
	for _, p := range l.heard {
		if p != l.play {
			p.finish(PromptResult{Digit: p.digit}, nil)
		}
	}
	l.heard = map[uint32]*playing{}
	if v := l.sendingID; v != nil {
		l.sendingID = nil
		v.ok(nil)
	}
	for _, f := range l.reoffer {
		f(481, nil)
	}
	for range l.sending {
		l.sent(481)
	}
	l.reoffer = nil
}

// rejoin bridges the talk's two sessions as they are now.
func (t *talk) rejoin() {
	for _, l := range []*Leg{t.a, t.b} {
		l.interrupt()
		l.session.StopPlay()
	}
	t.a.session.Bridge(t.b.session)
}

// alone lets the other side of a talk hear that it rings.
func (l *Leg) alone() {
	t := l.talk
	if t == nil {
		return
	}
	other := t.other(l)
	t.a.session.Unbridge()
	other.speak([]Part{{Play: RingTone}}, PromptOptions{Loop: true}, "", func(PromptResult, error) {})
}

// Replace puts a new dialog, an INVITE with Replaces (RFC 3891) or one end of a
// Pipe, in the place of the call's dialog of that ID. It reports false when the
// call has no such dialog; then the new one is as it was.
func (c *Call) Replace(dialog string, d Dialog, o media.SessionOptions, who Place) bool {
	done := make(chan bool, 1)
	if !c.post(func() { done <- c.replace(dialog, d, o, who) }) {
		return false
	}
	select {
	case ok := <-done:
		return ok
	case <-c.gone:
		return false
	}
}

func (c *Call) replace(dialog string, d Dialog, o media.SessionOptions, who Place) bool {
	var l *Leg
	for _, x := range c.legsInOrder() {
		if x.dialog != nil && x.dialog.ID() == dialog && x.state != legEnded && !x.leaving {
			l = x
		}
	}
	// Who rings us can be replaced only by our own hand: RFC 3891 §3 forbids it to an
	// INVITE of others.
	_, patched := d.(*pipe)
	if l == nil || l.state < legUp && !l.outbound && !patched || l.supervises != nil {
		return false
	}
	n, err := c.addLeg(false)
	if err != nil {
		return false
	}
	n.place, n.dialog, n.hidden = who, d, true
	if err := n.open(o); err != nil {
		delete(c.legs, n.name)
		return false
	}
	n.follow(d, func() {})
	n.note("state", who.Name+" takes the place of "+l.Party().Number(), "")
	take, patience := func() error { return n.accept(nil) }, time.Duration(0)
	if l.state < legUp && !l.outbound {
		take, patience = func() error { return n.wait(l.state) }, byeAfter // its phone cancels by itself
	}
	if err := take(); err != nil {
		n.note("media", err.Error(), "")
		n.code = 488
		_ = d.Reject(488, "")
		return true
	}
	l.adopt(n, patience)
	return true
}

// wait tells who takes the place of a caller that is not answered yet how far
// that call has come.
func (l *Leg) wait(as legState) error {
	switch as {
	case legRinging:
		l.Ring(Verb{Reply: func(any, error) {}})
	case legEarly:
		return l.early("")
	}
	return nil
}

// Holds tells whether one of the call's legs has the dialog of that ID. It is
// safe from any goroutine.
func (c *Call) Holds(dialog string) bool {
	_, ok := c.shared(dialog)
	return ok
}

// shared is what other goroutines may know of a dialog: its ID, the user or
// number that its party talks with, and that it calls us and is not answered.
type shared struct {
	id, with string
	unheard  bool
}

func (c *Call) shared(dialog string) (shared, bool) {
	if list := c.dialogs.Load(); list != nil {
		for _, s := range *list {
			if s.id == dialog {
				return s, true
			}
		}
	}
	return shared{}, false
}

// With is the user or number that the party of that dialog talks with, "" while
// it talks with nobody. It is safe from any goroutine.
func (c *Call) With(dialog string) string {
	s, _ := c.shared(dialog)
	return s.with
}

// Unanswered tells whether the dialog is of somebody who calls us and is not
// answered yet. It is safe from any goroutine.
func (c *Call) Unanswered(dialog string) bool {
	s, _ := c.shared(dialog)
	return s.unheard
}

// shareDialogs keeps the IDs of all dialogs, and who talks with whom, where
// other goroutines may read them.
func (c *Call) shareDialogs() {
	list := make([]shared, 0, len(c.legs))
	for _, l := range c.legs {
		if l.dialog == nil {
			continue
		}
		s := shared{id: l.dialog.ID(), unheard: !l.outbound && l.state < legUp}
		if l.talk != nil {
			s.with = l.talk.other(l).Party().Number()
		}
		list = append(list, s)
	}
	c.dialogs.Store(&list)
}

// partedBy keeps the end of a dialog whose party has just asked for a transfer
// and left, as many phones do: the leg waits for who comes in its place.
func (l *Leg) partedBy(ev sip.Event) bool {
	if l.handing == nil || !ev.Remote || ev.Reason != sip.ReasonBye || l.state != legUp || l.parted != nil {
		return false
	}
	l.parted = &ev
	l.note("state", "has left; the transfer goes on", "")
	l.alone()
	return true
}
