package sip

import (
	"net/netip"
	"sync"
	"time"
)

// Rates of requests outside dialogs from sources that are neither trusted, nor
// a trunk, nor a user who has proved it lately.
const (
	UnknownRate       = 20   // per second and IP address
	UnknownBurst      = 60   // at once
	UnknownTotalRate  = 500  // per second, all of them together
	MaxLimitedSources = 8192 // addresses in the table; idle ones are forgotten
	knownFor          = time.Hour
)

// limiter is a token bucket per address over one for all, and the list of
// addresses that are spared because a user there has proved who it is.
type limiter struct {
	mu    sync.Mutex
	total bucket
	each  *recent[netip.Addr, *bucket]
	known *recent[netip.Addr, time.Time] // until when
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter() *limiter {
	return &limiter{
		each:  newRecent[netip.Addr, *bucket](MaxLimitedSources, nil),
		known: newRecent[netip.Addr, time.Time](MaxLimitedSources, nil),
	}
}

// allow takes a token of the address and one of the total, unless the address
// is spared.
func (l *limiter) allow(a netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, ok := l.known.get(a); ok && now.Before(until) {
		return true
	}
	b, ok := l.each.get(a)
	if !ok {
		b = &bucket{}
		l.each.put(a, b)
	}
	return b.take(now, UnknownRate, UnknownBurst) && l.total.take(now, UnknownTotalRate, UnknownTotalRate)
}

// spare takes an address out of the limits for a while.
func (l *limiter) spare(a netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.put(a, now.Add(knownFor))
}

func (l *limiter) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.each.size()
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	if b.at.IsZero() {
		b.tokens = burst
	} else if d := now.Sub(b.at); d > 0 {
		b.tokens = min(burst, b.tokens+d.Seconds()*rate)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
