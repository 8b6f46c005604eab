package engine

import (
	"container/heap"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
)

// How orders that found no line are looked at again.
const (
	lineupEvery = 100 * time.Millisecond
	lineupBatch = 16 // tried at once, of each lineup
)

// lineups are the orders whose time has come but for which there is no line, by
// what they wait for. They hold orders that are open, so MaxOpenOrders bounds
// them.
type lineups struct {
	o     *orders
	mu    sync.Mutex
	heaps map[string]*lineup
	timer clock.Timer
}

// lineup is a heap: the highest priority first, then who waits longest.
type lineup []*order

func (h lineup) Len() int { return len(h) }

func (h lineup) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case a.Priority != b.Priority:
		return a.Priority > b.Priority
	case !a.dueAt.Equal(b.dueAt):
		return a.dueAt.Before(b.dueAt)
	}
	return a.ID < b.ID
}

func (h lineup) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *lineup) Push(x any) { *h = append(*h, x.(*order)) }

// Pop implements heap.Interface.
func (h *lineup) Pop() any {
	old := *h
	n := len(old) - 1
	x := old[n]
	old[n] = nil
	*h = old[:n]
	return x
}

// wait lines an order up for what it lacks: a trunk, or "" for a place among
// all calls.
func (l *lineups) wait(ord *order, lacks string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heaps == nil {
		l.heaps = map[string]*lineup{}
	}
	if l.heaps[lacks] == nil {
		l.heaps[lacks] = &lineup{}
	}
	heap.Push(l.heaps[lacks], ord)
	l.arm()
}

// arm makes sure that somebody looks again. l.mu is held.
func (l *lineups) arm() {
	if l.timer == nil {
		l.timer = l.o.e.clk.AfterFunc(lineupEvery, l.look)
	}
}

// look tries the first of every lineup again.
func (l *lineups) look() {
	l.mu.Lock()
	var next []*order
	for name, h := range l.heaps {
		for range min(lineupBatch, h.Len()) {
			next = append(next, heap.Pop(h).(*order))
		}
		if h.Len() == 0 {
			delete(l.heaps, name)
		}
	}
	l.timer = nil
	if len(l.heaps) > 0 {
		l.arm()
	}
	l.mu.Unlock()
	for _, ord := range next {
		l.o.due(ord)
	}
}

// count is how many orders wait for a line.
func (l *lineups) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, h := range l.heaps {
		n += h.Len()
	}
	return n
}

func (l *lineups) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
}

// room tells what an attempt would lack if it were begun now, without taking
// anything: beforeAttempt is not run for calls that cannot be placed.
func (e *Engine) room(cfg *config.Config, t ticket, p *call.Place) (lacks string, err error) {
	now := e.clk.Now()
	if err := e.admission.peek(cfg, now, t); err != nil {
		return "", err
	}
	for _, r := range p.Routes {
		trunk, ok := cfg.Trunk(r.Trunk)
		if !ok {
			return "", nil
		}
		if err = e.lines.peek(trunk, now); err == nil {
			return "", nil
		}
		lacks = r.Trunk
	}
	return lacks, err
}
