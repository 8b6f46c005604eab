package sip

import (
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// waker is an alarm for a goroutine that waits on C. A token in C counts as
// work in flight until done; one that nobody took is given back by close.
type waker struct {
	clk clock.Clock
	C   chan struct{} // capacity 1: a second alarm while one waits says nothing new

	mu     sync.Mutex
	closed bool
	timer  clock.Timer
}

func newWaker(clk clock.Clock) *waker { return &waker{clk: clk, C: make(chan struct{}, 1)} }

// arm rings once after d, instead of what was armed before.
func (w *waker) arm(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = w.clk.AfterFunc(d, w.ring)
}

func (w *waker) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
}

// ring wakes the goroutine now.
func (w *waker) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	select {
	case w.C <- struct{}{}:
		w.clk.Busy(1)
	default:
	}
}

// done ends the work that a token from C began.
func (w *waker) done() { w.clk.Busy(-1) }

func (w *waker) close() {
	w.disarm()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	select {
	case <-w.C:
		w.clk.Busy(-1)
	default:
	}
}
