package outbox

import (
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

const (
	// BreakerAfter is how many failures in a row open a destination's breaker.
	BreakerAfter = 5
	// BreakerPause is how long it stays open at first, doubling up to BreakerMost.
	BreakerPause = 15 * time.Second
	BreakerMost  = 2 * time.Minute
)

// Share is what one destination may have.
type Share struct {
	AtOnce int     // attempts at once; 0 is PerDestination
	Rate   float64 // attempts a second; 0 is no limit
}

// breaker keeps a receiver that does not answer from being asked for every
// item: after BreakerAfter failures in a row it is left alone for a pause, then
// one item is tried. A success closes it.
type breaker struct {
	streak int // failures in a row
	opened int // times it opened without a success between
	until  time.Time
	proven bool // the last attempt was a success
}

func (k *breaker) isOpen(now time.Time) bool { return now.Before(k.until) }

// heard notes the outcome of an attempt and reports whether the receiver is
// back after a time of silence. asked is how long it wants to be left alone.
func (k *breaker) heard(ok bool, asked time.Duration, now time.Time) (back bool) {
	if ok {
		back = k.streak >= BreakerAfter || k.until.After(now)
		*k = breaker{proven: true}
		return back
	}
	k.streak++
	k.proven = false
	if k.streak >= BreakerAfter && !k.isOpen(now) { // those that were on their way count once
		k.until = now.Add(min(BreakerPause<<min(k.opened, 10), BreakerMost))
		k.opened++
	}
	if at := now.Add(min(asked, hourly)); at.After(k.until) {
		k.until = at
	}
	return false
}

// suspect destinations share half of the workers, so that those that hang never
// keep the others from theirs. One is a suspect until it has answered well.
func (d *destination) suspect() bool { return !d.breaker.proven }

// passOver lets the items in d's line wait for their next time without asking
// the receiver. It counts as an attempt until the receiver is back; only the
// last attempt of an item is always made.
func (p *plan) passOver(d *destination, now time.Time, b *Outbox) {
	line := d.line
	d.line = nil
	for _, q := range line {
		if len(q.items) > 0 && !b.mustTry(q.items[0], now) {
			e := q.items[0]
			e.attempts++
			e.passed++
			e.nextAt = now.Add(backoff(e.attempts))
			b.counts.Passed++
			q.lined = false
			p.ready(q, b)
			continue
		}
		d.line = append(d.line, q)
	}
}

// mustTry reports whether an item may not be passed over: its outcome is known,
// it has expired, or this is its last attempt.
func (b *Outbox) mustTry(e *entry, now time.Time) bool {
	return e.outcome != nil || !e.expires.IsZero() && !now.Before(e.expires) || e.attempts+1 >= MaxAttempts
}

// back gives everything that waits for d its turn now. What was passed over
// has not been tried, so it does not count.
func (p *plan) back(d *destination, now time.Time, b *Outbox) {
	for _, q := range p.queues {
		if len(q.items) == 0 || q.items[0].dest != d || q.busy {
			continue
		}
		if e := q.items[0]; e.phase == waiting && e.passed > 0 {
			e.attempts -= e.passed
			e.passed, e.nextAt = 0, now
			p.ready(q, b)
		}
	}
}

// bucket is the rate limit of one destination.
type bucket struct {
	tokens float64
	filled time.Time
	timer  clock.Timer // wakes the dispatcher for the next token
	on     bool        // the destination has a rate
}

// ready reports whether there is a token, and sets an alarm if not. As much as
// a second's worth may be spent at once.
func (k *bucket) ready(rate float64, now time.Time, b *Outbox) bool {
	if k.on = rate > 0; !k.on {
		return true
	}
	most := max(rate, 1)
	if k.filled.IsZero() {
		k.tokens = most
	} else {
		k.tokens = min(most, k.tokens+rate*max(now.Sub(k.filled).Seconds(), 0))
	}
	k.filled = now
	if k.tokens >= 1-1e-9 {
		return true
	}
	b.counts.Throttled++
	if k.timer == nil {
		wait := time.Duration((1 - k.tokens) / rate * float64(time.Second))
		k.timer = b.clk.AfterFunc(max(wait, time.Millisecond), func() { b.refilled(k) })
	}
	return false
}

// full is how long it takes until a second's worth is there.
func (k *bucket) full(rate float64, now time.Time) time.Duration {
	if !k.on || rate <= 0 {
		return 0
	}
	return k.filled.Add(time.Duration((max(rate, 1) - k.tokens) / rate * float64(time.Second))).Sub(now)
}

func (k *bucket) spend() {
	if k.on {
		k.tokens--
	}
}

func (k *bucket) stop() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}

// refilled is the alarm of a bucket.
func (b *Outbox) refilled(k *bucket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.timer = nil
	b.dispatch()
}
