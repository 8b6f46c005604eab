package resolve

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/sip/dns/dnstest"
)

func rule(order, preference uint16, services, replacement string) dnsmessage.Resource {
	return dnstest.NAPTR(time.Minute, order, preference, services, replacement)
}

// The domain's rules choose the transport, and among equal ones the order.
func TestNAPTR(t *testing.T) {
	b := newBench(t)
	d := b.dns
	d.host("a.test", "192.0.2.1")
	d.host("b.test", "192.0.2.2")
	d.service("_sip._udp.x.test", srv(1, 0, 5060, "a.test"), srv(2, 0, 5062, "b.test"))
	d.service("_sip._tcp.x.test", srv(1, 0, 5063, "a.test"))
	d.service("odd-name.test", srv(1, 0, 5071, "b.test"))
	d.service("_sips._tcp.x.test", srv(1, 0, 5061, "a.test"))
	d.service("_sips._tcp.tlsonly.test", srv(1, 0, 5061, "a.test"))
	const udp, tcp, tls = "udp://192.0.2.1:5060 udp://192.0.2.2:5062", "tcp://192.0.2.1:5063", "tls://192.0.2.1:5061"
	for _, tc := range []struct {
		name, want string
		rules      []dnsmessage.Resource
	}{
		{"x.test", udp + " " + tcp, nil},
		{"x.test", tls + " " + tcp + " " + udp, []dnsmessage.Resource{
			rule(50, 50, "SIPS+D2T", "_sips._tcp.x.test"), rule(90, 50, "SIP+D2T", "_sip._tcp.x.test"), rule(100, 50, "SIP+D2U", "_sip._udp.x.test")}},
		{"x.test", tcp + " " + udp, []dnsmessage.Resource{rule(1, 20, "sip+d2u", "_sip._udp.x.test"), rule(1, 10, "SIP+D2T", "_sip._tcp.x.test")}},
		{"x.test", "tcp://192.0.2.2:5071", []dnsmessage.Resource{rule(1, 1, "SIP+D2T", "odd-name.test")}},
		{"x.test", tcp, []dnsmessage.Resource{rule(1, 1, "SIP+D2W", "_sip._ws.x.test"), rule(2, 1, "SIP+D2T", "_sip._tcp.x.test")}},
		{"x.test", udp + " " + tcp, []dnsmessage.Resource{rule(1, 1, "SIP+D2W", "_sip._ws.x.test"), rule(2, 1, "SIP+D2S", "x"), rule(3, 1, "E2U+sip", "x")}},
		{"x.test", tcp, []dnsmessage.Resource{
			dnstest.RawNAPTR(time.Minute, 1, 1, "u", "SIP+D2U", "", "_sip._udp.x.test"),
			dnstest.RawNAPTR(time.Minute, 1, 1, "s", "SIP+D2U", "!^.*$!x!", "_sip._udp.x.test"),
			dnstest.RawNAPTR(time.Minute, 1, 1, "s", "SIP+D2U", "", "bad name.test"), rule(2, 1, "SIP+D2T", "_sip._tcp.x.test")}},
		{"x.test", "NETWORK", []dnsmessage.Resource{rule(1, 1, "SIP+D2T", "x.test")}},
		{"x.test;transport=udp", udp, []dnsmessage.Resource{rule(1, 1, "SIP+D2T", "_sip._tcp.x.test")}},
		{"x.test:5099", "udp://192.0.2.9:5099", []dnsmessage.Resource{rule(1, 1, "SIP+D2T", "_sip._tcp.x.test"), dnstest.Addr(time.Minute, "192.0.2.9")}},
		{"tlsonly.test", tls, nil},
		{"x.test;transport=tls", tls, nil},
	} {
		d.service("x.test", tc.rules...)
		if got := b.hops(t, tc.name); got != tc.want {
			t.Errorf("%s %v:\n got %s\nwant %s", tc.name, tc.rules, got, tc.want)
		}
		b.clock.Advance(MostTTL)
	}
}

// TestMaxServices: of a domain's rules so many are followed.
func TestMaxServices(t *testing.T) {
	b := newBench(t)
	var rules []dnsmessage.Resource
	for i := range MaxServices + 1 {
		name := fmt.Sprintf("s%d.test", i)
		rules = append(rules, rule(uint16(i), 1, "SIP+D2U", name))
		b.dns.service(name, srv(1, 0, uint16(5060+i), "a.test"))
	}
	b.dns.host("a.test", "192.0.2.1")
	b.dns.service("x.test", rules...)
	if got := strings.Fields(b.hops(t, "x.test")); len(got) != MaxServices || got[MaxServices-1] != fmt.Sprintf("udp://192.0.2.1:%d", 5060+MaxServices-1) {
		t.Fatalf("%d places: %s", len(got), got)
	}
}

// A caller that can WebSocket follows its rule.
func TestNAPTRWebSocket(t *testing.T) {
	d := newDNS(t)
	d.host("a.test", "192.0.2.1")
	d.service("x.test", rule(1, 1, "SIPS+D2W", "_sips._ws.x.test"), rule(2, 1, "SIP+D2W", "_sip._ws.x.test"))
	d.service("_sips._ws.x.test", srv(1, 0, 443, "a.test"))
	d.service("_sip._ws.x.test", srv(1, 0, 80, "a.test"))
	b := &bench{dns: d, clock: clock.NewVirtual(start)}
	b.Resolver = New(Options{Lookup: d.client(), Clock: b.clock, Roll: func(int) int { return 0 }, Can: []string{"ws", "wss"}})
	t.Cleanup(b.Close)
	if got, want := b.hops(t, "x.test"), "wss://192.0.2.1:443 ws://192.0.2.1:80"; got != want {
		t.Fatalf("%s", got)
	}
}

// A server that does not answer for NAPTR leaves SRV as it is.
func TestNAPTRIsNotNeeded(t *testing.T) {
	b := newBench(t)
	b.dns.host("a.test", "192.0.2.1")
	b.dns.service("_sip._udp.x.test", srv(1, 0, 5070, "a.test"))
	b.dns.Answer(func(q, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
		if q.Questions[0].Type == dnstest.TypeNAPTR {
			right.RCode = dnsmessage.RCodeServerFailure
		}
		return []*dnsmessage.Message{right}
	})
	if got := b.hops(t, "x.test"); got != "udp://192.0.2.1:5070" {
		t.Fatal(got)
	}
}

// An answer lives as long as the shortest of its records, an absence as long
// as its zone says.
func TestTTL(t *testing.T) {
	b := newBench(t)
	d := b.dns
	d.Set("x.test", dnstest.NAPTR(time.Hour, 1, 1, "SIP+D2U", "_sip._udp.x.test"))
	d.Set("_sip._udp.x.test", dnstest.SRV(20*time.Minute, 1, 0, 5060, "a.test"))
	d.Set("a.test", dnstest.Alias(10*time.Minute, "b.test"))
	d.Set("b.test", dnstest.Addr(5*time.Minute, "192.0.2.1"))
	d.Set("short.test", dnstest.Addr(0, "192.0.2.3"))
	d.Set("long.test", dnstest.Addr(100*time.Hour, "192.0.2.4"))
	d.Absent(90 * time.Second)
	// How long after an answer the name is asked for again.
	for name, lives := range map[string]time.Duration{
		"x.test":       5 * time.Minute,
		"short.test":   LeastTTL,
		"long.test:1":  MostTTL,
		"short.test:1": LeastTTL,
		"none.test":    90 * time.Second,
		"none.test:1":  90 * time.Second,
	} {
		target, _ := ParseTarget(name)
		b.hops(t, name)
		asked := d.Asked(target.Host)
		b.clock.Advance(lives - time.Millisecond)
		b.hops(t, name)
		if d.Asked(target.Host) != asked {
			t.Errorf("%s is asked for again within %s", name, lives)
		}
		b.clock.Advance(time.Millisecond)
		b.hops(t, name)
		if d.Asked(target.Host) == asked {
			t.Errorf("%s is not asked for again after %s", name, lives)
		}
	}
}

// That a name is gone is an answer: the old one no longer serves. A long
// absence is not believed for long.
func TestGoneIsGone(t *testing.T) {
	b := newBench(t)
	b.dns.Absent(24 * time.Hour)
	b.dns.Set("h.test", dnstest.Addr(time.Minute, "192.0.2.1"))
	b.hops(t, "h.test")
	b.dns.Forget("h.test")
	b.clock.Advance(time.Minute)
	if got := b.hops(t, "h.test"); got != "NETWORK" {
		t.Fatalf("gone, and still %s", got)
	}
	b.dns.Set("h.test", dnstest.Addr(time.Minute, "192.0.2.2"))
	b.clock.Advance(MostMissing)
	if got := b.hops(t, "h.test"); got != "udp://192.0.2.2:5060" {
		t.Fatalf("back after %s: %s", MostMissing, got)
	}
}
