package sip

import (
	"sync"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// mailbox is the bounded queue of a dialog's goroutine. Commands and messages
// are refused when it is full, what ends a dialog is not.
type mailbox struct {
	clk    clock.Clock
	signal chan struct{} // holds one token while the queue is not empty

	mu     sync.Mutex
	queue  []input
	closed bool
}

func (b *mailbox) init(clk clock.Clock) {
	b.clk = clk
	b.signal = make(chan struct{}, 1)
}

// post queues in, or tells why not.
func (b *mailbox) post(in input) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return errOver
	case len(b.queue) >= MailboxCapacity:
		return fault.New(fault.Limit, "sip: %d commands and messages wait in one dialog", MailboxCapacity)
	}
	b.putLocked(in)
	return nil
}

// postUrgent queues in past the limit; each dialog has a handful of those.
func (b *mailbox) postUrgent(in input) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.putLocked(in)
	return true
}

func (b *mailbox) putLocked(in input) {
	b.clk.Busy(1)
	b.queue = append(b.queue, in)
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// take returns the oldest input. Who has taken one calls done after it.
func (b *mailbox) take() (in input, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return in, false
	}
	in = b.queue[0]
	b.queue[0] = input{}
	b.queue = b.queue[1:]
	return in, true
}

func (b *mailbox) done() { b.clk.Busy(-1) }

// close refuses further posts and returns what nobody will handle.
func (b *mailbox) close() []input {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	left := b.queue
	b.queue = nil
	b.clk.Busy(-len(left))
	return left
}
