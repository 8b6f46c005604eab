package call

import (
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// talk is two legs that hear each other.
type talk struct {
	call      *Call
	a, b      *Leg
	began     time.Time
	done      func(endedBy string, ms int64) // nil for early media
	watch     keyWatch
	hangupLeg *Leg
	moved     func(*Leg) // somebody else has taken the place of that leg's party; may be nil
	hold      onHold
}

// BridgeResult is what bridge resolves with.
type BridgeResult struct {
	EndedBy string `json:"endedBy"`
	TalkMs  int64  `json:"talkMs"`
}

// Bridge joins two legs until either leaves or unbridge is called.
func (l *Leg) Bridge(other *Leg, maxDuration time.Duration, record bool, v Verb) {
	switch {
	case !l.alive() || l.state != legUp && l.outbound:
		v.fail(errHangup())
		return
	case other == l:
		v.fail(fault.New(fault.Invalid, "bridge: a call cannot be bridged with itself"))
		return
	case other.state != legUp:
		v.fail(fault.New(fault.Conflict, "bridge: the other call is not answered"))
		return
	case l.room != nil || other.room != nil:
		v.fail(fault.New(fault.Conflict, "bridge: a call is in a conference"))
		return
	case l.talk != nil || other.talk != nil:
		v.fail(fault.New(fault.Conflict, "bridge: a call is bridged already").WithHint("unbridge it first"))
		return
	}
	l.audible(true, v, func() {
		c := l.call
		l.interrupt()
		l.session.StopPlay()
		c.facts.talked = true
		var limit *timer
		if record {
			c.recordTalk(l, true)
		}
		t := c.join(l, other, func(endedBy string, ms int64) {
			limit.stop()
			if record {
				c.recordTalk(l, false)
			}
			v.ok(BridgeResult{EndedBy: endedBy, TalkMs: ms})
		})
		if maxDuration > 0 {
			limit = c.after(maxDuration, func() { t.end("script") })
		}
	})
}

// Unbridge parts the leg from whom it is bridged with.
func (l *Leg) Unbridge(v Verb) {
	if l.talk != nil {
		l.talk.end("script")
	}
	v.ok(nil)
}

// join bridges two sessions.
func (c *Call) join(a, b *Leg, done func(string, int64)) *talk {
	t := &talk{call: c, a: a, b: b, began: c.clk.Now(), done: done, watch: keyWatch{call: c}}
	a.talk, b.talk = t, t
	c.shareDialogs()
	a.session.Bridge(b.session)
	c.note("state", a.name, "bridged with "+b.name, "")
	c.resupervise()
	return t
}

// endTalk ends the leg's talk, if there is one.
func (l *Leg) endTalk(by string) {
	if l.talk != nil {
		l.talk.end(by)
	}
}

// split parts the sessions without an end of the talk's verb.
func (t *talk) split() {
	t.stopTune()
	t.a.talk, t.b.talk = nil, nil
	t.call.shareDialogs()
	t.watch.quiet.stop()
	t.a.session.Unbridge()
	t.call.resupervise()
}

func (t *talk) end(by string) {
	t.split()
	ms := t.call.clk.Now().Sub(t.began).Milliseconds()
	t.call.note("state", t.a.name, "bridge with "+t.b.name+" ended by "+by, "")
	if t.done != nil {
		t.done(by, ms)
	}
}

// key watches the caller's keys during a talk for hangupOn and keys. It
// reports whether the key was the talk's own.
func (t *talk) key(l *Leg, d byte) bool {
	if l != t.a {
		return true
	}
	if seq, hit := t.watch.press(d); hit {
		t.act(seq)
	}
	return true
}

func (t *talk) act(seq string) {
	if seq == t.watch.hangupOn {
		t.call.note("state", t.a.name, "hangupOn "+seq, "")
		t.end("caller")
		return
	}
	t.call.callback(t.watch.keys[seq], map[string]any{"key": seq})
}
