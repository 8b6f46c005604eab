package sip

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// The network around us changes while calls run: a lease is renewed with another
// address, a VPN comes up, a cable is out. Looking every two seconds costs less
// than the netlink socket that would tell at once, and misses nothing that lasts.
const (
	surroundingsLook = 2 * time.Second
	settleLooks      = 5 // looks after a change at which routes may still be missing
)

// Move tells that addresses of ours changed: of the interfaces, or of the
// advertised name.
type Move struct {
	Name       string // ""; the machine's interfaces
	Gone, Came []netip.Addr
}

// surroundings is what is known of this machine's interfaces.
type surroundings struct {
	interfaces func() ([]netip.Prefix, error) // the machine's, but in tests
	view       atomic.Pointer[[]netip.Prefix]
	unsettled  int // looks left; of the watching goroutine
}

// interfacePrefixes are the addresses of this machine with their networks, but
// for those of a single link, which nobody is told.
func interfacePrefixes() ([]netip.Prefix, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	out := make([]netip.Prefix, 0, len(list))
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return slices.Compact(out), nil
}

// openSurroundings takes the first look, before anything is told to anybody.
func (e *Endpoint) openSurroundings() {
	e.found.Store(&map[string]nameFound{})
	if e.interfaces == nil {
		e.interfaces = interfacePrefixes
	}
	now, _ := e.interfaces() // none: looked for again
	e.view.Store(&now)
	e.lookNames(e.ctx)
}

// watchSurroundings looks again and again until the endpoint closes.
func (e *Endpoint) watchSurroundings() {
	for e.hub.wait(surroundingsLook/time.Duration(max(e.hurry, 1)), nil) {
		e.lookAround()
	}
}

// lookAround is one look.
func (e *Endpoint) lookAround() {
	if e.lookNames(e.ctx) {
		e.unsettled = settleLooks
	}
	now, err := e.interfaces()
	old := *e.view.Load()
	if err == nil && !slices.Equal(old, now) {
		e.view.Store(&now)
		e.interfacesChanged(addrsOf(old), addrsOf(now))
		e.unsettled = settleLooks
	}
	if e.unsettled == 0 {
		return
	}
	e.unsettled--
	e.forgetRoutes(nil)
	for _, t := range *e.live.Load() {
		t.moved()
	}
}

func addrsOf(list []netip.Prefix) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, p := range list {
		out[i] = p.Addr()
	}
	return out
}

// interfacesChanged lets go of what rested on addresses that are gone. Sockets
// bound to them stay: they hear again when the address is back.
func (e *Endpoint) interfacesChanged(old, now []netip.Addr) {
	m := Move{Gone: lacking(old, now), Came: lacking(now, old)}
	if len(m.Gone)+len(m.Came) == 0 {
		return // only the size of a network
	}
	e.count.moves.Add(1)
	e.log.Info("the addresses of this machine have changed", "gone", m.Gone, "new", m.Came)
	e.tellListeners(m)
	e.forgetRoutes(m.Gone)
	e.hub.leave(m.Gone)
	for _, t := range *e.live.Load() {
		t.nudge()
	}
	if e.deps.Moved != nil {
		e.deps.Moved(m)
	}
}

// ForgetRoutes makes the next question for a way to a peer look anew: something
// has shown that an address of ours is gone, before it was noticed here.
func (e *Endpoint) ForgetRoutes() { e.forgetRoutes(nil) }

// forgetRoutes forgets by which of our addresses peers are reached, and peers
// that came to one that is gone.
func (e *Endpoint) forgetRoutes(gone []netip.Addr) {
	e.transports.mu.Lock()
	e.locals.clear()
	e.transports.mu.Unlock()
	if len(gone) == 0 {
		return
	}
	for _, s := range e.udp {
		if s.via == nil {
			continue
		}
		s.mu.Lock()
		s.via.dropIf(func(_ netip.AddrPort, a netip.Addr) bool { return slices.Contains(gone, a) })
		s.mu.Unlock()
	}
}

// leave closes the connections that begin at addresses which are gone: nothing
// on them would fail for a quarter of an hour.
func (h *tcpHub) leave(gone []netip.Addr) {
	h.mu.Lock()
	var lost []*tcpConn
	for _, c := range h.conns {
		if slices.Contains(gone, c.local().Addr()) {
			lost = append(lost, c)
		}
	}
	h.mu.Unlock()
	for _, c := range lost {
		_ = c.Close()
	}
}

// onLink tells whether an address is in a network of one of our interfaces.
func (e *Endpoint) onLink(a netip.Addr) bool {
	return slices.ContainsFunc(*e.view.Load(), func(p netip.Prefix) bool { return p.Masked().Contains(a) })
}
