package engine

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/media/srtp"
	"github.com/loopstart/loopstart/sip"
)

func TestSecurityOfUsersAndAddresses(t *testing.T) {
	cfg := &config.Config{}
	cfg.SIP.Users = []config.User{{Name: "auto", SRTP: "auto"}, {Name: "off", SRTP: "off"}, {Name: "must", SRTP: "required"}, {Name: "may", SRTP: "optional"}}
	const off, optional, required = srtp.Off, srtp.Optional, srtp.Required
	for name, want := range map[string][3]srtp.Policy{ // a call from them; to them over udp, over tls
		"auto": {optional, off, optional}, "off": {off, off, off}, "must": {required, required, required}, "may": {optional, optional, optional},
	} {
		u, _ := cfg.User(name)
		got := [3]srtp.Policy{answerSecurity(cfg, sip.Origin{Kind: sip.FromUser, Name: name}, nil), offerSecurity(u, "udp"), offerSecurity(u, "tls")}
		if got != want {
			t.Errorf("%s: %v, not %v", name, got, want)
		}
	}
	if got := answerSecurity(cfg, sip.Origin{Kind: sip.FromTrusted, Name: "off"}, nil); got != optional {
		t.Errorf("a trusted source: %v", got)
	}
	if got := answerSecurity(cfg, sip.Origin{Kind: sip.FromTrunk}, &config.Trunk{SRTP: "required"}); got != required {
		t.Errorf("a trunk: %v", got)
	}
	for uri, want := range map[string]srtp.Policy{"sip:a@b": off, "sips:a@b": optional, "sip:a@b;transport=TLS": optional, "sip:a@b;transport=tcp": off} {
		a, err := sip.ParseAddress(uri)
		if err != nil {
			t.Fatal(err)
		}
		if got := addressSecurity(a); got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
}

// TestReadableKeys: trunk check tells of keys that travel in the clear.
func TestReadableKeys(t *testing.T) {
	cfg := &config.Config{Trunks: []config.Trunk{
		{Name: "plain", Address: "a", SRTP: "off"}, {Name: "udp", Address: "a", SRTP: "required"}, {Name: "tls", Address: "a;transport=tls", SRTP: "required"},
	}}
	if _, ok := securityStep(&cfg.Trunks[0], "udp"); ok {
		t.Error("a step for srtp: off")
	}
	if s, ok := securityStep(&cfg.Trunks[1], "udp"); !ok || !s.OK || !strings.Contains(s.Words, "in the clear") {
		t.Errorf("%+v", s)
	}
	if s, _ := securityStep(&cfg.Trunks[2], "tls"); s.Words != "required, over tls" {
		t.Errorf("%+v", s)
	}
}
