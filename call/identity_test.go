package call

import (
	"testing"

	"github.com/loopstart/loopstart/sip"
)

// The Identity headers of a caller go with the call that is passed on, unless
// the script gives its own; those of nobody, or broken ones, do not.
func TestIdentityIsPassedOn(t *testing.T) {
	for _, tt := range []struct {
		what     string
		outbound bool
		headers  [][2]string
		given    []sip.Header
		want     string
	}{
		{"two of them", false, [][2]string{{"From", "x"}, {"Identity", "a.b.c;info=<u>"}, {"y", "d.e.f"}}, []sip.Header{{Name: "X-A", Value: "1"}},
			"X-A: 1\r\nIdentity: a.b.c;info=<u>\r\nIdentity: d.e.f\r\n"},
		{"the script's own", false, [][2]string{{"Identity", "a.b.c"}}, []sip.Header{{Name: "identity", Value: "own"}}, "identity: own\r\n"},
		{"an outbound call", true, [][2]string{{"Identity", "a.b.c"}}, nil, ""},
		{"a forged line", false, [][2]string{{"Identity", "a\r\nX: y"}}, nil, ""},
	} {
		c := &Call{spec: Spec{Outbound: tt.outbound, Headers: tt.headers}}
		if got := sip.Headers(c.relayed(tt.given)).String(); got != tt.want {
			t.Errorf("%s: %q", tt.what, got)
		}
	}
}
