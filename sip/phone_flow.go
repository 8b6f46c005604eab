package sip

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
)

const (
	// ackTimeout is how long what we send by TCP, keep-alives of the kernel too,
	// may stay without an acknowledgement. A NAT that has forgotten a connection
	// says nothing: without it an INVITE would wait for its 32 s there.
	ackTimeout = 10 * time.Second
	// flowGrace is for an answer that was read just before its connection ended.
	flowGrace = 500 * time.Millisecond
)

// noticeSilence makes the kernel end a connection whose peer is no longer there.
func noticeSilence(c net.Conn) {
	for { // WebSocket, TLS, TCP
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = inner.NetConn()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return // closed already
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ackTimeout.Milliseconds())) // without it the kernel takes longer
	})
}

// flowWatch tells a request that waits for its first answer that its connection
// is gone: over TCP nothing is repeated, so nothing will come (RFC 3261 §18.4).
// After a provisional answer the peer has the request and may open a connection
// of its own for the final one.
type flowWatch struct {
	gone  <-chan struct{} // the connection has ended; nil when that says nothing
	lost  chan struct{}   // closed when no answer is left on the way
	clk   clock.Clock
	timer clock.Timer
}

func (e *Endpoint) watchFlow(h hop) *flowWatch {
	w := &flowWatch{clk: e.clk}
	if !h.stream() {
		return w
	}
	w.lost = make(chan struct{})
	if c := e.hub.lookup(h.addr.String()); c != nil {
		w.gone = c.gone
		return w
	}
	w.wait() // it has ended since the request was written
	return w
}

// wait gives an answer that has been read the time to get here.
func (w *flowWatch) wait() {
	w.gone = nil
	w.timer = w.clk.AfterFunc(flowGrace, func() { close(w.lost) })
}

func (w *flowWatch) heard() {
	w.stop()
	w.gone, w.lost = nil, nil
}

func (w *flowWatch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// unreach forgets the phones that were reached by a connection that has ended
// (RFC 5626 §4.2.2): behind a NAT nobody can connect to them. They register anew
// when they notice.
func (e *Endpoint) unreach(c *tcpConn) {
	for _, b := range e.locations.Drop(c.source, c.transport, func(b Binding) bool {
		_, direct := directly(b)
		return len(b.Path) == 0 && !direct
	}) {
		e.tellUser(RegisterEvent{User: b.User, State: "unregistered", Contact: b.Contact, Source: b.Source, Reason: "its connection has ended"})
	}
}

// hopTo is the way to a phone: the flow of its REGISTER (RFC 5626 §5.3), and
// when that connection has ended its Contact.
func (e *Endpoint) hopTo(b Binding) hop {
	h := hop{transport: b.Transport, addr: b.Source}
	if h.stream() && len(b.Path) == 0 && e.hub.lookup(b.Source.String()) == nil {
		if addr, ok := directly(b); ok {
			h.addr = addr
		}
	}
	return h
}

// followBinding takes the way by which the phone of a call has registered since:
// a NAT gave it another port, or it made another connection.
func (d *Dialog) followBinding() {
	if d.plan == nil || d.plan.binding == nil || len(d.plan.route) > 0 {
		return
	}
	last := d.plan.binding
	for _, b := range d.e.locations.Lookup(d.plan.user) {
		if b.Identity != last.Identity {
			continue
		}
		if b.Source != last.Source || b.Transport != last.Transport {
			d.peer, d.plan.binding = d.e.hopTo(b), &b
		}
		return
	}
}

// directly is where a phone without a NAT before it takes TCP or TLS
// connections: its Contact names the very host that registered.
func directly(b Binding) (netip.AddrPort, bool) {
	a, err := ParseAddress(b.Contact)
	if err != nil || b.Transport != "tcp" && b.Transport != "tls" {
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(strings.Trim(a.Host, "[]"))
	if err != nil || ip.Unmap() != b.Source.Addr().Unmap() {
		return netip.AddrPort{}, false
	}
	port := uint16(a.Port)
	if port == 0 {
		port = defaultPort(b.Transport)
	}
	return netip.AddrPortFrom(b.Source.Addr(), port), true
}
