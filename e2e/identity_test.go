package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// hidden checks an INVITE whose callee must not see the number.
func hidden(t *testing.T, c *phone.Call, header string) {
	t.Helper()
	m := c.Invite
	if !strings.Contains(m.Get("from"), "anonymous.invalid") || m.Get("privacy") != "id" || !strings.Contains(m.Get(header), "+74951234567@") {
		t.Errorf("From %s, Privacy %s, %s %s", m.Get("from"), m.Get("privacy"), header, m.Get(header))
	}
	if strings.Contains(m.Get("contact"), "4951234567") {
		t.Errorf("Contact tells: %s", m.Get("contact"))
	}
}

// What orders, campaigns and scripts say with hide is on the wire, and a
// forwarded call tells which number was called first.
func TestIdentityOnTheWire(t *testing.T) {
	t.Parallel()
	ua := map[string]*phone.Phone{}
	lines := "trunks:\n"
	for i, one := range []struct{ name, more string }{
		{"plain", ""}, {"pai", ", present: pai"}, {"camp", ", present: rpid"}, {"away", ", did: [request-uri]"},
	} {
		ua[one.name] = trunk(t, fmt.Sprintf("127.0.0.%d", 150+i))
		lines += trunkLine(one.name, ua[one.name], one.more)
	}
	p := serve(t, files{
		"tell.ts":    `export default async (call) => { await call.play("tone:500/100ms"); }`,
		"order.ts":   `import { schedule } from "loopstart:campaign"; export default async (call) => { await call.answer(); await schedule({ script: "tell", to: "+79160000003", trunk: "pai", hide: true }); }`,
		"forward.ts": `export default async (call) => { await call.connect("+79160000004", { trunk: "plain", timeout: "5s" }); }`,
	}, conf{rest: lines + "routes: [{to: \"+74951234567\", script: forward}, {to: order, script: order}]\n"})
	refused := func(t *testing.T, name, header string) {
		t.Helper()
		c := ua[name].Next(t, 5*time.Second)
		hidden(t, c, header)
		c.Refuse(486, "Busy Here")
		c.Request("ACK", 5*time.Second)
	}
	t.Run("order", func(t *testing.T) {
		p := p.in(t)
		p.place(map[string]any{"script": "tell", "to": "+79160000001", "trunk": "plain", "hide": true})
		refused(t, "plain", "p-preferred-identity")
		p.place(map[string]any{"script": "tell", "to": "+79160000001", "trunk": "plain"})
		c := ua["plain"].Next(t, 5*time.Second)
		if m := c.Invite; !strings.Contains(m.Get("from"), "+74951234567@") || m.Get("privacy") != "" {
			t.Errorf("not hidden: From %s, Privacy %s", m.Get("from"), m.Get("privacy"))
		}
		c.Refuse(486, "Busy Here")
		if code := p.api("POST", "/v1/calls", map[string]any{"script": "tell", "to": "+79160000001", "hide": "yes"}, nil); code != 400 && code != 422 {
			t.Errorf("a text for hide: %d", code)
		}
	})
	t.Run("script", func(t *testing.T) {
		c := ua["away"].Call("sip:order@"+p.sip.String(), p.sip)
		refused(t, "pai", "p-asserted-identity")
		c.Ended(10 * time.Second)
	})
	t.Run("campaign", func(t *testing.T) {
		p := p.in(t)
		var made struct{ ID string }
		if code := p.api("POST", "/v1/campaigns", map[string]any{"script": "tell", "trunk": "camp", "hide": true}, &made); code != 201 {
			t.Fatalf("create: %d", code)
		}
		p.api("POST", "/v1/campaigns/"+made.ID+"/contacts", map[string]any{"contacts": []map[string]any{{"phone": "+79160000002"}}}, nil)
		p.api("POST", "/v1/campaigns/"+made.ID+"/start", map[string]any{}, nil)
		refused(t, "camp", "remote-party-id")
	})
	t.Run("forwarded", func(t *testing.T) {
		c := ua["away"].Call("sip:+74951234567@"+p.sip.String(), p.sip)
		out := ua["plain"].Next(t, 5*time.Second)
		if d := out.Invite.Get("diversion"); !strings.Contains(d, "+74951234567@") {
			t.Errorf("Diversion %q", d)
		}
		out.Refuse(486, "Busy Here")
		c.Answer(480, "INVITE", 10*time.Second)
	})
}

// The counters of the day outlive the process, however it ends.
func TestTrunkCountersSurviveARestart(t *testing.T) {
	t.Parallel()
	ua := trunk(t, "127.0.0.158")
	p := serve(t, files{"tell.ts": `export default async (call) => { await call.play("tone:500/100ms"); }`}, conf{rest: "trunks:\n" + trunkLine("count", ua, "")})
	day := func() string {
		var out json.RawMessage
		p.api("GET", "/v1/trunks", nil, &out)
		var list struct {
			Trunks []struct {
				Days []json.RawMessage
			}
		}
		if err := json.Unmarshal(out, &list); err != nil || len(list.Trunks) != 1 || len(list.Trunks[0].Days) == 0 {
			t.Fatalf("%v: %s", err, out)
		}
		return string(list.Trunks[0].Days[0])
	}
	fail := func() {
		p.place(map[string]any{"script": "tell", "to": "+79160000001", "trunk": "count"})
		ua.Next(t, 5*time.Second).Refuse(404, "Not Found")
	}
	for n := 1; n <= 3; n++ {
		fail()
		want := fmt.Sprintf(`"attempts":%d`, n)
		eventually(t, want, 5*time.Second, func() bool {
			d := day()
			return strings.Contains(d, want) && strings.Contains(d, fmt.Sprintf(`"404":%d`, n))
		})
		before := day()
		if n == 3 {
			break
		}
		if n == 1 {
			p.end()
		} else {
			_ = p.cmd.Process.Kill()
			<-p.over
			eventually(t, "all processes end", 10*time.Second, func() bool { return len(p.processes()) == 0 })
		}
		p.start()
		if after := day(); after != before {
			t.Fatalf("after a restart %s, before %s", after, before)
		}
	}
}

// ownPrivate is a private address of this machine.
func ownPrivate() (out netip.Addr) {
	list, _ := net.InterfaceAddrs()
	for _, one := range list {
		if n, err := netip.ParsePrefix(one.String()); err == nil && n.Addr().IsPrivate() && !out.IsValid() {
			out = n.Addr()
		}
	}
	return out
}

// A registrar beyond a NAT tells how it sees us, and the next Contact is that.
func TestLearntNATAddress(t *testing.T) {
	t.Parallel()
	ip := ownPrivate()
	if !ip.IsValid() {
		unable(t, "this machine has no private address")
	}
	public := netip.MustParseAddr("203.0.113.9")
	if ip.Is6() {
		public = netip.MustParseAddr("2001:db8::9")
	}
	ua := trunk(t, ip.String())
	serve(t, files{}, conf{ip: ip.String(), rest: fmt.Sprintf("trunks: {nat: {address: \"%s\", username: u, password: secret, register: true, options: off}}\n", ua.Addr)})
	seen := netip.AddrPortFrom(public, 40001)
	for try := range 3 {
		select {
		case m := <-ua.Requests:
			if m.Method != "REGISTER" {
				t.Fatalf("%s", m)
			}
			for i, h := range m.Headers {
				if strings.EqualFold(h.Name, "Via") {
					m.Headers[i].Value = fmt.Sprintf("%s;received=%s;rport=%d", strings.ReplaceAll(h.Value, ";rport", ""), public, seen.Port())
				}
			}
			contact := m.Get("contact")
			if try == 0 { // what the first answer tells is true already
				_ = ua.Reply(m, 401, "Unauthorized", "", phone.Header{Name: "WWW-Authenticate", Value: `Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`})
				continue
			}
			if err := ua.Reply(m, 200, "OK", "", phone.Header{Name: "Contact", Value: contact}, phone.Header{Name: "Expires", Value: "300"}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(contact, "@"+seen.String()) {
				return
			}
		case <-time.After(time.Minute):
			t.Fatalf("no REGISTER with the learnt address after %d", try)
		}
	}
	t.Fatal("the learnt address is not used")
}
