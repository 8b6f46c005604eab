package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/config"
)

// listeners tries every address that is listened to.
func (d *doctor) listeners(context.Context) {
	for _, l := range d.cfg.SIP.Listen {
		d.listener("sip.listen", l.Transport, l.Addr)
	}
	d.certificate()
	d.listener("http.listen", "tcp", d.cfg.HTTP.Listen)
	if p := d.cfg.HTTP.Public; p != nil {
		d.listener("http.public", "tcp", p.Listen)
	}
}

// certificateWarning is how long before its end a certificate is complained
// about.
const certificateWarning = 14 * 24 * time.Hour

// certificate reads the one of SIP over TLS.
func (d *doctor) certificate() {
	const name = "sip.tls"
	files := d.cfg.SIP.TLS
	if files.Cert == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(inProject(d.cfg, files.Cert), inProject(d.cfg, files.Key))
	if err != nil {
		d.fail(name, "cert is the PEM chain that begins with our certificate, key its private key", "%s", err)
		return
	}
	left := pair.Leaf.NotAfter.Sub(d.Clock.Now())
	switch end := pair.Leaf.NotAfter.Format(time.DateOnly); {
	case pair.Leaf.NotBefore.After(d.Clock.Now()):
		d.fail(name, "check this machine's clock, or wait: phones and trunks refuse it", "the certificate is valid from %s only", pair.Leaf.NotBefore.Format(time.DateTime))
	case left <= 0:
		d.fail(name, "renew it: phones and trunks refuse it", "the certificate ended on %s", end)
	case left < certificateWarning:
		d.warn(name, "renew it; the new file is taken without a restart", "the certificate ends on %s", end)
	default:
		d.ok(name, "the certificate is valid until %s", end)
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
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		d.fail(name, "listen on 0.0.0.0, or on an address of `ip addr`", "%s: no interface has this address", what)
	case errors.Is(err, syscall.EACCES):
		d.fail(name, "ports below 1024 need root or CAP_NET_BIND_SERVICE", "%s: not permitted", what)
	default:
		d.fail(name, "", "%s: %s", what, err)
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

// advertised judges the address that peers are told to send to.
func (d *doctor) advertised(context.Context) {
	const name = "sip.advertise"
	local := localAddrs()
	a := d.cfg.SIP.Advertise
	if a.IsValid() {
		if why, hint := wrongAdvertise(d.cfg, a, local); why != "" {
			d.fail(name, hint, "%s %s", a, why)
			return
		}
	}
	switch {
	case a.IsValid() && hasAddr(local, a):
		d.ok(name, "%s is an address of this machine", a)
	case a.IsValid():
		d.warn(name, fmt.Sprintf("right behind NAT, if the SIP ports and UDP %s are forwarded to this machine", d.cfg.Media.Ports),
			"%s is no address of this machine", a)
	case onlyLoopback(d.cfg):
		d.ok(name, "not set, and SIP listens on loopback only")
	case len(local) == 0:
		d.warn(name, "set sip.advertise if phones are to reach this machine", "not set, and this machine has no address but loopback")
	case onlyPrivate(local):
		d.warn(name, "behind NAT set sip.advertise to the public address; within one network this is right", "not set; this machine has private addresses only: %s", listAddrs(local))
	default:
		d.ok(name, "not set; calls use the interface's own: %s", listAddrs(local))
	}
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
