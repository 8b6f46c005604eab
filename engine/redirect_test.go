package engine

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

const redirectYAML = `
trunks:
  t: {address: "127.0.0.1:9", domain: provider.example, allow: [192.0.2.0/28], options: off, redirect: follow, from: ["+74950000000"], destinations: ["+7"]}
  de: {address: "127.0.0.2:9", options: off, destinations: ["+49"]}
  strict: {address: "127.0.0.3:9", options: off, destinations: ["+7"]}
`

// TestRedirectRules: where a provider's 3xx may send a dial, and how it gets there.
func TestRedirectRules(t *testing.T) {
	p := serve(t, strings.Replace(redirectYAML, "trunks:", "\ntrunks:", 1), nil)
	d := dialer{p.Engine}
	first, err := d.Resolve(call.DialRequest{Target: "+79160000001", Trunk: "t", Script: "s"})
	if err != nil || first[0].Routes[0].Follow == nil {
		t.Fatal(err)
	}
	strict, err := d.Resolve(call.DialRequest{Target: "+79160000001", Trunk: "strict"})
	if err != nil || strict[0].Routes[0].Follow != nil {
		t.Fatalf("redirect is refused by default: %v", err)
	}
	free, err := d.Resolve(call.DialRequest{Target: "+79160000001", From: "+74950000000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ contact, want string }{
		{"<sip:+79160000002@elsewhere.example>", "t +79160000002"},
		{"<sip:89160000002@elsewhere.example>", "t +79160000002"},
		{"<tel:+79160000002>", "t +79160000002"},
		{"<sip:+79160000001@elsewhere.example>", "t +79160000001"}, // the caller knows it as a loop
		{"<sip:+79160000001@192.0.2.7:5080>", "t +79160000001 @192.0.2.7:5080"},
		{"<sip:+79160000002@PROVIDER.example>", "t +79160000002 @PROVIDER.example"},
		{"<sip:anna@192.0.2.7>", "t anna @192.0.2.7"},
		{"<sip:anna@192.0.2.77>", "DENIED"},
		{"<sip:anna@elsewhere.example>", "DENIED"},
		{"<sip:+78091234567@elsewhere.example>", "DENIED"},
		{"<sip:+78091234567@192.0.2.7>", "DENIED"},
		{"<sip:88091234567@provider.example>", "DENIED"},
		{"<sip:8-809-123-45-67@provider.example>", "DENIED"},
		{"<sip:%2B78091234567@provider.example>", "DENIED"},
		{"<sip:+4930123456@provider.example>", "DENIED"},
		{"<sip:300&SIP/x@provider.example>", "DENIED"},
		{"<sip:9x78091234567@provider.example>", "DENIED"},
		{"<sips:+79160000002@provider.example>", "DENIED"},
		{"<tel:1234567;phone-context=+4930>", "DENIED"},
		{"<sip:112@provider.example>", "DENIED"},
		{"<sip:provider.example>", "DENIED"},
	} {
		a, err := sip.ParseAddress(tt.contact)
		if err != nil {
			t.Fatal(err)
		}
		routes, err := first[0].Routes[0].Follow(a)
		got := codeOr(err)
		for _, r := range routes {
			got = r.Trunk + " " + r.Outgoing.Target.Number
			if r.Outgoing.Target.Host != "" {
				got += " @" + r.Outgoing.Target.Host
			}
		}
		if got != tt.want {
			t.Errorf("%s: %s %v, want %s", tt.contact, got, err, tt.want)
		}
	}
	other, err := free[0].Routes[0].Follow(sip.Address{User: "+4930123456", Host: "h"})
	if err == nil {
		t.Errorf("a trunk that may not present the number: %+v", other)
	}
}

func codeOr(err error) string {
	if err == nil {
		return ""
	}
	return string(fault.CodeOf(err))
}

// TestForwardingPhone: a user's phone may forward to what the user may dial.
func TestForwardingPhone(t *testing.T) {
	p := serve(t, redirectYAML, nil)
	text := `sip: {listen: [udp://127.0.0.1:0], users: {"101": {password: p, dial: [users, "+7916"], redirect: follow}, "102": {password: p}}}` + "\nproject: {country: RU, language: en-US}\n" + redirectYAML
	with := parse(t, text)
	p.cfg.Store(with)
	u, _ := with.User("101")
	no, _ := with.User("102")
	d := dialer{p.Engine}
	if d.followUser(no, call.DialRequest{}) != nil {
		t.Fatal("redirect is refused by default")
	}
	follow := d.followUser(u, call.DialRequest{Caller: "+79161111111", Script: "s"})
	for contact, want := range map[string]string{
		"<sip:+79160000002@10.0.0.7>": "", "<sip:89160000002@10.0.0.7>": "",
		"<sip:+79250000002@10.0.0.7>": "DENIED", "<sip:+78091234567@10.0.0.7>": "DENIED", "<sip:102@10.0.0.7>": "UNAVAILABLE", "<sip:mallory@10.0.0.7>": "DENIED",
	} {
		a, err := sip.ParseAddress(contact)
		if err != nil {
			t.Fatal(err)
		}
		routes, err := follow(a)
		if got := codeOr(err); got != want || err == nil && (routes[0].Trunk != "t" || routes[0].Outgoing.Target.Number != "+79160000002") {
			t.Errorf("%s: %v %+v, want %s", contact, err, routes, want)
		}
	}
}
