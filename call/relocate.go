package call

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/sip"
)

// Way is how a peer is reached now: the address of ours that packets leave from,
// invalid when there is none, and the one that the peer is told.
type Way func(peer netip.Addr) (bind, advertise netip.Addr)

// reasonMoved is the end of a dial whose answer would have come to an address
// that is gone, while there was no other way.
const reasonMoved = "our address is gone"

// Relocate moves every party that was reached from an address which is gone. A
// talk goes on from another one, of which the party is told by a re-INVITE; a
// caller whom nobody has answered is answered from there; what rings with us is
// dialled again, because an answer to the old INVITE would not find us. It
// returns how many have no way yet. The last try ends dials, and notes it for
// talks, which end when media.timeout says so. Call goroutine only.
func (c *Call) Relocate(gone []netip.Addr, way Way, last bool) (stranded int) {
	fresh := func(peer netip.Addr) (bind, advertise netip.Addr, ok bool) {
		bind, advertise = way(peer)
		return bind, advertise, bind.IsValid() && !slices.Contains(gone, bind)
	}
	for _, l := range c.legsInOrder() {
		if !l.alive() || l.session == nil || l.parted != nil || l.state < legUp && l.route.Dial != nil {
			continue
		}
		old := l.session.LocalAddr().Addr()
		if !slices.Contains(gone, old) {
			continue
		}
		bind, advertise, ok := fresh(l.peer())
		switch {
		case bind == old: // it is back
		case ok:
			l.relocate(old, bind, advertise, fresh)
		case last:
			l.strand(old)
		default:
			stranded++
		}
	}
	return stranded
}

// openAnew binds the leg's session to the address that leads to its party now:
// the one before has gone a moment ago, as err says.
func (l *Leg) openAnew(o media.SessionOptions, err error) (*media.Session, error) {
	peer := l.call.spec.Peer
	if l.outbound {
		peer = l.route.Peer
	}
	if l.call.deps.Anew == nil || !peer.IsValid() {
		return nil, err
	}
	bind, advertise := l.call.deps.Anew(peer)
	if !bind.IsValid() || bind == o.Bind {
		return nil, err
	}
	l.note("media", fmt.Sprintf("our address %s is gone, %s is taken", o.Bind, bind), "")
	o.Bind, o.Advertise = bind, advertise
	return l.call.deps.Open(o)
}

// Roam tells that a user has proved by SIP to be at an address: phones that go to
// another network in the middle of a call send their audio from there. Call
// goroutine only.
func (c *Call) Roam(user string, to netip.Addr) {
	for _, l := range c.legsInOrder() {
		if l.session != nil && l.alive() && l.user() == user {
			l.session.Roam(to)
		}
	}
}

// peer is where the party is: where its audio goes, before that its signalling.
func (l *Leg) peer() netip.Addr {
	if a := l.session.Peer(); a.IsValid() && l.state == legUp {
		return a
	}
	if l.outbound {
		return l.route.Peer
	}
	return l.call.spec.Peer
}

// strand gives up: there is no way to the party.
func (l *Leg) strand(old netip.Addr) {
	l.note("media", fmt.Sprintf("our address %s is gone, and there is no other way to the party", old), "")
	if l.outbound && l.state < legUp {
		l.code, l.reason = 503, reasonMoved
		l.hangup()
	}
}

func (l *Leg) relocate(old, bind, advertise netip.Addr, way func(netip.Addr) (bind, advertise netip.Addr, ok bool)) {
	if l.outbound && l.state < legUp && l.dialog != nil {
		l.redial(old, bind, advertise, way)
		return
	}
	if err := l.session.Move(bind, advertise); err != nil {
		l.note("media", fmt.Sprintf("our address %s is gone: %s", old, err), "")
		return
	}
	l.note("media", fmt.Sprintf("our address %s is gone, the audio goes on from %s", old, bind), "")
	switch {
	case l.state == legUp && (l.outbound || l.acknowledged):
		l.tellAddress()
	case l.outbound: // no INVITE has left: it will name the new one
	case l.state == legUp:
		l.untold = true
	case l.state == legEarly:
		l.describeAnew()
	default:
		l.described = nil // nobody has been told
	}
}

// redial rings the same place again from another address: the answer to the
// INVITE that rings there would come to the old one (RFC 3261 §18.2.2).
func (l *Leg) redial(old, bind, advertise netip.Addr, way func(netip.Addr) (bind, advertise netip.Addr, ok bool)) {
	l.note("state", fmt.Sprintf("our address %s is gone before the answer, which could not reach us: dialled again from %s", old, bind), "")
	if tell := l.route.Tell; tell != nil {
		n := l.news
		n.Over, n.Cancelled = true, true
		tell(n)
	}
	next := l.route
	next.Media.Bind, next.Media.Advertise = bind, advertise
	routes := []Route{next}
	for _, r := range l.place.Routes {
		if r.Media.Bind == old {
			if b, a, ok := way(r.Peer); ok {
				r.Media.Bind, r.Media.Advertise = b, a
			}
		}
		routes = append(routes, r)
	}
	l.place.Routes = routes
	l.dialog.Hangup()
	if !l.again() {
		l.code, l.reason = 503, reasonMoved
		l.ended(sip.Event{Kind: sip.Ended, At: l.call.clk.Now(), Code: 503, Reason: reasonMoved})
	}
}

// describeAnew tells a caller whom we have not answered, but who hears us, the new
// address: by an UPDATE where that is allowed, in our answer, and where neither
// can count, after it.
func (l *Leg) describeAnew() {
	l.untold = true
	if offer := l.dialog.Offer(); len(offer) > 0 {
		body, err := l.session.Answer(offer)
		if err != nil {
			l.note("media", "the new address could not be told: "+err.Error(), "")
			return
		}
		l.described = body
	} else {
		l.described = l.session.Offer()
		return // the offer of our 2xx; the caller's answer comes with the ACK
	}
	if l.dialog.Reoffer(l.session.Reoffer(sdp.SendRecv)) == nil {
		l.reoffer = append(l.reoffer, func(code int, _ []byte) {
			if code/100 == 2 {
				l.untold = false
				l.note("media", "the other side knows our new address", "")
			}
		})
	}
}

// tellAddress tells a party that we talk with the new address.
func (l *Leg) tellAddress() {
	dir := sdp.SendRecv
	if l.holding {
		dir = sdp.SendOnly
	}
	if err := l.dialog.Reoffer(l.session.Reoffer(dir)); err != nil {
		l.note("media", "the new address could not be told: "+err.Error(), "")
		return
	}
	l.reoffer = append(l.reoffer, func(code int, _ []byte) {
		if code/100 != 2 {
			l.note("media", fmt.Sprintf("the other side answered %d to our new address", code), "")
		}
	})
}
