package engine

import (
	"testing"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
)

func TestReferral(t *testing.T) {
	p := serve(t, `
trunks:
  plain: {address: "sip.example.ru:5080;transport=tcp", destinations: ["+7"]}
  named: {address: 192.0.2.7, domain: pbx.example.ru, format: national}
groups: {sales: {members: ["+79161112233"]}}
`, map[string]string{"a.js": "export default () => 1"})
	for _, c := range []struct{ target, trunk, want string }{
		{"8 916 111-22-33", "plain", "sip:+79161112233@sip.example.ru:5080"},
		{"+79161112233", "named", "sip:89161112233@pbx.example.ru"},
		{"sip:x@y.example", "plain", "sip:x@y.example"},
		{"+15551234567", "plain", string(fault.Denied)},
		{"sales", "plain", string(fault.Invalid)},
		{"sip:", "plain", string(fault.Invalid)},
		{"nobody", "", string(fault.NotFound)},
	} {
		got, err := dialer{p.Engine}.Referral(call.DialRequest{Target: c.target}, c.trunk, "192.0.2.7")
		if err != nil {
			got = string(fault.CodeOf(err))
			if fault.HintOf(err) == "" {
				t.Errorf("%s: no hint: %v", c.target, err)
			}
		}
		if got != c.want {
			t.Errorf("%s by %q: %s, want %s", c.target, c.trunk, got, c.want)
		}
	}
	own, err := dialer{p.Engine}.Referral(call.DialRequest{Target: "+79161112233"}, "", "127.0.0.1")
	if err != nil || own != "sip:+79161112233@"+p.sip.LocalAddr("udp").String() {
		t.Errorf("our own address: %s, %v", own, err)
	}
}
