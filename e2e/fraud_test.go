package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// TestTollFraud tries what people try to make others' servers dial for them, as
// a trusted source, as a user with rights to call one country, and as a stranger.
// Nothing of it leads to an INVITE: none to the provider, none to the host that
// the attacker names. Only the call that a script places reaches the provider,
// and its redirection to a premium number is not followed.
func TestTollFraud(t *testing.T) {
	t.Parallel()
	provider, third := trunk(t, "127.0.0.82"), phone.New(t, "third", "127.0.0.83")
	p := serve(t, files{
		"steady.ts": crashScripts["steady.ts"],
		"dials.ts":  `export default async (call) => { await call.answer(); call.result = await call.connect("+79160000009", { timeout: "5s" }); }`,
	}, conf{
		sip:  `trust: [127.0.0.1/32], users: {"101": {password: "pass-101", dial: [users, "+7"]}}`,
		rest: "routes: [{user: \"*\", connect: \"{to}\"}]\ntrunks:\n" + trunkLine("t", provider, ""),
	})
	premium := fmt.Sprintf("sip:+78091234567@%s", third.Addr)
	refer := phone.Header{Name: "Refer-To", Value: "<" + premium + ">"}
	user := phone.New(t, "101", "127.0.0.84")
	register(t, p, user, "pass-101")
	for _, ua := range []*phone.Phone{phone.New(t, "+79000008200", "127.0.0.1"), user, phone.New(t, "stranger", "127.0.0.85")} {
		if m := ua.Ask(p.sip, "REFER", p.uri("steady"), refer); m.Code < 400 {
			t.Errorf("a REFER out of any dialog by %s: %s", ua.Name, m)
		}
	}
	c := phone.New(t, "+79000008201", "127.0.0.1").Call(p.uri("steady"), p.sip)
	c.Talk(5 * time.Second)
	c.Send("REFER", "", "", refer)
	if m := c.Wait("the answer to REFER", 5*time.Second, func(m *phone.Message) bool { return m.Code >= 200 && strings.HasSuffix(m.Get("cseq"), "REFER") }); m.Code < 400 {
		t.Errorf("a REFER without consent: %s", m)
	}
	c.Hangup()

	server := p.sip.String()
	for _, attempt := range []struct {
		what, uri string
		headers   []phone.Header
	}{
		{"premium", "sip:+78091234567@" + server, nil},
		{"another country", "sip:+4930123456@" + server, nil},
		{"dial string", "sip:300&SIP/x@" + server, nil},
		{"dial string, escaped", "sip:300%26SIP%2Fx@" + server, nil},
		{"tel with context", "tel:1234567;phone-context=+4930", nil},
		{"another host", premium, nil},
		{"a route to another host", "sip:+4930123456@" + server, []phone.Header{{Name: "Route", Value: fmt.Sprintf("<sip:%s;lr>", third.Addr)}}},
		{"two numbers", "sip:+79160000001,+4930123456@" + server, nil},
	} {
		if m := askAs(user, p, "101", "pass-101", attempt.uri, attempt.headers); m.Code < 400 {
			t.Errorf("%s: %s", attempt.what, m)
		}
	}
	steered := phone.New(t, "+79000008202", "127.0.0.1").Call(p.uri("dials"), p.sip)
	steered.Talk(5 * time.Second)
	out := provider.Next(t, 5*time.Second)
	out.Refuse(302, "Moved Temporarily", phone.Header{Name: "Contact", Value: "<" + premium + ">"})
	steered.Ended(15 * time.Second)
	// That a call would have been seen: one within the user's rights is.
	allowed := make(chan *phone.Message, 1)
	go func() { allowed <- askAs(user, p, "101", "pass-101", "sip:+79160000001@"+server, nil) }()
	provider.Next(t, 5*time.Second).Refuse(486, "Busy Here")
	if m := <-allowed; m.Code != 486 {
		t.Errorf("a call within the user's rights: %s", m)
	}
	for _, ua := range []*phone.Phone{provider, third} {
		select {
		case c := <-ua.Calls:
			t.Errorf("%s was called: %s", ua.Name, c.Invite)
		default:
		}
	}
}

// askAs sends an INVITE of a user, with credentials when they are asked for. It
// does not offer media: what would be dialled is dialled all the same.
func askAs(ua *phone.Phone, p *project, name, password, uri string, more []phone.Header) *phone.Message {
	aor, id, tag := fmt.Sprintf("<sip:%s@%s>", name, p.sip), phone.Random(), phone.Random()
	headers := func(n int) []phone.Header {
		return append([]phone.Header{{Name: "From", Value: aor + ";tag=" + tag}, {Name: "Call-ID", Value: id}, {Name: "CSeq", Value: fmt.Sprintf("%d INVITE", n)}}, more...)
	}
	m := ua.Ask(p.sip, "INVITE", uri, headers(1)...)
	if m.Code != 401 {
		return m
	}
	c := challengeOf(m, "MD5")
	return ua.Ask(p.sip, "INVITE", uri, append(headers(2), phone.Header{Name: "Authorization", Value: c.Authorize(name, password, "INVITE", uri, 1)})...)
}

// Beyond its capacity the server says so at once, and when to come again; the
// call that is up goes on.
func TestBeyondCapacity(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"steady.ts": crashScripts["steady.ts"]}, conf{rest: "limits: {calls: 1}"})
	c := phone.New(t, "+79000008301", "127.0.0.1").Call(p.uri("steady"), p.sip)
	c.Talk(5 * time.Second)
	for i := range 3 {
		m := phone.New(t, fmt.Sprintf("+7900000831%d", i), "127.0.0.1").Call(p.uri("steady"), p.sip).Answer(503, "INVITE", 5*time.Second)
		if m.Get("retry-after") == "" {
			t.Error("503 without Retry-After")
		}
	}
	mark := c.Media.Mark()
	c.Media.WaitTone(500, 200*time.Millisecond, mark, 3*time.Second)
	c.Hangup()
}
