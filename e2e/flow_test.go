package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var flowScripts = files{"journey.ts": `
import { flow } from "loopstart:flow";
import { kv, sleep } from "loopstart:core";
export const onFlow = flow(async (f) => {
  const a = await f.step("a", async () => { await kv.increment("a"); return Math.random(); });
  const one = await f.event("one");
  const b = await f.step("b", async () => {
    await kv.increment("b");
    while (!(await kv.get("open"))) await sleep("50ms");
    return 2;
  });
  const talk = await f.call({ to: "+79160000009", tries: 3, every: "1s" });
  const late = await f.event("two", { within: "1h" });
  return { a, one, b, outcome: talk.outcome, attempts: talk.attempts, late };
});
export default async (call) => { await call.play("tone:500", { loop: true }); };
`}

// flowNow is GET /v1/flows/journey/77.
type flowNow struct {
	State   string
	Version string
	Result  json.RawMessage
	Journal []struct {
		Kind, Name string
		At         time.Time
		Value      json.RawMessage
	}
}

func (p *project) flow() (f flowNow) {
	p.api("GET", "/v1/flows/journey/77", nil, &f)
	return f
}

// kill ends the program with SIGKILL and starts it again.
func (p *project) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.over
	eventually(t, "the workers' end", 5*time.Second, func() bool { return len(p.processes()) == 0 })
	p.start()
}

// TestFlowKill9 kills the program while a flow waits, within a step, and during
// its call. What was journalled is not done again, the call is placed once, and
// the flow comes to its end on the version that it began with.
func TestFlowKill9(t *testing.T) {
	t.Parallel()
	ua := trunk(t, "127.0.0.71")
	p := serve(t, flowScripts, conf{rest: "trunks:\n" + trunkLine("t", ua, "")})
	waits := func(entries int) func() bool { return func() bool { return len(p.flow().Journal) == entries } }
	event := func(name string) {
		t.Helper()
		if code := p.api("POST", "/v1/flows/journey/77/events", map[string]any{"event": name, "data": 1}, nil); code != 204 {
			t.Fatalf("event %s: %d", name, code)
		}
	}
	if code := p.api("POST", "/v1/flows/journey", map[string]any{"key": "77"}, nil); code != 202 {
		t.Fatalf("start: %d", code)
	}
	eventually(t, "the first wait", 10*time.Second, waits(2))
	first := p.flow()
	p.kill(t)
	p.save("journey.ts", strings.ReplaceAll(flowScripts["journey.ts"], `f.step("a"`, `f.step("another"`))

	event("one")
	eventually(t, "step b", 10*time.Second, func() bool { return p.kv("b") == "1" })
	p.kill(t)
	eventually(t, "step b again", 10*time.Second, func() bool { return p.kv("b") == "2" })
	p.api("PUT", "/v1/kv/open", true, nil)

	c := ua.Next(t, 10*time.Second)
	c.PickUp()
	c.Media.WaitTone(500, 200*time.Millisecond, 0, 5*time.Second)
	event("two") // early
	p.kill(t)
	eventually(t, "the end", 15*time.Second, func() bool { return p.flow().State != "running" })
	f := p.flow()
	var got struct {
		A        float64
		One, B   int
		Outcome  string
		Attempts int
		Late     int
	}
	if err := json.Unmarshal(f.Result, &got); err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	if f.State != "done" || string(first.Journal[0].Value) != string(f.Journal[0].Value) || f.Version != first.Version {
		t.Errorf("%+v, at first %+v", f, first)
	}
	if got.One != 1 || got.B != 2 || got.Outcome != "unknown" || got.Attempts != 1 || got.Late != 1 || p.kv("a") != "1" || p.kv("b") != "2" {
		t.Errorf("%+v, a %s, b %s", got, p.kv("a"), p.kv("b"))
	}
	if len(ua.Calls) > 0 {
		t.Error("the call is placed twice")
	}
}
