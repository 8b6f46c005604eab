package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestBehindNAT(t *testing.T) {
	for _, c := range [...]struct{ own, received, rport, want string }{
		{"10.0.0.5", "203.0.113.7", "40001", "203.0.113.7:40001"},
		{"fd00::5", "[2001:db8::7]", "40001", "[2001:db8::7]:40001"},
		{"198.51.100.5", "203.0.113.7", "40001", ""}, // a public address is what it is
		{"10.0.0.5", "192.168.0.7", "40001", ""},     // no NAT to the public
		{"10.0.0.5", "127.0.0.1", "40001", ""},
		{"10.0.0.5", "203.0.113.7", "", ""},
		{"10.0.0.5", "203.0.113.7", "70000", ""},
		{"10.0.0.5", "x", "1", ""},
		{"10.0.0.5", "", "", ""},
		{"fd00::5", "203.0.113.7", "40001", ""},
	} {
		got := behindNAT(netip.MustParseAddr(c.own), c.received, c.rport)
		if got.IsValid() != (c.want != "") || got.IsValid() && got.String() != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestServiceRoute: what the registrar tells in its 200 is the way of our calls
// (RFC 3608 §5), until it tells otherwise.
func TestServiceRoute(t *testing.T) {
	p := newProvider(t)
	e, v, _ := p.open(Config{Trunks: []Trunk{p.trunk()}, Register: true})
	m := p.receive()
	if m.get("Supported") != "path" {
		t.Fatal(m.get("Supported"))
	}
	p.judge(m)
	first, second := "<sip:"+p.addr().String()+";lr>", "<sip:core.example.ru;lr>"
	p.judge(p.receive(), "Service-Route: "+first+", "+second)
	v.Settle()
	eventually(t, "the registration stands", func() bool { return e.Trunks()[0].Registered })
	call := func() wireMessage {
		t.Helper()
		d, err := e.Dial(Outgoing{Target: Target{Trunk: "mango", Number: "+79160000001"}, Body: []byte(sdp("offer"))})
		if err != nil {
			t.Fatal(err)
		}
		inv := p.receive()
		p.answer(inv, 486, "Busy Here")
		for range d.Events() {
		}
		p.receive() // ACK
		return inv
	}
	if got := strings.Join(call().headers.All("Route"), ", "); got != first+", "+second {
		t.Fatalf("Route %s", got)
	}
	done := advance(v, 5*time.Minute-time.Second)
	p.judge(p.receive())
	<-done
	if got := call().headers.All("Route"); len(got) != 0 {
		t.Fatalf("Route %s after a 200 without Service-Route", got)
	}
}

func TestCallRouteThroughProxyAndServiceRoute(t *testing.T) {
	e, _, _ := openWire(t, Config{Trunks: []Trunk{{Name: "m", Address: "registrar.example", Proxy: "192.0.2.9:5080", Username: "u"}}})
	tr := find(*e.live.Load(), "m")
	for service, want := range map[string]string{
		"":                                "<sip:192.0.2.9:5080;lr>",
		"<sip:core.example;lr>":           "<sip:192.0.2.9:5080;lr> <sip:core.example;lr>",
		"<sip:192.0.2.9;lr> <sip:two;lr>": "<sip:192.0.2.9;lr> <sip:two;lr>",
	} {
		tr.learnt.Store(&learnt{routes: strings.Fields(service)})
		routes, next := tr.callRoute()
		if strings.Join(routes, " ") != want || next.Host != "192.0.2.9" || next.Port != 5080 {
			t.Errorf("%s: %v by %+v", service, routes, next)
		}
	}
}

// TestMovedAddressRegistersAnew: another Contact is told at once, not at the
// next refresh.
func TestMovedAddressRegistersAnew(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Options = 0
	e, v, _ := p.open(Config{Trunks: []Trunk{c}, Register: true})
	p.judge(p.receive())
	p.registerPass()
	v.Settle()
	eventually(t, "the registration stands", func() bool { return e.Trunks()[0].Registered })
	tr := find(*e.live.Load(), "mango")
	tr.learnt.Store(&learnt{own: netip.MustParseAddrPort("203.0.113.7:40001")})
	done := advance(v, movedLook)
	m := p.receive()
	<-done
	if !strings.HasPrefix(m.get("Contact"), "<sip:7926@203.0.113.7:40001;ls=") {
		t.Fatal(m.get("Contact"))
	}
	p.judge(m)
}

// TestKeepAliveOfTrunks: a double CRLF goes where the trunk's packets go.
func TestKeepAliveOfTrunks(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.KeepAlive, c.Register = 25*time.Second, false
	e, v, _ := p.open(Config{Trunks: []Trunk{c}, Register: true})
	find(*e.live.Load(), "mango").state.setHop(hop{transport: "udp", addr: p.addr()})
	done := advance(v, 30*time.Second)
	buf := make([]byte, 100)
	_ = p.udp.SetReadDeadline(time.Now().Add(wireWait))
	n, _, err := p.udp.ReadFrom(buf)
	<-done
	if err != nil || string(buf[:n]) != "\r\n\r\n" {
		t.Fatalf("%q %v", buf[:n], err)
	}
}

// TestLargeInviteGoesOverStreams where the callee has them.
func TestLargeInviteGoesOverStreams(t *testing.T) {
	r := newRig(t, nil)
	udp, tcp := hop{transport: "udp", addr: netip.MustParseAddrPort("127.0.0.1:9")}, hop{transport: "tcp", addr: netip.MustParseAddrPort("127.0.0.1:9")}
	for _, c := range [...]struct {
		size  int
		hops  []hop
		first string
	}{
		{100, []hop{udp, tcp}, "udp"}, {2000, []hop{udp, tcp}, "tcp"}, {2000, []hop{udp}, "udp"}, {2000, []hop{tcp, udp}, "tcp"}, {100, []hop{tcp, udp}, "tcp"},
	} {
		d := r.newOutbound(Outgoing{Body: make([]byte, c.size)}, plan{request: Address{User: "a", Host: "b"}, from: Address{User: "c", Host: "d"}})
		got := d.bySize(c.hops)
		if got[0].transport != c.first || len(got) != len(c.hops) {
			t.Errorf("%d bytes by %v: %v", c.size, c.hops, got)
		}
		d.abandon()
	}
}
