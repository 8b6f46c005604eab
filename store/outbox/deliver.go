package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

const (
	hourly = time.Hour
	// MaxAttempts is the first, four quick ones and 72 hourly ones. Attempts are counted,
	// not hours: a stopped server or a stepped clock takes none away.
	MaxAttempts = 1 + 4 + 72
	maxError    = 500 // bytes of LastError kept
	settleDelay = 5 * time.Second
	// shortest is how long an item is tried at least: a receiver that comes and
	// goes wakes items before their time and could use their attempts up.
	shortest = 72 * time.Hour
)

// backoff is the pause after the n-th failed attempt, n from 1.
func backoff(n int) time.Duration {
	switch n {
	case 1:
		return 5 * time.Second
	case 2:
		return 30 * time.Second
	case 3:
		return 2 * time.Minute
	case 4:
		return 10 * time.Minute
	}
	return hourly
}

// wake is the alarm of a queue.
func (b *Outbox) wake(q *queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q.timer = nil
	b.plan.ready(q, b)
	b.dispatch()
}

// dispatch starts whatever may start. The caller holds mu.
func (b *Outbox) dispatch() {
	for b.started && !b.closed {
		e, d := b.plan.next(b)
		if e == nil {
			return
		}
		b.clk.Busy(1)
		b.work.Add(1)
		go b.attempt(e, d)
	}
}

// attempt brings one item as far as it goes now.
func (b *Outbox) attempt(e *entry, d *destination) {
	defer b.work.Done()
	defer b.clk.Busy(-1)
	b.mu.Lock()
	outcome := e.outcome
	if outcome == nil {
		e.phase = running
	}
	b.mu.Unlock()
	if outcome != nil { // Deliver is done, only its outcome is not on disk
		b.settle(e, d, outcome)
		return
	}
	it, err := b.read(e)
	if err != nil {
		b.postpone(e, d, err)
		return
	}
	now := b.clk.Now()
	if !it.Expires.IsZero() && !now.Before(it.Expires) {
		it.LastError = join("expired", it.LastError)
		b.finish(e, d, it, Dead)
		return
	}
	r := b.deliver(it)
	if b.ctx.Err() != nil && !r.OK { // we are closing: it was not the receiver's fault
		b.release(e, d)
		return
	}
	b.judge(e, d, it, r)
}

// deliver runs Deliver with a deadline on the injected clock.
func (b *Outbox) deliver(it Item) (r Result) {
	ctx, cancel := context.WithCancelCause(b.ctx)
	defer cancel(nil)
	limit := b.clk.AfterFunc(b.opt.Timeout, func() {
		cancel(fault.New(fault.Network, "outbox: no answer in %s", b.opt.Timeout))
	})
	defer limit.Stop()
	defer func() {
		if p := recover(); p != nil {
			r = Result{Retry: fmt.Errorf("outbox: deliver %s: %v", it.Kind, p)}
			b.log.Error("outbox: delivery panicked", "kind", it.Kind, "id", it.ID, "panic", p)
		}
	}()
	r = b.opt.Deliver(ctx, it)
	if cause := context.Cause(ctx); cause != nil && errors.Is(r.Retry, context.Canceled) {
		r.Retry = cause
	}
	return r
}

// judge decides what an attempt means for the item.
func (b *Outbox) judge(e *entry, d *destination, it Item, r Result) {
	it.Attempts++
	if !r.OK {
		it.LastError = "not accepted"
		if r.Retry != nil {
			it.LastError = cut(r.Retry.Error())
		}
	}
	b.mu.Lock()
	now := b.clk.Now()
	d.failing = !r.OK && !r.Stop
	back := d.breaker.heard(!d.failing, r.After, now)
	e.passed = 0
	b.counts.Attempts++
	if d.failing {
		b.counts.Failed++
	}
	if back {
		b.plan.back(d, now, b)
	}
	b.mu.Unlock()
	switch {
	case r.OK:
		it.LastError = ""
		b.finish(e, d, it, Delivered)
	case r.Stop:
		b.finish(e, d, it, Stopped)
	case it.Attempts >= MaxAttempts && now.Sub(it.Created) >= shortest:
		b.log.Warn("outbox: given up", "id", it.ID, "kind", it.Kind, "destination", it.Destination, "attempts", it.Attempts, "error", it.LastError)
		b.finish(e, d, it, Dead)
	default:
		it.NextAt = b.clk.Now().Add(min(max(backoff(it.Attempts), r.After), hourly))
		b.again(e, d, it)
	}
}

// finish moves the item out of the waiting ones.
func (b *Outbox) finish(e *entry, d *destination, it Item, s State) {
	from := classWaiting + number(e.seq)
	to := classFinished + number(e.seq)
	if s == Dead {
		to = classDead + number(e.seq)
	}
	it.State, it.Finished, it.NextAt = s, b.clk.Now(), time.Time{}
	if s == Delivered || s == Stopped {
		it.Payload = nil
	}
	raw := it.encode()
	b.settle(e, d, []store.Op{{Key: from}, {Key: to, Value: raw}, {Key: classID + it.ID, Value: []byte(to)}})
	b.count(s)
}

// count notes a finished item.
func (b *Outbox) count(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch s {
	case Delivered:
		b.counts.Delivered++
	case Stopped:
		b.counts.Stopped++
	case Dead:
		b.counts.Dead++
	}
}

// settle writes the outcome of a finished item. While the store refuses, the
// item is not delivered again, its queue waits, and the writing is retried.
func (b *Outbox) settle(e *entry, d *destination, ops []store.Op) {
	b.mu.Lock()
	e.phase, e.outcome = settling, nil
	b.mu.Unlock()
	err := b.opt.Space.Apply(ops...)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.plan.finished(e, d)
	q := e.queue
	if err == nil {
		b.remove(e)
	} else {
		e.outcome, e.nextAt = ops, b.clk.Now().Add(settleDelay)
	}
	b.plan.ready(q, b)
	b.dispatch()
}

// again writes a failed attempt and sets the next. When it cannot be written
// the count on disk is one short, which a restart forgives.
func (b *Outbox) again(e *entry, d *destination, it Item) {
	raw := it.encode()
	err := b.opt.Space.Apply(store.Op{Key: classWaiting + number(e.seq), Value: raw})
	if err != nil {
		b.log.Debug("outbox: attempt not noted", "id", it.ID, "error", err)
	}
	b.mu.Lock()
	e.attempts, e.nextAt = it.Attempts, it.NextAt
	b.mu.Unlock()
	b.release(e, d)
}

// postpone leaves an item that could not be read for later.
func (b *Outbox) postpone(e *entry, d *destination, err error) {
	b.log.Debug("outbox: item not readable now", "id", e.id, "error", err)
	b.mu.Lock()
	e.nextAt = b.clk.Now().Add(settleDelay)
	b.mu.Unlock()
	b.release(e, d)
}

// release puts the item back in front of its queue.
func (b *Outbox) release(e *entry, d *destination) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.phase = waiting
	b.plan.finished(e, d)
	b.plan.ready(e.queue, b)
	b.dispatch()
}

// read fetches the item from disk.
func (b *Outbox) read(e *entry) (it Item, err error) {
	raw, ok, err := b.opt.Space.Get(classWaiting + number(e.seq))
	if err != nil {
		return it, err
	}
	if !ok {
		return it, fault.New(fault.Internal, "outbox: item %s is not on disk", e.id)
	}
	if err := json.Unmarshal(raw, &it); err != nil {
		return it, fault.New(fault.Internal, "outbox: item %s: %w", e.id, err)
	}
	it.Attempts = e.attempts // the disk may not have heard of the last one, or of a Retry
	return it, nil
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return cut(a + ", last error: " + b)
}

// cut bounds an error text.
func cut(s string) string {
	if len(s) > maxError {
		return strings.ToValidUTF8(s[:maxError], "")
	}
	return s
}
