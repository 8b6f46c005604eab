package sip

import (
	"slices"
	"sync"
	"time"
)

// Limits of the order of requests inside a dialog.
const (
	gapWait = 50 * time.Millisecond // for an earlier request to come
	maxHeld = 32                    // requests that wait for one
	maxWait = 40                    // times that a request which was read is waited for again
)

// sequencer puts the requests of a dialog into the order of their CSeq. sipgo
// handles each message on a goroutine of its own, so even requests that came
// in order reach us in any order.
type sequencer struct {
	known bool
	last  uint32
	held  []*message // by seq, all above last+1
	waits int
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
	s.held, s.waits = nil, 0
	if len(due) > 0 {
		s.last = due[len(due)-1].seq
	}
	return due
}

// seenSeqs are the numbers of requests that were read from the network but may
// still be with another goroutine. It is written by readers and read by the
// dialog.
type seenSeqs struct {
	mu   sync.Mutex
	seqs []uint32 // at most maxHeld, oldest first
	ack  uint32
}

func (s *seenSeqs) note(seq uint32, ack bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ack {
		s.ack = seq
		return
	}
	if len(s.seqs) == maxHeld {
		s.seqs = append(s.seqs[:0], s.seqs[1:]...)
	}
	s.seqs = append(s.seqs, seq)
}

// between tells whether a request above last and below next was read.
func (s *seenSeqs) between(last, next uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.seqs, func(n uint32) bool { return n > last && n < next })
}

func (s *seenSeqs) acked(seq uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ack == seq
}
