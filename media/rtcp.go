package media

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"
)

// RTCP, RFC 3550 §6: reports are read about once a second and sent about every
// five, in the session's own slot.
const (
	rtcpPollFrames   = 50  // 1 s
	rtcpReportFrames = 250 // 5 s on average, half as much to half as much again (RFC 3550 §6.2)
	rtcpReads        = 8   // datagrams in one go
	rtcpSR           = 200
	rtcpRR           = 201
	rtcpSDES         = 202
	rtcpBYE          = 203
	sdesCNAME        = 1
	reportBlock      = 24
	cnameBytes       = 16
	ntpUnixOffset    = 2208988800 // seconds from 1900 to 1970
)

// rtcpState is the report side of a session.
type rtcpState struct {
	poll, report int64 // frames
	sentBefore   uint32
	cname        [cnameBytes]byte // RFC 7022: random, kept for the session

	lastSR   uint32        // middle of the NTP time in their latest SR
	lastSRAt time.Duration // when it arrived
	haveSR   bool
}

func (r *rtcpState) init(id uint32) {
	const hex = "0123456789abcdef"
	random := rand.Uint64()
	for i := range r.cname {
		r.cname[i] = hex[random>>(4*i)&15]
	}
	r.poll, r.report = int64(id)%rtcpPollFrames, 0
}

// control reads and sends reports when it is time for frame f.
func (l *leg) control(sh *shard, f int64) {
	r := &l.rtcp
	if f >= r.poll {
		r.poll = f + rtcpPollFrames
		for range rtcpReads {
			n, from, stamp, ok := sh.io.recv(l.s.rtcpSock, sh.buf[:])
			if !ok {
				break
			}
			l.readReports(sh, sh.buf[:n], from, stamp)
		}
	}
	if r.report == 0 {
		r.report = f + rtcpReportFrames/2
	}
	if f >= r.report {
		r.report = f + rtcpReportFrames/2 + rand.Int64N(rtcpReportFrames)
		l.sendReports(sh, false)
	}
}

// sendReports sends SR or RR with SDES, and BYE at the end.
func (l *leg) sendReports(sh *shard, bye bool) {
	if !reachable(l.ctrl.addr) {
		return
	}
	b := l.appendReports(sh.code[:0], sh.now, sh.at, bye)
	if a := l.agreed; a != nil && a.secured {
		if b = a.sealReports(sh, b); b == nil {
			sh.stats.drops[DropCrypto].Add(1)
			return
		}
	}
	sock, to := l.s.rtcpSock, &l.ctrl
	if l.agreed.mux {
		sock, to = l.s.sock, &l.dest
	}
	if !sh.io.send(sock, to, b, nil) {
		sh.stats.drops[DropSend].Add(1)
	}
}

func (l *leg) sayGoodbye(sh *shard) { l.sendReports(sh, true) }

// appendReports builds a compound packet.
func (l *leg) appendReports(b []byte, now time.Time, at time.Duration, bye bool) []byte {
	be := binary.BigEndian
	blocks := byte(0)
	if l.rx.known {
		blocks = 1
	}
	words := uint16(1 + int(blocks)*reportBlock/4)
	if o := &l.send; o.packets != l.rtcp.sentBefore {
		l.rtcp.sentBefore = o.packets
		b = append(b, rtpVersion<<6|blocks, rtcpSR)
		b = be.AppendUint16(b, words+5)
		b = be.AppendUint32(b, o.ssrc)
		b = be.AppendUint64(b, ntp(now))
		b = be.AppendUint32(b, o.clockAt(at, l.slot)*l.factor())
		b = be.AppendUint32(b, o.packets)
		b = be.AppendUint32(b, o.octets)
	} else {
		b = append(b, rtpVersion<<6|blocks, rtcpRR)
		b = be.AppendUint16(b, words)
		b = be.AppendUint32(b, o.ssrc)
	}
	if l.rx.known {
		b = l.appendBlock(b, at)
	}
	// One SDES chunk: source, CNAME, and at least one zero up to a word.
	b = append(b, rtpVersion<<6|1, rtcpSDES)
	b = be.AppendUint16(b, (4+2+cnameBytes+2)/4)
	b = be.AppendUint32(b, l.send.ssrc)
	b = append(b, sdesCNAME, cnameBytes)
	b = append(b, l.rtcp.cname[:]...)
	b = append(b, 0, 0)
	if bye {
		b = append(b, rtpVersion<<6|1, rtcpBYE)
		b = be.AppendUint16(b, 1)
		b = be.AppendUint32(b, l.send.ssrc)
	}
	return b
}

// appendBlock writes what we know about their stream.
func (l *leg) appendBlock(b []byte, at time.Duration) []byte {
	be := binary.BigEndian
	st := &l.rx
	b = be.AppendUint32(b, st.ssrc)
	lost := min(st.missing(), 1<<23-1)
	b = be.AppendUint32(b, uint32(st.fraction())<<24|lost)
	b = be.AppendUint32(b, st.highest)
	b = be.AppendUint32(b, uint32(st.jitter)*max(1, l.clock.factor))
	if !l.rtcp.haveSR {
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	b = be.AppendUint32(b, l.rtcp.lastSR)
	return be.AppendUint32(b, uint32((at-l.rtcp.lastSRAt)*65536/time.Second))
}

// isReport tells RTCP from RTP on a shared port by the packet type, RFC 5761 §4.
func isReport(b []byte) bool {
	return len(b) >= 2 && b[0]>>6 == rtpVersion && b[1] >= 192 && b[1] <= 223
}

// readReports takes a datagram of the RTCP socket.
func (l *leg) readReports(sh *shard, b []byte, from netip.AddrPort, stamp int64) {
	if from.Addr() != l.src.current.Addr() {
		sh.stats.drops[DropSource].Add(1)
		return
	}
	if a := l.agreed; a != nil && a.secured {
		if b = a.openReports(sh, b); b == nil {
			sh.stats.drops[DropCrypto].Add(1)
			return
		}
	}
	now := sh.now.Add(-sh.age1s(stamp))
	at := now.Sub(sh.engine.base)
	ok := eachReport(b, func(pt byte, body []byte, blocks int) {
		l.readReport(pt, body, blocks, now, at)
	})
	if !ok {
		sh.stats.drops[DropMalformed].Add(1)
	}
}

// age1s is age for a socket that is read once a second.
func (sh *shard) age1s(stamp int64) time.Duration {
	if stamp == 0 {
		return 0
	}
	return max(0, min(2*time.Second, time.Duration(sh.now.UnixNano()-stamp)))
}

// eachReport walks through a compound packet and reports whether it was whole.
func eachReport(b []byte, visit func(pt byte, body []byte, blocks int)) bool {
	for len(b) > 0 {
		if len(b) < 8 || b[0]>>6 != rtpVersion {
			return false
		}
		size := 4 * (1 + int(binary.BigEndian.Uint16(b[2:])))
		if size < 8 || size > len(b) {
			return false
		}
		visit(b[1], b[4:size], int(b[0]&31))
		b = b[size:]
	}
	return true
}

// readReport takes one SR or RR; body begins with the sender's source.
func (l *leg) readReport(pt byte, body []byte, blocks int, now time.Time, at time.Duration) {
	be := binary.BigEndian
	rest := body[4:]
	switch pt {
	case rtcpSR:
		if len(rest) < 20 {
			return
		}
		l.rtcp.lastSR, l.rtcp.lastSRAt, l.rtcp.haveSR = be.Uint32(rest[2:]), at, true
		rest = rest[20:]
	case rtcpRR:
	default:
		return
	}
	c := &l.s.counters
	for ; blocks > 0 && len(rest) >= reportBlock; blocks, rest = blocks-1, rest[reportBlock:] {
		if be.Uint32(rest) != l.send.ssrc {
			continue
		}
		loss := be.Uint32(rest[4:])
		c.remoteFraction.Store(loss >> 24)
		c.remoteLost.Store(uint64(loss & 0xffffff))
		c.remoteJitter.Store(be.Uint32(rest[12:]) / l.factor())
		if sr := be.Uint32(rest[16:]); sr != 0 {
			trip := int32(uint32(ntp(now)>>16) - sr - be.Uint32(rest[20:]))
			if trip >= 0 && trip < 10<<16 {
				c.rtt.Store(int64(trip) * int64(time.Second) / 65536)
			}
		}
	}
}

// ntp is a time in the format of RFC 3550 §4.
func ntp(t time.Time) uint64 {
	ns := t.UnixNano()
	return uint64(ns/1e9+ntpUnixOffset)<<32 | uint64(ns%1e9)<<32/1e9
}

// nextPort is where RTCP goes when only an RTP address is known.
func nextPort(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() || a.Port() == 1<<16-1 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr(), a.Port()+1)
}
