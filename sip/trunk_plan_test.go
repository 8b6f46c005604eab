package sip

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// bareTrunks is an endpoint with nothing but trunks: no socket, no goroutine.
func bareTrunks(t *testing.T, list ...Trunk) *Endpoint {
	t.Helper()
	e := &Endpoint{clk: clock.NewVirtual(wireStart), log: slog.New(slog.DiscardHandler)}
	e.cfg.Store(&Config{Trunks: list})
	if err := e.openTrunks(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.closeTrunks)
	return e
}

func TestPlanTrunk(t *testing.T) {
	for _, tc := range []struct {
		name  string
		trunk Trunk
		from  Address
		want  string // request | from | to | route | next | headers
	}{
		{"bare", Trunk{Address: "sip.example.ru"}, Address{User: "+74951234567"},
			"sip:+79161112233@sip.example.ru | sip:+74951234567@sip.example.ru | sip:+79161112233@sip.example.ru |  | sip:sip.example.ru | "},
		{"port and transport", Trunk{Address: "192.0.2.1:5080;transport=tcp", Username: "u"}, Address{},
			"sip:+79161112233@192.0.2.1:5080;transport=tcp | sip:u@192.0.2.1 | sip:+79161112233@192.0.2.1 |  | sip:192.0.2.1:5080;transport=tcp | "},
		{"transport of the trunk", Trunk{Address: "[2001:db8::1]", Transport: "tcp"}, Address{User: "a"},
			"sip:+79161112233@[2001:db8::1];transport=tcp | sip:a@[2001:db8::1] | sip:+79161112233@[2001:db8::1] |  | sip:[2001:db8::1];transport=tcp | "},
		{"proxy and domain", Trunk{Address: "sip.example.ru", Proxy: "sbc.example.ru:5070", Domain: "example.ru"}, Address{User: "1", Display: "Shop"},
			"sip:+79161112233@sip.example.ru | sip:1@example.ru | sip:+79161112233@example.ru | <sip:sbc.example.ru:5070;lr> | sip:sbc.example.ru:5070 | "},
		{"pai", Trunk{Address: "h", Username: "acc", Present: "pai"}, Address{User: "+7495"},
			"sip:+79161112233@h | sip:acc@h | sip:+79161112233@h |  | sip:h | P-Asserted-Identity: <sip:+7495@h>"},
		{"ppi", Trunk{Address: "h", Username: "acc", Present: "ppi"}, Address{User: "+7495", Display: "A"},
			`sip:+79161112233@h | sip:acc@h | sip:+79161112233@h |  | sip:h | P-Preferred-Identity: "A" <sip:+7495@h>`},
		{"rpid", Trunk{Address: "h", Username: "acc", Present: "rpid"}, Address{User: "+7495"},
			"sip:+79161112233@h | sip:acc@h | sip:+79161112233@h |  | sip:h | Remote-Party-ID: <sip:+7495@h>;party=calling;screen=no;privacy=off"},
		{"pai without a number", Trunk{Address: "h", Username: "acc", Present: "pai"}, Address{},
			"sip:+79161112233@h | sip:acc@h | sip:+79161112233@h |  | sip:h | "},
		{"host of the caller kept", Trunk{Address: "h"}, Address{User: "1", Host: "mine"},
			"sip:+79161112233@h | sip:1@mine | sip:+79161112233@h |  | sip:h | "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.trunk.Name = "t"
			e := bareTrunks(t, tc.trunk)
			p, err := e.planTrunk(Outgoing{Target: Target{Trunk: "t", Number: "+79161112233"}, From: tc.from})
			if err != nil {
				t.Fatal(err)
			}
			var headers []string
			for _, h := range p.headers {
				headers = append(headers, h.Name+": "+h.Value)
			}
			got := strings.Join([]string{p.request.URI(), p.from.URI(), p.to.URI(), strings.Join(p.route, ","), p.next.URI(), strings.Join(headers, ",")}, " | ")
			if got != tc.want {
				t.Fatalf("\n got %s\nwant %s", got, tc.want)
			}
			if p.trunk != "t" || p.auth != nil {
				t.Fatalf("%+v", p)
			}
		})
	}
}

func TestPlanTrunkRefuses(t *testing.T) {
	e := bareTrunks(t, Trunk{Name: "t", Address: "h", Username: "u", Password: "p"})
	for _, tc := range []struct {
		trunk, number string
		want          fault.Code
	}{
		{"none", "1", fault.NotFound},
		{"t", "", fault.Invalid},
		{"t", "300&SIP/x", fault.Invalid},
		{"t", "1@evil.example", fault.Invalid},
		{"t", "1;phone-context=x", fault.Invalid},
		{"t", "1\r\nX: y", fault.Invalid},
		{"t", "1 2", fault.Invalid},
		{"t", "%31", fault.Invalid},
		{"t", strings.Repeat("1", MaxNumber+1), fault.Invalid},
		{"t", strings.Repeat("1", MaxNumber), ""},
		{"t", "*100#", ""},
	} {
		p, err := e.planTrunk(Outgoing{Target: Target{Trunk: tc.trunk, Number: tc.number}})
		if fault.CodeOf(err) != tc.want {
			t.Errorf("%q: %v, want %q", tc.number, err, tc.want)
		}
		if err == nil && (p.auth == nil || strings.Contains(p.request.User, "#")) {
			t.Errorf("%q: %+v", tc.number, p.request)
		}
	}
}

func TestTrunkFor(t *testing.T) {
	e := bareTrunks(t,
		Trunk{Name: "range", Address: "203.0.113.1", Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		Trunk{Name: "one", Address: "192.0.2.1", Proxy: "192.0.2.2:5070", Username: "111"},
		Trunk{Name: "two", Address: "192.0.2.1", Username: "222", Register: true, Password: "x"},
		Trunk{Name: "six", Address: "[2001:db8::1]"},
	)
	mark := find(*e.live.Load(), "two").token
	unused := find(*e.live.Load(), "one").token
	for _, tc := range []struct{ source, request, want string }{
		{"198.51.100.7:9999", "sip:+7495@us", "range"},
		{"203.0.113.1:5060", "sip:+7495@us", ""}, // allow replaces the address
		{"192.0.2.1:5060", "sip:+7495@us", "one"},
		{"192.0.2.2:40000", "sip:+7495@us", "one"},
		{"[::ffff:192.0.2.2]:40000", "sip:+7495@us", "one"},
		{"192.0.2.1:5060", "sip:222@us", "two"},
		{"192.0.2.1:5060", "sip:%3322@us", "one"},
		{"192.0.2.1:5060", "sip:2%322@us", "two"},
		{"192.0.2.2:5060", "sip:222@us", "one"}, // only one has this proxy
		{"[2001:db8::1]:5060", "sip:1@us", "six"},
		{"192.0.2.99:5060", "sip:222@us", ""},
		{"192.0.2.99:5060", "sip:222@us;ls=" + mark, "two"},
		{"198.51.100.7:5060", "sip:222@us;transport=tcp;LS=" + mark, "two"},
		{"192.0.2.99:5060", "sip:222@us;ls=" + mark[1:], ""},
		{"192.0.2.99:5060", "sip:222@us;ls=", ""},
		{"192.0.2.99:5060", "sip:111@us;ls=" + unused, ""}, // it does not register
	} {
		request, err := ParseAddress("<" + tc.request + ">")
		if err != nil {
			t.Fatal(err)
		}
		got, ok := e.trunkFor(netip.MustParseAddrPort(tc.source), request)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s from %s: %q, want %q", tc.request, tc.source, got, tc.want)
		}
	}
	if !e.trunkSource(netip.MustParseAddr("192.0.2.2")) || e.trunkSource(netip.MustParseAddr("192.0.2.3")) {
		t.Error("trunkSource")
	}
}

func TestPickTakesAHopThatASocketReaches(t *testing.T) {
	e, _, _ := openWire(t, Config{Trunks: []Trunk{{Name: "t", Address: "127.0.0.1:5090"}}})
	for addr, want := range map[string]bool{"127.0.0.1:1": true, "[2001:db8::1]:1": false} {
		if got := e.reaches(hop{transport: "udp", addr: netip.MustParseAddrPort(addr)}); got != want {
			t.Errorf("udp %s: %v", addr, got)
		}
		if !e.reaches(hop{transport: "tcp", addr: netip.MustParseAddrPort(addr)}) {
			t.Errorf("tcp %s", addr)
		}
	}
	if h, err := find(*e.live.Load(), "t").pick(t.Context()); err != nil || h.String() != "udp://127.0.0.1:5090" {
		t.Fatalf("%v %v", h, err)
	}
}

func TestContactTokenOutlivesRestartAndNeedsThePassword(t *testing.T) {
	c := Trunk{Name: "t", Username: "u", Password: "p", Address: "h"}
	if contactToken(c) != contactToken(c) {
		t.Fatal("not stable")
	}
	other := c
	other.Password = "q"
	if contactToken(c) == contactToken(other) {
		t.Fatal("the password does not count")
	}
	c.Password = ""
	if contactToken(c) == contactToken(c) {
		t.Fatal("guessable without a password")
	}
}

func TestCheckTrunks(t *testing.T) {
	many := make([]Trunk, MaxTrunks+1)
	for i := range many {
		many[i] = Trunk{Name: "t", Address: "192.0.2.1"}
	}
	for _, tc := range []struct {
		name string
		list []Trunk
		want fault.Code
	}{
		{"limit", many[:MaxTrunks], ""},
		{"one more", many, fault.Limit},
		{"address", []Trunk{{Address: "a b"}}, fault.Invalid},
		{"proxy", []Trunk{{Address: "a", Proxy: ":1"}}, fault.Invalid},
		{"transport", []Trunk{{Address: "a;transport=sctp"}}, fault.Invalid},
		{"own transport", []Trunk{{Address: "a", Transport: "sctp"}}, fault.Invalid},
		{"over WebSocket", []Trunk{{Address: "a;transport=wss;path=/ws"}}, ""},
		{"a path of what is no WebSocket's", []Trunk{{Address: "a;transport=ws;path=ws"}}, fault.Invalid},
		{"over TLS", []Trunk{{Address: "a;transport=tls"}}, ""},
		{"none", []Trunk{{}}, fault.Invalid},
	} {
		if err := checkTrunks(tc.list); fault.CodeOf(err) != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestUpdateKeepsWhatDidNotChange(t *testing.T) {
	a, b := Trunk{Name: "a", Address: "192.0.2.1"}, Trunk{Name: "b", Address: "192.0.2.2"}
	e := bareTrunks(t, a, b)
	before := *e.live.Load()
	b.Address = "192.0.2.3"
	e.updateTrunks(&Config{Trunks: []Trunk{b, a}})
	after := *e.live.Load()
	if after[1] != before[0] || after[0] == before[1] || before[1].ctx.Err() == nil || before[0].ctx.Err() != nil {
		t.Fatal("the wrong ones were replaced")
	}
	if _, ok := e.trunkFor(netip.MustParseAddrPort("192.0.2.2:1"), Address{}); ok {
		t.Fatal("the old address still counts")
	}
	e.updateTrunks(&Config{})
	if len(e.Trunks()) != 0 || before[0].ctx.Err() == nil {
		t.Fatal("removed trunks go on")
	}
}

func TestNoteInvite(t *testing.T) {
	e := bareTrunks(t, Trunk{Name: "t", Address: "192.0.2.1"})
	e.noteInvite("none", Address{User: "1"}, nil)
	e.noteInvite("t", Address{User: "%2B7495"}, Headers{
		{"t", `"X" <sip:102@us>;tag=1`}, {"Diversion", "<tel:+7499>;reason=unconditional"}, {"P-Called-Party-ID", "broken <"},
	})
	in := find(*e.live.Load(), "t").lastInbound()
	want := []NumberPlace{{"request-uri", "+7495"}, {"to", "102"}, {"diversion", "+7499"}}
	if in == nil || !slices.Equal(in.Places, want) || !in.At.Equal(wireStart) {
		t.Fatalf("%+v", in)
	}
}

func TestExplanationsCoverEveryCode(t *testing.T) {
	for code := 200; code < 700; code++ {
		if _, words := explainRegister(code); words == "" {
			t.Fatal(code)
		}
		if _, words := explainOptions(code); words == "" {
			t.Fatal(code)
		}
	}
	if ok, _ := explainRegister(403); ok {
		t.Fatal("403 is fine?")
	}
}

func TestWakerGivesBackWhatNobodyTook(t *testing.T) {
	v := clock.NewVirtual(wireStart)
	w := newWaker(v)
	w.ring()
	w.ring() // the second says nothing new
	w.close()
	w.ring()
	w.arm(time.Second)
	v.Advance(2 * time.Second) // hangs if a token is left in flight
	select {
	case <-w.C:
		t.Fatal("rings after close")
	default:
	}
}

// TestNumberHeaders: how a hidden number and a forwarded call look.
func TestNumberHeaders(t *testing.T) {
	for name, tc := range map[string]struct {
		trunk Trunk
		o     Outgoing
		from  string
		want  string
	}{
		"hidden": {Trunk{Username: "acc"}, Outgoing{Hide: true, From: Address{User: "+7495"}},
			`"Anonymous" <sip:anonymous@anonymous.invalid>`, "P-Preferred-Identity: <sip:+7495@h>|Privacy: id"},
		"hidden by pai": {Trunk{Username: "acc", Present: "pai"}, Outgoing{Hide: true, From: Address{User: "+7495", Display: "Anna"}},
			`"Anonymous" <sip:anonymous@anonymous.invalid>`, "P-Asserted-Identity: <sip:+7495@h>|Privacy: id"},
		"hidden by rpid": {Trunk{Present: "rpid"}, Outgoing{Hide: true, From: Address{User: "+7495"}},
			`"Anonymous" <sip:anonymous@anonymous.invalid>`, "Remote-Party-ID: <sip:+7495@h>;party=calling;screen=no;privacy=full|Privacy: id"},
		"hidden account": {Trunk{Username: "acc"}, Outgoing{Hide: true},
			`"Anonymous" <sip:anonymous@anonymous.invalid>`, "P-Preferred-Identity: <sip:acc@h>|Privacy: id"},
		"hidden with nothing": {Trunk{}, Outgoing{Hide: true}, `"Anonymous" <sip:anonymous@anonymous.invalid>`, "Privacy: id"},
		"forwarded": {Trunk{Forwarded: "diversion"}, Outgoing{From: Address{User: "1"}, Passed: "+7495"},
			"<sip:1@h>", "Diversion: <sip:+7495@h>;reason=unconditional;counter=1"},
		"forwarded by history": {Trunk{Forwarded: "history-info"}, Outgoing{From: Address{User: "1"}, Passed: "+7495"},
			"<sip:1@h>", "History-Info: <sip:+7495@h>;index=1, <sip:+7916@h;cause=302>;index=1.1"},
		"forwarded, both, hidden": {Trunk{Forwarded: "both", Present: "pai"}, Outgoing{From: Address{User: "1"}, Passed: "+7495", Hide: true},
			`"Anonymous" <sip:anonymous@anonymous.invalid>`, "P-Asserted-Identity: <sip:1@h>|Privacy: id|Diversion: <sip:+7495@h>;reason=unconditional;counter=1|" +
				"History-Info: <sip:+7495@h>;index=1, <sip:+7916@h;cause=302>;index=1.1"},
		"forwarded, off":        {Trunk{Forwarded: "off"}, Outgoing{From: Address{User: "1"}, Passed: "+7495"}, "<sip:1@h>", ""},
		"forwarded, no number":  {Trunk{Forwarded: "both"}, Outgoing{From: Address{User: "1"}}, "<sip:1@h>", ""},
		"forwarded, bad number": {Trunk{Forwarded: "both"}, Outgoing{From: Address{User: "1"}, Passed: "a\r\nb"}, "<sip:1@h>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.trunk.Name, tc.trunk.Address = "t", "h"
			tc.o.Target = Target{Trunk: "t", Number: "+7916"}
			p, err := bareTrunks(t, tc.trunk).planTrunk(tc.o)
			if err != nil {
				t.Fatal(err)
			}
			var headers []string
			for _, h := range p.headers {
				headers = append(headers, h.Name+": "+h.Value)
			}
			if got := strings.Join(headers, "|"); got != tc.want || p.from.String() != tc.from {
				t.Errorf("%s\n got %s\nwant %s", p.from, got, tc.want)
			}
		})
	}
}
