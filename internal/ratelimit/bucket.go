// Package ratelimit paces requests to a system that counts them: a leaky bucket
// with two classes of waiters, on an injected clock.
//
// A request adds one to the bucket, which loses PerSecond a second and holds
// Burst. Urgent requests, those of a call in progress, may fill it; others
// leave Reserve of it free, so that a backlog never keeps a caller waiting.
//
// # Concurrency
//
// A Bucket may be used from any goroutine. Within a class waiters are served in
// the order in which they came. Who waits on a virtual clock is taken off it.
//
// # Limits
//
// [MaxWaiting] waiters; more get RATE.
package ratelimit

import (
	"context"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// MaxWaiting is how many may wait for one bucket.
const MaxWaiting = 10_000

// Options are the size of a bucket.
type Options struct {
	PerSecond float64 // what leaks out
	Burst     float64 // what fits in, at least 1
	Reserve   float64 // of Burst, for urgent requests only
}

// Bucket is a leaky bucket.
type Bucket struct {
	clk  clock.Clock
	opts Options

	mu     sync.Mutex
	level  float64
	at     time.Time // of level
	paused time.Time // nobody passes before
	urgent []*waiter
	others []*waiter
	timer  clock.Timer
	refuse uint64
}

// waiter is somebody who waits; go is closed when it may pass.
type waiter struct {
	pass chan struct{}
}

// New makes an empty bucket.
func New(clk clock.Clock, o Options) *Bucket {
	o.Burst = max(o.Burst, 1)
	o.Reserve = min(max(o.Reserve, 0), o.Burst-1)
	return &Bucket{clk: clk, opts: o, at: clk.Now()}
}

// Wait returns when a request may be sent, or with ctx's error. Its caller
// counts as busy on the clock, but not while it waits.
func (b *Bucket) Wait(ctx context.Context, urgent bool) error {
	b.mu.Lock()
	line := &b.others
	if urgent {
		line = &b.urgent
	}
	if len(*line) == 0 && b.fitsLocked(urgent) {
		b.level++
		b.mu.Unlock()
		return nil
	}
	if len(b.urgent)+len(b.others) >= MaxWaiting {
		b.refuse++
		b.mu.Unlock()
		return fault.New(fault.Rate, "%d requests wait already", MaxWaiting)
	}
	w := &waiter{pass: make(chan struct{})}
	*line = append(*line, w)
	b.armLocked()
	b.mu.Unlock()
	return b.await(ctx, w, line)
}

// await leaves the clock until w may pass.
func (b *Bucket) await(ctx context.Context, w *waiter, line *[]*waiter) error {
	b.clk.Busy(-1)
	select {
	case <-w.pass: // pass has taken us back onto the clock
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range *line {
		if other == w {
			*line = append((*line)[:i:i], (*line)[i+1:]...)
			b.clk.Busy(1)
			return context.Cause(ctx)
		}
	}
	return nil // it was let through meanwhile: the request is counted
}

// Pause lets nobody pass for a while, because the other side said so.
func (b *Bucket) Pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := b.clk.Now().Add(d); until.After(b.paused) {
		b.paused = until
	}
	b.armLocked()
}

// Refused is how many found too many waiting.
func (b *Bucket) Refused() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refuse
}

// leakLocked brings the level up to date.
func (b *Bucket) leakLocked() time.Time {
	now := b.clk.Now()
	b.level = max(0, b.level-now.Sub(b.at).Seconds()*b.opts.PerSecond)
	b.at = now
	return now
}

func (b *Bucket) room(urgent bool) float64 {
	if urgent {
		return b.opts.Burst
	}
	return b.opts.Burst - b.opts.Reserve
}

// hair is what rounding may cost: a timer that fires on time finds room.
const hair = 1e-6

func (b *Bucket) fitsLocked(urgent bool) bool {
	now := b.leakLocked()
	return !now.Before(b.paused) && b.level+1 <= b.room(urgent)+hair
}

// wake lets pass whoever may.
func (b *Bucket) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = nil
	for _, line := range []struct {
		list   *[]*waiter
		urgent bool
	}{{&b.urgent, true}, {&b.others, false}} {
		for len(*line.list) > 0 && b.fitsLocked(line.urgent) {
			w := (*line.list)[0]
			*line.list = (*line.list)[1:]
			b.level++
			b.clk.Busy(1)
			close(w.pass)
		}
	}
	b.armLocked()
}

// armLocked sets the timer for the first who may pass next.
func (b *Bucket) armLocked() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if len(b.urgent)+len(b.others) == 0 {
		return
	}
	now := b.leakLocked()
	over := b.level + 1 - b.room(len(b.urgent) > 0)
	d := max(time.Duration(over/b.opts.PerSecond*float64(time.Second)), b.paused.Sub(now), 0)
	b.timer = b.clk.AfterFunc(d, b.wake)
}
