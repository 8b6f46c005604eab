package engine

import (
	"github.com/loopstart/loopstart/call"
)

// seat is what an ordered call needs before it becomes an attempt: a place
// among all calls, and a line of a trunk that may carry it.
type seat struct {
	e        *Engine
	place    call.Place
	unplaced error // the number cannot be dialled at all; the attempt says so
	ticket   ticket
	free     func() // gives the line back
}

// takeSeat takes a seat for an order's next attempt. lacks names what there is
// none of: a trunk, "script NAME", or "" for a place among all calls.
func (e *Engine) takeSeat(ord *order) (s *seat, lacks string, err error) {
	cfg, now := e.Config(), e.clk.Now()
	s = &seat{e: e, ticket: ticket{script: ord.Script, ordered: true}, free: func() {}}
	s.place, s.unplaced = e.placeOf(ord, call.Spec{RingTimeout: ord.Timeout})
	if err := e.admission.admit(cfg, now, s.ticket, 0); err != nil {
		if e.admission.peek(cfg, now, ticket{ordered: true}) == nil {
			lacks = "script " + ord.Script
		}
		return nil, lacks, err
	}
	if s.unplaced != nil {
		return s, "", nil
	}
	lacks = s.place.Routes[0].Trunk
	if s.free, err = e.reserve(&s.place); err != nil {
		e.admission.refund(s.ticket)
		return nil, lacks, err
	}
	return s, "", nil
}

// giveBack returns a seat that was not used.
func (s *seat) giveBack() {
	if s.unplaced == nil {
		if t, ok := s.e.Config().Trunk(s.place.Routes[0].Trunk); ok {
			s.e.lines.refund(t)
		}
	}
	s.free()
	s.e.admission.refund(s.ticket)
}
