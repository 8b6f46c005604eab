package call

import (
	"slices"

	"github.com/loopstart/loopstart/sip"
)

// The first leg of an ordered call is one party, who may have several phones.
// They ring at the same time: the leg is the first of them, the others are its
// twins. Whichever answers becomes the leg, as after a transfer.

// answeredElsewhere tells a phone that stops ringing why (RFC 3326).
func answeredElsewhere() sip.Header {
	return sip.Header{Name: "Reason", Value: `SIP;cause=200;text="Call completed elsewhere"`}
}

// ringTwins dials the other phones of the leg's party.
func (l *Leg) ringTwins(places []Place) {
	for _, p := range places {
		n, err := l.call.dialPlace(p)
		if err != nil {
			l.note("state", "a further phone of "+p.Name+" is not dialled: "+err.Error(), "")
			continue
		}
		n.hidden, n.onState = true, l.twinChanged
		l.twins = append(l.twins, n)
	}
}

// twinChanged follows a further phone until one has answered.
func (l *Leg) twinChanged(n *Leg) {
	switch {
	case n.state == legEnded:
		l.twins = slices.DeleteFunc(l.twins, func(x *Leg) bool { return x == n })
		if n.declined() && l.state < legUp && !l.leaving {
			l.code, l.reason, l.call.endedBy = n.code, n.reason, "callee"
			l.hangup()
		}
	case l.state >= legUp || l.leaving:
		n.hangup()
	case n.state == legUp:
		if l.dialog != nil {
			l.dialog.Hangup(answeredElsewhere())
		}
		l.dismissTwins(n)
		l.continueAs(n)
	default:
		l.twinRings(n)
	}
}

// twinRings: the party hears of the call on one of its phones.
func (l *Leg) twinRings(n *Leg) {
	if !l.rangAt.IsZero() || n.rangAt.IsZero() {
		return
	}
	l.rangAt = n.rangAt
	if l == l.call.main {
		l.call.facts.rang = true
		l.call.deps.Observer.Ringing(l.call)
	}
}

// twinGoesOn gives the leg the place of another phone that rings on, when its own
// has ended for a reason that speaks for that phone only (RFC 3261 §21.6).
func (l *Leg) twinGoesOn(ev sip.Event) bool {
	everywhere := ev.Remote && ev.Code >= 600 && ev.Code != 606
	if l.leaving || l.reason != "" || everywhere || l.call.ending {
		return false
	}
	i := slices.IndexFunc(l.twins, func(n *Leg) bool { return n.dialog != nil && !n.leaving })
	if i < 0 {
		return false
	}
	l.note("state", itoa(ev.Code)+" "+ev.Reason+" from one phone, another rings on", "")
	l.dialog = nil // it is over
	l.continueAs(l.twins[i])
	return true
}

// continueAs makes the leg the phone of a twin.
func (l *Leg) continueAs(n *Leg) {
	l.twins = slices.DeleteFunc(l.twins, func(x *Leg) bool { return x == n })
	l.preanswer.over()
	l.detours, l.news, l.sentAt, l.unsent, l.preanswer = n.detours, n.news, n.sentAt, n.unsent, n.preanswer
	if l.preanswer != nil {
		l.preanswer.leg = l
	}
	if l.rangAt.IsZero() {
		l.rangAt = n.rangAt
	}
	l.adopt(n, 0)
}

// dismissTwins ends the other phones: one has answered, the leg's own where winner
// is nil.
func (l *Leg) dismissTwins(winner *Leg) {
	for _, n := range l.twins {
		if n != winner {
			n.reason = "cancelled"
			n.hangup(answeredElsewhere())
		}
	}
	l.twins = nil
}
