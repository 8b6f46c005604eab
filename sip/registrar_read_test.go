package sip

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/sip/location"
)

func TestReadContact(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want location.Contact
	}{
		{"<sip:101@10.0.0.1:5062;ob>;expires=60;q=0.5", location.Contact{URI: "sip:101@10.0.0.1:5062;ob", Q: 500, Expires: time.Minute}},
		{"sip:101@10.0.0.1;expires=0", location.Contact{URI: "sip:101@10.0.0.1", Q: 1000}},
		{`"A, B" <sip:101@h>;+sip.instance="<urn:uuid:1>";reg-id=1`, location.Contact{URI: "sip:101@h", Q: 1000, Expires: -1, Instance: "<urn:uuid:1>", RegID: "1"}},
		{"<sip:101@h>;q=7;expires=soon", location.Contact{URI: "sip:101@h", Q: 1000, Expires: -1}},
		{"<sip:101@h>;expires=99999999999", location.Contact{URI: "sip:101@h", Q: 1000, Expires: -1}},
	} {
		got, err := readContact(tc.in)
		if err != nil || got != tc.want {
			t.Errorf("%s: %+v %v", tc.in, got, err)
		}
	}
	if _, err := readContact("<mailto:a@b>"); err == nil {
		t.Error("mailto is taken")
	}
}

func TestSplitList(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"a", []string{"a"}},
		{" <sip:a,b@h> , \"x,\\\"y\" <sip:c@h>;q=1,d ,,", []string{"<sip:a,b@h>", `"x,\"y" <sip:c@h>;q=1`, "d"}},
		{`"open, <sip:a`, []string{`"open, <sip:a`}},
		{`"a\`, []string{`"a\`}},
	} {
		if got := splitList(tc.in); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q", tc.in, got)
		}
	}
}

func TestUnescapeUser(t *testing.T) {
	for in, want := range map[string]string{"101": "101", "%2b7": "+7", "%23%": "#%", "%zz": "%zz", "a%4": "a%4", "": ""} {
		if got := unescapeUser(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzReadContact(f *testing.F) {
	f.Add(`"A, B" <sip:101@h>;+sip.instance="<urn:uuid:1>";reg-id=1, <sip:b@c>`)
	f.Add("*")
	f.Fuzz(func(t *testing.T, s string) {
		for _, item := range splitList(s) {
			if item == "" || strings.TrimSpace(item) != item {
				t.Fatalf("%q", item)
			}
			c, err := readContact(item)
			if err == nil && (c.Q < 0 || c.Q > 1000 || strings.ContainsAny(c.URI, "\r\n<>")) {
				t.Fatalf("%+v", c)
			}
		}
	})
}
