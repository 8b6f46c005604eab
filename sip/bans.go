package sip

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of bans.
const (
	MaxBans        = 4096 // at one time; the oldest gives way
	MaxSuspects    = 8192 // addresses whose failures are counted
	StrikesToBan   = 20   // failed attempts within StrikeWindow
	StrikeWindow   = 10 * time.Minute
	DefaultBanTime = 10 * time.Minute
	MaxBanTime     = 24 * time.Hour // each further ban of an address is twice as long
	// ForgeableBan is how long an address is left alone that has not proved to be
	// the sender's: somebody else may have written it into a datagram. A phone
	// there can still register, which ends it.
	ForgeableBan = time.Minute
)

// Ban is a source whose messages outside dialogs are dropped.
type Ban struct {
	Source   netip.Addr
	Reason   string // for people
	Since    time.Time
	Until    time.Time
	Proven   bool   // the address is the sender's own: TCP, or it answered our nonce
	Strikes  int    // failures that led to it
	Dropped  uint64 // messages since
	Repeated int    // bans of this address before this one
}

// bans counts failures by address and holds those that are banned.
type bans struct {
	mu       sync.Mutex
	list     map[netip.Addr]*Ban
	suspects *recent[netip.Addr, *suspect]
	began    atomic.Uint64
	any      atomic.Bool // list is not empty
	// keep hears, in order, of each proven ban that begins or ends before its
	// time; it returns soon. Others are too short and too easily forged to be kept.
	keep func(b Ban, holds bool)
}

type suspect struct {
	strikes  int
	proven   int // of them
	first    time.Time
	repeated int
}

func newBans() *bans {
	return &bans{list: map[netip.Addr]*Ban{}, suspects: newRecent[netip.Addr, *suspect](MaxSuspects, nil), keep: func(Ban, bool) {}}
}

// restore takes up the bans of an earlier process that fit and still hold; the
// rest is told as ended.
func (b *bans) restore(saved []Ban, fits func(netip.Addr) bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ban := range saved {
		if !now.Before(ban.Until) || !ban.Source.IsValid() || !fits(ban.Source) || len(b.list) >= MaxBans {
			b.keep(ban, false)
			continue
		}
		b.list[ban.Source] = &ban
		b.suspects.put(ban.Source, &suspect{first: now, repeated: ban.Repeated + 1})
	}
	b.any.Store(len(b.list) > 0)
}

// strike counts a failure of a source. The ban is not nil when it was the last
// one; a failure with weight StrikesToBan bans at once.
func (b *bans) strike(a netip.Addr, weight int, proven bool, reason string, length time.Duration, now time.Time) *Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.suspects.get(a)
	if !ok {
		s = &suspect{first: now}
		b.suspects.put(a, s)
	}
	if now.Sub(s.first) > StrikeWindow {
		s.strikes, s.proven, s.first = 0, 0, now
	}
	s.strikes += weight
	if proven {
		s.proven += weight
	}
	known := b.list[a]
	if s.strikes < StrikesToBan || known != nil && now.Before(known.Until) && (known.Proven || s.proven < StrikesToBan) {
		return nil
	}
	return b.beginLocked(a, s, reason, length, now)
}

func (b *bans) beginLocked(a netip.Addr, s *suspect, reason string, length time.Duration, now time.Time) *Ban {
	ban := &Ban{Source: a, Reason: reason, Since: now, Proven: s.proven >= StrikesToBan, Strikes: s.strikes, Repeated: s.repeated}
	if ban.Proven {
		length = min(length<<min(s.repeated, 20), max(MaxBanTime, length))
		s.repeated++
	} else {
		length = min(length, ForgeableBan)
	}
	ban.Until = now.Add(length)
	s.strikes, s.proven, s.first = 0, 0, now
	if len(b.list) >= MaxBans && b.list[a] == nil {
		b.makeRoomLocked(now)
	}
	b.list[a] = ban
	b.any.Store(true)
	b.began.Add(1)
	if ban.Proven {
		b.keep(*ban, true)
	}
	return ban
}

// makeRoomLocked drops what is over, or else the ban that ends first.
func (b *bans) makeRoomLocked(now time.Time) {
	var first *Ban
	for a, ban := range b.list {
		if !now.Before(ban.Until) {
			b.removeLocked(a)
		} else if first == nil || ban.Until.Before(first.Until) {
			first = ban
		}
	}
	if len(b.list) >= MaxBans && first != nil {
		b.removeLocked(first.Source)
	}
}

// holds tells whether a source is banned, and counts the message when it is.
func (b *bans) holds(a netip.Addr, now time.Time) (banned, proven bool) {
	if !b.any.Load() {
		return false, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ban := b.list[a]
	if ban == nil {
		return false, false
	}
	if !now.Before(ban.Until) {
		b.removeLocked(a)
		return false, false
	}
	ban.Dropped++
	return true, ban.Proven
}

// lift ends the ban of a source, which begins anew; false: there was none.
func (b *bans) lift(a netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.suspects.get(a); ok {
		*s = suspect{repeated: s.repeated}
	}
	return b.removeLocked(a)
}

func (b *bans) removeLocked(a netip.Addr) bool {
	ban, ok := b.list[a]
	delete(b.list, a)
	b.any.Store(len(b.list) > 0)
	if ok && ban.Proven {
		b.keep(*ban, false)
	}
	return ok
}

// current lists the bans that hold, the newest first.
func (b *bans) current(now time.Time) []Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Ban, 0, len(b.list))
	for _, ban := range b.list {
		if now.Before(ban.Until) {
			out = append(out, *ban)
		}
	}
	slices.SortFunc(out, func(x, y Ban) int {
		if c := y.Since.Compare(x.Since); c != 0 {
			return c
		}
		return x.Source.Compare(y.Source)
	})
	return out
}

// Bans lists the banned sources, the newest first.
func (e *Endpoint) Bans() []Ban { return e.bans.current(e.clk.Now()) }

// LiftBan ends the ban of a source; false means there was none.
func (e *Endpoint) LiftBan(a netip.Addr) bool { return e.bans.lift(a.Unmap()) }

// protected tells the addresses that nothing bans: trusted ones, trunks, this
// machine, and those of users who are registered or proved who they are.
func (e *Endpoint) protected(a netip.Addr) bool {
	return a.IsLoopback() || e.knows(a) || e.limiter.isKnown(a, e.clk.Now()) || e.locations.At(a) > 0
}

// strike notes that a source failed to be let in.
func (e *Endpoint) strike(a netip.Addr, weight int, proven bool, reason string) {
	length := e.cfg.Load().Ban
	if length < 0 || e.protected(a) {
		return
	}
	if length == 0 {
		length = DefaultBanTime
	}
	ban := e.bans.strike(a, weight, proven, reason, length, e.clk.Now())
	if ban == nil || e.deps.Banned == nil {
		return
	}
	told := *ban
	e.spawn(func() { e.deps.Banned(told) })
}
