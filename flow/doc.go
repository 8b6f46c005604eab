// Package flow keeps durable flows: functions of scripts that take hours or
// days. What a flow has done is in a journal on disk; at each wake-up its code is
// run again along it, in a VM that the [Host] starts, and goes on where the
// journal ends.
//
// Each result is on disk before the code hears of it, together with when the
// flow wakes next. A process that dies loses at most the result of what it was
// doing: a step is done again then, a call has an order with a name of its own
// and is not placed twice.
//
// # Concurrency
//
// Every flow is an actor: what concerns it is a function in its queue, and one
// goroutine at a time runs them; only they touch the flow. Methods of Runner may
// be called from any goroutine and do not block on a flow: they tell their
// answer to a function, which runs on the flow's goroutine and must not block.
//
// # Limits
//
// [MaxRunning] flows, [MaxAwake] of them with a VM at the same time, [MaxMail]
// events kept for one, [MaxQueue] messages waiting for one, [MaxCrashes] workers
// lost in a row, [MaxKey], [MaxJournal]; journal.MaxEntries, MaxName and MaxResult of a journal.
//
// # Errors
//
// NOT_FOUND for a flow that there is not, CONFLICT for what its state forbids,
// LIMIT, and what the store says. What a flow itself comes to is in [Flow.Error].
package flow

import "time"

// The limits of this package.
const (
	MaxRunning = 100_000         // flows that have not ended
	MaxAwake   = 64              // flows whose code runs now; the others wait their turn
	MaxMail    = 100             // events kept for one flow until it waits for them
	MaxQueue   = 1000            // messages waiting for one flow
	MaxCrashes = 20              // workers lost in a row, before the flow has failed
	MaxKey     = 255             // bytes of a key
	MaxJournal = 4 << 20         // bytes of JSON of all results of a flow
	MaxStep    = 5 * time.Minute // a wake-up without a word from the code
)

// placeAgain is when an order that could not be placed for now is tried again.
const placeAgain = 30 * time.Second

// A step that throws is tried again for so long, by backoff.
const stepTries = 1 + 4 + 72

// backoff is the pause after the n-th failure, n from 1.
func backoff(n int) time.Duration {
	for i, d := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute} {
		if n == i+1 {
			return d
		}
	}
	return time.Hour
}
