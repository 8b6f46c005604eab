package config

import (
	"slices"
	"testing"
)

const matchConfig = `
sip: {users: {"101": {password: xxxx}, anna: {password: yyyy}}}
trunks: {mango: {address: a.example}, beeline: {address: b.example}}
schedules: {office: {open: {daily: "09:00-18:00"}}}
routes:
  - {to: "+74951234567", hours: office, script: day}
  - {to: "84951234567", hours: "!office", script: night}
  - {trunk: mango, from: ["+7916*", "+7917*"], script: vip}
  - {user: "1*", to: "+7*", connect: "{to}"}
  - {user: "*", to: "10?", script: question}
  - {user: anna, script: anna}
  - {from: "*", to: "*99", reject: 603}
`

func TestMatch(t *testing.T) {
	c := load(t, matchConfig, Options{})
	open, closed := func(string) bool { return true }, func(string) bool { return false }
	for _, tc := range []struct {
		name string
		in   Incoming
		open func(string) bool
		want int // index of the route; -1: none
	}{
		{"in hours", Incoming{To: "+74951234567", From: "+79160000000", Trunk: "mango"}, open, 0},
		{"out of hours, national pattern", Incoming{To: "+74951234567"}, closed, 1},
		{"trunk and caller", Incoming{To: "+7800", From: "+79170000000", Trunk: "mango"}, open, 2},
		{"another trunk", Incoming{To: "+7800", From: "+79170000000", Trunk: "beeline"}, open, -1},
		{"a user dials out", Incoming{To: "+79031112233", From: "101", User: "101"}, open, 3},
		{"another user", Incoming{To: "+79031112233", From: "anna", User: "anna"}, open, 5},
		{"? is no wildcard", Incoming{To: "105", User: "101"}, open, -1},
		{"* needs a value", Incoming{To: "199"}, open, -1},
		{"* matches any value", Incoming{To: "199", From: "anonymous"}, open, 6},
		{"nothing", Incoming{}, open, -1},
	} {
		got, why := c.Match(tc.in, tc.open)
		switch {
		case tc.want < 0 && (got != nil || why == ""):
			t.Errorf("%s: %+v, %q", tc.name, got, why)
		case tc.want >= 0 && got != &c.Routes[tc.want]:
			t.Errorf("%s: %+v, %q; want route %d", tc.name, got, why, tc.want)
		}
	}
}

func TestMatchSaysWhyNot(t *testing.T) {
	c := load(t, "trunks: {mango: {address: h}}\nschedules: {office: {open: {mon: \"09:00-10:00\"}}}\nroutes:\n  - {to: '+7495', script: a}\n  - {hours: office, script: b}\n  - {trunk: mango, script: c}\n", Options{})
	_, why := c.Match(Incoming{To: "+79160000000", From: "+79161111111"}, func(string) bool { return false })
	if want := "no route matches: loopstart.yaml:4:6: to, loopstart.yaml:5:6: hours office, loopstart.yaml:6:6: trunk"; why != want {
		t.Errorf("%q", why)
	}
	if _, why := load(t, "", Options{}).Match(Incoming{}, nil); why != "there are no routes" {
		t.Errorf("%q", why)
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, value string
		want           bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "ab", false}, {"*b*", "abc", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "aXcYb", false},
		{"abc", "abc", true}, {"abc", "abcd", false}, {"abcd", "abc", false}, {"**a", "ba", true}, {"+7495*", "+74951", true}, {"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	} {
		if got := glob(tc.pattern, tc.value); got != tc.want {
			t.Errorf("glob(%q, %q) = %v", tc.pattern, tc.value, got)
		}
	}
}

func TestTargets(t *testing.T) {
	got := Targets([]string{"{to}", "sales", "sip:{user}@{from}"}, Incoming{To: "+7495", From: "101", User: "anna"})
	if !slices.Equal(got, []string{"+7495", "sales", "sip:anna@101"}) {
		t.Errorf("%v", got)
	}
}
