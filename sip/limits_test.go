package sip

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/sip/dns/dnstest"
)

// TestRememberedIsBounded: what strangers can make us remember. Tables forget
// half of it at a time.
func TestRememberedIsBounded(t *testing.T) {
	a, l := newArrivals(), newLimiter()
	for name, tc := range map[string]struct {
		limit int
		put   func(i int)
		size  func() int
	}{
		"INVITEs": {maxArrivals, func(i int) { a.note(fmt.Sprint(i)) }, func() int { return a.list.size() }},
		"users": {MaxLimitedUsers, func(i int) { l.spare(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), testStart) },
			func() int { return l.known.size() }},
	} {
		for i := range tc.limit {
			tc.put(i)
		}
		if n := tc.size(); n != tc.limit {
			t.Errorf("%s: %d at the limit", name, n)
		}
		if tc.put(tc.limit); tc.size() > tc.limit {
			t.Errorf("%s: %d beyond the limit", name, tc.size())
		}
	}
}

func TestBanTimeIsBounded(t *testing.T) {
	b, now := newBans(), testStart
	a := netip.MustParseAddr("203.0.113.9")
	longest := time.Duration(0)
	for range 12 { // 10 min · 2¹¹ are fourteen days
		ban := b.strike(a, StrikesToBan, true, "x", DefaultBanTime, now)
		if ban == nil {
			t.Fatalf("no ban after one of %s", longest)
		}
		longest = max(longest, ban.Until.Sub(now))
		b.holds(a, ban.Until)
	}
	if longest != MaxBanTime {
		t.Errorf("the longest is %s", longest)
	}
}

func TestAdvertisedAddressesAreBounded(t *testing.T) {
	z := &zone{}
	var addrs []string
	for i := range MaxAdvertised + 1 {
		addrs = append(addrs, fmt.Sprintf("203.0.113.%d", i+1))
	}
	z.set(nil, addrs...)
	e := &Endpoint{lookup: z, log: slog.New(slog.DiscardHandler)}
	if f := e.askName(t.Context(), "dyn.test", nameFound{}); len(f.addrs) != MaxAdvertised {
		t.Errorf("%d addresses", len(f.addrs))
	}
}

func TestServiceRouteIsBounded(t *testing.T) {
	res := gosip.NewResponse(200, "OK")
	for i := range maxServiceRoute + 1 {
		res.AppendHeader(gosip.NewHeader("Service-Route", fmt.Sprintf("<sip:p%d.test;lr>", i)))
	}
	tr := &trunk{}
	if tr.learn(res, hop{}); len(tr.learnt.Load().routes) != maxServiceRoute {
		t.Errorf("%d values are kept", len(tr.learnt.Load().routes))
	}
}

// TestRegistrarsOfOneTurn: a trunk whose places all say 503 is not asked at all
// of them in one go.
func TestRegistrarsOfOneTurn(t *testing.T) {
	r, s := named(t)
	for i := range maxRegistrars + 2 {
		host := fmt.Sprintf("h%d.test", i)
		s.Set(host, dnstest.Addr(time.Minute, fmt.Sprintf("127.0.1.%d", i+1)))
	}
	s.Set("trunk.test", dnstest.NAPTR(time.Minute, 1, 1, "SIP+D2U", "_sip._udp.trunk.test"))
	s.Set("_sip._udp.trunk.test",
		dnstest.SRV(time.Minute, 1, 0, 5060, "h0.test"), dnstest.SRV(time.Minute, 2, 0, 5060, "h1.test"), dnstest.SRV(time.Minute, 3, 0, 5060, "h2.test"),
		dnstest.SRV(time.Minute, 4, 0, 5060, "h3.test"), dnstest.SRV(time.Minute, 5, 0, 5060, "h4.test"))
	tr := find(*r.live.Load(), "t")
	first, err := tr.pick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reg, asked := &registrant{t: tr, hop: first}, 0
	res, err := reg.elsewhere(context.Background(), func() (*gosip.Response, error) {
		asked++
		r.resolver.MarkDead(reg.hop.resolved(), deadFor)
		return gosip.NewResponse(503, "Busy"), nil
	})
	if err != nil || res.StatusCode != 503 || asked != maxRegistrars {
		t.Fatalf("%d asked, %v", asked, err)
	}
}

// TestReadErrorsEndAReader: errors of single packets are passed over, a socket
// that has nothing else is given up.
func TestReadErrorsEndAReader(t *testing.T) {
	r := newRig(t, nil)
	s, _, err := r.listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.conn.Close() }()
	if err := s.conn.SetReadDeadline(time.Unix(1, 0)); err != nil { // each read fails from now on
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := s.ReadFrom(make([]byte, MaxMessage))
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != net.ErrClosed {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the reader goes on after %d errors", maxReadErrors)
	}
}
