package netx

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenUDP binds a UDP socket. late tells that no interface has the address
// yet: the socket has its port and hears from the moment on at which one gets it,
// by a lease or a tunnel. An address that no interface can ever have is an error.
func ListenUDP(addr netip.AddrPort) (conn *net.UDPConn, late bool, err error) {
	network := "udp" + familyOf(addr)
	conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if !mayCome(addr.Addr(), err) {
		return conn, false, err
	}
	c, again := freely.ListenPacket(context.Background(), network, addr.String())
	if again != nil {
		return nil, false, worse(err, again)
	}
	return c.(*net.UDPConn), true, nil
}

// ListenTCP is ListenUDP for a TCP listener.
func ListenTCP(addr netip.AddrPort) (l *net.TCPListener, late bool, err error) {
	network := "tcp" + familyOf(addr)
	l, err = net.ListenTCP(network, net.TCPAddrFromAddrPort(addr))
	if !mayCome(addr.Addr(), err) {
		return l, false, err
	}
	c, again := freely.Listen(context.Background(), network, addr.String())
	if again != nil {
		return nil, false, worse(err, again)
	}
	return c.(*net.TCPListener), true, nil
}

func familyOf(addr netip.AddrPort) string {
	if addr.Addr().Is6() {
		return "6"
	}
	return "4"
}

// mayCome tells an error that time may mend.
func mayCome(a netip.Addr, err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) && NeverOurs(a) == ""
}

// worse is the error to tell of an address that is not there: that its port is
// taken, too, or else the first.
func worse(first, again error) error {
	if errors.Is(again, syscall.EADDRINUSE) || errors.Is(again, syscall.EACCES) {
		return again
	}
	return first
}

// freely binds also to addresses that the machine does not have (ip(7),
// IP_FREEBIND), which needs no privilege.
var freely = net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
	level, option := unix.IPPROTO_IP, unix.IP_FREEBIND
	if strings.HasSuffix(network, "6") {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	var set error
	err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(err, set)
}}

// Networks whose addresses no interface of a working network has.
var (
	samples = []netip.Prefix{ // RFC 5737, RFC 3849, RFC 9637
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"),
	}
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	futureUse   = netip.MustParsePrefix("240.0.0.0/4")
)

// NeverOurs says why an address that the machine does not have will not come to
// it either; "" when it may.
func NeverOurs(a netip.Addr) string {
	a = a.Unmap()
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	switch {
	case a.IsUnspecified():
		return ""
	case a.IsMulticast():
		return "it is a multicast address"
	case thisNetwork.Contains(a) || futureUse.Contains(a):
		return "no interface can have it"
	case slices.ContainsFunc(samples, in):
		return "it is an address of examples in documentation"
	case a.IsLoopback():
		return "loopback has no such address here"
	}
	return ""
}
