package resolve

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/dns"
)

// Options configure a Resolver.
type Options struct {
	Lookup Lookup
	Clock  clock.Clock     // how old answers are
	Roll   func(n int) int // a random number in [0,n); safe for concurrent use
	Can    []string        // transports that we can send over; nil: udp, tcp, tls
}

// Stats counts since the start.
type Stats struct {
	Questions, Failures, Hits uint64
	StaleServed               uint64 // old answers given because DNS failed
	Refused                   uint64 // questions not asked because of MaxQuestions
	Names, Dead, Pending      int
}

// Resolver answers from a cache and asks DNS.
type Resolver struct {
	o    Options
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	names   map[Target]*answer
	pending map[Target]*question
	dead    map[Hop]time.Time
	stats   Stats
}

type answer struct {
	at      time.Time     // of the last question
	ttl     time.Duration // until the next one
	records []record      // of the last success
	err     error         // of the last question
	good    time.Time
}

type question struct{ done chan struct{} }

// New returns an empty resolver. Close it to end its questions.
func New(o Options) *Resolver {
	if o.Can == nil {
		o.Can = []string{"udp", "tcp", "tls"}
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Resolver{
		o: o, ctx: ctx, stop: stop,
		names: make(map[Target]*answer), pending: make(map[Target]*question), dead: make(map[Hop]time.Time),
	}
}

// Close ends all questions and waits for them.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.work.Wait()
}

// Resolve returns the hops for t in the order to try them, at least one. It
// waits for DNS until ctx ends.
func (r *Resolver) Resolve(ctx context.Context, t Target) ([]Hop, error) {
	if hops, ok := numeric(t); ok {
		return hops, nil
	}
	if !validHost(t.Host) {
		return nil, fault.New(fault.Invalid, "resolve %q: not a host name", t.Host)
	}
	for {
		hops, done, err := r.lookup(t, true)
		if done == nil {
			return hops, err
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, fault.New(fault.Network, "resolve %s: %w", t.Host, ctx.Err())
		}
	}
}

// Cached returns what is known of t without waiting, also when it is old;
// nothing if it was never resolved.
func (r *Resolver) Cached(t Target) []Hop {
	if hops, ok := numeric(t); ok {
		return hops
	}
	hops, _, _ := r.lookup(t, false)
	return hops
}

// lookup answers from the cache, or else returns the channel that closes when
// the question is answered, asking it if nobody has.
func (r *Resolver) lookup(t Target, mayAsk bool) ([]Hop, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	if a := r.names[t]; a != nil && (!mayAsk || a.fresh(now)) {
		r.stats.Hits++
		return r.hopsLocked(a, now)
	}
	if !mayAsk {
		return nil, nil, nil
	}
	if q := r.pending[t]; q != nil {
		return nil, q.done, nil
	}
	if r.closed || len(r.pending) >= MaxQuestions {
		r.stats.Refused++
		return nil, nil, fault.New(fault.Limit, "resolve %s: too many DNS questions under way", t.Host)
	}
	q := &question{done: make(chan struct{})}
	r.pending[t] = q
	r.stats.Questions++
	r.o.Clock.Busy(1)
	r.work.Go(func() { r.run(t, q) })
	return nil, q.done, nil
}

func (a *answer) fresh(now time.Time) bool { return now.Sub(a.at) < a.ttl }

func (r *Resolver) hopsLocked(a *answer, now time.Time) ([]Hop, <-chan struct{}, error) {
	if a.err != nil {
		if len(a.records) == 0 || now.Sub(a.good) > Stale {
			return nil, nil, a.err
		}
		r.stats.StaleServed++
	}
	return arrange(a.records, r.o.Roll, func(h Hop) bool { return r.deadLocked(h, now) }), nil, nil
}

// run asks one question and stores the answer.
func (r *Resolver) run(t Target, q *question) {
	defer r.o.Clock.Busy(-1)
	ctx, cancel := context.WithTimeout(r.ctx, Patience)
	defer cancel()
	records, ttl, err := ask(ctx, r.o.Lookup, t, r.o.Can)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	a := &answer{at: now, ttl: ttl, records: records, err: err, good: now}
	if err != nil {
		r.stats.Failures++
		r.failedLocked(a, r.names[t])
	}
	if len(r.names) >= MaxNames && r.names[t] == nil {
		r.evictLocked()
	}
	r.names[t] = a
	delete(r.pending, t)
	close(q.done)
}

// failedLocked keeps the old records while DNS does not answer. That a name is
// missing, or its service not there, is an answer: they go.
func (r *Resolver) failedLocked(a, old *answer) {
	if _, none := dns.AsMissing(a.err); none || errors.Is(a.err, errNowhere) {
		a.ttl, a.records = min(a.ttl, MostMissing), nil
		return
	}
	a.ttl = FreshFailure
	if old != nil {
		a.records, a.good = old.records, old.good
	}
}

// evictLocked forgets the answer that was asked longest ago.
func (r *Resolver) evictLocked() {
	var oldest Target
	var at time.Time
	for t, a := range r.names {
		if at.IsZero() || a.at.Before(at) {
			oldest, at = t, a.at
		}
	}
	delete(r.names, oldest)
}

// MarkDead puts a hop that did not answer behind all others for d.
func (r *Resolver) MarkDead(h Hop, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	if len(r.dead) >= MaxDead {
		r.sweepDeadLocked(now)
	}
	if len(r.dead) >= MaxDead {
		for any := range r.dead { // all still dead: forgetting one costs one more try
			delete(r.dead, any)
			break
		}
	}
	r.dead[h] = now.Add(d)
}

// MarkAlive forgets that a hop was dead.
func (r *Resolver) MarkAlive(h Hop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.dead, h)
}

func (r *Resolver) deadLocked(h Hop, now time.Time) bool {
	until, ok := r.dead[h]
	return ok && now.Before(until)
}

func (r *Resolver) sweepDeadLocked(now time.Time) {
	for h, until := range r.dead {
		if !now.Before(until) {
			delete(r.dead, h)
		}
	}
}

// Stats returns the counters.
func (r *Resolver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.stats
	st.Names, st.Dead, st.Pending = len(r.names), len(r.dead), len(r.pending)
	return st
}
