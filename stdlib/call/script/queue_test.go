package script

import (
	"slices"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

const queueModule = `const { queue, agent } = require("loopstart:call"); const q = queue("sales");`

func TestQueueWire(t *testing.T) {
	for source, want := range map[string]string{
		`await q.enter(call)`: `queue.enter {"call":"a","group":"sales"}`,
		`await q.enter(call, {music: "m.wav", announce: "position", every: "20s", priority: 5, timeout: "5m", whisper: "w", accept: {key: 1}, skills: ["a"], record: true, hangupOn: "*0"})`: `queue.enter {"accept":{"key":"1"},"announce":"position","call":"a","everyMs":20000,"group":"sales","hangupOn":"*0","music":[{"play":"m.wav"}],"priority":5,"record":true,"skills":{"a":1},"timeoutMs":300000,"whisper":[{"say":"w"}]}`,
		`await q.enter(call, {announce: "Wait.", music: false, keys: {1: "callback"}, skills: {a: 2}})`:                                                                                      `queue.enter {"announce":[{"say":"Wait."}],"call":"a","group":"sales","keys":{"1":{}},"music":false,"skills":{"a":2}}`,
		`await q.callback("8 916 123-45-67", {place: "end", attempts: 3, retry: "1m", expires: "1h", timeout: "20s"})`:                                                                       `queue.callback {"attempts":3,"expiresMs":3600000,"group":"sales","place":"end","retryMs":60000,"timeoutMs":20000,"to":"8 916 123-45-67"}`,
		`await q.state()`:                 `queue.state {"group":"sales"}`,
		`await q.priority(call, 7)`:       `queue.priority {"call":"a","priority":7}`,
		`await q.cancel("b1")`:            `queue.cancel {"id":"b1"}`,
		`await agent("101").away()`:       `agent.set {"agent":"101","state":"away"}`,
		`await agent(101).ready()`:        `agent.set {"agent":"101","state":"ready"}`,
		`await agent("101").state()`:      `agent.state {"agent":"101"}`,
		`await q.enter(call, {keys: {}})`: `queue.enter {"call":"a","group":"sales","keys":{}}`,
	} {
		p := &phone{t: t, answers: map[string][]string{"queue.enter": {`{"status":"completed"}`}}}
		if got := p.run(queueModule + source); got != "null" && got != "" {
			t.Errorf("%s: %s", source, got)
		}
		if !slices.Contains(p.asked, want) {
			t.Errorf("%s\n got %s\nwant %s", source, p.asked, want)
		}
	}
}

func TestQueueRefused(t *testing.T) {
	for source, want := range map[string]string{
		`queue()`:                                 `INVALID: queue: the group is undefined, a name is wanted`,
		`await q.enter({})`:                       `INVALID: queue.enter: an object is no call | write queue("sales").enter(call)`,
		`await q.enter(call, {anounce: "wait"})`:  `INVALID: queue.enter: unknown option "anounce" | did you mean announce?`,
		`await q.enter(call, {keys: ["a"]})`:      `INVALID: queue.enter: option "keys" is`,
		`await q.enter(call, {keys: {x: 1}})`:     `INVALID: queue.enter: option "keys" is "x", keys such as "*0" is wanted`,
		`await q.enter(call, {every: "1s"})`:      `INVALID: queue.enter: option "everyMs"`,
		`await q.enter(call, {skills: {a: 0}})`:   `INVALID: queue.enter: option "skills.a" is 0`,
		`await q.enter(call, {priority: 1.5})`:    `INVALID: queue.enter: option "priority" is 1.5`,
		`await q.callback()`:                      `INVALID: queue.callback: the target is undefined`,
		`await q.callback("1", {place: "first"})`: `INVALID: queue.callback: option "place" is "first", one of kept, end is wanted`,
		`await q.priority(call, "high")`:          `INVALID: queue.priority: the priority is "high"`,
		`await agent({}).away()`:                  `INVALID: agent: the user is an object, a name is wanted`,
	} {
		want = strings.Replace(want, `"everyMs"`, `"every"`, 1)
		p := &phone{t: t}
		if got := p.run(queueModule + source); !strings.HasPrefix(got, want) || len(p.asked) > 0 {
			t.Errorf("%s\n got %s %v\nwant %s", source, got, p.asked, want)
		}
	}
}

// TestQueueKeys: a value stays in the script; a function leaves the line only
// with a value.
func TestQueueKeys(t *testing.T) {
	p := &phone{t: t, answers: map[string][]string{"queue.enter": {`{"status":"key","key":"1"}`}}}
	if got := p.run(queueModule + `const r = await q.enter(call, {keys: {1: {deep: [1]}}}); return r.value.deep[0]`); got != "1" {
		t.Error(got)
	}
	for source, want := range map[string]string{
		`async () => { await call.stop(); }`:                    `["timeout",null]`,
		`() => "out"`:                                           `["key","out"]`,
		`async (e) => { await 0; return e.key + "!"; }`:         `["key","5!"]`,
		`async () => { await call.stop(); return { a: 1 }.a; }`: `["key",1]`,
	} {
		var enter uint32
		p := &phone{t: t}
		stays := !strings.Contains(source, "return") && strings.Contains(source, "stop")
		p.before = func(h *scripttest.Host, r message.Request, seq uint32) (any, error) {
			switch {
			case r.Method == "queue.enter":
				enter = seq
				h.Callback(1, map[string]any{"key": "5"})
				return scripttest.Later, nil
			case r.Method == "queue.leave":
				h.Settle(enter, map[string]any{"status": "key", "key": "5"}, nil)
			case r.Method == "call.stop" && stays:
				h.Settle(enter, map[string]any{"status": "timeout"}, nil)
			}
			return nil, nil
		}
		if got := p.run(queueModule + `const r = await q.enter(call, {keys: {5: ` + source + `}}); return [r.status, r.value]`); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}
