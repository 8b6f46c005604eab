package testrun

import (
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// waiter is something the test awaits.
type waiter struct {
	// check says whether it is over, and how; late is true when its time is.
	// The stage's lock is held.
	check func(late bool) (value any, err error, over bool)
	done  func(value any, err error)
	timer clock.Timer
	gone  bool
}

// await calls done when check says so, at the latest after d. The lock is held.
func (s *stage) await(d time.Duration, check func(late bool) (any, error, bool), done func(any, error)) {
	w := &waiter{check: check, done: done}
	w.timer = s.clk.AfterFunc(d, func() { s.last(func() { s.try(w, true) }) })
	s.waits = append(s.waits, w)
	s.poke()
}

// poke looks at what is awaited once everything in flight has settled. The
// lock is held.
func (s *stage) poke() {
	if s.reviewing || len(s.waits) == 0 {
		return
	}
	s.reviewing = true
	s.last(func() {
		s.reviewing = false
		waits := s.waits
		for _, w := range waits {
			s.try(w, false)
		}
	})
}

// try settles a wait if it is over.
func (s *stage) try(w *waiter, late bool) {
	if w.gone {
		return
	}
	value, err, over := any(nil), s.broken, s.broken != nil
	if !over {
		value, err, over = w.check(late)
	}
	if !over {
		return
	}
	w.gone = true
	w.timer.Stop()
	rest := make([]*waiter, 0, len(s.waits))
	for _, x := range s.waits {
		if x != w {
			rest = append(rest, x)
		}
	}
	s.waits = rest
	w.done(value, err)
}
