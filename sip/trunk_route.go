package sip

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/sip/registration"
)

const (
	// maxServiceRoute is how many values of a registrar's Service-Route are kept.
	maxServiceRoute = 8
	// maxRegistrars is how many places of a trunk are tried for one REGISTER.
	maxRegistrars = 3
	// movedLook is how often a trunk looks whether our address towards it changed.
	movedLook = 30 * time.Second
	// minKeepAlive is the shortest pause between two keep-alives (RFC 5626 §4.4.1).
	minKeepAlive = 10 * time.Second
)

// learnt is what a registrar has told us about the way between us.
type learnt struct {
	routes []string       // Service-Route (RFC 3608): the way of our requests
	own    netip.AddrPort // received and rport (RFC 3581): where a NAT shows us
}

// learn reads an answer to our REGISTER.
func (t *trunk) learn(res *gosip.Response, h hop) {
	l := learnt{own: t.shownAs(res, h)}
	if old := t.learnt.Load(); old != nil {
		l.routes = old.routes
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		l.routes = nil
		for _, v := range lists(res, "Service-Route") {
			if _, _, err := parseNameAddr(v); err == nil && len(l.routes) < maxServiceRoute {
				l.routes = append(l.routes, v)
			}
		}
	}
	t.learnt.Store(&l)
}

// shownAs is our public address as the answer's Via tells it; invalid where
// there is no NAT between, or sip.advertise says better.
func (t *trunk) shownAs(res *gosip.Response, h hop) (none netip.AddrPort) {
	via := res.Via()
	if h.stream() || via == nil || t.e.publicFor(h.transport, h.addr.Addr()).Addr().IsValid() {
		return none // a stream's port is the connection's own, and calls come back by it
	}
	received, _ := via.Params.Get("received")
	rport, _ := via.Params.Get("rport")
	return behindNAT(t.e.AdvertisedFor(h.addr.Addr()), received, rport)
}

// behindNAT is the public address of a private one of ours; invalid when the
// peer saw no other.
func behindNAT(own netip.Addr, received, rport string) (none netip.AddrPort) {
	ip, err := netip.ParseAddr(strings.Trim(received, "[]"))
	ip = ip.Unmap()
	if err != nil || !own.IsPrivate() || ip.IsPrivate() || ip.IsLoopback() || ip.IsUnspecified() || ip.Is4() != own.Is4() {
		return none
	}
	port, err := strconv.ParseUint(rport, 10, 16)
	if err != nil || port == 0 {
		return none
	}
	return netip.AddrPortFrom(ip, uint16(port))
}

// serviceRoute is the way that the registrar wants our requests to take.
func (t *trunk) serviceRoute() []string {
	if l := t.learnt.Load(); l != nil {
		return l.routes
	}
	return nil
}

// callRoute is the preloaded Route of a call: the outbound proxy, then what the
// registrar told, which may begin with the same one.
func (t *trunk) callRoute() (routes []string, next Address) {
	next, routes = nextOf(t.next), t.route()
	service := t.serviceRoute()
	if len(service) == 0 {
		return routes, next
	}
	first, _, err := parseNameAddr(service[0])
	if err != nil {
		return routes, next
	}
	if first.Host == t.next.Host || len(routes) == 0 && isWS(t.next.Transport) {
		return service, next // over a WebSocket the connection is the way, wherever its server thinks it is
	}
	if len(routes) == 0 {
		return service, first
	}
	return append(routes, service...), next
}

// moved tells the registration when our Contact is not the one that the
// registrar knows: the address of the machine, or of the NAT, has changed.
func (t *trunk) moved() {
	t.state.mu.Lock()
	h, alive, told := t.state.hop, t.state.reg.Phase == registration.Registered, t.state.contact
	t.state.mu.Unlock()
	if !alive || told == "" || t.contact(h) == told || !t.e.shownTo(h.transport, h.addr.Addr()).Addr().IsValid() {
		return
	}
	select {
	case t.move <- struct{}{}:
		t.log.Info("our address has changed, registering anew")
	default:
	}
}

// nudge makes a registration that waits for its next try begin it: what stood in
// the way may have been the network that has changed.
func (t *trunk) nudge() {
	t.state.mu.Lock()
	waits := t.state.reg.Phase == registration.Waiting && !t.state.reg.Refused
	t.state.mu.Unlock()
	if !waits {
		return
	}
	select {
	case t.move <- struct{}{}:
	default:
	}
}

// keepAlive sends a double CRLF to where the trunk's packets go (RFC 5626
// §3.5.1), which holds a NAT's or firewall's way open.
func (t *trunk) keepAlive() {
	t.state.mu.Lock()
	h := t.state.hop
	t.state.mu.Unlock()
	ping := []byte("\r\n\r\n")
	switch {
	case !h.addr.IsValid():
	case h.stream():
		if c := t.e.hub.lookup(h.addr.String()); c != nil {
			_, _ = c.Write(ping) // a dead connection shows in the next read
		}
	default:
		if s := t.e.socketFor(h.addr.Addr()); s != nil {
			_, _ = s.write(ping, h.addr) // counted there
		}
	}
}

// runKeepAlive keeps the way to the trunk open.
func (t *trunk) runKeepAlive(wake *waker) {
	for {
		select {
		case <-wake.C:
			t.keepAlive()
			wake.arm(max(t.cfg.KeepAlive, minKeepAlive))
			wake.done()
		case <-t.ctx.Done():
			return
		}
	}
}

// elsewhere sends a REGISTER to the trunk's other places, as long as the one
// before does not answer or answers 503 (RFC 3263 §4.3).
func (r *registrant) elsewhere(ctx context.Context, send func() (*gosip.Response, error)) (*gosip.Response, error) {
	tried := map[hop]bool{}
	for {
		tried[r.hop] = true
		res, err := send()
		if err == nil && res.StatusCode != 503 || ctx.Err() != nil || len(tried) == maxRegistrars || r.state.Phase == registration.Leaving {
			return res, err
		}
		next, failed := r.t.pick(ctx)
		if failed != nil || tried[next] {
			return res, err
		}
		r.hop = next
	}
}
