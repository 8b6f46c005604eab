package call

import (
	"sync"
	"sync/atomic"

	"github.com/loopstart/loopstart/internal/clock"
)

// MailboxCapacity is how many commands and events may wait for one call. The
// call that overflows it ends; Counters.Overflows counts them.
const MailboxCapacity = 4096

// mailbox is the queue into a call's goroutine. Posting never blocks, so that
// media shards and dialogs may post; what is posted runs in order.
type mailbox struct {
	clk clock.Clock

	mu     sync.Mutex
	queue  []func()
	spare  []func()
	closed bool
	wake   chan struct{} // capacity 1: a pending wake-up is enough

	overflowed atomic.Bool
}

func newMailbox(clk clock.Clock) *mailbox {
	return &mailbox{clk: clk, wake: make(chan struct{}, 1)}
}

// post queues f and reports whether there was room. A closed mailbox takes
// nothing and says so.
func (m *mailbox) post(f func()) (ok bool) {
	m.clk.Busy(1) // before it can run: it counts until it has
	m.mu.Lock()
	if m.closed || len(m.queue) >= MailboxCapacity {
		m.mu.Unlock()
		m.clk.Busy(-1)
		return false
	}
	m.queue = append(m.queue, f)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// drain runs everything that is queued now, until handle reports an end.
func (m *mailbox) drain(handle func(func()) (more bool)) bool {
	m.mu.Lock()
	batch := m.queue
	m.queue, m.spare = m.spare[:0], nil
	m.mu.Unlock()
	more := true
	for i, f := range batch {
		if more {
			more = handle(f)
		}
		batch[i] = nil
		m.clk.Busy(-1)
	}
	m.mu.Lock()
	m.spare = batch[:0]
	m.mu.Unlock()
	return more
}

// close refuses further posts and drops what waits.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	dropped := len(m.queue)
	m.queue = nil
	m.mu.Unlock()
	m.clk.Busy(-dropped)
}
