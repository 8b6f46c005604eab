package engine

import (
	"container/heap"
	"maps"
	"slices"
	"sync"
	"time"

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

// wait lines an order up for what it lacks: a trunk, a script's share, or "" for
// a place among all calls.
func (l *lineups) wait(ord *order, lacks string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.push(ord, lacks)
	l.arm()
}

// push is wait without a timer. l.mu is held.
func (l *lineups) push(ord *order, lacks string) {
	if l.heaps == nil {
		l.heaps = map[string]*lineup{}
	}
	if l.heaps[lacks] == nil {
		l.heaps[lacks] = &lineup{}
	}
	heap.Push(l.heaps[lacks], ord)
}

// arm makes sure that somebody looks again. l.mu is held.
func (l *lineups) arm() {
	if l.timer == nil {
		l.timer = l.o.e.clk.AfterFunc(lineupEvery, l.look)
	}
}

// look begins the attempts for which there is room now, the most important of
// each lineup first. It is called from time to time, and when a call has ended.
func (l *lineups) look() {
	l.mu.Lock()
	var begun []*order
	for _, name := range slices.Sorted(maps.Keys(l.heaps)) {
		for range lineupBatch {
			ord, more := l.seatFirst(name)
			if ord != nil {
				begun = append(begun, ord)
			}
			if !more {
				break
			}
		}
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.heaps) > 0 {
		l.arm()
	}
	l.mu.Unlock()
	for _, ord := range begun {
		l.o.due(ord)
	}
}

// seatFirst takes the first out of a lineup if there is a seat for it, or if it
// lacks something else now. l.mu is held, so that nobody steps in between.
func (l *lineups) seatFirst(name string) (begun *order, more bool) {
	h := l.heaps[name]
	if h == nil {
		return nil, false
	}
	ord := (*h)[0]
	st, lacks, err := l.o.e.takeSeat(ord)
	if err != nil && lacks == name {
		return nil, false
	}
	if heap.Pop(h); h.Len() == 0 {
		delete(l.heaps, name)
	}
	if err != nil {
		l.push(ord, lacks)
		return nil, true
	}
	ord.mu.Lock()
	ord.seat = st
	ord.mu.Unlock()
	return ord, true
}

// holds tells whether somebody waits in a lineup already: who comes later
// stands behind them.
func (l *lineups) holds(lacks string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heaps[lacks] != nil || l.heaps[""] != nil
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
