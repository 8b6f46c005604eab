package check

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/scripts"
)

// TestHookSecretCheck: check finds the secret that is missing.
func TestHookSecretCheck(t *testing.T) {
	c := &checking{cfg: &config.Config{Secrets: []config.Entry{{Name: "A", Value: "x"}}}}
	for rule, want := range map[string]int{`"A"`: 0, `"B"`: 1, `{"secret":["A","C"]}`: 1} {
		st, err := engine.ParseStatic("x", json.RawMessage(`{"hook":{"sign":`+rule+`}}`))
		if err != nil {
			t.Fatal(err)
		}
		c.findings = nil
		c.hookSecrets(scripts.Entry{Name: "x"}, st)
		if len(c.findings) != want {
			t.Errorf("%s: %+v", rule, c.findings)
		}
	}
}

// TestReadableKeys: keys that travel in the clear are warned of.
func TestReadableKeys(t *testing.T) {
	cfg := &config.Config{Trunks: []config.Trunk{
		{Name: "plain", Address: "a", SRTP: "off"}, {Name: "udp", Address: "a", SRTP: "required"}, {Name: "tls", Address: "a;transport=tls", SRTP: "required"},
		{Name: "proxy", Address: "a;transport=tls", Proxy: "b;transport=tcp", SRTP: "optional"},
	}}
	cfg.SIP.Users = []config.User{{Name: "101", SRTP: "required"}, {Name: "102", SRTP: "auto"}}
	cfg.SIP.Listen = []config.Listener{{Transport: "udp"}}
	c := &checking{cfg: cfg}
	c.security()
	var got []string
	for _, f := range c.findings {
		name, _, _ := strings.Cut(f.Message, ":")
		got = append(got, string(f.Level)+" "+name)
	}
	if want := "warning trunks.udp,warning trunks.proxy,warning sip.users.101"; strings.Join(got, ",") != want {
		t.Errorf("%v", got)
	}
}
