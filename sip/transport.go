package sip

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/clock"
)

// MaxSources is how many UDP source addresses keep a way back for answers.
const MaxSources = 16384

// socketBuffer is what we ask the kernel to queue per UDP socket, in bytes.
const socketBuffer = 4 << 20

// setGlobals gives the package variables of sipgo values that fit a server:
// answers over UDP may be larger than an MTU (RFC 3261 §18.1.1 limits requests
// only), and it logs nothing by itself.
var setGlobals = sync.OnceFunc(func() {
	gosip.UDPMTUSize = MaxMessage + 200 + 1024
	gosip.TransportBufferReadSize = MaxMessage - 1
	gosip.ParseMaxMessageLength = 2 * MaxMessage
	gosip.SetDefaultLogger(slog.New(slog.DiscardHandler))
})

// transports is the sockets of an endpoint and the layers of sipgo on them.
type transports struct {
	tp   *gosip.TransportLayer
	tx   *gosip.TransactionLayer
	udp  []*udpSocket
	hub  *tcpHub
	tied map[netip.Addr]bool // addresses of listeners that come and go with an interface
	wg   sync.WaitGroup

	gate   sync.RWMutex // held for reading while a request is started
	ending bool         // nothing is started any more

	mu      sync.Mutex
	sources *recent[string, *udpSocket] // UDP sources in sipgo's pool, and the socket that each sends to
	locals  *recent[netip.Addr, localRoute]
}

// noDialer keeps sipgo from opening TCP connections: the hub does, and an
// answer whose connection is gone has nowhere to go.
func noDialer(net.Addr) net.Dialer {
	return net.Dialer{Control: func(string, string, syscall.RawConn) error { return net.ErrClosed }}
}

// inlet is a socket as the message hook sees it: the reader of sipgo calls the
// hook on the goroutine on which it has just read from the inlet.
type inlet interface {
	// delivered tells that the message just read was parsed, and whence it came.
	delivered() netip.AddrPort
}

// openTransports binds everything or nothing.
func (e *Endpoint) openTransports(cfg *Config) error {
	setGlobals()
	log := slog.New(slog.DiscardHandler)
	t := &e.transports
	parser := gosip.NewParser()
	parser.MaxMessageLength = 2 * MaxMessage
	t.tp = gosip.NewTransportLayer(net.DefaultResolver, parser, nil, gosip.WithTransportLayerLogger(log),
		gosip.WithTransportLayerTransports(gosip.TransportsConfig{TCP: &gosip.TransportTCP{DialerCreate: noDialer}}))
	// Our hook comes before the transaction layer's: see onMessage.
	t.tp.OnMessage(e.onMessage)
	t.tx = gosip.NewTransactionLayer(t.tp, gosip.WithTransactionLayerLogger(log),
		gosip.WithTransactionLayerUnhandledResponseHandler(e.onStrayResponse))
	t.tx.OnRequest(e.onRequest)
	pool := t.tp.Pool("udp")
	t.sources = newRecent(MaxSources, func(source string, _ *udpSocket) { pool.Delete(source) })
	t.locals = newRecent[netip.Addr, localRoute](MaxSources, nil)
	t.hub = newTCPHub(e)
	for _, l := range cfg.Listen {
		if err := e.bind(l); err != nil {
			e.closeSockets()
			return err
		}
	}
	e.tellAbsent()
	return nil
}

// serve starts the readers.
func (e *Endpoint) serve() {
	for _, s := range e.udp {
		e.wg.Go(func() { s.serve() })
	}
	e.hub.serve()
	e.wg.Go(e.watchSurroundings)
}

func (e *Endpoint) closeSockets() {
	for _, s := range e.udp {
		_ = s.conn.Close() // the reader ends by it
	}
	e.hub.close()
}

// closeTransports ends transactions and readers and waits for them. The pool
// of sipgo is left as it is: a handler that still runs must find its socket
// there, closed, or it would open one of its own.
func (e *Endpoint) closeTransports() {
	e.gate.Lock()
	e.ending = true
	e.gate.Unlock()
	e.tx.Close()
	e.closeSockets()
	e.wg.Wait()
}

// spawn starts a goroutine from one that is not counted itself.
func (e *Endpoint) spawn(f func()) {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if !e.ending {
		e.wg.Go(f)
	}
}

// onMessage runs on the reader's goroutine, in the order of arrival and before
// a transaction exists. It gives the message its true source, makes sure that
// answers find the socket, and puts our To tag on requests outside dialogs, so
// that also what sipgo answers by itself carries it.
func (e *Endpoint) onMessage(msg gosip.Message) {
	in := e.inletOf(msg)
	if in == nil {
		return
	}
	source := in.delivered()
	text := source.String()
	msg.SetSource(text)
	req, ok := msg.(*gosip.Request)
	if !ok {
		return
	}
	if s, ok := in.(*udpSocket); ok {
		e.keepSource(s, text)
	}
	if to := req.To(); to != nil && !to.Params.Has("tag") && req.Method != gosip.ACK {
		branch, _ := req.Via().Params.Get("branch")
		from, _ := req.From().Params.Get("tag")
		tag := e.tagFor(req.CallID().Value(), from, branch)
		to.Params.Add("tag", tag)
		req.SetDestination(outsideDialog)
		if req.IsInvite() {
			e.arrivals.note(tag)
		}
		return
	}
	e.expectOrder(req)
}

// outsideDialog marks a received request that came without a To tag. The
// destination of a received request means nothing to sipgo.
const outsideDialog = "outside"

func isOutside(req *gosip.Request) bool { return req.Destination() == outsideDialog }

func (e *Endpoint) inletOf(msg gosip.Message) inlet {
	if gosip.NetworkToLower(msg.Transport()) == "udp" {
		for _, s := range e.udp {
			if s.key == msg.Source() {
				return s
			}
		}
		return nil
	}
	if c := e.hub.lookup(msg.Source()); c != nil {
		return c
	}
	return nil
}

// keepSource makes sipgo find the socket for answers to source. Its own reader
// would add each source for ever; ours knows a bounded number.
func (e *Endpoint) keepSource(s *udpSocket, source string) {
	e.transports.mu.Lock()
	defer e.transports.mu.Unlock()
	if known, ok := e.sources.get(source); ok && known == s {
		return
	}
	pool := e.tp.Pool("udp")
	if c := pool.Get(s.key); c != nil {
		pool.Add(source, c)
		e.sources.put(source, s)
	}
}

// reader is the state of one inlet's reading goroutine.
type reader struct {
	raw     rawMessage
	out     bytes.Buffer
	pending bool           // handed to the parser, hook not called yet
	source  netip.AddrPort // of the message in raw
}

// unread tells that the parser rejected the message which raw had accepted;
// out then holds an answer when there is one.
func (r *reader) unread(e *Endpoint) (answer bool) {
	if !r.pending {
		return false
	}
	r.pending = false
	e.count.malformed.Add(1)
	r.out.Reset()
	bad := r.raw.reply(badRequest("Malformed Message"))
	return bad.code > 0 && e.refuseRaw(&r.raw, bad, r.source, &r.out)
}

// routeFresh is how long an answer of the kernel's about a route is believed:
// interfaces change under a running program.
const routeFresh = 5 * time.Second

// localRoute is our address on the way to a peer, and when the kernel said so.
type localRoute struct {
	addr netip.Addr
	at   time.Time
}

// localFor is the address of this machine that reaches remote.
func (e *Endpoint) localFor(remote netip.Addr) netip.Addr {
	e.transports.mu.Lock()
	known, ok := e.locals.get(remote)
	e.transports.mu.Unlock()
	if ok && clock.System().Now().Sub(known.at) < routeFresh {
		return known.addr
	}
	var d net.Dialer // connecting a UDP socket sends nothing, it only asks for the route
	c, err := d.DialContext(context.Background(), "udp", netip.AddrPortFrom(remote, 9).String())
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = c.Close() }()
	var a netip.Addr
	if u, ok := c.LocalAddr().(*net.UDPAddr); ok {
		a = u.AddrPort().Addr().Unmap()
	}
	e.transports.mu.Lock()
	defer e.transports.mu.Unlock()
	e.locals.put(remote, localRoute{a, clock.System().Now()})
	return a
}
