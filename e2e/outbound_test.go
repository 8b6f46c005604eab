package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// Scripts of the outbound tests.
var outboundScripts = files{
	"tell.ts": `
export default async function (call) {
  await call.play("tone:500/600ms");
  call.result = { key: (await call.gather({ digits: 1, timeout: "2s" })).digits, n: call.attempt.n, name: call.data.name ?? null };
  call.tag("city", "spb");
}`,
	"short.ts": `export const config = { deliveredAfter: "5s" }; export default async (call) => { await call.play("tone:500/6s"); }`,
	"before.ts": `
import { kv } from "loopstart:core";
export async function beforeAttempt({ to, data, attempt }) {
  if (data.stop) return { skip: "paid already" };
  if (data.bad) throw new Error("CRM is down");
  return { data: { ...data, fresh: attempt.n } };
}
export default async (call) => { call.result = call.data; await call.play("tone:500/100ms"); }
export async function afterCall(record) {
  await kv.set("after/" + record.id, { outcome: record.outcome, final: record.final, order: record.order });
}`,
}

// trunk is a phone in the role of a provider, and its line of configuration.
func trunk(t testing.TB, ip string) *phone.Phone { return phone.New(t, "trunk", ip) }

func trunkLine(name string, ua *phone.Phone, more string) string {
	return fmt.Sprintf("  %s: {address: \"%s\", options: off, from: [\"+74951234567\"], destinations: [\"+7\"]%s}\n", name, ua.Addr, more)
}

// place orders a call and returns its id.
func (p *project) place(body map[string]any, headers ...string) string {
	p.t.Helper()
	var out struct{ ID, State string }
	if code := p.api("POST", "/v1/calls", body, &out, headers...); code != 202 {
		p.t.Fatalf("POST /v1/calls: %d %+v", code, out)
	}
	return out.ID
}

func TestOutbound(t *testing.T) {
	t.Parallel()
	// Every subtest has a trunk of its own, so that they may run at once.
	names := []string{"talk", "busy", "silent", "refuse", "missing", "early", "fork", "retry", "before", "short", "drop"}
	uas := map[string]*phone.Phone{}
	lines := "trunks:\n"
	for i, name := range names {
		uas[name] = trunk(t, fmt.Sprintf("127.0.0.%d", 20+i))
		lines += trunkLine(name, uas[name], "")
	}
	for i, name := range []string{"proxy", "www"} {
		uas[name] = trunk(t, fmt.Sprintf("127.0.0.%d", 40+i))
		lines += trunkLine(name, uas[name], `, username: "79261234567", auth_user: "79261234567@example.ru", password: "s3cret"`)
	}
	p := serve(t, outboundScripts, conf{rest: lines})
	order := func(name string, more map[string]any) string {
		body := map[string]any{"script": "tell", "to": "+79160000001", "trunk": name}
		for k, v := range more {
			body[k] = v
		}
		return p.place(body)
	}

	t.Run("answered", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		id := order("talk", map[string]any{"to": "8 (916) 000-00-01", "data": map[string]any{"name": "Anna"}})
		c := uas["talk"].Next(t, 5*time.Second)
		if c.Invite.URI != fmt.Sprintf("sip:+79160000001@%s", uas["talk"].Addr) {
			t.Errorf("Request-URI %s", c.Invite.URI)
		}
		if from := phone.URI(c.Invite.Get("from")); !strings.HasPrefix(from, "sip:+74951234567@") {
			t.Errorf("From %s", from)
		}
		c.Ring()
		if o := p.show(id); o.State != "dialing" || len(o.Attempts) != 1 || o.Attempts[0].ID != id+".1" {
			t.Errorf("while it rings: %+v", o)
		}
		c.PickUp()
		c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
		if o := p.show(id); o.State != "talking" {
			t.Errorf("while it talks: %s", o.State)
		}
		c.Media.Press("5")
		c.Ended(5 * time.Second)
		o := p.done(id)
		if o.Outcome != "delivered" || string(o.Result) != `{"key":"5","n":1,"name":"Anna"}` || o.Trunk != "talk" || o.To != "+79160000001" ||
			o.Direction != "outbound" || o.EndedBy != "script" || o.Tags["city"] != "spb" || !o.Final || o.Attempt != 1 || o.Heard.Percent < 90 {
			t.Errorf("%+v %s", o, o.Result)
		}
		if len(o.Attempts) != 1 || o.Attempts[0].Outcome != "delivered" || o.NextAt != nil {
			t.Errorf("attempts %+v, next %v", o.Attempts, o.NextAt)
		}
		if rows := p.list("tag.city=spb&outcome=delivered"); len(rows) == 0 {
			t.Error("the tag does not find the call")
		}
	})
	for _, one := range []struct {
		trunk, reason, outcome string
		code                   int
	}{{"busy", "Busy Here", "busy", 486}, {"refuse", "Decline", "rejected", 603}, {"missing", "Not Found", "bad_number", 404}} {
		t.Run(one.outcome, func(t *testing.T) {
			t.Parallel()
			p := p.in(t)
			id := order(one.trunk, nil)
			c := uas[one.trunk].Next(t, 5*time.Second)
			c.Refuse(one.code, one.reason)
			c.Request("ACK", 2*time.Second)
			if o := p.done(id); o.Outcome != one.outcome || o.Code != one.code || o.AnsweredAt != nil || o.Attempts[0].Code != one.code {
				t.Errorf("%s %d, %+v", o.Outcome, o.Code, o.Attempts)
			}
		})
	}
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		began := time.Now()
		id := order("silent", map[string]any{"timeout": "700ms"})
		c := uas["silent"].Next(t, 5*time.Second)
		c.Ring()
		limit := phone.Within(1500 * time.Millisecond)
		c.Request("CANCEL", 3*time.Second)
		if d := time.Since(began); d < 700*time.Millisecond || limit.Over() {
			t.Errorf("CANCEL after %s", d)
		}
		c.Request("ACK", 3*time.Second)
		if o := p.done(id); o.Outcome != "no_answer" || o.RingMs < 500 {
			t.Errorf("%s after %d ms", o.Outcome, o.RingMs)
		}
	})
	t.Run("early media", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		id := order("early", nil)
		c := uas["early"].Next(t, 5*time.Second)
		c.Media = phone.NewMedia(t, c.MediaAddr())
		c.Media.Connect(c.Invite.Body)
		c.Reply(c.Invite, 183, "Session Progress", c.Media.Answer(c.Invite.Body))
		c.Media.Start()
		c.Media.WaitPackets(10, 0, 3*time.Second) // we are sent audio before the answer
		if d := phone.ToneTime(c.Media.Since(0), 500); d > 0 {
			t.Errorf("the script speaks %s before the answer", d)
		}
		c.Reply(c.Invite, 200, "OK", c.Media.Answer(c.Invite.Body))
		c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
		c.Media.Press("1")
		if o := p.done(id); o.Outcome != "delivered" {
			t.Error(o.Outcome)
		}
	})
	t.Run("two phones answer", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		id := order("fork", nil)
		c := uas["fork"].Next(t, 5*time.Second)
		second := phone.NewMedia(t, c.MediaAddr())
		c.Media = phone.NewMedia(t, c.MediaAddr())
		first, other := phone.Header{Name: "Contact", Value: fmt.Sprintf("<sip:first@%s>", uas["fork"].Addr)}, phone.Header{Name: "Contact", Value: fmt.Sprintf("<sip:second@%s>", uas["fork"].Addr)}
		c.Fork(180, "Ringing", "", "one", first)
		c.Fork(180, "Ringing", "", "two", other)
		c.Media.Connect(c.Invite.Body)
		c.Fork(200, "OK", c.Media.Answer(c.Invite.Body), "one", first)
		c.Wait("ACK of the first", 3*time.Second, func(m *phone.Message) bool { return m.Method == "ACK" && phone.Tag(m.Get("to")) == "one" })
		c.Fork(200, "OK", second.Answer(c.Invite.Body), "two", other)
		c.Media.Start()
		ofSecond := func(method string) func(*phone.Message) bool {
			return func(m *phone.Message) bool { return m.Method == method && phone.Tag(m.Get("to")) == "two" }
		}
		c.Wait("ACK of the second", 3*time.Second, ofSecond("ACK"))
		if m := c.Wait("BYE of the second", 3*time.Second, ofSecond("BYE")); !strings.HasPrefix(m.URI, "sip:second@") {
			t.Errorf("BYE goes to %s", m.URI)
		}
		c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
		c.Media.Press("2")
		if o := p.done(id); o.Outcome != "delivered" || !strings.Contains(string(o.Result), `"key":"2"`) {
			t.Errorf("%s %s", o.Outcome, o.Result)
		}
		if n := second.Mark(); n > 0 {
			t.Errorf("%d packets to the second", n)
		}
	})
	for _, one := range []struct {
		trunk, challenge, answer string
		code                     int
	}{{"proxy", "Proxy-Authenticate", "Proxy-Authorization", 407}, {"www", "WWW-Authenticate", "Authorization", 401}} {
		t.Run("digest "+one.challenge, func(t *testing.T) {
			t.Parallel()
			p := p.in(t)
			algorithm := map[int]string{407: "MD5", 401: "SHA-256"}[one.code]
			id := order(one.trunk, nil)
			c := uas[one.trunk].Next(t, 5*time.Second)
			c.Refuse(one.code, "Unauthorized", phone.Header{Name: one.challenge, Value: fmt.Sprintf(`Digest realm="example.ru", nonce="n1", algorithm=%s, qop="auth"`, algorithm)})
			again := c.Request("INVITE", 3*time.Second)
			if again == c.Invite {
				again = c.Request("INVITE", 3*time.Second)
			}
			header := again.Get(one.answer)
			if !phone.Verify(header, "INVITE", "s3cret") || phone.ReadChallenge(header)["username"] != "79261234567@example.ru" {
				t.Errorf("%s: %s", one.answer, header)
			}
			if a, _ := again.CSeq(); a != 2 {
				t.Errorf("CSeq %s", again.Get("cseq"))
			}
			c.Invite = again
			c.PickUp()
			c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
			c.Media.Press("3")
			if o := p.done(id); o.Outcome != "delivered" {
				t.Error(o.Outcome)
			}
		})
	}
	t.Run("attempts and retry", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		id := order("retry", map[string]any{"attempts": 3, "retry": map[string]string{"busy": "300ms", "default": "1h"}})
		for range 2 {
			c := uas["retry"].Next(t, 5*time.Second)
			c.Refuse(486, "Busy Here")
		}
		c := uas["retry"].Next(t, 5*time.Second)
		c.PickUp()
		c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
		c.Media.Press("9")
		o := p.done(id)
		if len(o.Attempts) != 3 || o.Attempts[0].Outcome != "busy" || o.Attempts[1].Outcome != "busy" || o.Attempts[2].Outcome != "delivered" {
			t.Errorf("%+v", o.Attempts)
		}
		if gap := o.Attempts[1].At.Sub(o.Attempts[0].At); gap < 300*time.Millisecond || gap > 2*time.Second {
			t.Errorf("%s between the attempts", gap)
		}
		if !strings.Contains(string(o.Result), `"n":3`) {
			t.Errorf("%s", o.Result)
		}
		for i := 1; i <= 2; i++ {
			if one := p.show(fmt.Sprintf("%s.%d", id, i)); one.Final || one.Attempt != i {
				t.Errorf("attempt %d: %+v", i, one.record)
			}
		}
	})
	t.Run("beforeAttempt and afterCall", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		id := p.place(map[string]any{"script": "before", "to": "+79160000002", "trunk": "before", "data": map[string]any{"stop": true}})
		if o := p.done(id); o.Outcome != "not_called" || o.Cause != "paid already" || len(o.Attempts) != 0 {
			t.Errorf("%+v", o)
		}
		id = p.place(map[string]any{"script": "before", "to": "+79160000002", "trunk": "before", "data": map[string]any{"a": 1}})
		uas["before"].Next(t, 5*time.Second).PickUp()
		if o := p.done(id); string(o.Result) != `{"a":1,"fresh":1}` || o.Outcome != "delivered" {
			t.Errorf("%s %s", o.Outcome, o.Result)
		}
		want := fmt.Sprintf(`{"outcome":"delivered","final":true,"order":%q}`, id)
		eventually(t, "afterCall", 5*time.Second, func() bool { return p.kv("after/"+id+".1") != "" })
		if got := p.kv("after/" + id + ".1"); got != want {
			t.Errorf("afterCall saw %s, not %s", got, want)
		}
		// What throws means later, never a dial.
		id = p.place(map[string]any{"script": "before", "to": "+79160000002", "trunk": "before", "data": map[string]any{"bad": true}})
		eventually(t, "waiting", 5*time.Second, func() bool { return p.show(id).State == "waiting" })
		if o := p.show(id); o.NextAt == nil || time.Until(*o.NextAt) < 4*time.Minute || len(uas["before"].Calls) > 0 {
			t.Errorf("after an error: next %v, %d calls", o.NextAt, len(uas["before"].Calls))
		}
		if code := p.api("DELETE", "/v1/calls/"+id, nil, nil); code != 204 {
			t.Errorf("DELETE: %d", code)
		}
		if o := p.show(id); o.State != "cancelled" {
			t.Error(o.State)
		}
	})
	t.Run("answered_short", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		id := p.place(map[string]any{"script": "short", "to": "+79160000003", "trunk": "short"})
		c := uas["short"].Next(t, 5*time.Second)
		c.PickUp()
		c.Media.WaitTone(500, 1500*time.Millisecond, 0, 5*time.Second)
		c.Hangup()
		o := p.done(id)
		if o.Outcome != "answered_short" || o.EndedBy != "callee" || o.Heard.Percent < 23 || o.Heard.Percent > 32 {
			t.Errorf("%s by %s, heard %+v", o.Outcome, o.EndedBy, o.Heard)
		}
		if heard := int(phone.ToneTime(c.Media.Since(0), 500).Milliseconds()); heard < o.Heard.Ms-100 || heard > o.Heard.Ms+100 {
			t.Errorf("%d ms were heard, the record says %d", heard, o.Heard.Ms)
		}
	})
	t.Run("cancelled by key", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		id := order("drop", map[string]any{"key": "order-7", "attempts": 3})
		c := uas["drop"].Next(t, 5*time.Second)
		c.Ring()
		var twin struct{ ID string }
		if code := p.api("POST", "/v1/calls", map[string]any{"script": "tell", "to": "+79160000001", "trunk": "drop", "key": "order-7"}, &twin); code != 200 || twin.ID != id {
			t.Errorf("an order with the key of an open one: %d %s", code, twin.ID)
		}
		if code := p.api("DELETE", "/v1/calls?key=order-7", nil, nil); code != 204 {
			t.Errorf("DELETE: %d", code)
		}
		c.Request("CANCEL", 3*time.Second)
		if o := p.done(id); o.State != "cancelled" || o.Key != "order-7" || len(o.Attempts) != 1 {
			t.Errorf("%s %+v", o.State, o.Attempts)
		}
	})
	t.Run("Idempotency-Key", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		body := map[string]any{"script": "tell", "to": "+79160000009", "trunk": "talk", "at": "2h"}
		id := p.place(body, "Idempotency-Key", "k1")
		var again struct{ ID string }
		if code := p.api("POST", "/v1/calls", body, &again, "Idempotency-Key", "k1"); code != 202 || again.ID != id {
			t.Errorf("%d %s, first %s", code, again.ID, id)
		}
		body["to"] = "+79160000010"
		expectError(t, p, "POST", "/v1/calls", body, 409, "CONFLICT", "Idempotency-Key", "k1")
		if code := p.api("DELETE", "/v1/calls/"+id, nil, nil); code != 204 {
			t.Errorf("DELETE: %d", code)
		}
	})
	t.Run("refused at once", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		for _, one := range []struct {
			body map[string]any
			code int
			name string
		}{
			{map[string]any{"script": "tell", "to": "+4930123456"}, 403, "DENIED"},
			{map[string]any{"script": "nosuch", "to": "+79160000001"}, 404, "NOT_FOUND"},
			{map[string]any{"script": "tell", "to": "+79160000001", "trunk": "nosuch"}, 404, "NOT_FOUND"},
			{map[string]any{"script": "tell", "to": "sip:a@127.0.0.1", "trunk": "nosuch"}, 404, "NOT_FOUND"},
			{map[string]any{"script": "tell", "to": "+79160000001", "speed": 1}, 422, "INVALID"},
			{map[string]any{"script": "tell"}, 422, "INVALID"},
		} {
			expectError(t, p, "POST", "/v1/calls", one.body, one.code, one.name)
		}
	})
}

// expectError makes a request that must fail with that status and code.
func expectError(t testing.TB, p *project, method, path string, body any, status int, code string, headers ...string) {
	t.Helper()
	var out struct {
		Error struct{ Code, Message string }
	}
	got := p.api(method, path, body, &out, headers...)
	if status == 422 && got == 400 { // the contract leaves 400 and 422 to us
		got = 422
	}
	if got != status || out.Error.Code != code || out.Error.Message == "" {
		t.Errorf("%s %s %v: %d %+v, not %d %s", method, path, body, got, out.Error, status, code)
	}
}

func TestFailoverToTheSecondTrunk(t *testing.T) {
	t.Parallel()
	first, second := trunk(t, "127.0.0.50"), trunk(t, "127.0.0.51")
	p := serve(t, outboundScripts, conf{rest: "trunks:\n" + trunkLine("first", first, "") + trunkLine("second", second, "")})
	id := p.place(map[string]any{"script": "tell", "to": "+79160000001"})
	c := first.Next(t, 5*time.Second)
	limit := phone.Within(time.Second)
	c.Refuse(503, "Service Unavailable")
	c = second.Next(t, 3*time.Second)
	if limit.Over() {
		t.Error("the second trunk is not tried within 1s")
	}
	c.PickUp()
	c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
	c.Media.Press("1")
	if o := p.done(id); o.Outcome != "delivered" || o.Trunk != "second" || len(o.Attempts) != 1 {
		t.Errorf("%s through %s, %+v", o.Outcome, o.Trunk, o.Attempts)
	}
	// A busy callee is busy on every trunk.
	id = p.place(map[string]any{"script": "tell", "to": "+79160000001"})
	first.Next(t, 5*time.Second).Refuse(486, "Busy Here")
	if o := p.done(id); o.Outcome != "busy" || len(second.Calls) > 0 {
		t.Errorf("%s, %d calls on the second trunk", o.Outcome, len(second.Calls))
	}
	// 5xx after ringing is the callee's.
	id = p.place(map[string]any{"script": "tell", "to": "+79160000001"})
	c = first.Next(t, 5*time.Second)
	c.Ring()
	eventually(t, "ringing", 3*time.Second, func() bool { return hasEvent(p.timeline(id+".1"), "180 Ringing") })
	c.Refuse(500, "Server Internal Error")
	if o := p.done(id); o.Outcome != "trunk_failed" || len(second.Calls) > 0 {
		t.Errorf("%s, %d calls on the second trunk", o.Outcome, len(second.Calls))
	}
}

// event is a webhook's body, written out from the contract.
type event struct {
	EventID string          `json:"event_id"`
	Type    string          `json:"type"`
	At      time.Time       `json:"at"`
	Seq     int             `json:"seq"`
	Order   string          `json:"order"`
	Key     string          `json:"key"`
	Call    string          `json:"call"`
	Data    json.RawMessage `json:"data"`
	Record  *record         `json:"record"`
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	ua := trunk(t, "127.0.0.52")
	p := serve(t, outboundScripts, conf{rest: "trunks:\n" + trunkLine("only", ua, "")})
	hook := newBackend(t)
	hook.status = []int{500, 200}
	id := p.place(map[string]any{
		"script": "tell", "to": "+79160000001", "key": "k-1", "data": map[string]any{"name": "Олег"},
		"callback": map[string]any{"url": hook.URL + "/cb", "secret": "hush", "events": []string{"call.ringing", "call.answered", "call.result", "call.ended", "order.done"}},
	})
	c := ua.Next(t, 5*time.Second)
	c.Ring()
	time.Sleep(100 * time.Millisecond)
	c.PickUp()
	c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
	c.Media.Press("1")
	p.done(id)
	eventually(t, "all webhooks", 15*time.Second, func() bool { return len(hook.requests()) >= 6 })
	got := hook.requests()
	var events []event
	for _, r := range got {
		checkSignature(t, r, "hush")
		var e event
		if err := json.Unmarshal([]byte(r.Body), &e); err != nil {
			t.Fatalf("%v: %s", err, r.Body)
		}
		events = append(events, e)
	}
	// The first was refused once: it comes again before all others.
	if events[0].EventID != events[1].EventID || got[0].Body != got[1].Body {
		t.Errorf("after a 500 comes %+v, not %+v again", events[1], events[0])
	}
	if d := got[1].At.Sub(got[0].At); d < 4*time.Second || d > 8*time.Second {
		t.Errorf("it comes again after %s, not 5s", d)
	}
	want := []string{"call.ringing", "call.answered", "call.result", "call.ended", "order.done"}
	for i, e := range events[1:] {
		if i >= len(want) || e.Type != want[i] || e.Seq != i+1 || e.Order != id || e.Key != "k-1" || e.Call != id+".1" {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if data := string(events[3].Data); data != `{"key":"1","n":1,"name":"Олег"}` {
		t.Errorf("call.result: %s", data)
	}
	if last := events[5]; last.Record == nil || last.Record.Outcome != "delivered" || last.Record.ID != id+".1" {
		t.Errorf("order.done: %+v", last)
	}
}

// checkSignature verifies Loopstart-Signature: t=UNIX,v1=HEX.
func checkSignature(t testing.TB, r request, secret string) {
	t.Helper()
	at, hexed, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Loopstart-Signature"), "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "." + r.Body))
	if !ok || hexed != hex.EncodeToString(mac.Sum(nil)) {
		t.Errorf("signature %q", r.Header.Get("Loopstart-Signature"))
	}
	var unix int64
	if _, err := fmt.Sscan(at, &unix); err != nil || time.Since(time.Unix(unix, 0)).Abs() > time.Minute {
		t.Errorf("signed at %s", at)
	}
}
