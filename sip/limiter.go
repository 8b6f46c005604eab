package sip

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Rates of messages that belong to no dialog, per second and IP address. What
// is over is dropped before it is parsed.
const (
	UnknownRate      = 20   // from a source that is neither trusted, nor a trunk, nor a user who has proved it lately
	UnknownBurst     = 60   // at once
	UnknownTotalRate = 500  // all of those together, except who has proved that the address is theirs
	UserRate         = 200  // from an address where a user has proved who it is within the hour
	UserBurst        = 1000 // at once
	PeerRate         = 3000 // from a trunk or a trusted address
	PeerBurst        = 6000 // at once
	PeerTotalRate    = 5000 // all of those together
	PeerTotalBurst   = 12000
	FloodCells       = 1 << 15 // token buckets, shared by hash: forged sources cannot make them more
	MaxLimitedUsers  = 8192    // addresses remembered because a user there has proved who it is
	knownFor         = time.Hour
)

// standing is how much we know of a source.
type standing uint8

const (
	unknownSource standing = iota
	userSource             // a user proved who it is there
	peerSource             // a trunk, or in Config.Trust
)

var tiers = [...]struct{ rate, burst float64 }{
	unknownSource: {UnknownRate, UnknownBurst}, userSource: {UserRate, UserBurst}, peerSource: {PeerRate, PeerBurst},
}

// limiter is a token bucket per address over one for all of its standing. The
// buckets are fixed tables in which an address has two places by hash and pays
// in both; it is refused when both are empty, so a busy neighbour in one of them
// does no harm.
type limiter struct {
	mu    sync.Mutex
	seeds [2]maphash.Seed
	cells [3][]bucket // by standing
	total [3]bucket
	known *recent[netip.Addr, time.Time] // users, until when
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter() *limiter {
	return &limiter{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		cells: [...][]bucket{make([]bucket, FloodCells), make([]bucket, FloodCells/4), make([]bucket, FloodCells/4)},
		known: newRecent[netip.Addr, time.Time](MaxLimitedUsers, nil),
	}
}

// allow takes a token of the address and one of the total. proven tells that
// the address is no forgery: then the total, which forgers use up, does not count.
func (l *limiter) allow(a netip.Addr, how standing, proven bool, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if how == unknownSource && l.isKnownLocked(a, now) {
		how = userSource
	}
	if !l.takeLocked(a, how, now) {
		return false
	}
	switch {
	case how == peerSource:
		return l.total[how].take(now, PeerTotalRate, PeerTotalBurst)
	case how == userSource, proven:
		return true
	}
	return l.total[how].take(now, UnknownTotalRate, UnknownTotalRate)
}

func (l *limiter) takeLocked(a netip.Addr, how standing, now time.Time) (ok bool) {
	t, key, cells := tiers[how], a.As16(), l.cells[how]
	half := uint64(len(cells) / 2)
	for i, seed := range l.seeds {
		at := maphash.Bytes(seed, key[:])%half + uint64(i)*half
		ok = cells[at].take(now, t.rate, t.burst) || ok
	}
	return ok
}

// spare lifts an address to that of a user for a while.
func (l *limiter) spare(a netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.put(a, now.Add(knownFor))
}

// isKnown tells whether a user has proved who it is at the address lately.
func (l *limiter) isKnown(a netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isKnownLocked(a, now)
}

func (l *limiter) isKnownLocked(a netip.Addr, now time.Time) bool {
	until, ok := l.known.get(a)
	return ok && now.Before(until)
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
