package engine

import (
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// maxUnsaved is how many writes wait for a store that takes none; beyond it
	// they are lost, with a line in the log.
	maxUnsaved   = 20_000
	unsavedEvery = time.Second // a full disk is asked again
)

// unsaved are the records, timelines and deliveries of calls that ended while
// the store refused writes, as with a full disk. They wait in memory, in order,
// and what comes after them waits behind them, until the store takes them.
type unsaved struct {
	clk   clock.Clock
	fails func(what, id string, err error) // something is lost

	mu     sync.Mutex
	queue  []write
	timer  clock.Timer
	closed bool
}

// write is one change that is offered to the store; done hears of its answer.
type write struct {
	what, id string
	put      func(done func(error))
}

// add offers a write. done, which may be nil, hears when it is durable or waits
// in memory.
func (u *unsaved) add(w write, done func()) {
	finish := func() {
		if done != nil {
			done()
		}
	}
	u.mu.Lock()
	behind := len(u.queue) > 0
	if behind {
		u.keep(w)
	}
	u.mu.Unlock()
	if behind {
		finish()
		return
	}
	w.put(func(err error) {
		switch {
		case err == nil:
		case fault.CodeOf(err) == fault.Unavailable:
			u.mu.Lock()
			u.keep(w)
			u.mu.Unlock()
		default:
			u.fails(w.what, w.id, err)
		}
		finish()
	})
}

// keep holds a write. u.mu is held.
func (u *unsaved) keep(w write) {
	if u.closed || len(u.queue) >= maxUnsaved {
		u.fails(w.what, w.id, fault.New(fault.Limit, "the store takes nothing and %d writes wait", len(u.queue)))
		return
	}
	u.queue = append(u.queue, w)
	if u.timer == nil {
		u.timer = u.clk.AfterFunc(unsavedEvery, u.offer)
	}
}

// offer offers the first that waits.
func (u *unsaved) offer() {
	u.mu.Lock()
	if u.closed || len(u.queue) == 0 {
		u.timer = nil
		u.mu.Unlock()
		return
	}
	w := u.queue[0]
	u.mu.Unlock()
	w.put(func(err error) { u.answered(w, err) })
}

// answered goes on with the next, or asks again later.
func (u *unsaved) answered(w write, err error) {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return
	}
	if err != nil && fault.CodeOf(err) == fault.Unavailable {
		u.timer = u.clk.AfterFunc(unsavedEvery, u.offer)
		u.mu.Unlock()
		return
	}
	u.queue[0] = write{}
	u.queue = u.queue[1:]
	u.mu.Unlock()
	if err != nil {
		u.fails(w.what, w.id, err)
	}
	u.offer()
}

// waiting is how many writes wait.
func (u *unsaved) waiting() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.queue)
}

// close gives up; what waits is told as lost.
func (u *unsaved) close() {
	u.mu.Lock()
	left := u.queue
	u.queue, u.closed = nil, true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	for _, w := range left {
		u.fails(w.what, w.id, fault.New(fault.Unavailable, "the process ended before the store took it"))
	}
}
