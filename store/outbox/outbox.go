// Package outbox is a durable queue of deliveries: an item is on disk when
// Enqueue returns and is handed to Deliver until that accepts it, at least
// once, in order within its queue, for about three days.
//
// # Concurrency
//
// All methods may be called from any goroutine. One mutex guards the plan in
// memory (which item is next in which queue); it is never held while the store
// or Deliver works. Each delivery has its own goroutine, at most Workers in
// all and PerDestination for one destination; destinations that have not yet
// answered well, or failed last, share half of the Workers and a failing one
// gets a single one, so that stuck ones cannot hold up the others. A virtual
// clock is kept busy while an attempt runs; a Deliver that waits for anything
// on that clock takes itself off with Busy(-1) and comes back with Busy(1).
//
// # Limits
//
//	payload      MaxPayload   1 MiB
//	items        MaxWaiting   200,000 undelivered; LIMIT beyond
//	one attempt  Timeout      30 s, then its context ends
//	attempts     MaxAttempts  77: at once, after 5 s, 30 s, 2 min, 10 min, then hourly for 72 h
//	breaker      BreakerAfter 5 failures in a row: the destination is left alone
//	                          for BreakerPause, doubling up to BreakerMost, and one
//	                          item is tried; items whose time comes meanwhile are
//	                          passed over and have their turn when it is back
//	rate         Share.Rate   attempts a second of one destination
//
// # Errors
//
// Enqueue answers INVALID, LIMIT or the store's UNAVAILABLE; an item it has
// answered with nil is never lost. What Deliver reports ends in the item's
// LastError.
package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

const (
	// MaxPayload is the longest payload in bytes of JSON.
	MaxPayload = 1 << 20
	// MaxWaiting is how many undelivered items there may be.
	MaxWaiting = 200_000
	// MaxName bounds ID, Queue, Kind and Destination in bytes.
	MaxName = 500

	defaultWorkers        = 64
	defaultPerDestination = 4
	defaultTimeout        = 30 * time.Second
)

// State is where an item stands.
type State string

// The states of an item.
const (
	Waiting   State = "waiting"   // to be delivered, now or later
	Delivered State = "delivered" // accepted
	Stopped   State = "stopped"   // refused for good by the receiver
	Dead      State = "dead"      // given up: too many attempts, or expired
)

// Item is one delivery.
type Item struct {
	ID          string          `json:"id"`              // unique; a second Enqueue of it does nothing
	Queue       string          `json:"queue,omitempty"` // items of one queue go in order; "" is a queue of its own
	Kind        string          `json:"kind,omitempty"`
	Destination string          `json:"destination,omitempty"` // what PerDestination counts, such as a host; "" is the queue
	Payload     json.RawMessage `json:"payload,omitempty"`     // dropped once delivered
	Expires     time.Time       `json:"expires,omitzero"`      // not tried any more from then on; zero is never

	State     State     `json:"state"`
	Created   time.Time `json:"created"`
	Attempts  int       `json:"attempts"`
	NextAt    time.Time `json:"next_at,omitzero"`
	Finished  time.Time `json:"finished,omitzero"` // when it left Waiting
	LastError string    `json:"last_error,omitempty"`
}

// Result is what became of an attempt; the zero value is a failure.
type Result struct {
	OK    bool          // accepted
	Stop  bool          // refused for good: do not try again
	Retry error         // why it was not accepted
	After time.Duration // do not try earlier (Retry-After); at most an hour
}

// Space is the part of the store the outbox needs; store.Space is one.
type Space interface {
	Apply(ops ...store.Op) error
	ApplyLater(done func(error), ops ...store.Op)
	Get(key string) (value []byte, ok bool, err error)
	Scan(prefix, after string, limit int) ([]store.Entry, error)
	Last(prefix string) (key string, ok bool, err error)
	Count(prefix string) (int, error)
}

// Options say how to deliver.
type Options struct {
	Space Space
	// Deliver makes one attempt. It returns soon after ctx ends.
	Deliver        func(ctx context.Context, it Item) Result
	Clock          clock.Clock  // nil means the system's
	Log            *slog.Logger // nil means silence
	Workers        int          // 0 is 64
	PerDestination int          // 0 is 4
	// Share is what a destination may have; nil is PerDestination without a rate.
	Share      func(destination string) Share
	Timeout    time.Duration
	MaxWaiting int // 0 is MaxWaiting
}

// Outbox is an open queue.
type Outbox struct {
	opt    Options
	clk    clock.Clock
	log    *slog.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	plan    plan
	seq     uint64
	started bool
	closed  bool
	counts  Stats
}

// Open reads what is undelivered. Nothing is delivered before Start.
func Open(o Options) (*Outbox, error) {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, p := range []struct {
		v *int
		d int
	}{{&o.Workers, defaultWorkers}, {&o.PerDestination, defaultPerDestination}, {&o.MaxWaiting, MaxWaiting}} {
		if *p.v <= 0 {
			*p.v = p.d
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	b := &Outbox{opt: o, clk: o.Clock, log: o.Log}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.plan.init(o.Workers, b.share)
	if err := b.load(); err != nil {
		b.cancel()
		return nil, err
	}
	return b, nil
}

// share is what a destination may have, with the defaults filled in.
func (b *Outbox) share(destination string) (s Share) {
	if b.opt.Share != nil {
		s = b.opt.Share(destination)
	}
	if s.AtOnce <= 0 {
		s.AtOnce = b.opt.PerDestination
	}
	return s
}

// Start begins to deliver.
func (b *Outbox) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.started = true
	b.dispatch()
}

// Close ends the contexts of running attempts and waits for them. What was
// not accepted stays for the next Open.
func (b *Outbox) Close() {
	b.mu.Lock()
	b.closed = true
	for _, q := range b.plan.queues {
		q.stop()
	}
	for _, d := range b.plan.dests {
		d.bucket.stop()
		d.revive()
	}
	b.mu.Unlock()
	b.cancel()
	b.work.Wait()
}

// Enqueue puts it on disk and returns when it is there. An ID that is or was
// in the outbox is accepted again and changes nothing.
func (b *Outbox) Enqueue(it Item) error {
	done := make(chan error, 1)
	b.EnqueueLater(it, func(err error) { done <- err })
	return <-done
}

// EnqueueLater is Enqueue without waiting; done, which may be nil, hears when
// the item is on disk. It is called on another goroutine or this one and must
// not block.
func (b *Outbox) EnqueueLater(it Item, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	if err := it.check(); err != nil {
		done(err)
		return
	}
	b.mu.Lock()
	e, err := b.admit(&it, done)
	b.mu.Unlock()
	if err != nil {
		done(err)
		return
	}
	if e == nil { // it is known: done is called when the first one is durable
		return
	}
	it.State, it.Attempts, it.LastError, it.Finished = Waiting, 0, "", time.Time{}
	raw := it.encode()
	where := classWaiting + number(e.seq)
	b.opt.Space.ApplyLater(func(err error) { b.enqueued(e, err) },
		store.Op{Key: classID + it.ID, Value: []byte(where), New: true},
		store.Op{Key: where, Value: raw})
}

// admit gives a new item its place. It returns nil when the ID is in memory:
// done is then called at once or with the answer of the first. Caller holds mu.
func (b *Outbox) admit(it *Item, done func(error)) (*entry, error) {
	if b.closed {
		return nil, fault.New(fault.Unavailable, "outbox: closed")
	}
	if e := b.plan.byID[it.ID]; e != nil {
		if e.phase == writing {
			e.done = append(e.done, done)
		} else {
			done(nil)
		}
		return nil, nil
	}
	if len(b.plan.byID) >= b.opt.MaxWaiting {
		b.counts.Refused++
		return nil, fault.New(fault.Limit, "outbox: %d items are waiting", b.opt.MaxWaiting).
			WithHint("a receiver has not answered for long: see GET /v1/outbox")
	}
	b.seq++
	if it.Queue == "" {
		it.Queue = it.ID
	}
	if it.Destination == "" {
		it.Destination = it.Queue
	}
	it.Created = b.clk.Now()
	it.NextAt = it.Created
	e := b.known(*it, b.seq)
	e.phase, e.done = writing, []func(error){done}
	b.plan.insert(*it, e)
	return e, nil
}

// enqueued hears from the store. CONFLICT means that the ID was delivered or
// given up before: that is as good as done.
func (b *Outbox) enqueued(e *entry, err error) {
	b.mu.Lock()
	known := fault.CodeOf(err) == fault.Conflict
	if err != nil {
		b.remove(e)
	} else {
		e.phase = waiting
		b.counts.Enqueued++
	}
	done := e.done
	e.done = nil
	b.plan.ready(e.queue, b)
	b.dispatch()
	b.mu.Unlock()
	if known {
		err = nil
	}
	for _, f := range done {
		f(err)
	}
}

func (it Item) check() error {
	for name, v := range map[string]string{"id": it.ID, "queue": it.Queue, "kind": it.Kind, "destination": it.Destination} {
		if len(v) > MaxName || strings.ContainsRune(v, 0) {
			return fault.New(fault.Invalid, "outbox: the %s is no text of at most %d bytes", name, MaxName)
		}
	}
	switch {
	case it.ID == "":
		return fault.New(fault.Invalid, "outbox: an item has an id")
	case len(it.Payload) > MaxPayload:
		return fault.New(fault.Limit, "outbox: the payload of %s has %d bytes, the most is %d", it.ID, len(it.Payload), MaxPayload)
	case it.Payload != nil && !json.Valid(it.Payload):
		return fault.New(fault.Invalid, "outbox: the payload of %s is not JSON", it.ID)
	}
	return nil
}

func number(seq uint64) string { return fmt.Sprintf("%020d", seq) }
