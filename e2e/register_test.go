package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

const usersConf = `users: {"101": {password: "pass-101", name: Anna}, "102": {password: "pass-102"}, "103": {password: "pass-103"}}`

// register registers a phone as its name and fails the test if it may not.
func register(t testing.TB, p *project, ua *phone.Phone, password string) {
	t.Helper()
	if m := tryRegister(ua, p, password, "", 1); m.Code != 200 {
		t.Fatalf("REGISTER of %s: %s", ua.Name, m)
	}
}

// tryRegister registers with the challenge of that algorithm, "" for the first.
func tryRegister(ua *phone.Phone, p *project, password, algorithm string, nc int) *phone.Message {
	uri := "sip:" + p.sip.String()
	aor := fmt.Sprintf("<sip:%s@%s>", ua.Name, p.sip)
	id, tag := phone.Random(), phone.Random()
	headers := func(n int) []phone.Header {
		return []phone.Header{{Name: "From", Value: aor + ";tag=" + tag}, {Name: "To", Value: aor}, {Name: "Call-ID", Value: id},
			{Name: "CSeq", Value: fmt.Sprintf("%d REGISTER", n)}, {Name: "Expires", Value: "300"}}
	}
	m := ua.Ask(p.sip, "REGISTER", uri, headers(1)...)
	if m.Code != 401 {
		return m
	}
	c := challengeOf(m, algorithm)
	return ua.Ask(p.sip, "REGISTER", uri, append(headers(2), phone.Header{Name: "Authorization", Value: c.Authorize(ua.Name, password, "REGISTER", uri, nc)})...)
}

func challengeOf(m *phone.Message, algorithm string) phone.Challenge {
	for _, h := range m.All("WWW-Authenticate") {
		if c := phone.ReadChallenge(h); algorithm == "" || strings.EqualFold(c["algorithm"], algorithm) {
			return c
		}
	}
	return phone.Challenge{}
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"find.ts": `
export default async function (call) {
  await call.answer();
  call.result = await call.connect("101", { timeout: "5s" });
}`}, conf{sip: usersConf})

	ua := phone.New(t, "101", "127.0.0.60")
	if m := tryRegister(ua, p, "wrong", "", 1); m.Code != 403 && m.Code != 401 {
		t.Errorf("wrong password: %s", m)
	}
	nobody := phone.New(t, "999", "127.0.0.61")
	wrong, unknown := tryRegister(ua, p, "wrong", "", 1), tryRegister(nobody, p, "wrong", "", 1)
	if wrong.Code != unknown.Code || wrong.Reason != unknown.Reason {
		t.Errorf("an unknown user gets %s, a wrong password %s", unknown, wrong)
	}
	for _, algorithm := range []string{"MD5", "SHA-256"} {
		m := tryRegister(ua, p, "pass-101", algorithm, 1)
		if m.Code != 200 || !strings.Contains(m.Get("contact"), ua.Addr.String()) {
			t.Errorf("%s: %s, Contact: %s", algorithm, m, m.Get("contact"))
		}
	}
	t.Run("a replayed nonce count is refused", func(t *testing.T) {
		uri, id := "sip:"+p.sip.String(), phone.Random()
		ask := func(cseq, nc int, c phone.Challenge) *phone.Message {
			h := []phone.Header{{Name: "To", Value: fmt.Sprintf("<sip:101@%s>", p.sip)}, {Name: "Call-ID", Value: id}, {Name: "CSeq", Value: fmt.Sprintf("%d REGISTER", cseq)}}
			if c != nil {
				h = append(h, phone.Header{Name: "Authorization", Value: c.Authorize("101", "pass-101", "REGISTER", uri, nc)})
			}
			return ua.Ask(p.sip, "REGISTER", uri, h...)
		}
		c := challengeOf(ask(1, 0, nil), "MD5")
		if m := ask(2, 1, c); m.Code != 200 {
			t.Fatalf("nc=1: %s", m)
		}
		if m := ask(3, 1, c); m.Code != 401 {
			t.Errorf("nc=1 again: %s", m)
		}
		if m := ask(4, 2, c); m.Code != 200 {
			t.Errorf("nc=2: %s", m)
		}
	})
	t.Run("a script reaches the registered phone", func(t *testing.T) {
		p := p.in(t)
		c := phone.New(t, "+79000000301", "127.0.0.1").Call(p.uri("find"), p.sip)
		c.Talk(5 * time.Second)
		op := ua.Next(t, 5*time.Second)
		op.PickUp()
		op.Request("ACK", 3*time.Second)
		op.Media.Play(phone.Tone(800))
		c.Media.WaitTone(800, 300*time.Millisecond, 0, 5*time.Second)
		op.Hangup()
		c.Ended(5 * time.Second)
		if r := p.ended("+79000000301"); !strings.Contains(string(r.Result), `"status":"completed"`) || !strings.Contains(string(r.Result), `"answeredBy":"101"`) || r.Outcome != "talked" {
			t.Errorf("%s %s", r.Outcome, r.Result)
		}
	})
}

// TestBaresipRegisters has a real phone register, answer and be heard.
func TestBaresipRegisters(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"find.ts": `
export default async function (call) {
  await call.answer();
  call.result = await call.connect("102", { timeout: "8s" });
}`}, conf{sip: usersConf})
	b := startBaresip(t, "127.0.0.1", fmt.Sprintf("<sip:102@%s>;auth_pass=pass-102;answermode=auto;audio_codecs=pcma;ptime=20", p.sip), 800)
	eventually(t, "baresip's registration", 10*time.Second, func() bool { return strings.Contains(p.log.String(), `"user":"102"`) })
	c := phone.New(t, "+79000000310", "127.0.0.1").Call(p.uri("find"), p.sip)
	c.Talk(5 * time.Second)
	c.Media.Play(phone.Tone(500))
	c.Media.WaitTone(800, time.Second, 0, 10*time.Second)
	c.Hangup()
	r := p.ended("+79000000310")
	if !strings.Contains(string(r.Result), `"answeredBy":"102"`) || !strings.Contains(string(r.Result), `"endedBy":"caller"`) || r.Outcome != "talked" {
		t.Errorf("%s %s\n%s", r.Outcome, r.Result, b.log)
	}
}

// TestOwnRegistration registers at a hand-written registrar: digest, a longer
// expiry after 423, a refresh before the end, and a clean goodbye.
func TestOwnRegistration(t *testing.T) {
	t.Parallel()
	registrar := phone.New(t, "registrar", "127.0.0.63")
	p := setup(t, files{"in.ts": `export default async (call) => { await call.answer(); call.result = call.to.e164; }`}, conf{
		sip:  `trust: [127.0.0.1/32]`,
		rest: fmt.Sprintf("trunks:\n  op: {address: \"%s\", options: off, username: \"79261234567\", password: \"s3cret\", register: {expires: 60s}, from: [\"+74951234567\"], destinations: [\"+7\"]}\nroutes:\n  - {trunk: op, script: in}\n", registrar.Addr),
	})
	p.launch()
	next := func() *phone.Message {
		select {
		case m := <-registrar.Requests:
			if m.Method != "REGISTER" {
				t.Fatalf("%s", m)
			}
			return m
		case <-time.After(10 * time.Second):
			t.Fatalf("no REGISTER\n%s", p.log)
			return nil
		}
	}
	challenge := phone.Header{Name: "WWW-Authenticate", Value: `Digest realm="op", nonce="n1", algorithm=MD5, qop="auth"`}
	ok := func(m *phone.Message, expires int) {
		t.Helper()
		if !phone.Verify(m.Get("authorization"), "REGISTER", "s3cret") {
			t.Errorf("Authorization: %s", m.Get("authorization"))
		}
		_ = registrar.Reply(m, 200, "OK", "", phone.Header{Name: "Contact", Value: fmt.Sprintf("%s;expires=%d", m.Get("contact"), expires)})
	}
	m := next()
	contact := phone.URI(m.Get("contact"))
	if !strings.Contains(contact, p.sip.String()) {
		t.Errorf("Contact %s", contact)
	}
	_ = registrar.Reply(m, 401, "Unauthorized", "", challenge)
	m = next()
	if n, _ := m.CSeq(); n < 2 {
		t.Errorf("CSeq %s", m.Get("cseq"))
	}
	_ = registrar.Reply(m, 423, "Interval Too Brief", "", phone.Header{Name: "Min-Expires", Value: "90"})
	m = next()
	if e := m.Get("expires") + m.Get("contact"); !strings.Contains(e, "90") {
		t.Errorf("after 423 with Min-Expires 90: Expires %q, Contact %q", m.Get("expires"), m.Get("contact"))
	}
	if !phone.Verify(m.Get("authorization"), "REGISTER", "s3cret") {
		_ = registrar.Reply(m, 401, "Unauthorized", "", challenge)
		m = next()
	}
	ok(m, 8)
	limit := phone.Within(7 * time.Second)
	m = next() // the refresh
	if limit.Over() {
		t.Error("8s are not refreshed within 7s")
	}
	if !phone.Verify(m.Get("authorization"), "REGISTER", "s3cret") {
		_ = registrar.Reply(m, 401, "Unauthorized", "", challenge)
		m = next()
	}
	ok(m, 300)
	// A call to the Contact we gave belongs to the trunk, whatever it dials.
	registrar.Name = "+79000000320"
	c := registrar.Call(contact, p.sip, phone.Header{Name: "To", Value: "<sip:+74951234567@op.example>"})
	c.Talk(5 * time.Second)
	c.Ended(5 * time.Second)
	if r := p.ended("+79000000320"); r.Trunk != "op" || string(r.Result) != `"+74951234567"` {
		t.Errorf("trunk %q, result %s", r.Trunk, r.Result)
	}
	p.end()
	m = next()
	if !strings.Contains(m.Get("expires")+m.Get("contact"), "0") || m.Get("expires") != "0" && !strings.Contains(m.Get("contact"), "expires=0") {
		t.Errorf("goodbye: Expires %q, Contact %q", m.Get("expires"), m.Get("contact"))
	}
}
