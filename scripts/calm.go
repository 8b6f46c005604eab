package scripts

import (
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// calm tells when a burst of events is over: Debounce after its last event,
// but at most MaxDelay after its first. It belongs to the registry's goroutine;
// only its timer's function runs elsewhere, and that only fills due.
type calm struct {
	opts  Options
	due   chan struct{} // capacity 1: a second tick means the same as one
	timer clock.Timer
	first time.Time // of this burst; zero while it is calm
}

func newCalm(o Options) *calm { return &calm{opts: o, due: make(chan struct{}, 1)} }

// touch notes an event.
func (c *calm) touch() {
	now := c.opts.Clock.Now()
	if c.first.IsZero() {
		c.first = now
	}
	c.later(min(c.opts.Debounce, c.first.Add(c.opts.MaxDelay).Sub(now)))
}

// later arms the timer, d from now.
func (c *calm) later(d time.Duration) {
	if c.timer == nil {
		c.timer = c.opts.Clock.AfterFunc(d, func() {
			select {
			case c.due <- struct{}{}:
			default:
			}
		})
		return
	}
	c.timer.Reset(d)
}

// begin notes that the folder is being looked at: what happens from now on is
// a new burst. It reports whether this one has taken MaxDelay.
func (c *calm) begin() (overdue bool) {
	c.stop()
	overdue = !c.first.IsZero() && clock.Since(c.opts.Clock, c.first) >= c.opts.MaxDelay
	c.first = time.Time{}
	select {
	case <-c.due:
	default:
	}
	return overdue
}

func (c *calm) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
}
