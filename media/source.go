package media

import (
	"net/netip"
	"time"
)

// The source rule: RTP is taken from the address in the SDP and from nowhere
// else, unless SessionOptions.Symmetric names an IP address from which another
// source may be learned. Learning takes learnPackets in sequence over at least
// learnTime, happens once per described address, and ends as soon as the
// described address itself sends. A learned source may move once more and again
// to another port of that IP address, because a NAT that loses its table gives the
// same stream another port: when the learned one has been silent for remapSilence, and
// only by the very stream, with its SSRC and its next sequence numbers, which
// nobody who does not read the stream knows.
const (
	learnPackets = 4
	learnTime    = 60 * time.Millisecond
	remapSilence = 200 * time.Millisecond
	remapAhead   = 1500 // packets, 30 s of 20 ms ones, which may have been lost meanwhile
)

type verdict uint8

const (
	sourceForeign  verdict = iota // drop
	sourceLearning                // drop, but it may become the source
	sourceGood
	sourcePinned // good, and from now on the only one
)

// rtpSource applies the rule for one session.
type rtpSource struct {
	described netip.AddrPort // from the SDP
	current   netip.AddrPort // where we send to
	symmetric netip.Addr
	pinned    bool

	candidate netip.AddrPort
	ssrc      uint32
	seq       uint16
	count     int
	since     time.Time

	last struct { // packet of the learned source
		ssrc uint32
		seq  uint16
		at   time.Time
	}
}

// describe takes the address of an offer or answer and reports whether it is
// another one. The same address again changes nothing, also when another one
// had been learned for it.
func (x *rtpSource) describe(addr netip.AddrPort, symmetric netip.Addr) bool {
	if x.described == addr {
		return false
	}
	*x = rtpSource{described: addr, current: addr, symmetric: symmetric.Unmap()}
	x.pinned = !symmetric.IsValid()
	return true
}

// relearn lets the source be learned anew after we have moved: a NAT on the way
// maps what is sent to our new address anew. Until then what was learned stays.
func (x *rtpSource) relearn() {
	x.pinned = !x.symmetric.IsValid()
	x.candidate, x.count = netip.AddrPort{}, 0
}

// judge decides about a valid packet from an address.
func (x *rtpSource) judge(from netip.AddrPort, p *packet, now time.Time) verdict {
	if x.pinned && from == x.current {
		x.note(p, now)
		return sourceGood
	}
	if x.pinned && !x.remapped(from, p, now) {
		return sourceForeign
	}
	if from == x.described {
		x.pinned = true
		return sourcePinned
	}
	if from.Addr() != x.symmetric {
		return sourceForeign
	}
	if from != x.candidate || p.ssrc != x.ssrc || p.seq != x.seq+1 {
		x.candidate, x.ssrc, x.count, x.since = from, p.ssrc, 0, now
	}
	x.seq = p.seq
	x.count++
	if x.count < learnPackets || now.Sub(x.since) < learnTime {
		return sourceLearning
	}
	x.current, x.pinned = from, true
	x.note(p, now)
	return sourcePinned
}

func (x *rtpSource) note(p *packet, now time.Time) {
	x.last.ssrc, x.last.seq, x.last.at = p.ssrc, p.seq, now
}

// remapped tells whether a packet may be of the learned stream behind another
// port of its NAT.
func (x *rtpSource) remapped(from netip.AddrPort, p *packet, now time.Time) bool {
	ahead := p.seq - x.last.seq
	return x.current != x.described && from != x.described && from.Addr() == x.current.Addr() && now.Sub(x.last.at) >= remapSilence &&
		p.ssrc == x.last.ssrc && ahead > 0 && ahead <= remapAhead
}
