package bench

import (
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// The machine's own time: what is measured here is the machine.

func now() time.Time { return clock.System().Now() }

func since(t time.Time) time.Duration { return now().Sub(t) }

func until(t time.Time) time.Duration { return t.Sub(now()) }

func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	clock.System().AfterFunc(d, func() { close(c) })
	return c
}

func pause(d time.Duration) {
	if d > 0 {
		<-after(d)
	}
}
