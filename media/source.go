package media

import (
	"encoding/binary"
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
//
// A phone that goes from one network to another in the middle of a call keeps its
// stream and changes the IP address, too. That is followed in the same way, after
// roamSilence, where something else than the stream proves whose it is: SRTP,
// which authenticates each packet, or that the phone has proved who it is by SIP
// from the new IP address (Session.Roam). Numbers of the stream alone, which
// anybody on the way reads, move nothing to another IP address.
const (
	learnPackets = 4
	learnTime    = 60 * time.Millisecond
	remapSilence = 200 * time.Millisecond
	roamSilence  = 500 * time.Millisecond
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
	roam      netip.Addr // where the phone has proved who it is since; may be invalid
	sealed    bool       // packets are authentic when they are judged
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
	*x = rtpSource{described: addr, current: addr, symmetric: symmetric.Unmap(), roam: x.roam, sealed: x.sealed}
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
	if x.pinned {
		if !x.follows(from) || !x.continues(from, p.ssrc, p.seq, now) {
			return sourceForeign
		}
		return x.learn(from, p, now)
	}
	if from == x.described {
		x.current, x.pinned = from, true
		x.note(p, now)
		return sourcePinned
	}
	if x.elsewhere(from) {
		return sourceForeign
	}
	return x.learn(from, p, now)
}

// elsewhere tells that nothing is learned from an address.
func (x *rtpSource) elsewhere(from netip.AddrPort) bool {
	return from.Addr() != x.symmetric && from.Addr() != x.roam
}

// learn makes the address of enough packets in sequence the source.
func (x *rtpSource) learn(from netip.AddrPort, p *packet, now time.Time) verdict {
	if from != x.candidate || p.ssrc != x.ssrc || p.seq != x.seq+1 {
		x.candidate, x.ssrc, x.count, x.since = from, p.ssrc, 0, now
	}
	x.seq = p.seq
	x.count++
	if x.count < learnPackets || now.Sub(x.since) < learnTime {
		return sourceLearning
	}
	x.current, x.pinned, x.symmetric = from, true, from.Addr()
	x.note(p, now)
	return sourcePinned
}

func (x *rtpSource) note(p *packet, now time.Time) {
	x.last.ssrc, x.last.seq, x.last.at = p.ssrc, p.seq, now
}

// roams tells that the stream may come from another IP address later.
func (x *rtpSource) roams() bool {
	return x.symmetric.IsValid() && (x.sealed || x.roam.IsValid())
}

// follows tells whether the pinned stream may go on from an address: behind
// another port of its NAT, or in another network.
func (x *rtpSource) follows(from netip.AddrPort) bool {
	switch {
	case !x.symmetric.IsValid():
		return false
	case x.sealed || from.Addr() == x.roam:
		return true
	}
	return x.current != x.described && from != x.described && from.Addr() == x.current.Addr()
}

// continues tells whether a packet may be the next one of the pinned stream, which
// is silent where it was.
func (x *rtpSource) continues(from netip.AddrPort, ssrc uint32, seq uint16, now time.Time) bool {
	quiet := roamSilence
	if from.Addr() == x.current.Addr() {
		quiet = remapSilence
	}
	ahead := seq - x.last.seq
	return !x.last.at.IsZero() && now.Sub(x.last.at) >= quiet && ssrc == x.last.ssrc && ahead > 0 && ahead <= remapAhead
}

// foreign reports whether an encrypted packet cannot be taken, whatever is in
// it: what stands in the clear costs no cryptography.
func (x *rtpSource) foreign(from netip.AddrPort, b []byte, now time.Time) bool {
	switch {
	case !x.pinned:
		return from != x.described && x.elsewhere(from)
	case from == x.current:
		return false
	case !x.follows(from) || len(b) < rtpHeader:
		return true
	}
	return !x.continues(from, binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:]), now)
}
