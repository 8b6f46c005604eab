package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/sip/dns"
	"github.com/loopstart/loopstart/sip/resolve"
)

// wrongAdvertise says why nobody can send to an advertised address, with a
// hint; "" when it may be right. local are the machine's own addresses.
func wrongAdvertise(cfg *config.Config, a netip.Addr, local []netip.Addr) (why, hint string) {
	a = a.Unmap()
	switch {
	case a.IsUnspecified():
		return "stands for every address: peers cannot send to it", "name the address that peers reach this machine by, or leave sip.advertise out"
	case a.IsMulticast() || a.IsLinkLocalUnicast():
		return "is no address that peers on other networks can send to", "name the address that peers reach this machine by"
	case a.IsLoopback() && !onlyLoopback(cfg):
		return "is loopback, and SIP listens for other machines: their audio would go to themselves", "name the public address, or leave sip.advertise out"
	case a.IsLoopback():
		if t := outside(cfg); t != "" {
			return "is loopback, and trunk " + t + " is another machine", "name the address that the trunk reaches this machine by"
		}
	case !listensFor(cfg, a):
		return fmt.Sprintf("is %s, and no listener of sip.listen is", family(a)), fmt.Sprintf("add a listener such as udp://%s, or advertise an address of the other family", map[bool]string{true: "0.0.0.0:5060", false: "[::]:5060"}[a.Is4()])
	case a.IsPrivate() && !hasAddr(local, a) && publicListener(cfg):
		return "is a private address that this machine does not have, and SIP listens on a public one", "name the public address, or leave sip.advertise out"
	}
	return "", ""
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func listensFor(cfg *config.Config, a netip.Addr) bool {
	for _, l := range cfg.SIP.Listen {
		if l.Addr.Addr().Unmap().Is4() == a.Is4() {
			return true
		}
	}
	return false
}

// publicListener tells a listener bound to one public address.
func publicListener(cfg *config.Config) bool {
	for _, l := range cfg.SIP.Listen {
		if a := l.Addr.Addr(); !a.IsUnspecified() && !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}

// outside is the first trunk that is not on this machine's loopback, or "".
func outside(cfg *config.Config) string {
	for _, t := range cfg.Trunks {
		target, ok := resolve.ParseTarget(t.Address)
		if !ok || strings.EqualFold(target.Host, "localhost") {
			continue
		}
		if a, err := netip.ParseAddr(target.Host); err != nil || !a.IsLoopback() {
			return t.Name
		}
	}
	return ""
}

// hairpinWait is how long a packet to ourselves may take.
const hairpinWait = time.Second

// audio tries RTP ports: whether they are free, and whether a packet sent to
// the advertised address comes back to one of them.
func (d *doctor) audio(ctx context.Context) {
	const name = "RTP ports"
	p := d.cfg.Media.Ports
	if d.Running {
		d.ok(name, "%s is in use by the running loopstart", p)
		return
	}
	taken, tried, open := d.tryPorts(int(p.Min), int(p.Max))
	if open != nil {
		defer open.Close()
	}
	switch {
	case tried > 0 && taken == tried:
		d.fail(name, "`ss -lnup` tells which; or choose another range", "%s: all of %d ports tried are in use by other programs", p, tried)
		return
	case taken > 0:
		d.warn(name, "`ss -lnup` tells which; calls pass over them", "%s: %d of %d ports tried are in use by other programs", p, taken, tried)
	default:
		d.ok(name, "%s: %d ports tried are free", p, tried)
	}
	to := firstOf(localAddrs())
	for _, s := range d.shown(ctx) {
		if a := firstOf(s.addrs); a.IsValid() {
			to = a
			break
		}
	}
	if open != nil && to.IsValid() && to.Is4() && !to.IsUnspecified() {
		d.hairpin(ctx, open, to)
	}
}

func firstOf(list []netip.Addr) (none netip.Addr) {
	for _, a := range list {
		if a.Is4() {
			return a
		}
	}
	return none
}

// portsTried is how many ports of the range are looked at.
const portsTried = 50

// tryPorts binds ports spread over the range; open is one that is free.
func (d *doctor) tryPorts(low, high int) (taken, tried int, open *net.UDPConn) {
	step := max((high-low+1)/portsTried, 1)
	for port := low; port <= high && tried < portsTried; port += step {
		tried++
		c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			taken++
		case err != nil:
		case open == nil:
			open = c
		default:
			c.Close()
		}
	}
	return taken, tried, open
}

// hairpin sends a packet from another socket to the advertised address and
// waits for it. Its way is not that of a peer: it tells of a local firewall
// where the address is ours, and little behind NAT.
func (d *doctor) hairpin(ctx context.Context, c *net.UDPConn, to netip.Addr) {
	const name = "audio to ourselves"
	port := c.LocalAddr().(*net.UDPAddr).Port
	from, err := net.Dial("udp4", netip.AddrPortFrom(to, uint16(port)).String())
	if err == nil {
		defer from.Close()
		_, err = from.Write([]byte("loopstart doctor"))
	}
	heard := false
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, hairpinWait)
		defer cancel()
		stop := context.AfterFunc(wait, func() { _ = c.Close() })
		defer stop()
		buf := make([]byte, 64)
		n, _, failed := c.ReadFrom(buf)
		heard = failed == nil && string(buf[:n]) == "loopstart doctor"
	}
	ours := hasAddr(localAddrs(), to)
	switch {
	case heard:
		d.ok(name, "a packet to UDP %s arrives", netip.AddrPortFrom(to, uint16(port)))
	case ours:
		defer d.coded("PORT_CLOSED")
		d.fail(name, "let UDP media.ports and the SIP ports in: nft list ruleset, iptables -L", "a packet to UDP %s, our own address, does not arrive: a local firewall drops it", netip.AddrPortFrom(to, uint16(port)))
	default:
		d.warn(name, "many routers do not send packets back in, so this proves nothing; a call from outside does", "a packet to UDP %s does not come back", netip.AddrPortFrom(to, uint16(port)))
	}
}

// trunkNames looks the trunks up as calls do.
func (d *doctor) trunkNames(ctx context.Context) {
	r := resolve.New(resolve.Options{Lookup: dns.New(dns.Options{System: net.DefaultResolver}), Clock: d.Clock, Roll: rand.IntN})
	defer r.Close()
	for _, t := range d.cfg.Trunks {
		name := "trunk " + t.Name
		address := t.Address
		if t.Proxy != "" {
			address = t.Proxy
		}
		target, ok := resolve.ParseTarget(address)
		if _, err := netip.ParseAddr(target.Host); !ok || err == nil {
			continue
		}
		hops, err := r.Resolve(ctx, target)
		if err != nil {
			d.broken(name, err)
			continue
		}
		d.ok(name, "%s is %s", target.Host, hops[0])
	}
}
