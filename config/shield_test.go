package config

import "testing"

func TestColonsInsideFlowScalars(t *testing.T) {
	for in, want := range map[string]string{
		`a: {listen: [udp://1.2.3.4:5060, tcp://b:5060]}`: "a: {listen: [udp\uE000//1.2.3.4\uE0005060, tcp\uE000//b\uE0005060]}",
		`a: {b: c:d, "e":f, g: 1}`:                        "a: {b: c\uE000d, \"e\":f, g: 1}",
		"a: udp://x:1 # {b:c}\nb: [x:y]":                  "a: udp://x:1 # {b:c}\nb: [x\uE000y]",
		`a: {b: "x:y", c: 'it''s:z'}`:                     `a: {b: "x:y", c: 'it''s:z'}`,
		`a: text {b:c}`:                                   `a: text {b:c}`,
	} {
		got := string(shield([]byte(in)))
		if got != want {
			t.Errorf("%s\n got %q\nwant %q", in, got, want)
		}
		if unshield(got) != in {
			t.Errorf("%s: not restored: %s", in, unshield(got))
		}
	}
}

func TestFlowMapsWithAddresses(t *testing.T) {
	c, err := Parse([]byte(`
sip: {listen: [udp://127.0.0.1:5070, "tcp://[::1]:5071"], trust: [127.0.0.0/8, "::1"]}
http: {listen: 127.0.0.1:8790, tokens: {crm: {token: abc}}}
webhooks: [{url: http://127.0.0.1:9/x?a=b, events: [call.ended]}]
`), "loopstart.yaml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.SIP.Listen) != 2 || c.SIP.Listen[0].Addr.Port() != 5070 || c.SIP.Listen[1].Addr.Port() != 5071 || c.Webhooks[0].URL != "http://127.0.0.1:9/x?a=b" {
		t.Fatalf("%+v %+v", c.SIP.Listen, c.Webhooks)
	}
}
