package media

import (
	"net/netip"

	"github.com/loopstart/loopstart/internal/fault"
)

// newHome is a pair of sockets that a session moves to.
type newHome struct {
	port      uint16
	rtp, rtcp socketID
}

// Peer is the host that the peer's audio comes from: where its SIP comes from
// when that may be learned, else what its SDP says; invalid before that.
func (s *Session) Peer() netip.Addr {
	if s.opts.Symmetric.IsValid() {
		return s.opts.Symmetric.Unmap()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote.Addr.Addr().Unmap()
}

// Move takes new ports on another address of ours, because the old one is gone.
// What plays, records and bridges goes on; the peer is to be told by Reoffer.
// The error is that of [Engine.Open]; nothing has changed then.
func (s *Session) Move(bind, advertise netip.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == sessionClosed {
		return fault.New(fault.Media, "media: the session is closed")
	}
	port, rtp, rtcp, err := s.engine.openPair(bind)
	if err != nil {
		return err
	}
	old := s.port
	s.port, s.opts.Bind, s.opts.Advertise = port, bind, advertise
	s.local.Addr, s.local.Port = advertise, port
	if s.offered != nil {
		s.offered.Addr, s.offered.Port = advertise, port
	}
	to := &newHome{old, rtp, rtcp}
	if s.state == sessionOpen {
		s.leg.rehouse(s.engine.sockets.newIO(), to)
		return nil
	}
	if !s.inbox.put(command{kind: cmdMove, home: to}) { // over its limit with nothing else lost
		s.engine.overflows.Add(1)
		s.engine.sockets.newIO().close(rtp)
		s.engine.sockets.newIO().close(rtcp)
		s.engine.ports.give(port)
		s.port = old
		return fault.New(fault.Limit, "media: too many commands wait for the session")
	}
	s.wake()
	return nil
}

// rehouse changes the sockets; to.port is that of the old ones, which is free now.
func (l *leg) rehouse(io netIO, to *newHome) {
	s := l.s
	io.close(s.sock)
	io.close(s.rtcpSock)
	s.engine.ports.give(to.port)
	s.sock, s.rtcpSock = to.rtp, to.rtcp
}

// moved carries out cmdMove.
func (l *leg) moved(sh *shard, to *newHome) {
	l.rehouse(sh.io, to)
	if l.agreed == nil {
		return
	}
	l.src.relearn()
	l.aim(sh)
	if l.heard != 0 {
		l.heard = sh.at // the peer does not know yet where to send
	}
}

// Roam tells that the peer has proved by SIP that it is at an address now, which a
// phone does that has gone to another network. Its stream, with its SSRC and the
// next of its numbers, is taken from there once it is silent where it was, and
// answered there. It changes nothing for sessions without Symmetric.
func (s *Session) Roam(to netip.Addr) {
	to = to.Unmap()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == sessionClosed || !s.opts.Symmetric.IsValid() || !s.roamed && to == s.opts.Symmetric.Unmap() {
		return
	}
	s.roamed = true
	if s.state == sessionOpen {
		s.leg.src.roam = to
		return
	}
	if !s.inbox.put(command{kind: cmdRoam, roam: &to}) {
		s.engine.overflows.Add(1)
		return
	}
	s.wake()
}

// roam carries out cmdRoam.
func (l *leg) roam(sh *shard, to netip.Addr) {
	l.src.roam = to
	if l.agreed != nil {
		l.aim(sh)
	}
}
