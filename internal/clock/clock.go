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

import "time"

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

func (system) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

func (system) Busy(int) {}

// Since is the time that has passed on c since t.
func Since(c Clock, t time.Time) time.Duration { return c.Now().Sub(t) }
