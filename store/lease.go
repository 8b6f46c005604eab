package store

import (
	"context"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// MaxLeases is how many leases may be held at once.
	MaxLeases = 100_000
	// MaxWaiters is how many callers may wait in Lock at once.
	MaxWaiters = 10_000
)

// leaseTable holds the leases. They live in memory: the folder is locked by
// one process, so every owner ends with it, and a time that never leaves the
// process keeps its monotonic reading, which a step of the clock cannot shorten.
type leaseTable struct {
	clk     clock.Clock
	mu      sync.Mutex
	held    map[string]*lease
	waiting int
	closed  bool
}

type lease struct {
	owner string
	until time.Time
	timer clock.Timer
	queue []*waiter // first come, first served
}

type waiter struct {
	owner string
	ttl   time.Duration
	got   chan error // capacity 1
}

func (l *leaseTable) init(clk clock.Clock) { l.clk, l.held = clk, make(map[string]*lease) }

// Acquire gives key to owner for ttl if nobody else holds it. The owner is a
// name that is unique to the holder; asking again with the same one renews.
func (s *Store) Acquire(key string, ttl time.Duration, owner string) (bool, error) {
	if err := checkLease(key, ttl, owner); err != nil {
		return false, err
	}
	return s.leases.acquire(key, ttl, owner)
}

// Renew prolongs a lease to ttl from now; false means that it is lost.
func (s *Store) Renew(key string, ttl time.Duration, owner string) (bool, error) {
	if err := checkLease(key, ttl, owner); err != nil {
		return false, err
	}
	l := &s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[key]
	if h == nil || h.owner != owner {
		return false, nil
	}
	l.grant(key, h, owner, ttl)
	return true, nil
}

// Release gives a lease back, to the first who waits for it; false means that
// owner did not hold it.
func (s *Store) Release(key, owner string) (bool, error) {
	l := &s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[key]
	if h == nil || h.owner != owner {
		return false, nil
	}
	l.pass(key, h)
	return true, nil
}

// Lock is Acquire that waits in line until ctx ends, which answers UNAVAILABLE.
func (s *Store) Lock(ctx context.Context, key string, ttl time.Duration, owner string) error {
	if err := checkLease(key, ttl, owner); err != nil {
		return err
	}
	l := &s.leases
	w, err := l.enter(key, ttl, owner)
	if w == nil {
		return err
	}
	select {
	case err := <-w.got:
		return err
	case <-ctx.Done():
		return l.leave(key, w, ctx.Err())
	}
}

func checkLease(key string, ttl time.Duration, owner string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if ttl <= 0 || owner == "" {
		return fault.New(fault.Invalid, "store: a lease has an owner and a positive ttl")
	}
	return nil
}

func (l *leaseTable) acquire(key string, ttl time.Duration, owner string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[key]
	switch {
	case l.closed:
		return false, errClosed()
	case h != nil && h.owner != owner:
		return false, nil
	case h == nil && len(l.held) >= MaxLeases:
		return false, fault.New(fault.Limit, "store: %d leases are held", MaxLeases)
	case h == nil:
		h = &lease{}
		l.held[key] = h
	}
	l.grant(key, h, owner, ttl)
	return true, nil
}

// enter acquires at once (nil waiter) or joins the line.
func (l *leaseTable) enter(key string, ttl time.Duration, owner string) (*waiter, error) {
	if ok, err := l.acquire(key, ttl, owner); ok || err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting >= MaxWaiters {
		return nil, fault.New(fault.Limit, "store: %d callers wait for leases", MaxWaiters)
	}
	w := &waiter{owner: owner, ttl: ttl, got: make(chan error, 1)}
	h := l.held[key]
	if h == nil { // released meanwhile
		h = &lease{}
		l.held[key] = h
		l.grant(key, h, owner, ttl)
		w.got <- nil
		return w, nil
	}
	h.queue = append(h.queue, w)
	l.waiting++
	return w, nil
}

// leave takes a waiter out of the line. One that was served in the same moment
// keeps the lease.
func (l *leaseTable) leave(key string, w *waiter, cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.held[key]; h != nil {
		for i, q := range h.queue {
			if q == w {
				h.queue = append(h.queue[:i], h.queue[i+1:]...)
				l.waiting--
				return fault.New(fault.Unavailable, "store: waiting for the lock %q: %w", key, cause)
			}
		}
	}
	return <-w.got
}

// grant makes owner the holder. The caller holds mu.
func (l *leaseTable) grant(key string, h *lease, owner string, ttl time.Duration) {
	h.owner, h.until = owner, l.clk.Now().Add(ttl)
	if h.timer != nil {
		h.timer.Stop()
	}
	h.timer = l.clk.AfterFunc(ttl, func() { l.expire(key, h) })
}

// expire ends a lease whose time is over.
func (l *leaseTable) expire(key string, h *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key] != h || l.clk.Now().Before(h.until) {
		return
	}
	l.pass(key, h)
}

// pass gives the lease to the first in line or drops it. The caller holds mu.
func (l *leaseTable) pass(key string, h *lease) {
	h.timer.Stop()
	if len(h.queue) == 0 {
		delete(l.held, key)
		return
	}
	w := h.queue[0]
	h.queue = h.queue[1:]
	l.waiting--
	l.grant(key, h, w.owner, w.ttl)
	w.got <- nil
}

func (l *leaseTable) size() (held, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held), l.waiting
}

// close frees everybody who waits.
func (l *leaseTable) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for key, h := range l.held {
		h.timer.Stop()
		for _, w := range h.queue {
			w.got <- errClosed()
		}
		delete(l.held, key)
	}
	l.waiting = 0
}
