package connector

import (
	"context"
	"sync"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// MaxWaiting is how many may wait for one lock.
const MaxWaiting = 1000

// Locks are locks by name: of those who want one, the first comes first.
type Locks struct {
	clk clock.Clock

	mu   sync.Mutex
	held map[string][]chan struct{} // who waits, by name; gone when nobody holds it
}

// NewLocks makes a set of locks, all free.
func NewLocks(clk clock.Clock) *Locks {
	return &Locks{clk: clk, held: map[string][]chan struct{}{}}
}

// Do runs f while nobody else holds the name.
func (l *Locks) Do(ctx context.Context, name string, f func() error) error {
	if err := l.take(ctx, name); err != nil {
		return err
	}
	defer l.give(name)
	return f()
}

func (l *Locks) take(ctx context.Context, name string) error {
	l.mu.Lock()
	line, taken := l.held[name]
	switch {
	case !taken:
		l.held[name] = nil
		l.mu.Unlock()
		return nil
	case len(line) >= MaxWaiting:
		l.mu.Unlock()
		return fault.New(fault.Rate, "%d wait for the same already", MaxWaiting)
	}
	turn := make(chan struct{})
	l.held[name] = append(line, turn)
	l.mu.Unlock()
	l.clk.Busy(-1)
	select {
	case <-turn: // give has taken us back onto the clock
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	for i, t := range l.held[name] {
		if t == turn {
			line := l.held[name]
			l.held[name] = append(line[:i:i], line[i+1:]...)
			l.mu.Unlock()
			l.clk.Busy(1)
			return context.Cause(ctx)
		}
	}
	l.mu.Unlock()
	l.give(name) // it became ours after we had given up
	return context.Cause(ctx)
}

func (l *Locks) give(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.held[name]
	if len(line) == 0 {
		delete(l.held, name)
		return
	}
	l.held[name] = line[1:]
	l.clk.Busy(1)
	close(line[0])
}
