package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/netx"
)

// listeners tries every address that is listened to.
func (d *doctor) listeners(context.Context) {
	for _, l := range d.cfg.SIP.Listen {
		d.listener("sip.listen", l.Transport, l.Addr)
	}
	d.listener("http.listen", "tcp", d.cfg.HTTP.Listen)
	if p := d.cfg.HTTP.Public; p != nil {
		d.listener("http.public", "tcp", p.Listen)
	}
}

func (d *doctor) listener(name, transport string, addr netip.AddrPort) {
	what := transport + "://" + addr.String()
	err := bindOnce(transport, addr.String())
	switch {
	case err == nil:
		d.ok(name, "%s is free", what)
	case errors.Is(err, syscall.EADDRINUSE) && d.Running:
		d.ok(name, "%s is in use by the running loopstart", what)
	case errors.Is(err, syscall.EADDRINUSE):
		d.fail(name, "`ss -lnp` tells which; or choose another port", "%s is in use by another program", what)
		d.coded("PORT_TAKEN")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		d.missing(name, what, addr.Addr())
		d.coded("ADDRESS_MISSING")
	case errors.Is(err, syscall.EACCES):
		d.fail(name, "ports below 1024 need root or CAP_NET_BIND_SERVICE", "%s: not permitted", what)
	default:
		d.fail(name, "", "%s: %s", what, err)
	}
}

// missing judges an address that no interface has: one that may come with a lease
// or a tunnel is waited for.
func (d *doctor) missing(name, what string, a netip.Addr) {
	have := listAddrs(localAddrs())
	if have == "" {
		have = "loopback only"
	}
	why := netx.NeverOurs(a)
	switch {
	case why != "":
		d.fail(name, "listen on 0.0.0.0, or on an address of `ip addr`", "%s: no interface has this address, and %s; this machine has %s", what, why, have)
	case netx.Public(a) && onlyPrivate(localAddrs()):
		d.fail(name, "listen on 0.0.0.0, and name the public address in sip.advertise", "%s: no interface has this address, and behind NAT none will; this machine has %s", what, have)
	default:
		d.warn(name, "right for an address that comes later, by DHCP or a VPN; else correct it, or listen on 0.0.0.0", "%s: no interface has this address now, so nobody can reach it: loopstart waits for it; this machine has %s", what, have)
	}
}

func bindOnce(transport, addr string) error {
	if transport == "udp" {
		c, err := net.ListenPacket("udp", addr)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err == nil {
		err = l.Close()
	}
	return err
}

// localAddrs are the addresses of this machine but loopback and link-local.
func localAddrs() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out
}

func hasAddr(list []netip.Addr, a netip.Addr) bool {
	for _, x := range list {
		if x == a.Unmap() {
			return true
		}
	}
	return a.IsLoopback()
}

func onlyLoopback(cfg *config.Config) bool {
	for _, l := range cfg.SIP.Listen {
		if !l.Addr.Addr().IsLoopback() {
			return false
		}
	}
	return true
}

func onlyPrivate(list []netip.Addr) bool {
	for _, a := range list {
		if !a.IsPrivate() {
			return false
		}
	}
	return true
}

func listAddrs(list []netip.Addr) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// legsPerCall is how many port pairs a call takes: itself and one that it is
// connected with.
const legsPerCall = 2

// ports judges the range of RTP ports.
func (d *doctor) ports(context.Context) {
	const name = "media.ports"
	p := d.cfg.Media.Ports
	pairs := (int(p.Max) - int(p.Min) + 1) / 2
	if need := d.cfg.Limits.Calls * legsPerCall; pairs < need {
		d.warn(name, "widen media.ports, or lower limits.calls", "%s is room for %d call legs; limits.calls %d may need %d", p, pairs, d.cfg.Limits.Calls, need)
		return
	}
	if low, high, ok := ephemeral(); ok && int(p.Min) <= high && int(p.Max) >= low {
		d.warn(name, fmt.Sprintf("sysctl -w net.ipv4.ip_local_reserved_ports=%d-%d, or choose a range outside", p.Min, p.Max),
			"%s overlaps the ports %d-%d that the system hands out to any program", p, low, high)
		return
	}
	d.ok(name, "%s is room for %d call legs", p, pairs)
}

// ephemeral is the system's own range, less what is reserved as a whole.
func ephemeral() (low, high int, ok bool) {
	raw, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, false
	}
	if _, err := fmt.Sscan(string(raw), &low, &high); err != nil {
		return 0, 0, false
	}
	reserved, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports")
	if err == nil && strings.TrimSpace(string(reserved)) != "" {
		return 0, 0, false // somebody has thought about it
	}
	return low, high, true
}
