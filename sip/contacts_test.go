package sip

import (
	"strconv"
	"strings"
	"testing"
)

func TestContacts(t *testing.T) {
	for _, tt := range []struct{ lines, want string }{
		{"<sip:a@h>", "sip:a@h"},
		{"sip:a@h;q=0.2, sip:b@h;q=0.9", "sip:b@h sip:a@h"},
		{`"A, B" <sip:a@h;transport=tcp>;q=0.1|<sip:b@h:5070>;expires=5`, "sip:b@h:5070 sip:a@h;transport=tcp"},
		{"<sip:a@h>;q=0.5,<sip:b@h>;q=0.50,<sip:c@h>;q=7", "sip:c@h sip:a@h sip:b@h"},
		{"<tel:+79160000001>", "tel:+79160000001"},
		{"<http://h/>, *, <sip:>, <sip:b@h>", "sip:b@h"},
		{"", ""},
	} {
		var h Headers
		for line := range strings.SplitSeq(tt.lines, "|") {
			h = append(h, Header{"Contact", line})
		}
		var got []string
		for _, a := range Contacts(h) {
			got = append(got, a.URI())
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q: %q, want %q", tt.lines, s, tt.want)
		}
	}
	var many Headers
	for i := range 3 * MaxContacts {
		many = append(many, Header{"Contact", "<sip:" + strconv.Itoa(i) + "@h>"})
	}
	if n := len(Contacts(many)); n != MaxContacts {
		t.Errorf("%d contacts", n)
	}
}

func TestRetryAfterOfAnAnswer(t *testing.T) {
	for text, want := range map[string]int{
		"120": 120, "120 (in a meeting)": 120, "18000;duration=3600": 18000, " 7": 7, "": 0, "-5": 0, "soon": 0, "949302838503028349304023988": 0,
	} {
		if got := RetryAfter(Headers{{"Retry-After", text}}); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
