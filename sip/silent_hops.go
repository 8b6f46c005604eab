package sip

import (
	"sync/atomic"

	gosip "github.com/emiago/sipgo/sip"
)

// maxSilentHops is how many INVITEs whose hop said nothing are remembered after
// the next hop has got the call, half a minute each.
const maxSilentHops = 4096

// silentHops has the INVITEs that were given up for another hop. One that speaks
// after all, because it was slow and not dead, is cancelled or hung up on: else
// two phones ring for one call, and the one that loses hears nothing. Where there is
// no room what it says is ignored.
type silentHops struct{ aftermath[*silentHop] }

type silentHop struct {
	c         *clientTx
	cancelled atomic.Bool
}

func (s *silentHops) keep(branch string, h *silentHop) bool {
	return s.remember(branch, h, maxSilentHops)
}

// heard reports whether a response is of a hop that was given up, and answers it.
func (s *silentHops) heard(e *Endpoint, res *gosip.Response) bool {
	h, ok := s.of(res)
	if !ok {
		return false
	}
	e.count.lateAnswers.Add(1)
	invite, to := h.c.req, h.c.hop
	switch {
	case res.StatusCode < 200:
		if h.cancelled.CompareAndSwap(false, true) {
			e.spawn(func() { e.cancelInvite(invite, to, nil, func() {}) })
		}
	case res.StatusCode < 300:
		m := readMessage(res)
		if d := h.c.d; !d.ackAgain(ackKey{m.toTag, m.seq}) {
			d.endFork(res, to)
		}
	default:
		if ack, err := ackOfRefusal(invite, res, e.agent()); err == nil && e.aim(ack, to) == nil {
			_ = e.write(ack, to) // counted there
		}
	}
	return true
}

// leaveHop gives up the INVITE of transaction n, whose hop says nothing.
func (d *Dialog) leaveHop(n uint64) {
	if c := d.client[n]; c != nil && c.req != nil {
		c.left.Store(true)
		d.e.silentHops.keep(branchOf(c.req), &silentHop{c: c})
	}
	d.dropClient(n)
}
