package sip

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
	"github.com/loopstart/loopstart/sip/dns"
	"github.com/loopstart/loopstart/sip/resolve"
)

// Endpoint is our SIP stack: sockets, dialogs, registrations and trunks.
type Endpoint struct {
	clk   clock.Clock
	log   *slog.Logger
	deps  Deps
	cfg   atomic.Pointer[Config]
	count counters

	transports
	certificate  certificate
	registrar    // registrar.go
	trunks       // trunk.go
	advertised   // advertise.go
	surroundings // surroundings.go
	lookup       resolve.Lookup

	dialogs      dialogTable
	arrivals     *arrivals
	limiter      *limiter
	bans         *bans
	busy         perSource  // transactions of each source
	refusals     refusals   // refused INVITEs of ours
	silentHops   silentHops // that were given up
	taps         taps
	secret       [16]byte       // of our tags
	transactions atomic.Int64   // of requests to us
	requests     atomic.Int64   // transactions of our own requests
	sequence     atomic.Uint64  // of dialog IDs
	sends        sync.WaitGroup // requests of dialogs that are not on the wire yet
	draining     atomic.Bool
	hurry        int             // divides socket deadlines, for tests
	ctx          context.Context // ends when the endpoint closes
	stop         context.CancelFunc
}

// hop is one place to send a request to.
type hop struct {
	transport string // "udp", "tcp", "tls", "ws" or "wss"
	addr      netip.AddrPort
	name      string // of the server, for the certificate of TLS; "" is the address
	path      string // of a WebSocket that we may open; "": only its own side can
}

// stream tells that the hop is reached by a connection.
func (h hop) stream() bool { return h.transport != "udp" }

// plan is how an outgoing request is addressed, before DNS.
type plan struct {
	request     Address        // Request-URI
	from        Address        // From; its host is filled in when empty
	to          Address        // To
	contactUser string         // user part of our Contact
	route       []string       // Route header values that the request begins with
	next        Address        // what resolve looks up when hops is empty
	hops        []hop          // where packets go, best first
	auth        *digest.Client // credentials; nil: none are ever sent
	headers     []Header       // extra headers: P-Asserted-Identity and the like
	session     SessionTimer
	trunk       string   // or ""
	user        string   // or ""
	binding     *Binding // of the user, as last seen
}

// Open binds the listeners and serves until Close. A port in use is
// fault.Unavailable with fault.ExitBind.
func Open(cfg Config, deps Deps) (*Endpoint, error) {
	return open(cfg, deps, 1)
}

func open(cfg Config, deps Deps, hurry int) (*Endpoint, error) {
	e := &Endpoint{deps: deps, clk: deps.Clock, log: deps.Log, limiter: newLimiter(), bans: newBans(), arrivals: newArrivals(), hurry: hurry}
	if e.clk == nil {
		e.clk = clock.System()
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if _, err := rand.Read(e.secret[:]); err != nil {
		return nil, fmt.Errorf("sip: open: %w", err)
	}
	e.dialogs.init()
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.cfg.Store(&cfg)
	e.lookup = deps.Lookup
	if e.lookup == nil {
		e.lookup = dns.New(dns.Options{System: net.DefaultResolver})
	}
	e.openSurroundings()
	if err := e.openRegistrar(); err != nil {
		return nil, err
	}
	if err := e.openTrunks(); err != nil {
		e.stop()
		e.closeRegistrar()
		return nil, err
	}
	if deps.KeepBan != nil {
		e.bans.keep = deps.KeepBan
	}
	e.bans.restore(deps.SavedBans, func(a netip.Addr) bool { return !e.protected(a) && cfg.Ban >= 0 }, e.clk.Now())
	if err := e.openTransports(&cfg); err != nil {
		e.closeTrunks()
		e.stop()
		e.closeRegistrar()
		return nil, err
	}
	e.serve()
	e.startTrunks()
	return e, nil
}

// Update replaces users, trunks, trust and what is advertised. Listeners and calls
// stay.
func (e *Endpoint) Update(cfg Config) error {
	if err := checkTrunks(cfg.Trunks); err != nil {
		return err
	}
	old := e.cfg.Load()
	cfg.Listen = advertising(cfg.Listen, old.Listen)
	e.cfg.Store(&cfg)
	e.updateRegistrar(&cfg)
	e.updateTrunks(&cfg)
	return nil
}

// Drain makes new INVITEs be answered 503 with Retry-After.
func (e *Endpoint) Drain(on bool) { e.draining.Store(on) }

// Close takes registrations back, ends all dialogs and closes the sockets. It
// returns when every goroutine of the endpoint has ended.
func (e *Endpoint) Close() {
	e.draining.Store(true)
	e.closeTrunks()
	e.dialogs.closeAll()
	e.sends.Wait()
	e.stop()
	e.closeTransports()
	e.closeRegistrar()
}

// LocalAddr is the bound address of the first listener of that transport, of one
// whose address is there if there is any; invalid when there is none.
func (e *Endpoint) LocalAddr(transport string) netip.AddrPort {
	if transport != "udp" {
		return e.hub.localAddr(transport, netip.Addr{})
	}
	for _, s := range e.udp {
		if !e.absent(s.local.Addr()) {
			return s.local
		}
	}
	if len(e.udp) > 0 {
		return e.udp[0].local
	}
	return netip.AddrPort{}
}

// Stats is a snapshot of the counters.
func (e *Endpoint) Stats() Stats {
	s := e.count.snapshot()
	s.Absent = len(e.Absent())
	s.Dialogs = e.dialogs.size()
	s.Connections, s.Transactions = e.hub.size(), int(e.transactions.Load())
	s.Requests = int(e.requests.Load())
	s.Bans, s.Banning = e.bans.began.Load(), len(e.bans.current(e.clk.Now()))
	e.transports.mu.Lock()
	s.Sources = e.sources.size()
	e.transports.mu.Unlock()
	return s
}

// socketFor picks the UDP socket for a peer: one bound to the address that the
// route to the peer begins with, else a wildcard one, else any of the family.
func (e *Endpoint) socketFor(remote netip.Addr) (best *udpSocket) {
	rank := 0
	for _, s := range e.udp {
		if r := e.rank(s.local.Addr(), remote, len(e.udp)); r > rank {
			best, rank = s, r
		}
	}
	return best
}

// socketTo is socketFor, but the socket that a peer has sent to where there are
// several: its NAT or firewall lets nothing else in.
func (e *Endpoint) socketTo(peer netip.AddrPort) *udpSocket {
	if len(e.udp) > 1 {
		e.transports.mu.Lock()
		s, ok := e.sources.get(peer.String())
		e.transports.mu.Unlock()
		if ok {
			return s
		}
	}
	return e.socketFor(peer.Addr())
}

// sentBy is host and port of our Via and Contact towards a hop.
func (e *Endpoint) sentBy(h hop) (host string, port uint16) {
	remote := h.addr.Addr()
	shown := e.shownTo(h.transport, remote)
	host, port = "0.0.0.0", shown.Port() // no way there now: whoever hears it answers where it came from
	if shown.Addr().IsValid() {
		host = shown.Addr().String()
	}
	if h.stream() && port == 0 {
		port = e.hub.localAddr(h.transport, remote).Port()
	}
	if s := e.socketTo(h.addr); port == 0 && s != nil && h.transport != "tls" && !isWS(h.transport) {
		port = s.local.Port()
	}
	if port == 0 {
		port = defaultPort(h.transport)
	}
	return host, port
}

// defaultPort is that of a URI without one.
func defaultPort(transport string) uint16 {
	switch transport {
	case "tls":
		return 5061
	case "ws":
		return 80 // RFC 7118 §5.4
	case "wss":
		return 443
	}
	return 5060
}

// contact is our Contact towards a hop.
func (e *Endpoint) contact(h hop, user string) string {
	host, port := e.sentBy(h)
	a := Address{User: user, Host: host, Port: int(port)}
	if h.stream() {
		a.Params = "transport=" + h.transport
	}
	return "<" + a.URI() + ">"
}

func (e *Endpoint) agent() string {
	if a := e.cfg.Load().Agent; a != "" && !strings.ContainsAny(a, "\r\n") {
		return a
	}
	return "loopstart"
}

// knows tells whether a source is spared from the rate limit.
func (e *Endpoint) knows(source netip.Addr) bool {
	return e.trusts(source) || e.trunkSource(source)
}

func (e *Endpoint) trusts(source netip.Addr) bool {
	return slices.ContainsFunc(e.cfg.Load().Trust, func(p netip.Prefix) bool { return p.Contains(source) })
}

// panicked notes a recovered panic.
func (e *Endpoint) panicked(cause any, stack []byte) {
	e.count.panics.Add(1)
	e.log.Error("recovered from a panic", "cause", fmt.Sprint(cause), "stack", string(stack))
}

// token is n random bytes in hex: branches, tags and Call-IDs.
func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails on Linux
	return hex.EncodeToString(b)
}

func jitter(n int) int { return mathrand.IntN(n) }

var errAbsent = fault.New(fault.Unavailable, "sip: the address of the listener on that way is not on this machine now").
	WithHint("the call goes when an interface has it; `loopstart doctor` tells which listeners wait")

var errNoListener = fault.New(fault.Unavailable, "sip: there is no listener of that transport and address family").
	WithHint("add one to sip.listen")
