package media

import (
	"net/netip"
	"time"
)

// The source rule: RTP is taken from the address in the SDP and from nowhere
// else, unless SessionOptions.Symmetric names an IP address from which another
// source may be learned. Learning takes learnPackets in sequence over at least
// learnTime, happens once per described address, and ends as soon as the
// described address itself sends.
const (
	learnPackets = 4
	learnTime    = 60 * time.Millisecond
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
	if x.pinned {
		if from == x.current {
			return sourceGood
		}
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
	return sourcePinned
}
