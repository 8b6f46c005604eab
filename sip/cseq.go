package sip

import (
	"slices"
	"time"
)

// Limits of the order of requests inside a dialog.
const (
	gapWait = 50 * time.Millisecond // for an earlier request to come
	maxHeld = 32                    // requests that wait for one
)

// sequencer puts the requests of a dialog into the order of their CSeq. sipgo
// handles each message on a goroutine of its own, so even requests that came
// in order reach us in any order.
type sequencer struct {
	known bool
	last  uint32
	held  []*message // by seq, all above last+1
}

// add takes a request. It returns those that are due now; held tells that the
// request waits, stale that its number was passed already.
func (s *sequencer) add(m *message) (due []*message, held, stale bool) {
	switch {
	case !s.known:
		s.known, s.last = true, m.seq
		return append([]*message{m}, s.follow()...), false, false
	case m.seq <= s.last:
		return nil, false, true
	case m.seq == s.last+1:
		s.last = m.seq
		return append([]*message{m}, s.follow()...), false, false
	}
	i, found := slices.BinarySearchFunc(s.held, m.seq, func(h *message, seq uint32) int {
		return int(h.seq) - int(seq)
	})
	if found {
		return nil, false, true
	}
	s.held = slices.Insert(s.held, i, m)
	if len(s.held) > maxHeld {
		return s.flush(), false, false
	}
	return nil, true, false
}

// follow takes the held requests that directly follow the last one.
func (s *sequencer) follow() (due []*message) {
	for len(s.held) > 0 && s.held[0].seq == s.last+1 {
		s.last = s.held[0].seq
		due = append(due, s.held[0])
		s.held = s.held[1:]
	}
	return due
}

// flush gives up waiting: all held requests are due, in order.
func (s *sequencer) flush() []*message {
	due := s.held
	s.held = nil
	if len(due) > 0 {
		s.last = due[len(due)-1].seq
	}
	return due
}
