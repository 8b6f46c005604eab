package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

var crashScripts = files{
	"steady.ts": `export default async (call) => { await call.answer(); await call.play("tone:500", { loop: true }); }`,
	"doomed.ts": `
export const config = { fallback: [{ play: "tone:1400/500ms" }] };
export default async (call) => { await call.answer(); await call.play("tone:800", { loop: true }); }`,
	"loops.ts": `
export const config = { fallback: [{ play: "tone:1400/500ms" }] };
export default async (call) => { await call.answer(); await call.play("tone:800/300ms"); for (;;) {} }`,
	"bomb.ts": `
export const config = { fallback: [{ play: "tone:1400/500ms" }] };
export default async (call) => { await call.answer(); const all = []; for (;;) all.push("x".repeat(1 << 20)); }`,
	"throws.ts": `
export default async (call) => {
  await call.answer();
  await call.play("missing.wav");
}`,
	"count.ts": `
import { kv } from "loopstart:core";
export default async (call) => {
  await call.answer();
  call.result = await kv.increment("calls");
  await call.play("tone:500/200ms");
}`,
	"out.ts": `export default async (call) => { await call.play("tone:500", { loop: true }); }`,
}

// TestKilledWorker kills a script's worker: its calls hear the fallback, other
// scripts' calls hear nothing of it, and the next call is served.
func TestKilledWorker(t *testing.T) {
	steady(t, func(t testing.TB, _ int) { killWorker(t) })
}

func killWorker(t testing.TB) {
	p := serve(t, files{"doomed.ts": crashScripts["doomed.ts"]}, conf{})
	doomed := phone.New(t, "+79000001002", "127.0.0.1").Call(p.uri("doomed"), p.sip)
	doomed.Talk(5 * time.Second)
	doomed.Media.WaitTone(800, 300*time.Millisecond, 0, 3*time.Second)
	workers := p.workers()
	if len(workers) != 1 {
		t.Fatalf("%d workers of one script", len(workers))
	}
	p.save("steady.ts", crashScripts["steady.ts"])
	eventually(t, "the other script", 5*time.Second, func() bool { return len(p.workers()) == 2 })
	other := phone.New(t, "+79000001001", "127.0.0.1").Call(p.uri("steady"), p.sip)
	other.Talk(5 * time.Second)
	other.Media.WaitTone(500, 200*time.Millisecond, 0, 3*time.Second)
	mark := other.Media.Mark()
	began := time.Now()
	if err := syscall.Kill(workers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	at := doomed.Media.WaitTone(1400, 400*time.Millisecond, 0, 5*time.Second)
	if d := at.Sub(began); d > 2*time.Second {
		t.Errorf("the fallback was heard after %s", d)
	}
	doomed.Ended(3 * time.Second)
	checkStream(t, doomed.Media.Packets(), 8, 60*time.Millisecond)
	if r := p.ended("+79000001002"); r.Outcome != "failed" {
		t.Errorf("outcome %s", r.Outcome)
	}
	other.Media.WaitPackets(50, mark, 5*time.Second)
	checkStream(t, other.Media.Packets(), 8, 60*time.Millisecond)
	for i, pcm := 0, other.Media.Since(mark); i+160 <= len(pcm); i += 160 {
		if !phone.IsTone(pcm[i:i+160], 500) {
			t.Errorf("block %d of the other call is no tone", i/160)
		}
	}
	again := phone.New(t, "+79000001003", "127.0.0.1").Call(p.uri("doomed"), p.sip)
	again.Talk(5 * time.Second)
	again.Media.WaitTone(800, 200*time.Millisecond, 0, 5*time.Second)
	again.Hangup()
	other.Hangup()
}

// TestRunawayScripts runs scripts that never give up, eat memory or throw.
func TestRunawayScripts(t *testing.T) {
	t.Parallel()
	p := serve(t, crashScripts, conf{})
	steady := phone.New(t, "+79000001010", "127.0.0.1").Call(p.uri("steady"), p.sip)
	steady.Talk(5 * time.Second)
	mark := 0
	for i, one := range []struct{ script, code, at string }{{"loops", "LIMIT", "loops.ts:3:"}, {"bomb", "LIMIT", "bomb.ts:3:"}} {
		from := fmt.Sprintf("+7900000102%d", i)
		c := phone.New(t, from, "127.0.0.1").Call(p.uri(one.script), p.sip)
		c.Talk(5 * time.Second)
		began := time.Now()
		at := c.Media.WaitTone(1400, 400*time.Millisecond, 0, 6*time.Second)
		if d := at.Sub(began); d > 18*time.Second { // 0.3 s where workers get processor time; script_wall where they get none
			t.Errorf("%s: the fallback was over %s after the answer", one.script, d)
		}
		c.Ended(2 * time.Second)
		r := p.ended(from)
		if r.Outcome != "failed" {
			t.Errorf("%s: outcome %s", one.script, r.Outcome)
		}
		if e := find(t, p.timeline(r.ID), "error", ""); !strings.HasPrefix(e.Source, one.at) && !strings.Contains(e.Detail, "worker") {
			t.Errorf("%s: %+v", one.script, e)
		}
	}
	steady.Media.WaitPackets(50, mark, 5*time.Second)
	if most := phone.MaxGap(steady.Media.Packets()); most > 300*time.Millisecond {
		t.Errorf("the other call has a pause of %s", most)
	}
	steady.Hangup()

	// A fault with no fallback of its own ends in the apology, never in silence.
	c := phone.New(t, "+79000001030", "127.0.0.1").Call(p.uri("throws"), p.sip)
	c.Talk(5 * time.Second)
	c.Ended(15 * time.Second)
	sound := 0
	pcm := c.Media.Since(0)
	for i := 0; i+160 <= len(pcm); i += 160 {
		if !phone.IsSilent(pcm[i : i+160]) {
			sound += 20
		}
	}
	r := p.ended("+79000001030")
	if sound < 800 || r.Outcome != "failed" {
		t.Errorf("%d ms of apology, outcome %s", sound, r.Outcome)
	}
	if e := find(t, p.timeline(r.ID), "error", "missing.wav"); !strings.HasPrefix(e.Source, "throws.ts:4") {
		t.Errorf("%+v", e)
	}
}

// TestKill9 kills the program during calls: what was acknowledged is there
// after the restart, an attempt in flight is unknown, nothing is dialled twice.
func TestKill9(t *testing.T) {
	t.Parallel()
	ua := trunk(t, "127.0.0.70")
	p := serve(t, crashScripts, conf{rest: "trunks:\n" + trunkLine("t", ua, "")})
	for i := range 3 {
		from := fmt.Sprintf("+7900000104%d", i)
		c := phone.New(t, from, "127.0.0.1").Call(p.uri("count"), p.sip)
		c.Talk(5 * time.Second)
		c.Ended(5 * time.Second)
		p.ended(from)
	}
	p.api("PUT", "/v1/kv/mine", map[string]any{"a": 1}, nil)
	talking := p.place(map[string]any{"script": "out", "to": "+79160000001", "trunk": "t", "attempts": 3, "retry": map[string]string{"default": "1s"}})
	c := ua.Next(t, 5*time.Second)
	c.PickUp()
	c.Media.WaitTone(500, 200*time.Millisecond, 0, 5*time.Second)
	ringing := p.place(map[string]any{"script": "out", "to": "+79160000002", "trunk": "t", "attempts": 3, "retry": map[string]string{"default": "1s"}})
	r := ua.Next(t, 5*time.Second)
	r.Ring()
	later := p.place(map[string]any{"script": "out", "to": "+79160000003", "trunk": "t", "at": "3s"})
	eventually(t, "the ringing", 3*time.Second, func() bool { return p.show(ringing).State == "dialing" })

	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.over
	eventually(t, "the workers' end", 5*time.Second, func() bool { return len(p.processes()) == 0 })
	p.start()

	if rows := p.list("script=count"); len(rows) != 3 {
		t.Errorf("%d records of 3", len(rows))
	}
	if p.kv("calls") != "3" || p.kv("mine") != `{"a":1}` {
		t.Errorf("kv: %s %s", p.kv("calls"), p.kv("mine"))
	}
	for _, id := range []string{talking, ringing} {
		o := p.show(id)
		if o.State != "done" || o.Outcome != "unknown" || len(o.Attempts) != 1 || o.Attempts[0].Outcome != "unknown" {
			t.Errorf("%s %s %+v", o.State, o.Outcome, o.Attempts)
		}
	}
	// What was only planned is dialled, and nothing else.
	n := ua.Next(t, 10*time.Second)
	if !strings.HasPrefix(n.Invite.URI, "sip:+79160000003@") {
		t.Errorf("%s is dialled", n.Invite.URI)
	}
	n.Refuse(486, "Busy Here")
	if o := p.done(later); o.Outcome != "busy" {
		t.Errorf("%s", o.Outcome)
	}
	if len(ua.Calls) > 0 {
		t.Error("an attempt is repeated")
	}
	again := phone.New(t, "+79000001049", "127.0.0.1").Call(p.uri("count"), p.sip)
	again.Talk(5 * time.Second)
	again.Ended(5 * time.Second)
	if r := p.ended("+79000001049"); string(r.Result) != "4" {
		t.Errorf("result %s", r.Result)
	}
}

// saidScripts say something and wait until it is on disk, since a verb of the
// call is served after what was set before it.
var saidScripts = files{
	"decided.ts": `
import { kv } from "loopstart:core";
export default async (call) => {
  await call.answer();
  call.outcome = call.direction === "inbound" ? "served" : "machine";
  call.tag("shop", "spb");
  await call.play("silence:20ms");
  await kv.set("decided." + call.direction, true);
  await call.play("tone:500", { loop: true });
}`,
	"enough.ts": `
import { kv } from "loopstart:core";
export default async (call) => {
  await call.retry({ never: true });
  await kv.set("enough", true);
  await call.play("tone:500", { loop: true });
}`,
}

// TestKill9KeepsWhatWasSaid: an outcome, a tag and a wish of a script are kept
// though no result was set beside them, and decide what follows.
func TestKill9KeepsWhatWasSaid(t *testing.T) {
	t.Parallel()
	ua := trunk(t, "127.0.0.78")
	p := serve(t, saidScripts, conf{rest: "trunks:\n" + trunkLine("t", ua, "")})
	retry := map[string]string{"unknown": "1s", "machine": "1h", "default": "1s"}
	order := func(script, to, kept string) string {
		id := p.place(map[string]any{"script": script, "to": to, "trunk": "t", "attempts": 3, "retry": retry})
		ua.Next(t, 10*time.Second).PickUp()
		eventually(t, kept, 10*time.Second, func() bool { return p.kv(kept) == "true" })
		return id
	}
	decided := order("decided", "+79160000001", "decided.outbound")
	enough := order("enough", "+79160000002", "enough")
	phone.New(t, "+79000001052", "127.0.0.1").Call(p.uri("decided"), p.sip).Talk(10 * time.Second)
	eventually(t, "the caller", 10*time.Second, func() bool { return p.kv("decided.inbound") == "true" })

	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.over
	eventually(t, "the workers' end", 5*time.Second, func() bool { return len(p.processes()) == 0 })
	p.start()

	if o := p.show(decided); o.State != "waiting" || len(o.Attempts) != 1 || o.Attempts[0].Outcome != "machine" || o.Tags["shop"] != "spb" {
		t.Errorf("decided: %s %+v %v", o.State, o.Attempts, o.Tags)
	}
	if o := p.show(enough); o.State != "done" || o.Outcome != "unknown" || len(o.Attempts) != 1 {
		t.Errorf("enough: %s %s %+v", o.State, o.Outcome, o.Attempts)
	}
	if r := p.ended("+79000001052"); r.Outcome != "served" || r.Tags["shop"] != "spb" {
		t.Errorf("the caller: %s %v", r.Outcome, r.Tags)
	}
	if len(ua.Calls) > 0 {
		t.Error("somebody is rung again")
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"steady.ts": crashScripts["steady.ts"]}, conf{})
	c := phone.New(t, "+79000001051", "127.0.0.1").Call(p.uri("steady"), p.sip)
	c.Talk(5 * time.Second)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "draining", 5*time.Second, func() bool { return strings.Contains(p.log.String(), "draining") })
	m := phone.New(t, "+79000001052", "127.0.0.1").Call(p.uri("steady"), p.sip).Answer(503, "INVITE", 5*time.Second)
	if m.Get("retry-after") == "" {
		t.Error("503 without Retry-After")
	}
	if code := p.api("GET", "/readyz", nil, nil); code != 503 {
		t.Errorf("/readyz: %d", code)
	}
	mark := c.Media.Mark()
	c.Media.WaitTone(500, 500*time.Millisecond, mark, 3*time.Second)
	c.Hangup()
	c.Answer(200, "BYE", 3*time.Second)
	if code := p.exit(10 * time.Second); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"steady.ts": crashScripts["steady.ts"]}, conf{})
	c := phone.New(t, "+79000001053", "127.0.0.1").Call(p.uri("steady"), p.sip)
	c.Talk(5 * time.Second)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "draining", 5*time.Second, func() bool { return strings.Contains(p.log.String(), "draining") })
	limit := phone.Within(7500 * time.Millisecond)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	c.Ended(3 * time.Second) // with a BYE
	p.exit(8 * time.Second)
	if limit.Over() {
		t.Error("it does not end within 7.5s")
	}
}

// TestExitStatus starts programs that cannot start.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	first := serve(t, files{"steady.ts": crashScripts["steady.ts"]}, conf{})
	second := setup(t, nil, conf{rest: "store: {dir: " + filepath.Join(first.dir, "data") + "}"})
	second.launch()
	if code := second.exit(15 * time.Second); code != 15 || !strings.Contains(second.log.String(), "hint:") {
		t.Errorf("store locked: status %d\n%s", code, second.log)
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	third := setup(t, nil, conf{})
	third.sip = l.LocalAddr().(*net.UDPAddr).AddrPort()
	third.config(conf{})
	third.launch()
	if code := third.exit(15 * time.Second); code != 13 || !strings.Contains(third.log.String(), "hint:") {
		t.Errorf("port in use: status %d\n%s", code, third.log)
	}
}
