package sip

import (
	"testing"

	"github.com/loopstart/loopstart/sip/digest"
)

func TestPhonesThatKnowOnlyMD5(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	for agent, want := range map[string]int{"baresip v1.0.0 (x86_64/Linux)": 1, "baresip v3.10.0 (x86_64/Linux)": 2, "Phone/1.0": 2} {
		c := challenges(t, p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact, "User-Agent: "+agent))
		if len(c) != want || c[0].Algorithm != digest.MD5 {
			t.Errorf("%s is challenged with %+v", agent, c)
		}
	}
}
