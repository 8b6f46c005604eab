package testrun

import (
	"context"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// locks are the leases of one stage: as those of the store, with waits on the
// virtual clock, first come, first served.
type locks struct {
	clk     *clock.Virtual
	closing chan struct{}
	mu      sync.Mutex
	held    map[string]*lease
}

type lease struct {
	owner string
	timer clock.Timer
	queue []*claim
}

// claim is somebody who waits for a lease.
type claim struct {
	owner string
	ttl   time.Duration
	got   chan struct{} // closed with the clock busy for who waits
}

func newLocks(clk *clock.Virtual, closing chan struct{}) *locks {
	return &locks{clk: clk, closing: closing, held: map[string]*lease{}}
}

// Lock implements corehost.Locks.
func (l *locks) Lock(ctx context.Context, key string, ttl time.Duration, owner string) error {
	l.mu.Lock()
	h := l.held[key]
	if h == nil {
		h = &lease{}
		l.held[key] = h
		l.grant(key, h, owner, ttl)
		l.mu.Unlock()
		return nil
	}
	c := &claim{owner: owner, ttl: ttl, got: make(chan struct{})}
	h.queue = append(h.queue, c)
	l.mu.Unlock()
	l.clk.Busy(-1)
	select {
	case <-c.got:
		return nil
	case <-ctx.Done():
	case <-l.closing:
	}
	if l.leave(key, c) {
		l.clk.Busy(1)
	}
	return fault.New(fault.Unavailable, "lock %s: %w", key, context.Cause(ctx))
}

// grant gives a lease to somebody; the lock is held.
func (l *locks) grant(key string, h *lease, owner string, ttl time.Duration) {
	h.owner = owner
	h.timer = l.clk.AfterFunc(ttl, func() { _, _ = l.Release(key, owner) })
}

// leave takes a claim out of the line; false means that it was granted
// meanwhile, and is given back.
func (l *locks) leave(key string, c *claim) bool {
	l.mu.Lock()
	if h := l.held[key]; h != nil {
		for i, x := range h.queue {
			if x == c {
				h.queue = append(h.queue[:i], h.queue[i+1:]...)
				l.mu.Unlock()
				return true
			}
		}
	}
	l.mu.Unlock()
	_, _ = l.Release(key, c.owner)
	return false
}

// Release implements corehost.Locks.
func (l *locks) Release(key, owner string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[key]
	if h == nil || h.owner != owner {
		return false, nil
	}
	h.timer.Stop()
	if len(h.queue) == 0 {
		delete(l.held, key)
		return true, nil
	}
	c := h.queue[0]
	h.queue = h.queue[1:]
	l.grant(key, h, c.owner, c.ttl)
	l.clk.Busy(1)
	close(c.got)
	return true, nil
}
