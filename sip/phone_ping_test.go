package sip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/loopstart/loopstart/sip/location"
)

// TestPhonesBehindNATArePinged: a double CRLF goes to where a phone has
// registered from, again and again; a reload that says off ends it.
func TestPhonesBehindNATArePinged(t *testing.T) {
	cfg := Config{Users: twoUsers, KeepAlive: 25 * time.Second}
	e, v, _ := openWire(t, cfg)
	p := newPhone(t, e, "101", "secret")
	if m := p.register(120); m.code() != 200 {
		t.Fatal(m.line)
	}
	heard := func(wait time.Duration) string {
		done := advance(v, 26*time.Second)
		buf := make([]byte, 100)
		_ = p.udp.SetReadDeadline(time.Now().Add(wait))
		n, _, _ := p.udp.ReadFrom(buf)
		<-done
		return string(buf[:n])
	}
	for range 2 {
		if got := heard(wireWait); got != "\r\n\r\n" {
			t.Fatalf("%q", got)
		}
	}
	cfg.KeepAlive = 0
	if err := e.Update(cfg); err != nil {
		t.Fatal(err)
	}
	if got := heard(100 * time.Millisecond); got != "" {
		t.Fatalf("off, and %q comes", got)
	}
}

// TestWhoNeedsPings: phones whose Contact is not where they are.
func TestWhoNeedsPings(t *testing.T) {
	source := netip.MustParseAddrPort("203.0.113.2:45891")
	for _, c := range [...]struct {
		contact, transport string
		path               []string
		want               bool
	}{
		{"sip:101@192.168.1.10:5060", "udp", nil, true},
		{"sip:101@192.168.1.10:5060", "tcp", nil, true},
		{"sip:101@203.0.113.2:5060", "udp", nil, false},
		{"sip:101@phone.local", "tls", nil, true},
		{"sip:101@192.168.1.10;transport=ws", "wss", nil, false},
		{"sip:101@192.168.1.10", "udp", []string{"<sip:edge;lr>"}, false},
	} {
		b := location.Binding{Contact: c.contact, Source: source, Transport: c.transport, Path: c.path}
		if got := needsPing(b); got != c.want {
			t.Errorf("%s over %s: %v", c.contact, c.transport, got)
		}
	}
}
