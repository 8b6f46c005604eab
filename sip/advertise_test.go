package sip

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/sip/dns"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// paper is an endpoint without sockets: what it tells peers depends on the
// configuration and on what the kernel would say, which is written here.
func paper(t *testing.T, cfg Config, interfaces string, routes map[string]string) *Endpoint {
	t.Helper()
	e := &Endpoint{}
	e.cfg.Store(&cfg)
	e.found.Store(&map[string]nameFound{"pbx.test": {addrs: []netip.Addr{ip("203.0.113.7"), ip("2001:db8::7")}}})
	var view []netip.Prefix
	for _, p := range strings.Fields(interfaces) {
		view = append(view, netip.MustParsePrefix(p))
	}
	e.view.Store(&view)
	e.locals = newRecent[netip.Addr, localRoute](MaxSources, nil)
	for remote, own := range routes {
		e.locals.put(ip(remote), localRoute{ip(own), clock.System().Now()})
	}
	return e
}

// TestAdvertisedForEachPeer: who is told what.
func TestAdvertisedForEachPeer(t *testing.T) {
	const net1 = "127.0.0.1/8 10.0.0.5/24 2001:db8:1::5/64"
	routes := map[string]string{
		"127.0.0.9": "127.0.0.1", "10.0.0.9": "10.0.0.5", "10.9.9.9": "10.0.0.5", "192.168.7.7": "10.0.0.5", "198.51.100.1": "10.0.0.5",
		"100.64.3.3": "100.64.0.1", "100.70.1.1": "10.0.0.5", "2001:db8:9::1": "2001:db8:1::5", "fd00::9": "2001:db8:1::5",
	}
	public, private, both := []Advertised{{Addr: ip("203.0.113.5")}}, []Advertised{{Addr: ip("192.168.1.10")}}, []Advertised{{Addr: ip("203.0.113.5")}, {Addr: ip("2001:db8::5")}}
	wild := []Listener{listen("udp", "0.0.0.0:5060"), listen("udp", "[::]:5060")}
	for name, tc := range map[string]struct {
		cfg  Config
		want map[string]string
	}{
		"nothing": {Config{Listen: wild}, map[string]string{"127.0.0.9": "127.0.0.1", "10.0.0.9": "10.0.0.5", "198.51.100.1": "10.0.0.5", "2001:db8:9::1": "2001:db8:1::5"}},
		"a public one": {Config{Listen: wild, Advertise: public}, map[string]string{
			"127.0.0.9": "127.0.0.1", "10.0.0.9": "10.0.0.5", "10.9.9.9": "10.0.0.5", "192.168.7.7": "10.0.0.5", "198.51.100.1": "203.0.113.5",
			"100.64.3.3": "100.64.0.1", // an overlay network that we are in
			"100.70.1.1": "203.0.113.5", "2001:db8:9::1": "2001:db8:1::5"}},
		"both families": {Config{Listen: wild, Advertise: both}, map[string]string{"198.51.100.1": "203.0.113.5", "2001:db8:9::1": "2001:db8::5", "fd00::9": "2001:db8:1::5"}},
		"a private one": {Config{Listen: wild, Advertise: private}, map[string]string{
			"127.0.0.9": "127.0.0.1", "10.0.0.9": "10.0.0.5", "192.168.7.7": "192.168.1.10", "10.9.9.9": "192.168.1.10", "198.51.100.1": "192.168.1.10"}},
		"networks named": {Config{Listen: wild, Advertise: private, Local: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}, map[string]string{
			"10.9.9.9": "10.0.0.5", "192.168.7.7": "192.168.1.10"}},
		"only those": {Config{Listen: wild, Advertise: public, LocalOnly: true, Local: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}, map[string]string{
			"10.9.9.9": "10.0.0.5", "10.0.0.9": "203.0.113.5", "192.168.7.7": "203.0.113.5", "127.0.0.9": "127.0.0.1"}},
		"a name": {Config{Listen: wild, Advertise: []Advertised{{Name: "pbx.test"}}}, map[string]string{
			"198.51.100.1": "203.0.113.7", "2001:db8:9::1": "2001:db8::7", "10.0.0.9": "10.0.0.5"}},
		"a name that is not found": {Config{Listen: wild, Advertise: []Advertised{{Name: "no.test"}}}, map[string]string{"198.51.100.1": "10.0.0.5"}},
		"a listener's own": {Config{Listen: []Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("0.0.0.0:5060"), Advertise: Advertised{Addr: ip("203.0.113.8")}}}, Advertise: public}, map[string]string{
			"198.51.100.1": "203.0.113.8", "10.0.0.9": "10.0.0.5"}},
		"the listener on the way": {Config{Listen: []Listener{
			{Transport: "udp", Addr: netip.MustParseAddrPort("10.0.0.5:5060"), Advertise: Advertised{Addr: ip("203.0.113.8")}},
			{Transport: "udp", Addr: netip.MustParseAddrPort("100.64.0.1:5060")},
		}}, map[string]string{"198.51.100.1": "203.0.113.8", "100.64.3.3": "100.64.0.1", "10.0.0.9": "10.0.0.5"}},
	} {
		e := paper(t, tc.cfg, net1, routes)
		for remote, want := range tc.want {
			if got := e.AdvertisedFor(ip(remote)); got != ip(want) {
				t.Errorf("%s: %s is told %s, want %s", name, remote, got, want)
			}
		}
	}
}

// TestContactPort: a listener that is forwarded from another port names that, to
// those beyond.
func TestContactPort(t *testing.T) {
	e := paper(t, Config{Listen: []Listener{
		{Transport: "tls", Addr: netip.MustParseAddrPort("0.0.0.0:5061"), Advertise: Advertised{Name: "pbx.test", Port: 15061}},
		{Transport: "tcp", Addr: netip.MustParseAddrPort("0.0.0.0:5060")},
	}, Advertise: []Advertised{{Addr: ip("203.0.113.5")}}}, "10.0.0.5/24", map[string]string{"10.0.0.9": "10.0.0.5"})
	e.hub = newTCPHub(e)
	for to, want := range map[hop]string{
		{transport: "tls", addr: netip.MustParseAddrPort("198.51.100.1:5061")}: "<sip:a@203.0.113.7:15061;transport=tls>",
		{transport: "tcp", addr: netip.MustParseAddrPort("198.51.100.1:5060")}: "<sip:a@203.0.113.5:5060;transport=tcp>",
		{transport: "tcp", addr: netip.MustParseAddrPort("10.0.0.9:5060")}:     "<sip:a@10.0.0.5:5060;transport=tcp>",
	} {
		if got := e.contact(to, "a"); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
	for host, want := range map[string]bool{"pbx.test": true, "PBX.test": true, "203.0.113.7": true, "203.0.113.5": true, "203.0.113.6": false, "other.test": false} {
		if e.isOurs(host) != want {
			t.Errorf("%s: %t", host, !want)
		}
	}
}

// zone is a DNS of one name.
type zone struct {
	mu    sync.Mutex
	addrs []netip.Addr
	err   error
	asked int
}

func (z *zone) set(err error, addrs ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.addrs, z.err = nil, err
	for _, a := range addrs {
		z.addrs = append(z.addrs, ip(a))
	}
}

func (z *zone) Addrs(context.Context, string) ([]netip.Addr, time.Duration, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	return slices.Clone(z.addrs), 0, z.err
}

func (z *zone) SRV(context.Context, string) ([]dns.SRV, time.Duration, error) {
	return nil, 0, errors.New("none")
}

func (z *zone) NAPTR(context.Context, string) ([]dns.NAPTR, time.Duration, error) {
	return nil, 0, errors.New("none")
}

// TestAdvertisedNameMoves: a dynamic name is taken over while we run, told once,
// and kept while DNS is silent.
func TestAdvertisedNameMoves(t *testing.T) {
	z := &zone{}
	z.set(nil, "203.0.113.1", "2001:db8::1")
	var moves []Move
	e := paper(t, Config{Listen: []Listener{listen("udp", "0.0.0.0:5060")}, Advertise: []Advertised{{Name: "dyn.test"}}}, "10.0.0.5/24", nil)
	e.lookup, e.deps.Moved, e.log = z, func(m Move) { moves = append(moves, m) }, slog.New(slog.DiscardHandler)
	e.found.Store(&map[string]nameFound{})
	look := func(changed bool) {
		t.Helper()
		for name, f := range *e.found.Load() { // its time has come
			f.due = time.Time{}
			(*e.found.Load())[name] = f
		}
		if e.lookNames(t.Context()) != changed {
			t.Fatalf("changed is %t", !changed)
		}
	}
	told := func(want string) {
		t.Helper()
		if got := e.AdvertisedFor(ip("198.51.100.1")); got != ip(want) {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	look(true)
	told("203.0.113.1")
	look(false)
	e.lookNames(t.Context())
	if z.asked != 2 {
		t.Fatalf("asked %d times: an answer lives", z.asked)
	}
	z.set(nil, "2001:db8::1", "203.0.113.2")
	look(true)
	told("203.0.113.2")
	z.set(errors.New("silence"))
	look(false)
	told("203.0.113.2")
	if len(moves) != 1 || moves[0].Name != "dyn.test" || !slices.Equal(moves[0].Gone, []netip.Addr{ip("203.0.113.1")}) || !slices.Equal(moves[0].Came, []netip.Addr{ip("203.0.113.2")}) {
		t.Fatalf("%+v", moves)
	}
	cfg := *e.cfg.Load()
	cfg.Advertise = nil
	e.cfg.Store(&cfg)
	look(false)
	if len(*e.found.Load()) != 0 {
		t.Fatal("a name that nobody advertises is kept")
	}
}
