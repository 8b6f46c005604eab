package e2e

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

var transferScripts = files{
	"desk.ts": `
export default async function (call) {
  await call.answer();
  call.on("transfer", (t) => t.request && (t.to === "109" ? false : true));
  const talk = await call.connect(call.data.to ?? "101", { timeout: "8s" });
  call.result = { status: talk.status, by: talk.answeredBy, endedBy: talk.endedBy };
}`,
	"pick.ts": `
export default async function (call) {
  const talk = await call.connect("104", { timeout: "8s" });
  call.result = { status: talk.status, by: talk.answeredBy };
}`,
	"texts.ts": `
export default async function (call) {
  await call.answer();
  const heard = [];
  const more = new Promise((done) => {
    call.on("info", ({ type, body }) => heard.push(type + " " + body));
    call.on("message", ({ text }) => { heard.push(text); done(); });
  });
  const sent = await call.sendMessage("order 7");
  const info = await call.sendInfo("application/json", { order: 7 });
  await more;
  call.result = { sent, info, heard };
}
export async function onMessage({ from, text, headers }) {
  return from.user + ": " + text + " " + headers.get("subject");
}`,
}

const transferRest = `
routes:
  - {to: "201", connect: "101"}
  - {to: "102", connect: "102"}
`

// transferDesk is a program with operators at their phones.
func transferDesk(t *testing.T) (p *project, phones map[string]*phone.Phone) {
	t.Helper()
	p = serve(t, transferScripts, conf{
		sip:  `users: {"101": {password: pw}, "102": {password: pw}, "103": {password: pw}, "104": {password: pw}}`,
		rest: transferRest,
	})
	phones = map[string]*phone.Phone{}
	for _, name := range []string{"101", "102", "103", "104"} {
		phones[name] = phone.New(t, name, "127.0.0.1")
		register(t, p, phones[name], "pw")
	}
	return p, phones
}

// refer sends a REFER and waits for its answer.
func refer(c *phone.Call, to string, want int) {
	c.Send("REFER", "", "", phone.Header{Name: "Refer-To", Value: "<" + to + ">"}, phone.Header{Name: "Referred-By", Value: "<sip:101@here>"})
	c.Answer(want, "REFER", 3*time.Second)
}

// notified waits for the NOTIFY that tells of a status.
func notified(c *phone.Call, status string) {
	c.Wait("NOTIFY "+status, 5*time.Second, func(m *phone.Message) bool {
		return m.Method == "NOTIFY" && strings.HasPrefix(m.Body, "SIP/2.0 "+status)
	})
}

// replacesOf names the call that m has answered, as Refer-To does.
func replacesOf(c *phone.Call, m *phone.Message) string {
	return url.QueryEscape(c.ID + ";to-tag=" + phone.Tag(m.Get("to")) + ";from-tag=" + phone.Tag(m.Get("from")))
}

func TestTransfers(t *testing.T) {
	t.Parallel()
	p, phones := transferDesk(t)
	host := p.sip.String()
	talking := func(t *testing.T, from, to string, op *phone.Phone) (c, o *phone.Call) {
		t.Helper()
		c = phone.New(t, from, "127.0.0.1").Call(p.uri(to), p.sip)
		o = op.Next(t, 5*time.Second)
		o.PickUp()
		c.Talk(5 * time.Second)
		c.Media.Play(phone.Tone(500))
		o.Media.WaitTone(500, 200*time.Millisecond, 0, 3*time.Second)
		return c, o
	}
	took := func(t *testing.T, c, n *phone.Call) {
		t.Helper()
		n.Media.Play(phone.Tone(800))
		n.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
		c.Media.WaitTone(800, 300*time.Millisecond, 0, 5*time.Second)
	}

	t.Run("blind, refused and allowed, by the script", func(t *testing.T) {
		c, anna := talking(t, "+79000000501", "desk", phones["101"])
		refer(anna, "sip:109@"+host, 603)
		refer(anna, "sip:102@"+host, 202)
		bob := phones["102"].Next(t, 5*time.Second)
		bob.Ring()
		notified(anna, "180")
		bob.PickUp()
		notified(anna, "200")
		anna.Ended(5 * time.Second)
		took(t, c, bob)
		bob.Hangup()
		c.Ended(5 * time.Second)
		if r := p.in(t).ended("+79000000501"); string(r.Result) != `{"status":"completed","by":"102","endedBy":"callee"}` || r.Outcome != "talked" {
			t.Errorf("%s %s", r.Outcome, r.Result)
		}
	})
	t.Run("attended: two calls become one talk", func(t *testing.T) {
		c, anna := talking(t, "+79000000502", "desk", phones["101"])
		hold := anna.Media.Local // one call that a user holds leaves room for the question
		hold.Version, hold.Direction = hold.Version+1, "sendonly"
		anna.Wait("200 to the hold", 3*time.Second, answerTo(anna.Reinvite(hold.String())))
		second := phones["101"].Call(p.uri("102"), p.sip)
		bob := phones["102"].Next(t, 5*time.Second)
		bob.PickUp()
		ok := second.Talk(5 * time.Second)
		refer(anna, "sip:102@"+host+"?Replaces="+replacesOf(second, ok), 202)
		notified(anna, "200")
		second.Ended(5 * time.Second)
		anna.Ended(5 * time.Second)
		took(t, c, bob)
		c.Hangup()
		bob.Ended(5 * time.Second)
		if r := p.in(t).ended("+79000000502"); string(r.Result) != `{"status":"completed","by":"102","endedBy":"caller"}` {
			t.Errorf("%s", r.Result)
		}
	})
	for name, cancels := range map[string]bool{"its phone waits": false, "its phone cancels as soon as we agree": true} {
		t.Run("attended, while the asked one rings: "+name, func(t *testing.T) {
			from := map[bool]string{false: "+79000000505", true: "+79000000506"}[cancels]
			c, anna := talking(t, from, "desk", phones["101"])
			hold := anna.Media.Local
			hold.Version, hold.Direction = hold.Version+1, "sendonly"
			anna.Wait("200 to the hold", 3*time.Second, answerTo(anna.Reinvite(hold.String())))
			second := phones["101"].Call(p.uri("102"), p.sip)
			bob := phones["102"].Next(t, 5*time.Second)
			bob.Ring()
			rings := second.Answer(180, "INVITE", 5*time.Second)
			refer(anna, "sip:102@"+host+"?Replaces="+replacesOf(second, rings), 202)
			if cancels {
				second.Cancel()
				anna.Hangup()
			}
			second.Answer(487, "INVITE", 5*time.Second)
			if bob.IsOver() { // cancelled before it was taken over: it is rung anew
				bob = phones["102"].Next(t, 5*time.Second)
			}
			bob.PickUp()
			if !cancels {
				notified(anna, "200")
				anna.Ended(5 * time.Second)
			}
			took(t, c, bob)
			bob.Hangup()
			c.Ended(5 * time.Second)
			if r := p.in(t).ended(from); !strings.Contains(string(r.Result), `"status":"completed","by":"102"`) {
				t.Errorf("%s", r.Result)
			}
		})
	}
	t.Run("attended, while the asked one rings, who does not take it", func(t *testing.T) {
		c, anna := talking(t, "+79000000507", "desk", phones["101"])
		second := phones["101"].Call(p.uri("102"), p.sip)
		bob := phones["102"].Next(t, 5*time.Second)
		bob.Ring()
		refer(anna, "sip:102@"+host+"?Replaces="+replacesOf(second, second.Answer(180, "INVITE", 5*time.Second)), 202)
		bob.Refuse(486, "Busy Here")
		notified(anna, "486")
		took(t, c, anna) // they talk on
		c.Hangup()
		anna.Ended(5 * time.Second)
	})
	t.Run("a route without a script asks the user's transfer", func(t *testing.T) {
		c, anna := talking(t, "+79000000503", "201", phones["101"])
		refer(anna, "sip:+79161112233@"+host, 403)
		refer(anna, "sip:102@"+host, 202)
		bob := phones["102"].Next(t, 5*time.Second)
		bob.PickUp()
		anna.Ended(5 * time.Second)
		took(t, c, bob)
		c.Hangup()
		bob.Ended(5 * time.Second)
	})
	t.Run("an INVITE with Replaces takes a call that rings elsewhere", func(t *testing.T) {
		c := phone.New(t, "+79000000504", "127.0.0.1").Call(p.uri("pick"), p.sip)
		rings := phones["104"].Next(t, 5*time.Second)
		rings.Ring()
		c.Wait("180", 5*time.Second, func(m *phone.Message) bool { return m.Code == 180 })
		taker := phones["103"].Call(p.uri("104"), p.sip, phone.Header{Name: "Replaces",
			Value: rings.ID + ";to-tag=" + phone.Tag(rings.Invite.Get("from")) + ";from-tag=" + rings.Tag()})
		taker.Talk(5 * time.Second)
		rings.Ended(5 * time.Second)
		c.Talk(5 * time.Second)
		c.Media.Play(phone.Tone(500))
		took(t, c, taker)
		taker.Hangup()
		c.Ended(5 * time.Second)
		if r := p.in(t).ended("+79000000504"); !strings.Contains(string(r.Result), `"status":"completed"`) {
			t.Errorf("%s", r.Result)
		}
	})
}

// TestTexts sends texts over each transport and address family.
func TestTexts(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]struct {
		ip  string
		tcp bool
	}{"udp": {"127.0.0.1", false}, "tcp": {"127.0.0.1", true}, "ipv6": {"::1", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if over.ip == "::1" && !hasIPv6() {
				unable(t, "no IPv6")
			}
			p := serve(t, transferScripts, conf{ip: over.ip})
			ua := phone.New(t, "+79000000601", over.ip)
			ua.TCP = over.tcp
			c := ua.Call(p.uri("texts"), p.sip)
			c.Talk(5 * time.Second)
			m := c.Request("MESSAGE", 5*time.Second)
			if m.Body != "order 7" || !strings.HasPrefix(m.Get("content-type"), "text/plain") {
				t.Errorf("%s", m)
			}
			c.Reply(m, 200, "OK", "")
			if i := c.Request("INFO", 5*time.Second); i.Body != `{"order":7}` {
				t.Errorf("%s", i)
			}
			c.Send("INFO", "application/x-thing", "one")
			c.Answer(200, "INFO", 3*time.Second)
			c.Send("MESSAGE", "text/plain", "two")
			c.Answer(200, "MESSAGE", 3*time.Second)
			c.Ended(5 * time.Second)
			want := `{"sent":{"status":"delivered","code":200},"info":{"status":"delivered","code":200},"heard":["application/x-thing one","two"]}`
			if r := p.ended("+79000000601"); string(r.Result) != want {
				t.Errorf("%s", r.Result)
			}
			page(t, p, ua)
		})
	}
}

// page sends a text outside of calls and reads the reply.
func page(t *testing.T, p *project, ua *phone.Phone) {
	t.Helper()
	m := &phone.Message{Method: "MESSAGE", URI: p.uri("texts"), Body: "hello", Headers: []phone.Header{
		ua.Via(), {Name: "Max-Forwards", Value: "70"}, {Name: "From", Value: "<sip:" + ua.Name + "@" + ua.Addr.String() + ">;tag=1"},
		{Name: "To", Value: "<" + p.uri("texts") + ">"}, {Name: "Call-ID", Value: "page" + strconv.Itoa(int(ua.Addr.Port()))}, {Name: "CSeq", Value: "1 MESSAGE"},
		{Name: "Subject", Value: "s"}, {Name: "Content-Type", Value: "text/plain"},
	}}
	if err := ua.Send(m, p.sip); err != nil {
		t.Fatal(err)
	}
	accepted := false
	for end := time.After(5 * time.Second); ; {
		select {
		case got := <-ua.Requests:
			switch {
			case got.Code == 200:
				accepted = true
			case got.Method == "MESSAGE":
				_ = ua.Reply(got, 200, "OK", "")
				if got.Body != ua.Name+": hello s" || !accepted {
					t.Errorf("accepted %v, reply %q", accepted, got.Body)
				}
				return
			}
		case <-end:
			t.Fatal("no reply")
		}
	}
}
