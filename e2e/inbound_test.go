package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// backend is an HTTP server that keeps what it was told.
type backend struct {
	*httptest.Server
	mu   sync.Mutex
	got  []request
	wait time.Duration // before it answers
	// status of the next answers; the last one stays.
	status []int
}

type request struct {
	Path, Body string
	Header     http.Header
	At         time.Time
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.got = append(b.got, request{r.URL.Path, string(body), r.Header, time.Now()})
		status, wait := 200, b.wait
		if len(b.status) > 0 {
			status = b.status[0]
		}
		if len(b.status) > 1 {
			b.status = b.status[1:]
		}
		b.mu.Unlock()
		time.Sleep(wait)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"ok":true}`)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) host() string { return strings.TrimPrefix(b.URL, "http://") }

func (b *backend) requests() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]request(nil), b.got...)
}

// Scripts of the inbound tests. Tones tell the tests which line is heard.
func inboundScripts(hook *backend) files {
	return files{
		"ask.ts": `
import { kv } from "loopstart:core";
export const config = { permissions: { http: ["` + hook.host() + `"] } };
export default async function (call) {
  await call.answer();
  const got = await call.gather({ prompt: { play: "tone:500/3s" }, digits: { min: 1, max: 6 }, finishOn: "#", timeout: "4s" });
  const res = await fetch("` + hook.URL + `/order", { method: "POST", body: JSON.stringify(got) });
  call.result = { ...got, status: res.status, reply: await res.json() };
  await call.play("tone:800/600ms");
}`,
		"early.ts": `
export default async function (call) {
  await call.ring();
  await call.progress();
  await call.play("tone:425/700ms");
  await call.answer();
  await call.play("tone:800/400ms");
}`,
		"busy.ts":  `export default async (call) => { await call.reject(486, "Busy Here"); }`,
		"ring.ts":  `export default async (call) => { await call.ring(); await new Promise(r => setTimeout(r, 20000)); }`,
		"think.ts": `export default async (call) => { await new Promise(r => setTimeout(r, 20000)); }`,
		"wait.ts":  `export default async (call) => { await call.answer(); await call.play("tone:500", { loop: true }); }`,
		"bye.ts":   `export default async (call) => { await call.answer(); await call.play("tone:500/400ms"); await call.hangup(); }`,
		"keys.ts": `
export default async function (call) {
  await call.answer();
  let keys = "";
  for await (const key of call.digits) { keys += key; call.result = keys; }
}`,
		"redirect.ts": `export default async (call) => { await call.redirect("sip:elsewhere@127.0.0.1:9"); }`,
		"number.ts":   `export default async (call) => { call.result = { to: call.to.e164, from: call.from.e164, user: call.to.user, data: call.data }; await call.answer(); }`,
	}
}

const inboundRest = `
limits: {script_grace: 1s}
routes:
  - {to: "+74951234567", script: number, data: {shop: spb}}
`

func TestInbound(t *testing.T) {
	t.Parallel()
	hook := newBackend(t)
	p := serve(t, inboundScripts(hook), conf{rest: inboundRest, sip: `trust: [127.0.0.1/32]`})

	dial := func(t *testing.T, from, to string, headers ...phone.Header) *phone.Call {
		t.Helper()
		return phone.New(t, from, "127.0.0.1").Call(p.uri(to), p.sip, headers...)
	}

	for _, transport := range []string{"udp", "tcp"} {
		t.Run("prompt, keys, HTTP and BYE over "+transport, func(t *testing.T) {
			t.Parallel()
			p := p.in(t)
			ua := phone.New(t, "+7900000000"+map[string]string{"udp": "1", "tcp": "2"}[transport], "127.0.0.1")
			ua.TCP = transport == "tcp"
			c := ua.Call(p.uri("ask"), p.sip)
			c.Talk(5 * time.Second)
			c.Media.WaitTone(500, 180*time.Millisecond, 0, 3*time.Second)
			c.Media.Press("17#")
			mark := c.Media.Mark()
			c.Media.WaitTone(800, 300*time.Millisecond, 0, 3*time.Second)
			c.Ended(3 * time.Second)
			if d := phone.ToneTime(c.Media.Since(mark), 500); d > 0 {
				t.Errorf("the prompt goes on for %s after its key", d)
			}
			r := p.ended(ua.Name)
			var result struct {
				Digits, Reason string
				Status         int
				Reply          struct{ OK bool }
			}
			if err := json.Unmarshal(r.Result, &result); err != nil || result.Digits != "17" || result.Reason != "finish" || result.Status != 200 || !result.Reply.OK {
				t.Errorf("result %s %v", r.Result, err)
			}
			if r.Outcome != "served" || r.Code != 200 || r.EndedBy != "script" || r.Direction != "inbound" || r.Script != "ask" || r.AnsweredAt == nil {
				t.Errorf("record %+v", r)
			}
			line := p.timeline(r.ID)
			find(t, line, "sip", "INVITE")
			find(t, line, "sip", "BYE")
			if e := find(t, line, "digit", "1"); e.Leg != "a" {
				t.Errorf("leg of the digit: %+v", e)
			}
			if e := find(t, line, "prompt", "tone:500"); e.Source != "ask.ts:6" && !strings.HasPrefix(e.Source, "ask.ts:6:") {
				t.Errorf("the prompt comes from %q", e.Source)
			}
		})
	}
	t.Run("early media", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000003", "early")
		c.Answer(180, "INVITE", 5*time.Second)
		m := c.Answer(183, "INVITE", 5*time.Second)
		c.Media.Connect(m.Body)
		c.Media.Start()
		c.Media.WaitTone(425, 300*time.Millisecond, 0, 5*time.Second)
		ok := c.Answer(200, "INVITE", 5*time.Second)
		if phone.ReadSDP(ok.Body).Addr != phone.ReadSDP(m.Body).Addr {
			t.Errorf("183 and 200 name different addresses:\n%s\n%s", m.Body, ok.Body)
		}
		c.Media.WaitTone(800, 200*time.Millisecond, 0, 5*time.Second)
		c.Ended(5 * time.Second)
		if r := p.ended("+79000000003"); r.RingMs < 600 || r.TalkMs < 350 {
			t.Errorf("ring %d ms, talk %d ms", r.RingMs, r.TalkMs)
		}
	})
	t.Run("CANCEL before 180", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000004", "think")
		c.Cancel()
		c.Cancelled(5 * time.Second)
		if r := p.ended("+79000000004"); r.Outcome != "abandoned" || r.EndedBy != "caller" {
			t.Errorf("%s by %s", r.Outcome, r.EndedBy)
		}
	})
	t.Run("CANCEL after 180", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000005", "ring")
		c.Answer(180, "INVITE", 5*time.Second)
		c.Cancel()
		c.Cancelled(5 * time.Second)
		if r := p.ended("+79000000005"); r.Outcome != "abandoned" || r.EndedBy != "caller" || r.Code != 487 {
			t.Errorf("%s by %s, %d", r.Outcome, r.EndedBy, r.Code)
		}
	})
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000006", "busy")
		c.Answer(486, "INVITE", 5*time.Second)
		if r := p.ended("+79000000006"); r.Code != 486 || r.AnsweredAt != nil || r.Outcome != "served" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("redirect", func(t *testing.T) {
		t.Parallel()
		c := dial(t, "+79000000016", "redirect")
		if m := c.Answer(302, "INVITE", 5*time.Second); phone.URI(m.Get("contact")) != "sip:elsewhere@127.0.0.1:9" {
			t.Errorf("contact %q", m.Get("contact"))
		}
	})
	t.Run("BYE of the script", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000007", "bye")
		c.Talk(5 * time.Second)
		c.Ended(5 * time.Second)
		if r := p.ended("+79000000007"); r.EndedBy != "script" || r.Outcome != "served" {
			t.Errorf("%s by %s", r.Outcome, r.EndedBy)
		}
	})
	t.Run("BYE of the caller", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000008", "wait")
		c.Talk(5 * time.Second)
		c.Media.WaitTone(500, 140*time.Millisecond, 0, 5*time.Second)
		c.Hangup()
		c.Answer(200, "BYE", 5*time.Second)
		mark := c.Media.Mark()
		r := p.ended("+79000000008")
		if r.EndedBy != "caller" {
			t.Errorf("by %s", r.EndedBy)
		}
		if n := c.Media.Mark() - mark; n > 2 {
			t.Errorf("%d packets after the answer to BYE", n)
		}
		c.Hangup()
		c.Answer(481, "BYE", 5*time.Second)
	})
	t.Run("OPTIONS", func(t *testing.T) {
		t.Parallel()
		m := phone.New(t, "options", "127.0.0.1").Ask(p.sip, "OPTIONS", p.uri("ask"))
		if m.Code != 200 || !strings.Contains(m.Get("allow"), "INVITE") {
			t.Errorf("%s, Allow: %s", m, m.Get("allow"))
		}
	})
	t.Run("unknown script", func(t *testing.T) {
		t.Parallel()
		dial(t, "+79000000009", "nosuch").Answer(404, "INVITE", 5*time.Second)
	})
	t.Run("source that is not trusted", func(t *testing.T) {
		t.Parallel()
		ua := phone.New(t, "+79000000010", "127.0.0.2")
		ua.Call(p.uri("ask"), p.sip).Answer(403, "INVITE", 5*time.Second)
	})
	t.Run("repeated INVITE", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000011", "ring")
		c.Answer(180, "INVITE", 5*time.Second)
		c.Again(c.Invite)
		c.Answer(180, "INVITE", 5*time.Second)
		c.Cancel()
		c.Cancelled(5 * time.Second)
		p.ended("+79000000011")
		if n := len(p.list("from=%2B79000000011")); n != 1 {
			t.Errorf("%d calls of one INVITE", n)
		}
	})
	t.Run("200 is repeated until ACK", func(t *testing.T) {
		t.Parallel()
		ua := phone.New(t, "+79000000017", "127.0.0.1")
		ua.Lazy = true
		c := ua.Call(p.uri("wait"), p.sip)
		c.Answer(200, "INVITE", 5*time.Second)
		m := c.Answer(200, "INVITE", 3*time.Second)
		c.Ack(m, "")
		c.Hangup()
		c.Answer(200, "BYE", 5*time.Second)
	})
	t.Run("late offer", func(t *testing.T) {
		t.Parallel()
		ua := phone.New(t, "+79000000012", "127.0.0.1")
		ua.Lazy = true
		c := ua.Dial(p.uri("wait"), p.sip, "")
		m := c.Answer(200, "INVITE", 5*time.Second)
		if _, ok := phone.ReadSDP(m.Body).Codec(); !ok {
			t.Fatalf("200 without an offer:\n%s", m.Body)
		}
		c.Media = phone.NewMedia(t, ua.Addr.Addr())
		c.Media.Connect(m.Body)
		c.Ack(m, c.Media.Answer(m.Body))
		c.Media.Start()
		c.Media.WaitTone(500, 180*time.Millisecond, 0, 3*time.Second)
		c.Hangup()
		c.Answer(200, "BYE", 5*time.Second)
	})
	t.Run("keys as RFC 4733 and as INFO", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000013", "keys")
		c.Talk(5 * time.Second)
		c.Media.Press("1*#0")
		c.Hangup()
		if r := p.ended("+79000000013"); string(r.Result) != `"1*#0"` {
			t.Errorf("result %s", r.Result)
		}
		c = dial(t, "+79000000014", "keys")
		c.Talk(5 * time.Second)
		c.Media.WaitPackets(10, 0, 5*time.Second) // the script listens
		for _, k := range []byte("59#") {
			c.Info(k)
			c.Answer(200, "INFO", 5*time.Second)
		}
		c.Hangup()
		if r := p.ended("+79000000014"); string(r.Result) != `"59#"` {
			t.Errorf("result %s", r.Result)
		}
	})
	for i, number := range []string{"84951234567", "74951234567", "4951234567", "+74951234567", "8104951234567"} {
		t.Run("number "+number, func(t *testing.T) {
			t.Parallel()
			p := p.in(t)
			from := fmt.Sprintf("8900000002%d", i)
			c := dial(t, from, number)
			if number == "8104951234567" { // 810 leads abroad: +4951234567 is another number
				c.Answer(404, "INVITE", 5*time.Second)
				return
			}
			c.Talk(5 * time.Second)
			c.Ended(5 * time.Second)
			r := p.ended("+7" + from[1:])
			want := `{"to":"+74951234567","from":"+7` + from[1:] + `","user":"` + number + `","data":{"shop":"spb"}}`
			if string(r.Result) != want || r.To != "+74951234567" {
				t.Errorf("result %s, not %s; to %s", r.Result, want, r.To)
			}
		})
	}
}
