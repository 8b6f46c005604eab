package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// TestRedirect: 302 of a provider and of a user's phone, by rule. Nothing is
// dialled that the destinations forbid, and no circle goes on.
func TestRedirect(t *testing.T) {
	t.Parallel()
	provider, second, third := trunk(t, "127.0.0.130"), phone.New(t, "second", "127.0.0.131"), phone.New(t, "third", "127.0.0.132")
	p := serve(t, files{"dials.ts": `export default async (call) => { await call.answer(); call.result = await call.connect(call.headers.get("X-Dial"), { timeout: "5s" }); }`}, conf{
		sip:  `trust: [127.0.0.1/32], users: {"101": {password: "pass-101", dial: ["+7"], redirect: follow}}`,
		rest: "trunks:\n" + trunkLine("t", provider, ", redirect: follow, allow: [127.0.0.130/32, 127.0.0.131/32], max_calls: 40, max_cps: 100"),
	})
	user := phone.New(t, "101", "127.0.0.133")
	register(t, p, user, "pass-101")
	n := 0
	dial := func(target string) *phone.Call {
		n++
		c := phone.New(t, fmt.Sprintf("+790000130%02d", n), "127.0.0.1").Call(p.uri("dials"), p.sip, phone.Header{Name: "X-Dial", Value: target})
		c.Talk(5 * time.Second)
		return c
	}
	ended := func(c *phone.Call, what, want string) {
		t.Helper()
		c.Ended(15 * time.Second)
		r := p.in(t).ended(fmt.Sprintf("+790000130%02d", n))
		var got connected
		if err := json.Unmarshal(r.Result, &got); err != nil || got.Status+" "+fmt.Sprint(got.Code) != want {
			t.Errorf("%s: %s %v, want %s", what, r.Result, err, want)
		}
	}
	sent := func(c *phone.Call, contacts ...string) {
		t.Helper()
		c.Refuse(302, "Moved Temporarily", phone.Header{Name: "Contact", Value: strings.Join(contacts, ", ")})
	}
	at := func(user string, ua *phone.Phone) string { return fmt.Sprintf("<sip:%s@%s>", user, ua.Addr) }

	c := dial("+79160000009")
	sent(provider.Next(t, 5*time.Second), at("+79160000008", third)) // another number: by the trunk, whatever host it names
	out := provider.Next(t, 5*time.Second)
	if got := phone.URI("<" + out.Invite.URI + ">"); !strings.HasPrefix(got, "sip:+79160000008@") {
		t.Errorf("dialled %s", got)
	}
	out.Refuse(486, "Busy Here")
	ended(c, "another number", "busy 486")

	c = dial("+79160000009")
	sent(provider.Next(t, 5*time.Second), at("+79160000009", second)) // the same number at another host of the trunk
	second.Next(t, 5*time.Second).Refuse(486, "Busy Here")
	ended(c, "another host", "busy 486")

	c = dial("+79160000009")
	sent(provider.Next(t, 5*time.Second), at("+78091234567", third), at("+78091234567", second), at("+4930123456", provider), at("+79160000009", third))
	ended(c, "premium, abroad, a loop", "rejected 302")

	c = dial("+79160000009")
	sent(provider.Next(t, 5*time.Second), at("+79160000008", provider))
	sent(provider.Next(t, 5*time.Second), at("+79160000009", provider))
	sent(provider.Next(t, 5*time.Second), at("+79160000008", provider))
	ended(c, "a circle", "rejected 302")

	c = dial("101")
	sent(user.Next(t, 5*time.Second), fmt.Sprintf("<sip:+79160000007@%s>", p.sip))
	provider.Next(t, 5*time.Second).Refuse(603, "Decline")
	ended(c, "a phone that forwards", "rejected 603")

	c = dial("101")
	sent(user.Next(t, 5*time.Second), at("+78091234567", third))
	ended(c, "a phone that forwards to a premium number", "rejected 302")

	for _, ua := range []*phone.Phone{provider, second, third, user} {
		select {
		case c := <-ua.Calls:
			t.Errorf("%s was called: %s", ua.Name, c.Invite)
		default:
		}
	}
}

// TestLoopOfTwo: two systems that send each number to the other find out by
// Max-Forwards, and every leg of the circle ends.
func TestLoopOfTwo(t *testing.T) {
	t.Parallel()
	script := files{"around.ts": `export default async (call) => { const r = await call.connect(call.to.e164, { timeout: "20s" }); call.result = r; await call.reject(r.code); }`}
	conf := func(ip, other string) conf {
		return conf{ip: ip, sip: "trust: [127.0.0.1/32]", rest: "routes: [{script: around}]\ntrunks: {other: {address: \"" + other + "\", options: off, destinations: [\"+7\"], max_calls: 100, max_cps: 1000}}"}
	}
	a, b := setup(t, script, conf("127.0.0.134", "127.0.0.135:9")), setup(t, script, conf("127.0.0.135", "127.0.0.134:9"))
	a.config(conf("", b.sip.String()))
	b.config(conf("", a.sip.String()))
	a.start()
	b.start()
	caller := phone.New(t, "+79000013100", "127.0.0.1")
	c := caller.Call("sip:+79160000001@"+a.sip.String(), a.sip, phone.Header{Name: "Max-Forwards", Value: "6"})
	c.Answer(483, "INVITE", 20*time.Second)
	calls := 0
	eventually(t, "the calls of the circle to end", 10*time.Second, func() bool {
		calls = 0
		for _, p := range []*project{a, b} {
			for _, r := range p.list("") {
				if r.Final {
					calls++
				}
			}
		}
		return calls >= 6
	})
	if calls != 6 { // 6, 5, 4, 3, 2, 1; the one with 0 is refused before it is a call
		t.Errorf("%d calls", calls)
	}
}
