package netx

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
)

// TestListenLate binds to an address of 10/8 that no test machine has: it is
// bound all the same, and its port is taken.
func TestListenLate(t *testing.T) {
	for _, text := range []string{"10.254.253.252:0", "[fd00:dead:beef::9]:0"} {
		addr := netip.MustParseAddrPort(text)
		u, late, err := ListenUDP(addr)
		if errors.Is(err, syscall.EAFNOSUPPORT) {
			continue // no IPv6 here
		}
		if err != nil || !late {
			t.Fatalf("udp %s: late %v, %v", addr, late, err)
		}
		defer u.Close()
		l, late, err := ListenTCP(addr)
		if err != nil || !late {
			t.Fatalf("tcp %s: late %v, %v", addr, late, err)
		}
		defer l.Close()
		if _, _, err := ListenTCP(netip.MustParseAddrPort(l.Addr().String())); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a port that is taken: %v", err)
		}
	}
}

func TestListenNow(t *testing.T) {
	u, late, err := ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil || late {
		t.Fatal(late, err)
	}
	defer u.Close()
	if _, _, err := ListenUDP(u.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port that is taken: %v", err)
	}
}

func TestNeverOurs(t *testing.T) {
	for _, text := range []string{"192.0.2.7", "198.51.100.1", "203.0.113.5", "2001:db8::1", "224.0.0.1", "ff02::1", "240.0.0.1", "0.1.2.3"} {
		a := netip.MustParseAddr(text)
		if NeverOurs(a) == "" {
			t.Errorf("%s may come", a)
		}
		if _, _, err := ListenUDP(netip.AddrPortFrom(a, 0)); err == nil && !a.IsMulticast() {
			t.Errorf("%s is bound", a)
		}
	}
	for _, text := range []string{"10.0.0.1", "192.168.1.7", "100.64.0.9", "8.8.8.8", "fd00::1", "2a00::1", "0.0.0.0", "::"} {
		if why := NeverOurs(netip.MustParseAddr(text)); why != "" {
			t.Errorf("%s: %s", text, why)
		}
	}
}
