package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// Time limits of TCP connections.
const (
	connectTimeout  = 5 * time.Second  // to open one
	firstMessage    = 10 * time.Second // until the first whole message
	messageTimeout  = 10 * time.Second // from the first to the last byte of a message
	idleTimeout     = time.Minute      // between messages of a peer nobody vouches for
	keptIdleTimeout = time.Hour        // between messages of users, trunks and trusted peers
	writeTimeout    = 5 * time.Second
	acceptPause     = 50 * time.Millisecond // after a failed accept
)

// tcpHub owns all TCP connections, accepted and opened. sipgo gets them from
// its Accept, so that both kinds are framed, validated and limited by us.
type tcpHub struct {
	e         *Endpoint
	listeners []streamListener
	greeting  atomic.Int32  // TLS handshakes of accepted connections
	ready     chan *tcpConn // to Accept, which takes them at once
	closed    chan struct{}

	mu      sync.Mutex
	most    int                      // connections; MaxConnections but in tests
	conns   map[string]*tcpConn      // by remote address
	dialing map[string]chan struct{} // closed when the attempt is over
	per     map[netip.Addr]int       // accepted connections of each source
	last    *tcpConn                 // handed to sipgo, not registered there yet
	down    bool
}

// streamListener is a socket that accepts connections of one transport.
type streamListener struct {
	net.Listener
	transport string
}

var errConnLimit = errors.New("too many TCP connections")

func newTCPHub(e *Endpoint) *tcpHub {
	return &tcpHub{
		e: e, most: MaxConnections, ready: make(chan *tcpConn), closed: make(chan struct{}),
		conns: map[string]*tcpConn{}, dialing: map[string]chan struct{}{}, per: map[netip.Addr]int{},
	}
}

func (h *tcpHub) listen(transport string, addr netip.AddrPort) (late bool, err error) {
	l, late, err := netx.ListenTCP(addr)
	if err == nil {
		h.listeners = append(h.listeners, streamListener{l, transport})
	}
	return late, err
}

// serve starts the accept loops and sipgo's own.
func (h *tcpHub) serve() {
	h.e.wg.Go(func() { _ = h.e.tp.ServeTCP(h) }) // ends with the hub
	for _, l := range h.listeners {
		h.e.wg.Go(func() { h.acceptLoop(l) })
	}
}

func (h *tcpHub) acceptLoop(l streamListener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the peer was gone
			h.pause()
			continue
		}
		switch l.transport {
		case "tls":
			h.greet(c, "tls", h.shakeTLS)
			continue
		case "ws", "wss":
			h.greet(c, l.transport, func(c net.Conn) (net.Conn, error) { return h.shakeWS(c, l.transport) })
			continue
		}
		if _, err := h.adopt(c, l.transport, true); err != nil {
			h.refuse(c)
		}
	}
}

func (h *tcpHub) pause() {
	over := make(chan struct{})
	t := clock.System().AfterFunc(acceptPause, func() { close(over) })
	defer t.Stop()
	select {
	case <-over:
	case <-h.closed:
	}
}

// adopt puts a connection under the limits and hands it to sipgo. It returns
// when sipgo can send on it.
func (h *tcpHub) adopt(c net.Conn, transport string, accepted bool) (*tcpConn, error) {
	remote, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil, errors.New("sip: not a TCP connection")
	}
	t := &tcpConn{Conn: c, hub: h, transport: transport, key: c.RemoteAddr().String(), accepted: accepted, registered: make(chan struct{}), gone: make(chan struct{})}
	t.source = remote.AddrPort()
	t.source = netip.AddrPortFrom(t.source.Addr().Unmap(), t.source.Port())
	if err := h.register(t); err != nil {
		return nil, err
	}
	noticeSilence(c)
	select {
	case h.ready <- t:
	case <-h.closed:
		h.forget(t)
		return nil, net.ErrClosed
	}
	select {
	case <-t.registered:
	case <-h.closed:
	}
	h.e.count.connects.Add(1)
	return t, nil
}

func (h *tcpHub) register(t *tcpConn) error {
	ip, limit := t.source.Addr(), MaxConnectionsPerSource
	if h.e.knows(ip) {
		limit = MaxConnectionsPerPeer
	}
	victim, err := h.enter(t, limit)
	if victim != nil {
		h.e.count.connsRefused.Add(1)
		_ = victim.Close()
	}
	return err
}

// enter gives a connection its place. When all are taken, the oldest of those
// that have not said a word makes room: victim is to be closed.
func (h *tcpHub) enter(t *tcpConn, limit int) (victim *tcpConn, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ip := t.source.Addr()
	switch {
	case h.down:
		return nil, net.ErrClosed
	case h.conns[t.key] != nil, t.accepted && h.per[ip] >= limit:
		return nil, errConnLimit
	case len(h.conns) >= h.most:
		if victim = h.silentLocked(); victim == nil {
			return nil, errConnLimit
		}
	}
	h.conns[t.key] = t
	t.since = clock.System().Now()
	if t.accepted {
		h.per[ip]++
	}
	return victim, nil
}

// silentLocked is the oldest accepted connection on which no message has come.
func (h *tcpHub) silentLocked() (oldest *tcpConn) {
	for _, c := range h.conns {
		if c.accepted && !c.spoke.Load() && !c.kept.Load() && (oldest == nil || c.since.Before(oldest.since)) {
			oldest = c
		}
	}
	return oldest
}

func (h *tcpHub) forget(t *tcpConn) {
	if !h.remove(t) {
		return
	}
	if !t.accepted {
		h.e.parted(t)
	}
	h.e.unreach(t)
}

// remove frees a connection's place; ended tells that it had one, and not that
// everything ends.
func (h *tcpHub) remove(t *tcpConn) (ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns[t.key] != t {
		return false
	}
	delete(h.conns, t.key)
	if ip := t.source.Addr(); t.accepted {
		if h.per[ip]--; h.per[ip] == 0 {
			delete(h.per, ip)
		}
	}
	return !h.down
}

func (h *tcpHub) lookup(key string) *tcpConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[key]
}

func (h *tcpHub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// connect makes sure that there is a connection to a hop. Several callers share
// one attempt.
func (h *tcpHub) connect(ctx context.Context, to hop) error {
	key := to.addr.String()
	for {
		h.mu.Lock()
		busy := h.dialing[key]
		switch {
		case h.down:
			h.mu.Unlock()
			return net.ErrClosed
		case h.conns[key] != nil:
			h.mu.Unlock()
			return nil
		case busy == nil:
			over := make(chan struct{})
			h.dialing[key] = over
			h.mu.Unlock()
			return h.dial(ctx, to, over)
		}
		h.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *tcpHub) dial(ctx context.Context, to hop, over chan struct{}) error {
	key := to.addr.String()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.dialing, key)
		close(over)
	}()
	if isWS(to.transport) && to.path == "" {
		return fault.New(fault.Network, "sip: the WebSocket of %s is gone, and it cannot be called", key)
	}
	d := net.Dialer{Timeout: connectTimeout}
	c, err := d.DialContext(ctx, "tcp", key)
	if err != nil {
		return fault.New(fault.Network, "sip: connect to %s://%s: %w", to.transport, key, err)
	}
	if to.transport == "tls" || to.transport == "wss" {
		secured, err := h.secure(ctx, c, to)
		if err != nil {
			_ = c.Close()
			return err
		}
		c = secured
	}
	if isWS(to.transport) {
		if c, err = h.openWS(ctx, c, to); err != nil {
			return err
		}
	}
	t, err := h.adopt(c, to.transport, false)
	if err != nil {
		h.refuse(c)
		return fault.New(fault.Limit, "sip: connect to %s://%s: %w", to.transport, key, err)
	}
	if w, ok := c.(*wsConn); ok {
		h.e.spawn(func() { h.ping(t, w) })
	}
	return nil
}

// Accept hands the next connection to sipgo. When it is called again, sipgo has
// put the previous one into its pool.
func (h *tcpHub) Accept() (net.Conn, error) {
	h.mu.Lock()
	if h.last != nil {
		close(h.last.registered)
		h.last = nil
	}
	h.mu.Unlock()
	select {
	case t := <-h.ready:
		h.mu.Lock()
		h.last = t
		h.mu.Unlock()
		h.e.wg.Add(1) // sipgo starts a reader; it ends with a failed Read
		return t, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Addr is a placeholder: connections of all listeners come through here.
func (h *tcpHub) Addr() net.Addr { return &net.TCPAddr{} }

// Close is called by nobody: the endpoint closes the hub.
func (h *tcpHub) Close() error { return nil }

func (h *tcpHub) close() {
	h.mu.Lock()
	if h.down {
		h.mu.Unlock()
		return
	}
	h.down = true
	close(h.closed)
	conns := make([]*tcpConn, 0, len(h.conns))
	for _, c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	for _, l := range h.listeners {
		_ = l.Close()
	}
	for _, c := range conns {
		_ = c.Close()
	}
}

// deadline is d from now on the kernel's clock; tests shorten all of them.
func (h *tcpHub) deadline(d time.Duration) time.Time {
	return clock.System().Now().Add(d / time.Duration(max(h.e.hurry, 1)))
}

// localAddr is the bound address of the first listener of that transport and of
// remote's family, of any when remote is invalid; one whose address is there first.
func (h *tcpHub) localAddr(transport string, remote netip.Addr) (best netip.AddrPort) {
	for _, l := range h.listeners {
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok || l.transport != transport {
			continue
		}
		p := netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		if fits := !remote.IsValid() || p.Addr().Is4() == remote.Is4(); fits && (!best.IsValid() || h.e.absent(best.Addr()) && !h.e.absent(p.Addr())) {
			best = p
		}
	}
	return best
}
