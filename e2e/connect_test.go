package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// connected is the result of connect, written out from the contract.
type connected struct {
	Status, AnsweredBy, EndedBy string
	Code, RingMs, TalkMs        int
	Legs                        []struct {
		Target, Status string
		Code           int
	}
}

func connectScript(target, options string) string {
	return `
export default async function (call) {
  await call.answer();
  const seen = [];
  const note = what => leg => seen.push(what + " " + leg.target);
  const r = await call.connect(` + target + `, { onRing: note("ring"), onAnswer: note("answer"), ` + options + ` });
  call.result = { ...r, seen };
  await call.play("tone:1400/300ms");
}`
}

var connectScripts = files{
	"whisper.ts":  connectScript(`"101"`, `timeout: "5s", music: { play: "tone:1000" }, whisper: { play: "tone:620/600ms" }`),
	"accept.ts":   connectScript(`"102"`, `timeout: "5s", music: { play: "tone:1000" }, accept: { key: 1, prompt: { play: "tone:620" } }`),
	"all.ts":      connectScript(`"everyone"`, `timeout: "5s"`),
	"serial.ts":   connectScript(`"inturn"`, `timeout: "8s"`),
	"noanswer.ts": connectScript(`"108"`, `timeout: "1s"`),
	"busy.ts":     connectScript(`"109"`, `timeout: "5s"`),
	"nobody.ts":   connectScript(`"110"`, `timeout: "5s"`),
	"leave.ts":    connectScript(`"111"`, `timeout: "9s", music: { play: "tone:1000" }`),
	"keys.ts":     connectScript(`"112"`, `timeout: "5s", hangupOn: "*0", keys: { "*2": e => call.tag("pressed", e.key) }`),
	"limit.ts":    connectScript(`"113"`, `timeout: "5s", maxDuration: "1s"`),
	"dial.ts": `
import { dial } from "loopstart:call";
export default async function (call) {
  await call.answer();
  const d = await dial("114", { timeout: "5s" });
  let ended = "";
  d.call.on("end", e => { ended = e.endedBy; });
  await d.call.play("tone:620/400ms");
  const b = await call.bridge(d.call);
  await new Promise(r => setTimeout(r, 100));
  call.result = { status: d.status, endedBy: b.endedBy, ended };
  await call.play("tone:1400/300ms");
}`,
	"refer.ts": `
export default async function (call) {
  const seen = [];
  await call.answer();
  call.on("transfer", e => seen.push(e.code));
  const r = await call.transfer("sip:900@127.0.0.1");
  call.result = { ...r, seen };
  if (r.status !== "completed") await call.play("tone:1400/300ms");
}`,
}

const connectConf = `
groups:
  everyone: {members: ["103", "104", "105"], ring: all}
  inturn: {members: ["106", "107"], ring: serial, each: 700ms}
`

func TestConnect(t *testing.T) {
	t.Parallel()
	users := `users: {`
	names := []string{"101", "102", "103", "104", "105", "106", "107", "108", "109", "110", "111", "112", "113", "114"}
	for i, name := range names {
		if i > 0 {
			users += ", "
		}
		users += `"` + name + `": {password: "pw"}`
	}
	p := serve(t, connectScripts, conf{sip: users + "}", rest: connectConf})
	phones := map[string]*phone.Phone{}
	for _, name := range names {
		if name == "110" {
			continue // nobody is there
		}
		phones[name] = phone.New(t, name, "127.0.0.1")
		register(t, p, phones[name], "pw")
	}
	caller := func(t *testing.T, from, script string) *phone.Call {
		t.Helper()
		c := phone.New(t, from, "127.0.0.1").Call(p.uri(script), p.sip)
		c.Talk(5 * time.Second)
		c.Media.Play(phone.Tone(500))
		return c
	}
	result := func(t *testing.T, from string) (r record, c connected) {
		t.Helper()
		r = p.in(t).ended(from)
		if err := json.Unmarshal(r.Result, &c); err != nil {
			t.Fatalf("%v: %s", err, r.Result)
		}
		return r, c
	}

	t.Run("music, whisper, and both hear each other", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000401", "whisper")
		op := phones["101"].Next(t, 5*time.Second)
		if from := phone.URI(op.Invite.Get("from")); !strings.HasPrefix(from, "sip:+79000000401@") {
			t.Errorf("the operator sees %s", from)
		}
		op.Ring()
		c.Media.WaitTone(1000, 240*time.Millisecond, 0, 3*time.Second) // music
		op.PickUp()
		op.Media.Play(phone.Tone(800))
		op.Media.WaitTone(620, 300*time.Millisecond, 0, 3*time.Second) // whisper
		c.Media.WaitTone(800, 300*time.Millisecond, 0, 3*time.Second)
		op.Media.WaitTone(500, 300*time.Millisecond, 0, 3*time.Second)
		if d := phone.ToneTime(c.Media.Since(0), 620); d > 0 {
			t.Errorf("the caller hears %s of the whisper", d)
		}
		if d := phone.ToneTime(op.Media.Since(0), 1000); d > 0 {
			t.Errorf("the operator hears %s of the music", d)
		}
		mark := c.Media.Mark()
		c.Media.WaitPackets(20, mark, 3*time.Second)
		if talk := c.Media.Since(mark); phone.ToneTime(talk, 800) < time.Duration(len(talk)/8)*time.Millisecond*9/10 {
			t.Errorf("%s of the operator's tone in %d ms of talk", phone.ToneTime(talk, 800), len(talk)/8)
		}
		mark = c.Media.Mark()
		op.Hangup()
		c.Media.WaitTone(1400, 140*time.Millisecond, mark, 3*time.Second) // the script goes on
		c.Ended(3 * time.Second)
		r, got := result(t, "+79000000401")
		if got.Status != "completed" || got.Code != 200 || got.AnsweredBy != "101" || got.EndedBy != "callee" || got.TalkMs < 600 || got.RingMs < 130 ||
			len(got.Legs) != 1 || got.Legs[0].Target != "101" || r.Outcome != "talked" {
			t.Errorf("%s %s", r.Outcome, r.Result)
		}
		if !strings.Contains(string(r.Result), `"seen":["ring 101","answer 101"]`) {
			t.Errorf("onRing, onAnswer: %s", r.Result)
		}
	})
	t.Run("the accept key", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000402", "accept")
		op := phones["102"].Next(t, 5*time.Second)
		op.PickUp()
		op.Media.Play(phone.Tone(800))
		op.Media.WaitTone(620, 180*time.Millisecond, 0, 3*time.Second)
		if d := phone.ToneTime(c.Media.Since(0), 800); d > 0 {
			t.Errorf("the caller hears the operator %s before the key", d)
		}
		op.Media.Press("1")
		c.Media.WaitTone(800, 180*time.Millisecond, 0, 3*time.Second)
		c.Hangup()
		op.Ended(3 * time.Second)
		if r, got := result(t, "+79000000402"); got.Status != "completed" || got.EndedBy != "caller" {
			t.Errorf("%s", r.Result)
		}
	})
	t.Run("all ring, the first answers", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000403", "all")
		a, b, d := phones["103"].Next(t, 5*time.Second), phones["104"].Next(t, 5*time.Second), phones["105"].Next(t, 5*time.Second)
		for _, one := range []*phone.Call{a, b, d} {
			one.Ring()
		}
		b.PickUp()
		a.Request("CANCEL", 3*time.Second)
		d.Request("CANCEL", 3*time.Second)
		b.Media.Play(phone.Tone(800))
		c.Media.WaitTone(800, 180*time.Millisecond, 0, 3*time.Second)
		b.Hangup()
		c.Ended(3 * time.Second)
		r, got := result(t, "+79000000403")
		if got.AnsweredBy != "104" || len(got.Legs) != 3 {
			t.Errorf("%s", r.Result)
		}
		for _, l := range got.Legs {
			if want := map[string]string{"103": "cancelled", "104": "completed", "105": "cancelled"}[l.Target]; l.Status != want {
				t.Errorf("leg %+v, not %s", l, want)
			}
		}
	})
	t.Run("one after the other", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		c := caller(t, "+79000000404", "serial")
		first := phones["106"].Next(t, 5*time.Second)
		first.Ring()
		limit := phone.Within(2 * time.Second)
		if len(phones["107"].Calls) > 0 {
			t.Error("the second rings with the first")
		}
		second := phones["107"].Next(t, 5*time.Second)
		if d := time.Since(began); d < 700*time.Millisecond || limit.Over() {
			t.Errorf("the second rings after %s", d)
		}
		first.Request("CANCEL", 3*time.Second)
		second.PickUp()
		second.Media.Play(phone.Tone(800))
		c.Media.WaitTone(800, 180*time.Millisecond, 0, 3*time.Second)
		second.Hangup()
		c.Ended(3 * time.Second)
		if r, got := result(t, "+79000000404"); got.AnsweredBy != "107" || len(got.Legs) != 2 || got.Legs[0].Status != "no_answer" {
			t.Errorf("%s", r.Result)
		}
	})
	t.Run("nobody answers", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000405", "noanswer")
		op := phones["108"].Next(t, 5*time.Second)
		op.Ring()
		op.Request("CANCEL", 3*time.Second)
		c.Media.WaitTone(1400, 140*time.Millisecond, 0, 3*time.Second)
		c.Ended(3 * time.Second)
		if r, got := result(t, "+79000000405"); got.Status != "no_answer" || got.TalkMs != 0 || got.RingMs < 900 || r.Outcome != "missed" {
			t.Errorf("%s %s", r.Outcome, r.Result)
		}
	})
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000406", "busy")
		phones["109"].Next(t, 5*time.Second).Refuse(486, "Busy Here")
		c.Media.WaitTone(1400, 140*time.Millisecond, 0, 3*time.Second)
		c.Ended(3 * time.Second)
		if r, got := result(t, "+79000000406"); got.Status != "busy" || got.Code != 486 || r.Outcome != "missed" {
			t.Errorf("%s %s", r.Outcome, r.Result)
		}
	})
	t.Run("nobody is registered", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000407", "nobody")
		c.Ended(3 * time.Second)
		if r, got := result(t, "+79000000407"); got.Status != "no_answer" {
			t.Errorf("%s", r.Result)
		}
	})
	t.Run("the caller leaves while it rings", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000408", "leave")
		op := phones["111"].Next(t, 5*time.Second)
		op.Ring()
		c.Media.WaitTone(1000, 140*time.Millisecond, 0, 3*time.Second)
		c.Hangup()
		op.Request("CANCEL", 3*time.Second)
		op.Request("ACK", 3*time.Second)
		if r, got := result(t, "+79000000408"); got.Status != "abandoned" || r.EndedBy != "caller" || r.Outcome != "missed" {
			t.Errorf("%s %s by %s", r.Outcome, r.Result, r.EndedBy)
		}
	})
	t.Run("keys during the talk", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000409", "keys")
		op := phones["112"].Next(t, 5*time.Second)
		op.PickUp()
		op.Media.Play(phone.Tone(800))
		c.Media.WaitTone(800, 180*time.Millisecond, 0, 3*time.Second)
		c.Media.Press("*2")
		if op.IsOver() {
			t.Error("*2 ends the talk")
		}
		c.Media.Press("*0")
		op.Ended(3 * time.Second)
		c.Media.WaitTone(1400, 140*time.Millisecond, 0, 3*time.Second)
		c.Ended(3 * time.Second)
		if r, got := result(t, "+79000000409"); got.EndedBy != "caller" || r.Tags["pressed"] != "*2" {
			t.Errorf("%s %v", r.Result, r.Tags)
		}
	})
	t.Run("a talk has its longest", func(t *testing.T) {
		t.Parallel()
		c := caller(t, "+79000000410", "limit")
		op := phones["113"].Next(t, 5*time.Second)
		op.PickUp()
		op.Ended(3 * time.Second)
		c.Ended(3 * time.Second)
		if r, got := result(t, "+79000000410"); got.EndedBy != "script" || got.TalkMs < 950 || got.TalkMs > 1400 {
			t.Errorf("%s", r.Result)
		}
	})
	t.Run("dial and bridge", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := caller(t, "+79000000411", "dial")
		op := phones["114"].Next(t, 5*time.Second)
		op.PickUp()
		op.Media.Play(phone.Tone(800))
		op.Media.WaitTone(620, 180*time.Millisecond, 0, 3*time.Second)
		op.Media.WaitTone(500, 180*time.Millisecond, 0, 3*time.Second)
		c.Media.WaitTone(800, 180*time.Millisecond, 0, 3*time.Second)
		op.Hangup()
		c.Media.WaitTone(1400, 140*time.Millisecond, 0, 3*time.Second)
		c.Ended(3 * time.Second)
		if r := p.ended("+79000000411"); string(r.Result) != `{"status":"answered","endedBy":"callee","ended":"callee"}` {
			t.Errorf("%s", r.Result)
		}
	})
	for _, one := range []struct {
		name, sipfrag, want string
		code                int
	}{{"completed", "SIP/2.0 200 OK", `"status":"completed","code":200`, 200}, {"busy", "SIP/2.0 486 Busy Here", `"status":"busy","code":486`, 486}} {
		t.Run("blind transfer "+one.name, func(t *testing.T) {
			t.Parallel()
			p := p.in(t)
			from := "+7900000042" + one.name[:0] + map[string]string{"completed": "0", "busy": "1"}[one.name]
			c := caller(t, from, "refer")
			m := c.Request("REFER", 3*time.Second)
			if phone.URI(m.Get("refer-to")) != "sip:900@127.0.0.1" {
				t.Errorf("Refer-To %q", m.Get("refer-to"))
			}
			c.Reply(m, 202, "Accepted", "")
			notify := func(state, body string) {
				n := c.Send("NOTIFY", "message/sipfrag;version=2.0", body+"\r\n", phone.Header{Name: "Event", Value: "refer"}, phone.Header{Name: "Subscription-State", Value: state})
				c.Wait("200 to NOTIFY", 3*time.Second, answerTo(n))
			}
			notify("active;expires=60", "SIP/2.0 100 Trying")
			notify("terminated;reason=noresource", one.sipfrag)
			if one.code != 200 {
				c.Media.WaitTone(1400, 140*time.Millisecond, 0, 3*time.Second) // the caller is back
			}
			c.Ended(3 * time.Second)
			if r := p.ended(from); !strings.Contains(string(r.Result), one.want) || !strings.Contains(string(r.Result), "100") {
				t.Errorf("%s", r.Result)
			}
		})
	}
}
