package sip

import (
	"net/netip"
	"sync"
)

// The flood filter: it looks at the raw bytes of every message, before the
// parser and before a transaction exists. Dialogs that are up always pass; the
// rest pays with tokens of its source (see limiter), and banned sources pay
// nothing and get nothing.

// Caps of transactions. One is kept up to 32 s after its answer, so these are
// no small numbers. Beyond them new requests get 503 before a transaction exists.
const (
	MaxTransactions          = 65536 // of requests to us, at one time
	MaxTransactionsPerPeer   = 49152 // of one trusted or trunk address
	MaxTransactionsPerSource = 2048  // of one other address
)

// admit tells whether a message may be parsed, and whether it belongs to a
// dialog that is up.
func (e *Endpoint) admit(data []byte, source netip.AddrPort, stream bool) (inDialog, pass bool) {
	s := sniff(data)
	if e.belongs(&s) {
		return true, true
	}
	a, now, how := source.Addr(), e.clk.Now(), unknownSource
	if e.knows(a) {
		how = peerSource
	} else if e.locations.At(a) > 0 {
		how = userSource
	} else if banned, proven := e.bans.holds(a, now); banned && (proven || !e.mayProve(&s)) {
		e.count.banned.Add(1)
		return false, false
	} else if s.scanner && !e.protected(a) {
		e.count.scanners.Add(1)
		e.strike(a, StrikesToBan, stream, "a scanner by its own headers")
		return false, false
	}
	if !e.limiter.allow(a, how, stream || e.answersUs(&s, a), now) {
		e.count.limited.Add(1)
		return false, false
	}
	return false, true
}

// belongs tells the messages of dialogs that are up.
func (e *Endpoint) belongs(s *sniffed) bool {
	tag := s.toTag
	if s.response {
		tag = s.fromTag
	}
	if len(tag) > 0 && len(s.callID) > 0 && e.dialogs.find(string(s.callID), string(tag)) != nil {
		return true
	}
	return string(s.method) == "BYE" && len(s.fromTag) > 0 && e.dialogs.find(string(s.callID), string(s.fromTag)) != nil // see turned
}

// answersUs tells whether the sender has read something that we sent to its
// address lately: the nonce of a challenge, or the tag of an answer.
func (e *Endpoint) answersUs(s *sniffed, a netip.Addr) bool {
	switch {
	case len(s.nonce) > 0:
		return e.guard.Answers(string(s.nonce), a.String())
	case len(s.toTag) > 0 && string(s.method) == "ACK":
		return string(s.toTag) == e.tagFor(string(s.callID), string(s.fromTag), string(s.branch))
	}
	return false
}

// mayProve tells a REGISTER, which a phone at a banned address that somebody
// else may have misused can always send.
func (e *Endpoint) mayProve(s *sniffed) bool { return string(s.method) == "REGISTER" && !s.scanner }

// perSource counts the transactions of each address.
type perSource struct {
	mu sync.Mutex
	n  map[netip.Addr]int
}

func (p *perSource) add(a netip.Addr, d int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == nil {
		p.n = map[netip.Addr]int{}
	}
	if p.n[a] += d; p.n[a] <= 0 {
		delete(p.n, a)
	}
}

func (p *perSource) of(a netip.Addr) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n[a]
}

// crowded tells whether a source, or all of them, have as many transactions as
// they may.
func (e *Endpoint) crowded(a netip.Addr) bool {
	limit := MaxTransactionsPerSource
	if e.knows(a) {
		limit = MaxTransactionsPerPeer
	}
	return e.transactions.Load() >= MaxTransactions || e.busy.of(a) >= limit
}
