package sip

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Limits of advertised names.
const (
	MaxAdvertised = 8                // addresses of one advertised name that are kept
	nameLeast     = 5 * time.Second  // between two questions for a name, whatever its TTL
	nameMost      = 5 * time.Minute  // likewise at most: a new address of ours is to be known soon
	nameRetry     = 15 * time.Second // after DNS did not answer
	namePatience  = 5 * time.Second  // for an answer
)

// Advertised is an address that peers are told in place of our own: an IP
// address, or a host name that is looked up again as its zone says.
type Advertised struct {
	Addr netip.Addr
	Name string // when Addr is invalid
	Port uint16 // of Contact and Via; 0 is that of the listener
}

// IsValid tells that there is anything to advertise.
func (a Advertised) IsValid() bool { return a.Addr.IsValid() || a.Name != "" }

// advertised is what is known of advertised names.
type advertised struct {
	found atomic.Pointer[map[string]nameFound] // replaced as a whole, by one goroutine
}

// nameFound is the last answer for a name.
type nameFound struct {
	addrs []netip.Addr
	due   time.Time // of the next question
	err   string    // of the last one
}

// advertising are the listeners that stay, with what new ones like them advertise.
func advertising(fresh, old []Listener) []Listener {
	out := slices.Clone(old)
	for i, l := range out {
		out[i].Advertise = Advertised{}
		if at := slices.IndexFunc(fresh, func(f Listener) bool { return f.Transport == l.Transport && f.Addr == l.Addr }); at >= 0 {
			out[i].Advertise = fresh[at].Advertise
		}
	}
	return out
}

// addr is the advertised address of a family; of any when remote is invalid.
func (e *Endpoint) addr(a Advertised, remote netip.Addr) (none netip.Addr) {
	list := []netip.Addr{a.Addr}
	if a.Name != "" {
		list = (*e.found.Load())[a.Name].addrs
	}
	for _, ip := range list {
		if ip.IsValid() && (!remote.IsValid() || ip.Is4() == remote.Is4()) {
			return ip
		}
	}
	return none
}

// publicFor is what a peer beyond NAT is told: what the listener on the way to it
// advertises, else the endpoint. It is invalid when nothing of the peer's family
// is advertised; port 0 is the listener's own. An invalid remote is anybody.
func (e *Endpoint) publicFor(transport string, remote netip.Addr) netip.AddrPort {
	cfg := e.cfg.Load()
	if l, ok := e.listenerFor(transport, remote); ok && l.Advertise.IsValid() {
		if ip := e.addr(l.Advertise, remote); ip.IsValid() {
			return netip.AddrPortFrom(ip, l.Advertise.Port)
		}
	}
	for _, a := range cfg.Advertise {
		if ip := e.addr(a, remote); ip.IsValid() {
			return netip.AddrPortFrom(ip, a.Port)
		}
	}
	return netip.AddrPort{}
}

// listenerFor is the listener of a transport ("" is any) on the way to a peer:
// the one bound to the address that the route begins with, else a wildcard one.
// Of equal ones that which advertises something comes first.
func (e *Endpoint) listenerFor(transport string, remote netip.Addr) (best Listener, ok bool) {
	rank := 0
	list := e.cfg.Load().Listen
	for _, l := range list {
		if transport != "" && l.Transport != transport {
			continue
		}
		r := 2 * e.rank(l.Addr.Addr(), remote, len(list))
		if r > 0 && l.Advertise.IsValid() {
			r++
		}
		if r > rank {
			best, rank, ok = l, r, true
		}
	}
	return best, ok
}

// rank says how well a socket bound to an address fits the way to a peer; 0 is
// not at all.
func (e *Endpoint) rank(bound, remote netip.Addr, sockets int) int {
	bound = bound.Unmap()
	switch {
	case !remote.IsValid():
		return 1
	case bound.Is4() != remote.Is4() || e.absent(bound):
		return 0
	case bound.IsUnspecified():
		return 2
	case sockets > 1 && bound == e.localFor(remote):
		return 3
	case bound.IsLoopback() == remote.IsLoopback():
		return 1
	}
	return 0
}

// shared is the address space of carriers' NAT (RFC 6598), in which overlay
// networks live, too.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// direct tells that a peer is in a network of ours, where it reaches our own
// address and not what is advertised beyond it: itself, the link, and what the
// configuration names. By itself so is any private network, unless what is
// advertised is private as well; then only those networks that we are part of.
func (e *Endpoint) direct(remote, public netip.Addr) bool {
	if remote.IsLoopback() || remote.IsLinkLocalUnicast() {
		return true
	}
	cfg := e.cfg.Load()
	if slices.ContainsFunc(cfg.Local, func(p netip.Prefix) bool { return p.Contains(remote) }) {
		return true
	}
	switch {
	case cfg.LocalOnly:
		return false
	case shared.Contains(remote):
		return shared.Contains(e.localFor(remote))
	case !remote.IsPrivate():
		return false
	}
	return !public.IsPrivate() && !shared.Contains(public) || e.onLink(remote)
}

// shownTo is the address that a peer is told, and the port when that is not the
// listener's.
func (e *Endpoint) shownTo(transport string, remote netip.Addr) netip.AddrPort {
	remote = remote.Unmap()
	if p := e.publicFor(transport, remote); p.Addr().IsValid() && !e.direct(remote, p.Addr()) {
		return p
	}
	return netip.AddrPortFrom(e.ownFor(transport, remote), 0)
}

// ownFor is the address of this machine from which a peer is reached.
func (e *Endpoint) ownFor(transport string, remote netip.Addr) netip.Addr {
	l, ok := e.listenerFor(transport, remote)
	if !ok && transport != "" {
		l, ok = e.listenerFor("", remote)
	}
	if a := l.Addr.Addr().Unmap(); ok && !a.IsUnspecified() {
		return a
	}
	return e.localFor(remote)
}

// AdvertisedFor is the address that a peer at remote is told to reach us at:
// our own where the peer is in a network of ours, else what is advertised, else
// our own.
func (e *Endpoint) AdvertisedFor(remote netip.Addr) netip.Addr { return e.shownTo("", remote).Addr() }

// LocalFor is the address of this machine from which packets to remote leave;
// invalid when there is no way to it.
func (e *Endpoint) LocalFor(remote netip.Addr) netip.Addr { return e.ownFor("", remote.Unmap()) }

// isOurs tells whether a host of a URI is one that we advertise or listen on.
func (e *Endpoint) isOurs(host string) bool {
	cfg := e.cfg.Load()
	all := slices.Clone(cfg.Advertise)
	for _, l := range cfg.Listen {
		all = append(all, l.Advertise, Advertised{Addr: l.Addr.Addr()})
	}
	ip, err := netip.ParseAddr(host)
	found := *e.found.Load()
	return slices.ContainsFunc(all, func(a Advertised) bool {
		return a.Name != "" && strings.EqualFold(a.Name, host) || err == nil && (a.Addr == ip || slices.Contains(found[a.Name].addrs, ip))
	})
}

// names are the advertised ones, each once.
func (c *Config) names() (out []string) {
	add := func(a Advertised) {
		if a.Name != "" && !slices.Contains(out, a.Name) {
			out = append(out, a.Name)
		}
	}
	for _, a := range c.Advertise {
		add(a)
	}
	for _, l := range c.Listen {
		add(l.Advertise)
	}
	return out
}

// lookNames asks for the advertised names that are due. A name that DNS does not
// tell keeps its address. It runs on one goroutine at a time.
func (e *Endpoint) lookNames(ctx context.Context) (changed bool) {
	now := clock.System().Now()
	old := *e.found.Load()
	next := make(map[string]nameFound, len(old))
	asked := false
	for _, name := range e.cfg.Load().names() {
		f, known := old[name]
		if !known || !now.Before(f.due) {
			before := f.addrs
			f = e.askName(ctx, name, f)
			asked = true
			changed = changed || !slices.Equal(before, f.addrs)
		}
		next[name] = f
	}
	if asked || len(next) != len(old) {
		e.found.Store(&next)
	}
	return changed
}

func (e *Endpoint) askName(ctx context.Context, name string, old nameFound) nameFound {
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	addrs, ttl, err := e.lookup.Addrs(ctx, name)
	now := clock.System().Now()
	if err != nil || len(addrs) == 0 {
		text := "it has no address"
		if err != nil {
			text = inWords(err)
		}
		if old.err != text && ctx.Err() != context.Canceled {
			e.log.Warn("an advertised name is not found", "name", name, "error", text, "used", old.addrs)
		}
		return nameFound{old.addrs, now.Add(nameRetry), text}
	}
	addrs = slices.Clone(addrs[:min(len(addrs), MaxAdvertised)])
	slices.SortFunc(addrs, netip.Addr.Compare) // servers turn them round
	if !slices.Equal(old.addrs, addrs) {
		e.log.Info("an advertised name has another address", "name", name, "was", old.addrs, "is", addrs)
		if e.deps.Moved != nil && len(old.addrs) > 0 {
			e.deps.Moved(Move{Name: name, Gone: lacking(old.addrs, addrs), Came: lacking(addrs, old.addrs)})
		}
	}
	return nameFound{addrs, now.Add(min(max(ttl, nameLeast), nameMost)), ""}
}

// lacking are those of a that b has not.
func lacking(a, b []netip.Addr) (out []netip.Addr) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}
