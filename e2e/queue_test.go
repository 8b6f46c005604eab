package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// queueScript waits in line; 1 asks for a call-back.
func queueScript(options string) string {
	return `
import { queue } from "loopstart:call";
export default async function (call) {
  await call.answer();
  const q = queue("support");
  const r = await q.enter(call, { music: "tone:440", keys: { 1: "callback" }, ` + options + ` });
  call.result = r;
  if (r.value === "callback") await q.callback(call.from.e164, { place: "kept", trunk: "out", whisper: { play: "tone:620/300ms" } });
  await call.play("tone:1400/300ms");
}`
}

var queueScripts = files{
	"line.ts": queueScript(`timeout: "60s"`),
	"vip.ts":  queueScript(`priority: 5, whisper: { play: "tone:800/300ms" }`),
}

// groupState is GET /v1/groups/{name}, written out from docs/queues.md.
type groupState struct {
	Waiting []struct {
		From     string
		Callback bool
		Ringing  []string
	}
	Members []struct{ Name, State, Reason string }
	Counts  struct{ Offered, Answered, Abandoned, Keys, Callbacks, Lost int }
}

type line struct {
	*project
	agents map[string]*phone.Phone
	out    *phone.Phone
}

func newLine(t *testing.T, group, ip string) *line {
	l := &line{agents: map[string]*phone.Phone{}, out: trunk(t, ip)}
	l.project = setup(t, queueScripts, conf{
		sip:  `users: {"201": {password: "pw"}, "202": {password: "pw"}}`,
		rest: "groups: {support: {" + group + "}}\ntrunks:\n" + trunkLine("out", l.out, ""),
	})
	l.start()
	for _, name := range []string{"201", "202"} {
		l.agents[name] = phone.New(t, name, "127.0.0.1")
		register(t, l.project, l.agents[name], "pw")
	}
	return l
}

func (l *line) set(agent, state string) {
	l.t.Helper()
	if code := l.api("PUT", "/v1/users/"+agent, map[string]any{"state": state}, nil); code != 200 {
		l.t.Fatalf("PUT %s %s: %d", agent, state, code)
	}
}

func (l *line) group() (g groupState) {
	l.t.Helper()
	if code := l.api("GET", "/v1/groups/support", nil, &g); code != 200 {
		l.t.Fatalf("GET group: %d", code)
	}
	return g
}

func (l *line) waiting(n int) {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("%d wait", n), 10*time.Second, func() bool { return len(l.group().Waiting) == n })
}

func (l *line) agentIs(name, state string) {
	l.t.Helper()
	eventually(l.t, name+" is "+state, 10*time.Second, func() bool {
		for _, m := range l.group().Members {
			if m.Name == name && m.State == state {
				return true
			}
		}
		return false
	})
}

func (l *line) caller(from, script string) *phone.Call {
	l.t.Helper()
	c := phone.New(l.t, from, "127.0.0.1").Call(l.uri(script), l.sip)
	c.Talk(10 * time.Second)
	c.Media.WaitTone(440, 200*time.Millisecond, 0, 10*time.Second)
	return c
}

// rung is the next call of an agent; it must show the caller's number.
func (l *line) rung(agent, from string) *phone.Call {
	l.t.Helper()
	c := l.agents[agent].Next(l.t, 10*time.Second)
	if invite := c.Request("INVITE", time.Second); !strings.Contains(invite.Get("from"), from) {
		l.t.Errorf("%s is rung for %s, want %s", agent, invite.Get("from"), from)
	}
	return c
}

// TestQueue: two agents, three callers: priority, then arrival; wrap-up; a place
// that is kept is called back in its turn, agent first.
func TestQueue(t *testing.T) {
	t.Parallel()
	l := newLine(t, `members: ["201", "202"], ring: longest_idle, wrap_up: 1s`, "127.0.0.171")
	l.set("201", "away")
	l.set("202", "away")
	first := l.caller("+79000002001", "line")
	l.waiting(1)
	back := l.caller("+79000002002", "line")
	l.waiting(2)
	vip := l.caller("+79000002003", "vip")
	l.waiting(3)
	back.Media.Press("1")
	back.Ended(10 * time.Second)
	if g := l.group(); len(g.Waiting) != 3 || !strings.Contains(g.Waiting[0].From, "2003") || !g.Waiting[2].Callback || strings.Contains(g.Waiting[0].From, "9000002") {
		t.Fatalf("the line: %+v", g)
	}

	l.set("201", "ready")
	a := l.rung("201", "+79000002003")
	a.Ring()
	a.PickUp()
	a.Media.WaitTone(800, 200*time.Millisecond, 0, 10*time.Second) // the whisper
	a.Media.Play(phone.Tone(500))
	vip.Media.WaitTone(500, 200*time.Millisecond, 0, 10*time.Second)

	l.set("202", "ready")
	b := l.rung("202", "+79000002001")
	b.PickUp()
	b.Media.Play(phone.Tone(700))
	first.Media.WaitTone(700, 200*time.Millisecond, 0, 10*time.Second)

	a.Hangup()
	l.agentIs("201", "wrap_up")
	vip.Media.WaitTone(1400, 200*time.Millisecond, 0, 10*time.Second) // the script goes on
	vip.Ended(10 * time.Second)

	c := l.rung("201", "+79000002002") // after its rest
	c.PickUp()
	c.Media.WaitTone(620, 200*time.Millisecond, 0, 10*time.Second)
	person := l.out.Next(t, 10*time.Second)
	person.Ring()
	c.Media.WaitTone(425, 200*time.Millisecond, 0, 10*time.Second) // the agent hears it ring
	person.PickUp()
	person.Media.Play(phone.Tone(900))
	c.Media.WaitTone(900, 200*time.Millisecond, 0, 10*time.Second)
	person.Hangup()
	c.Ended(10 * time.Second)
	first.Hangup()
	b.Ended(10 * time.Second)

	if r := l.ended("+79000002003"); r.Outcome != "talked" || !strings.Contains(string(r.Result), `"answeredBy":"201"`) {
		t.Errorf("%s %s", r.Outcome, r.Result)
	}
	if r := l.ended("+79000002002"); r.Outcome != "served" || !strings.Contains(string(r.Result), `"status":"key"`) {
		t.Errorf("%s %s", r.Outcome, r.Result)
	}
	eventually(t, "the figures", 10*time.Second, func() bool {
		n := l.group().Counts
		return n.Offered == 3 && n.Answered == 2 && n.Keys == 1 && n.Callbacks == 1 && n.Abandoned == 0
	})
	var list struct {
		Calls []struct{ Outcome, To, Direction string }
	}
	eventually(t, "the record of the call-back", 10*time.Second, func() bool {
		l.api("GET", "/v1/calls?to=%2B79000002002", nil, &list)
		return len(list.Calls) == 1 && list.Calls[0].Outcome == "delivered" && list.Calls[0].Direction == "outbound"
	})
	l.empty(t)
}

// TestQueueSurvives: agents who are away and places that are kept are there
// after a kill; a person who was being dialled is never dialled again, and a
// caller who waited leaves a record.
func TestQueueSurvives(t *testing.T) {
	t.Parallel()
	l := newLine(t, `members: ["201", "202"], ring: serial`, "127.0.0.172")
	l.set("201", "away")
	l.set("202", "away")
	back := l.caller("+79000002011", "line")
	back.Media.Press("1")
	back.Ended(10 * time.Second)
	waits := l.caller("+79000002012", "line")
	l.waiting(2)
	l.api("PUT", "/v1/kv/synced", true, nil) // is on disk, and so is what was written before
	l.kill(t)
	waits.Hangup()
	g := l.group()
	if len(g.Waiting) != 1 || !g.Waiting[0].Callback || g.Members[0].State != "away" || g.Counts.Lost != 1 || g.Counts.Keys != 1 {
		t.Fatalf("after the kill: %+v", g)
	}
	var list struct {
		Calls []struct{ Outcome, Cause string }
	}
	l.api("GET", "/v1/calls?from=%2B79000002012", nil, &list)
	if len(list.Calls) != 1 || list.Calls[0].Outcome != "failed" || !strings.Contains(list.Calls[0].Cause, "waited in the queue support") {
		t.Errorf("the record of who waited: %+v", list)
	}

	l.set("202", "ready")
	a := l.rung("202", "+79000002011")
	a.PickUp()
	person := l.out.Next(t, 10*time.Second)
	person.Ring()
	l.kill(t)
	eventually(t, "the record of the call-back", 10*time.Second, func() bool {
		l.api("GET", "/v1/calls?to=%2B79000002011", nil, &list)
		return len(list.Calls) == 1 && list.Calls[0].Outcome == "unknown"
	})
	if g := l.group(); len(g.Waiting) != 0 {
		t.Errorf("it is to be dialled again: %+v", g)
	}
}
