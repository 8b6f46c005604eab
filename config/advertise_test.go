package config

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestAdvertise: the forms of sip.advertise, sip.listen and sip.local_networks.
func TestAdvertise(t *testing.T) {
	for text, want := range map[string]string{
		`sip: {advertise: 203.0.113.5}`:                     "203.0.113.5",
		`sip: {advertise: "[2001:db8::5]"}`:                 "2001:db8::5",
		`sip: {advertise: [203.0.113.5, "2001:db8::5"]}`:    "203.0.113.5 2001:db8::5",
		`sip: {advertise: PBX.example.ru}`:                  "pbx.example.ru",
		`sip: {advertise: [pbx.example.ru, "2001:db8::5"]}`: "pbx.example.ru 2001:db8::5",
		`sip: {advertise: 203.0.113}`:                       "neither",
		`sip: {advertise: "a b"}`:                           "neither",
		`sip: {advertise: "203.0.113.5:5070"}`:              "has a port",
		`sip: {advertise: "pbx.example.ru:5070"}`:           "has a port",
		`sip: {advertise: [203.0.113.5, 203.0.113.6]}`:      "second address",
	} {
		c, err := parseText(text)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			for _, a := range c.SIP.Advertise {
				got += " " + a.String()
			}
		}
		if !strings.Contains(got, want) && !(want == "neither" && strings.Contains(got, "host name")) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestListenerAdvertises(t *testing.T) {
	c, err := parseText("sip:\n  listen:\n    - udp://0.0.0.0:5060\n    - {address: \"udp://10.0.0.5:5070\", advertise: \"203.0.113.5:15070\"}\n    - {address: \"udp://[::]:5060\", advertise: pbx.example.ru}\n  local_networks: [auto, 10.8.0.0/16]\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Listener{
		{Transport: "udp", Addr: netip.MustParseAddrPort("0.0.0.0:5060")},
		{Transport: "udp", Addr: netip.MustParseAddrPort("10.0.0.5:5070"), Advertise: Advertised{Addr: netip.MustParseAddr("203.0.113.5"), Port: 15070}},
		{Transport: "udp", Addr: netip.MustParseAddrPort("[::]:5060"), Advertise: Advertised{Name: "pbx.example.ru"}},
	}
	again, err := parseText(c.Show())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []*Config{c, again} {
		if !slices.Equal(one.SIP.Listen, want) || len(one.SIP.Local) != 2 || one.SIP.Local[0].IsValid() || one.SIP.Local[1].String() != "10.8.0.0/16" {
			t.Errorf("%+v %+v", one.SIP.Listen, one.SIP.Local)
		}
	}
	if c, err = parseText("sip: {local_networks: []}"); err != nil || len(c.SIP.Local) != 0 {
		t.Errorf("%+v %v", c, err)
	}
	if c, err = parseText("sip: {advertise: 203.0.113.5}"); err != nil || len(c.SIP.Local) != 1 || c.SIP.Local[0].IsValid() {
		t.Errorf("%+v %v", c, err)
	}
	for text, want := range map[string]string{
		`sip: {listen: [{address: "udp://0.0.0.0:5060", advertise: "2001:db8::5"}]}`: "cannot advertise",
		`sip: {listen: [{advertise: 203.0.113.5}]}`:                                  "address",
		`sip: {listen: [{address: "udp://0.0.0.0:5060", adverise: 203.0.113.5}]}`:    "advertise",
		`sip: {local_networks: [here]}`:                                              "auto",
	} {
		if _, err := parseText(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// parseText reads a file; the error names all that is wrong.
func parseText(text string) (*Config, error) {
	c, err := Parse([]byte(text), FileName, Options{Env: map[string]string{}})
	if err != nil {
		err = errors.New(listing(err))
	}
	return c, err
}
