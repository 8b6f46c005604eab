// Package clock is the one place where the program asks what time it is.
//
// Everything that waits or measures takes a [Clock], so that a whole call can
// run in virtual time: [System] is the machine's clock, [Virtual] moves only
// when it is told to and only while nothing is in flight.
//
// # Concurrency
//
// All methods may be called from any goroutine. A function given to AfterFunc
// runs on its own goroutine under [System], and on the goroutine that advances
// the clock under [Virtual]; in both cases it must not block.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock tells the time, wakes callers later, and counts work in flight.
type Clock interface {
	// Now is the current time, with a monotonic reading under System.
	Now() time.Time
	// AfterFunc calls f once after d. The timer can be stopped or re-armed.
	AfterFunc(d time.Duration, f func()) Timer
	// Busy adds delta to the number of messages, commands and script slices
	// in flight. Whoever hands work to another goroutine adds one, whoever
	// finishes it takes one away. It costs nothing under System.
	Busy(delta int)
}

// Timer is a pending AfterFunc.
type Timer interface {
	// Stop cancels the timer and reports whether it was still pending.
	Stop() bool
	// Reset arms the timer again, d from now, and reports whether it was
	// still pending.
	Reset(d time.Duration) bool
}

// System returns the machine's own clock.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) AfterFunc(d time.Duration, f func()) Timer {
	t := &systemTimer{f: f, armed: new(armed)}
	t.armed.f.Store(&t.f)
	t.timer = time.AfterFunc(d, t.armed.fire)
	return t
}

func (system) Busy(int) {}

// systemTimer lets go of its function when it is stopped. The runtime does not:
// it drops stopped timers in bulk, once they are a quarter of all that it has, and
// until then everything stays in memory that their functions refer to.
type systemTimer struct {
	timer *time.Timer
	f     func()
	armed *armed
}

// armed is all of a timer that the runtime knows.
type armed struct{ f atomic.Pointer[func()] }

func (a *armed) fire() {
	if f := a.f.Load(); f != nil {
		(*f)()
	}
}

func (t *systemTimer) Stop() bool {
	pending := t.timer.Stop()
	t.armed.f.Store(nil)
	return pending
}

func (t *systemTimer) Reset(d time.Duration) bool {
	f := t.f
	t.armed.f.Store(&f)
	return t.timer.Reset(d)
}

// Since is the time that has passed on c since t.
func Since(c Clock, t time.Time) time.Duration { return c.Now().Sub(t) }
