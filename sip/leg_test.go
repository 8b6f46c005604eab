package sip

import (
	"net/netip"
	"slices"
	"testing"
)

func hopTo(transport, addr string) hop {
	return hop{transport: transport, addr: netip.MustParseAddrPort(addr)}
}

func TestNextHop(t *testing.T) {
	public, private := hopTo("udp", "203.0.113.5:5070"), hopTo("udp", "10.0.0.5:5070")
	stream := hopTo("tcp", "203.0.113.5:40001")
	for _, tt := range []struct {
		name, uri string
		peer      hop
		user      bool
		want      hop
	}{
		{"Contact", "sip:a@198.51.100.1:5080", public, false, hopTo("udp", "198.51.100.1:5080")},
		{"default port", "sip:a@198.51.100.1", public, false, hopTo("udp", "198.51.100.1:5060")},
		{"transport", "sip:a@198.51.100.1;transport=TCP", public, false, hopTo("tcp", "198.51.100.1:5060")},
		{"IPv6", "sip:a@[2001:db8::1]:5080", public, false, hopTo("udp", "[2001:db8::1]:5080")},
		{"a name is where the peer is", "sip:a@sbc.example.com", public, false, public},
		{"user behind NAT", "sip:a@198.51.100.1:5080", public, true, public},
		{"private address of a public peer", "sip:a@192.168.0.7:5060", public, false, public},
		{"private address of a private peer", "sip:a@10.0.0.6:5060", private, false, hopTo("udp", "10.0.0.6:5060")},
		{"unspecified", "sip:a@0.0.0.0:5060", public, false, public},
		{"same connection", "sip:a@203.0.113.5:5060;transport=tcp", stream, false, stream},
		{"same connection without parameter", "sip:a@203.0.113.5:5060", stream, false, stream},
		{"from TCP to UDP elsewhere", "sip:a@198.51.100.1", stream, false, hopTo("udp", "198.51.100.1:5060")},
		{"nonsense", "http://x", public, false, public},
	} {
		if got := nextHop(tt.uri, tt.peer, tt.user); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAddressed(t *testing.T) {
	for _, tt := range []struct {
		routes []string
		uri    string
		want   []string
		next   string
	}{
		{nil, "sip:t@1.2.3.4", nil, "sip:t@1.2.3.4"},
		{[]string{"<sip:p@h;lr>", "<sip:q@h>"}, "sip:t@1.2.3.4", []string{"<sip:p@h;lr>", "<sip:q@h>"}, "sip:p@h;lr"},
		{[]string{"<sip:p@h>", "<sip:q@h;lr>"}, "sip:p@h", []string{"<sip:q@h;lr>", "<sip:t@1.2.3.4>"}, "sip:p@h"},
		{[]string{"<<<"}, "sip:t@1.2.3.4", nil, "sip:t@1.2.3.4"},
	} {
		l := leg{target: "sip:t@1.2.3.4", routes: tt.routes}
		uri, routes := l.addressed()
		if uri != tt.uri || !slices.Equal(routes, tt.want) || l.next() != tt.next {
			t.Errorf("%v: %s %v %s", tt.routes, uri, routes, l.next())
		}
	}
}

func TestSequencerLimit(t *testing.T) {
	s := sequencer{known: true, last: 1}
	for i := range maxHeld {
		if _, held, _ := s.add(&message{seq: uint32(10 + i)}); !held {
			t.Fatal("not held")
		}
	}
	if _, _, stale := s.add(&message{seq: 10}); !stale {
		t.Fatal("the same number twice")
	}
	due, _, _ := s.add(&message{seq: 100})
	if len(due) != maxHeld+1 || !slices.IsSortedFunc(due, func(a, b *message) int { return int(a.seq) - int(b.seq) }) || s.last != 100 {
		t.Fatalf("%d due", len(due))
	}
}

func BenchmarkCall(b *testing.B) {
	for b.Loop() {
		m := &message{tx: 1, method: "INVITE", seq: 1, callID: "id", from: "<sip:a@x>", fromTag: "a", to: "<sip:b@y>", toTag: "b",
			contact: "sip:a@192.0.2.1", body: []byte("offer")}
		c := newUAS(m, &seenSeqs{}, func() []string { return nil }, func(int) int { return 0 })
		c.step(input{kind: inCommand, cmd: command{kind: cmdProvisional, code: 180}})
		c.step(input{kind: inCommand, cmd: command{kind: cmdAccept}})
		c.step(input{kind: inAck, msg: &message{seq: 1}})
		c.step(input{kind: inRequest, msg: &message{tx: 2, method: "BYE", seq: 2, fromTag: "a"}})
		if c.phase != phOver {
			b.Fatal("not over")
		}
	}
}
