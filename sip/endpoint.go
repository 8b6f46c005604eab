package sip

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
)

// Endpoint is our SIP stack: sockets, dialogs, registrations and trunks.
type Endpoint struct {
	clk   clock.Clock
	log   *slog.Logger
	deps  Deps
	cfg   atomic.Pointer[Config]
	count counters

	registrar // HOOK: registrar.go
	trunks    // HOOK: trunk.go

	draining atomic.Bool
	ctx      context.Context // ends when the endpoint closes
	stop     context.CancelFunc
}

// hop is one place to send a request to.
type hop struct {
	transport string // "udp" or "tcp"
	addr      netip.AddrPort
}

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
	trunk       string         // or ""
	user        string         // or ""
}

// Open binds the listeners and serves until Close. A port in use is
// fault.Unavailable with fault.ExitBind.
func Open(cfg Config, deps Deps) (*Endpoint, error) {
	return nil, fault.New(fault.Unavailable, "sip: open")
}

// Dial places a call. It returns at once; progress comes as events.
func (e *Endpoint) Dial(o Outgoing) (*Dialog, error) {
	return nil, fault.New(fault.Unavailable, "sip: dial")
}

// Update replaces users, trunks and trust. Listeners and calls stay.
func (e *Endpoint) Update(cfg Config) error { return nil }

// Drain makes new INVITEs be answered 503 with Retry-After.
func (e *Endpoint) Drain(on bool) { e.draining.Store(on) }

// LocalAddr is the bound address of the first listener of that transport;
// invalid when there is none.
func (e *Endpoint) LocalAddr(transport string) netip.AddrPort { return netip.AddrPort{} }

// AdvertisedFor is the address that a peer at remote is told to reach us at.
func (e *Endpoint) AdvertisedFor(remote netip.Addr) netip.Addr { return netip.Addr{} }

// Stats is a snapshot of the counters.
func (e *Endpoint) Stats() Stats { return e.count.snapshot() }

// Close ends all dialogs and closes the sockets.
func (e *Endpoint) Close() {}

// send runs a non-INVITE client transaction to the first hop that answers. A
// 401 or 407 is answered once with auth, when that is not nil. Safe to call
// from any goroutine but a dialog's; blocks until a final response, an error
// or the end of ctx.
func (e *Endpoint) send(ctx context.Context, req *gosip.Request, hops []hop, auth *digest.Client) (*gosip.Response, error) {
	return nil, fault.New(fault.Unavailable, "sip: send")
}
