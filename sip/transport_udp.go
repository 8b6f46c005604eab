package sip

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/netx"
)

// udpSocket is a bound UDP socket as sipgo sees it. Its ReadFrom yields only
// messages that passed inspect; what must be refused is answered here. To
// sipgo all messages come from the socket's own address: see onMessage.
type udpSocket struct {
	e     *Endpoint
	conn  *net.UDPConn
	local netip.AddrPort
	key   string // of the socket in sipgo's pool, and the source it sees
	buf   []byte
	oob   []byte
	in    reader

	mu sync.Mutex
	// via remembers on which of our addresses a source reached a wildcard
	// socket, so that it is answered from there.
	via *recent[netip.AddrPort, netip.Addr]
}

// maxReadErrors in a row end a socket's reader.
const maxReadErrors = 1000

func (e *Endpoint) listenUDP(addr netip.AddrPort) (s *udpSocket, late bool, err error) {
	conn, late, err := netx.ListenUDP(addr)
	if err != nil {
		return nil, false, err
	}
	widen(conn)
	s = &udpSocket{e: e, conn: conn, key: conn.LocalAddr().String(), buf: make([]byte, MaxMessage+1)}
	s.local = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if s.local.Addr().IsUnspecified() {
		s.via = newRecent[netip.AddrPort, netip.Addr](MaxSources, nil)
		s.oob = make([]byte, 128)
		if err := askPacketInfo(conn, addr.Addr().Is6()); err != nil {
			_ = conn.Close()
			return nil, false, err
		}
	}
	return s, late, nil
}

// widen asks for room in the kernel, so that a flood does not push out what
// callers send. Who may, goes beyond the system's net.core.rmem_max.
func widen(conn *net.UDPConn) {
	_ = conn.SetReadBuffer(socketBuffer) // the kernel may allow less
	_ = conn.SetWriteBuffer(socketBuffer)
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer) // fails without CAP_NET_ADMIN
		})
	}
}

// askPacketInfo makes the kernel tell the destination address of datagrams.
func askPacketInfo(conn *net.UDPConn, six bool) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		if six {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		} else {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	})
	return errors.Join(err, set)
}

// serve reads until the socket is closed. A panic of the parser costs one
// message, not the process.
func (s *udpSocket) serve() {
	for !s.serveOnce() {
	}
}

func (s *udpSocket) serveOnce() (closed bool) {
	defer func() {
		if r := recover(); r != nil {
			s.e.panicked(r, debug.Stack())
		}
	}()
	_ = s.e.tp.ServeUDP(s) // ends with the socket, always without an error
	return true
}

// ReadFrom returns the next message for the parser.
func (s *udpSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	if s.in.unread(s.e) {
		s.answer()
	}
	for failed := 0; ; {
		n, oobn, _, source, err := s.conn.ReadMsgUDPAddrPort(s.buf, s.oob)
		if err != nil {
			if failed++; errors.Is(err, net.ErrClosed) || failed > maxReadErrors {
				return 0, nil, net.ErrClosed
			}
			continue // ICMP errors of earlier answers and the like
		}
		failed = 0
		source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		if n <= 4 && isKeepAlive(s.buf[:n]) {
			continue
		}
		s.note(source, s.oob[:oobn])
		s.in.source = source
		pass, answer := s.e.inspect(&s.in.raw, s.buf[:n], source, false, &s.in.out)
		switch {
		case answer:
			s.answer()
		case pass && s.in.out.Len() <= len(p):
			s.in.pending = true
			s.e.heard(&s.in.raw, s.buf[:n], s.localTo(source), source, "udp")
			return copy(p, s.in.out.Bytes()), pseudoAddr(s.key), nil
		case pass:
			s.in.pending = true
			if s.in.unread(s.e) {
				s.answer()
			}
		}
	}
}

func isKeepAlive(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' && c != 0 {
			return false
		}
	}
	return true
}

func (s *udpSocket) answer() {
	to := netip.AddrPortFrom(s.in.source.Addr(), s.in.raw.answerPort(s.in.source))
	_, _ = s.write(s.in.out.Bytes(), to) // counted there
}

func (s *udpSocket) delivered() netip.AddrPort {
	s.in.pending = false
	return s.in.source
}

// note remembers the destination address of a datagram.
func (s *udpSocket) note(source netip.AddrPort, oob []byte) {
	if s.via == nil {
		return
	}
	if a := packetDestination(oob); a.IsValid() {
		s.mu.Lock()
		s.via.put(source, a)
		s.mu.Unlock()
	}
}

// WriteTo sends a message of sipgo.
func (s *udpSocket) WriteTo(p []byte, addr net.Addr) (int, error) {
	u, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, errors.New("sip: not a UDP address")
	}
	to := u.AddrPort()
	n, err := s.write(p, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return asLost(p, n, err)
}

// asLost takes an answer that could not be written for one that the network has
// lost. The transactions of sipgo end at such an error behind our back: the
// repeated INVITE would be another call, its CANCEL would find nothing, and one
// that had just accepted its 2xx would never end.
func asLost(p []byte, n int, err error) (int, error) {
	if err != nil && bytes.HasPrefix(p, []byte("SIP/2.0 ")) {
		return len(p), nil
	}
	return n, err
}

func (s *udpSocket) write(p []byte, to netip.AddrPort) (int, error) {
	s.e.said(p, s.localTo(to), to, "udp") // before it is answered
	n, _, err := s.conn.WriteMsgUDPAddrPort(p, s.from(to), to)
	if err != nil {
		s.e.count.writeErrors.Add(1)
	}
	return n, err
}

// localTo is our address towards a peer, as far as it is known.
func (s *udpSocket) localTo(peer netip.AddrPort) netip.AddrPort {
	if s.via != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if a, ok := s.via.get(peer); ok && !a.IsMulticast() {
			return netip.AddrPortFrom(a, s.local.Port())
		}
	}
	return s.local
}

// from is the control message that names our address for a peer which reached
// a wildcard socket.
func (s *udpSocket) from(to netip.AddrPort) []byte {
	if s.via == nil {
		return nil
	}
	s.mu.Lock()
	a, ok := s.via.get(to)
	s.mu.Unlock()
	if !ok || a.IsMulticast() {
		return nil
	}
	return packetSource(a)
}

// packetDestination reads IP_PKTINFO or IPV6_PKTINFO.
func packetDestination(oob []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12:
			return netip.AddrFrom4([4]byte(m.Data[8:12]))
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16:
			return netip.AddrFrom16([16]byte(m.Data[:16])).Unmap()
		}
	}
	return netip.Addr{}
}

// packetSource writes IP_PKTINFO or IPV6_PKTINFO with a source address.
func packetSource(a netip.Addr) []byte {
	if a.Is4() {
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
}

// pseudoAddr is an address that only sipgo's pool compares.
type pseudoAddr string

// Network is "sip".
func (pseudoAddr) Network() string { return "sip" }

func (a pseudoAddr) String() string { return string(a) }

// LocalAddr is the bound address.
func (s *udpSocket) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// Close does nothing: the endpoint closes its sockets.
func (s *udpSocket) Close() error { return nil }

// SetDeadline sets both deadlines.
func (s *udpSocket) SetDeadline(t time.Time) error { return s.conn.SetDeadline(t) }

// SetReadDeadline sets the read deadline.
func (s *udpSocket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// SetWriteDeadline sets the write deadline.
func (s *udpSocket) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }
