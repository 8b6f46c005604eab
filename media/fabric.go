package media

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/loopstart/loopstart/internal/clock"
)

// fabricQueue is how many datagrams wait in one socket of a Fabric; more are
// lost, as in a kernel.
const fabricQueue = 256

// Fabric is a UDP network inside the process: tests, and calls in virtual
// time, run on it with the engine's own code and without sockets. Several
// engines may share one. Datagrams arrive at once and in order.
type Fabric struct {
	// Lose is asked about every datagram; true drops it. Set it before use.
	Lose func(from, to netip.AddrPort, data []byte) bool
	// Rest lets engines skip the frames of a silence that is everywhere on the
	// Fabric. All who speak on it must be sessions. Set it before use.
	Rest bool

	clk   clock.Clock
	lost  atomic.Uint64
	rest  rest
	mu    sync.Mutex
	byID  []*fabricSocket
	bound map[netip.AddrPort]*fabricSocket
}

type fabricSocket struct {
	addr  netip.AddrPort
	peer  netip.AddrPort // of a connected socket
	queue [fabricQueue]fabricDatagram
	head  int
	count int
}

type fabricDatagram struct {
	from  netip.AddrPort
	stamp int64
	data  []byte
}

// NewFabric makes an empty network; its datagrams carry the time of clk.
func NewFabric(clk clock.Clock) *Fabric {
	return &Fabric{clk: clk, bound: make(map[netip.AddrPort]*fabricSocket)}
}

// Lost is the number of datagrams that were dropped by Lose, met no socket or
// found it full.
func (f *Fabric) Lost() uint64 { return f.lost.Load() }

func (f *Fabric) open(local netip.AddrPort) (socketID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, taken := f.bound[local]; taken {
		return -1, errPortTaken
	}
	s := &fabricSocket{addr: local}
	f.bound[local] = s
	for i, old := range f.byID {
		if old == nil {
			f.byID[i] = s
			return socketID(i), nil
		}
	}
	f.byID = append(f.byID, s)
	return socketID(len(f.byID) - 1), nil
}

func (f *Fabric) newIO() netIO { return f }

func (f *Fabric) socket(id socketID) *fabricSocket {
	if id < 0 || int(id) >= len(f.byID) {
		return nil
	}
	return f.byID[id]
}

func (f *Fabric) recv(id socketID, buf []byte) (int, netip.AddrPort, int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.socket(id)
	if s == nil || s.count == 0 {
		return 0, netip.AddrPort{}, 0, false
	}
	d := &s.queue[s.head]
	s.head = (s.head + 1) % fabricQueue
	if s.count--; s.count == 0 {
		s.head = 0 // the same few buffers serve again
	}
	return copy(buf, d.data), d.from, d.stamp, true
}

func (f *Fabric) send(id socketID, to *destination, head, body []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.socket(id)
	if s == nil {
		return false
	}
	f.deliver(s.addr, to.addr, head, body)
	return true
}

// deliver puts a datagram into the socket bound to an address.
func (f *Fabric) deliver(from, to netip.AddrPort, head, body []byte) {
	s := f.bound[to]
	if s == nil {
		s = f.bound[netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port())]
	}
	if s == nil || s.count == fabricQueue || (s.peer.IsValid() && s.peer != from) {
		f.lost.Add(1)
		return
	}
	d := &s.queue[(s.head+s.count)%fabricQueue]
	d.from, d.stamp = from, f.clk.Now().UnixNano()
	d.data = append(append(d.data[:0], head...), body...)
	if f.Lose != nil && f.Lose(from, to, d.data) {
		f.lost.Add(1)
		return
	}
	s.count++
}

func (f *Fabric) connect(id socketID, to *destination) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.socket(id)
	if s == nil {
		return false
	}
	s.peer = to.addr
	return true
}

func (f *Fabric) close(id socketID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.socket(id); s != nil {
		delete(f.bound, s.addr)
		f.byID[id] = nil
	}
}

// FabricConn is a bare socket on a Fabric, for a peer that is no Session.
type FabricConn struct {
	fabric *Fabric
	id     socketID
	addr   netip.AddrPort
}

// Listen binds a bare socket.
func (f *Fabric) Listen(addr netip.AddrPort) (*FabricConn, error) {
	id, err := f.open(addr)
	if err != nil {
		return nil, errors.Join(errors.New("media: fabric: listen on "+addr.String()), err)
	}
	return &FabricConn{fabric: f, id: id, addr: addr}, nil
}

// Addr is the address of the socket.
func (c *FabricConn) Addr() netip.AddrPort { return c.addr }

// Send sends one datagram.
func (c *FabricConn) Send(to netip.AddrPort, data []byte) {
	c.fabric.mu.Lock()
	defer c.fabric.mu.Unlock()
	c.fabric.deliver(c.addr, to, data, nil)
}

// Receive reads one datagram that waits; ok is false when there is none.
func (c *FabricConn) Receive(buf []byte) (n int, from netip.AddrPort, ok bool) {
	n, from, _, ok = c.fabric.recv(c.id, buf)
	return n, from, ok
}

// Close frees the address.
func (c *FabricConn) Close() { c.fabric.close(c.id) }
