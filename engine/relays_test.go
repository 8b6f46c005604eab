package engine

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/sip"
)

// TestRelaysAreBounded: by rate, for each sender, and for all of them.
func TestRelaysAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var r relays
	taken := func(user string, n int, at time.Time) (got int) {
		for range n {
			if r.take(user, at) {
				got++
			}
		}
		return got
	}
	if n := taken("101", 20, now); n != maxRelaysOfUser {
		t.Fatalf("%d on their way", n)
	}
	for range maxRelaysOfUser {
		r.release("101")
	}
	for n := range relayBurst - maxRelaysOfUser {
		if !r.take("101", now) {
			t.Fatalf("refused after %d", n)
		}
		r.release("101")
	}
	if n := taken("101", 5, now); n != 0 || r.refusals() != 20-maxRelaysOfUser+5 {
		t.Fatalf("%d beyond the rate, %d refused", n, r.refusals())
	}
	if n := taken("101", 20, now.Add(500*time.Millisecond)); n != relaysPerSecond/2 {
		t.Fatalf("%d after half a second", n)
	}
	all := relaysPerSecond / 2
	for _, user := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14"} {
		all += taken(user, 20, now)
	}
	if all != maxRelays {
		t.Fatalf("%d at one time", all)
	}
}

// TestAddressee: texts go to users only, by name or by a route's connect.
func TestAddressee(t *testing.T) {
	cfg, err := config.Parse([]byte(`sip: {users: {"101": {password: a}, anna: {password: b}}}
groups: {sales: {members: ["101"]}}
`), "loopstart.yaml", config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		to      string
		connect []string
		want    string
	}{
		{"101", nil, "101"}, {"anna", nil, "anna"}, {"102", nil, ""}, {"+79161112233", nil, ""}, {"sales", nil, ""},
		{"100", []string{"anna"}, "anna"}, {"101", []string{"{to}"}, "101"}, {"100", []string{"sales"}, ""}, {"100", []string{"+79161112233"}, ""},
		{"101", []string{"+79161112233"}, ""}, {"101", []string{"101", "anna"}, "101"}, {"100", []string{"101", "anna"}, ""},
	} {
		in := incomingCall{to: call.Party{User: tc.to}}
		in.To = tc.to
		var route *config.Route
		if tc.connect != nil {
			route = &config.Route{Connect: tc.connect}
		}
		if got := addressee(cfg, in, route); got != tc.want {
			t.Errorf("%s by %v: %q, want %q", tc.to, tc.connect, got, tc.want)
		}
	}
}

func TestForwardsOfTexts(t *testing.T) {
	for text, want := range map[string]int{"": 70, "70": 69, "2": 1, "1": -1, "0": -1, " 5 ": 4, "x": 70, "900": 70} {
		if got := forwards(sip.Headers{{Name: "Max-Forwards", Value: text}}); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
