package runtime

import (
	"fmt"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime/message"
)

func TestLimits(t *testing.T) {
	over := func(n int) string { return strconv.Itoa(n + 1) }
	for name, c := range map[string]struct {
		limits message.Limits
		source string
		code   string
		named  string
	}{
		"endless loop":          {message.Limits{SliceCPU: 50 * time.Millisecond}, `for (;;) {}`, "LIMIT", "script_cpu"},
		"endless loop in catch": {message.Limits{SliceCPU: 50 * time.Millisecond}, `for (;;) try { for (;;) {} } catch { } finally { continue }`, "LIMIT", "script_cpu"},
		"endless microtasks":    {message.Limits{SliceCPU: 50 * time.Millisecond}, `for (;;) await null`, "LIMIT", "script_cpu"},
		"recursion":             {message.Limits{}, `const f = () => f() + 1; f()`, "LIMIT", "script_stack"},
		"allocation":            {message.Limits{Heap: 8 << 20, SliceCPU: 10 * time.Second}, `const a = []; for (;;) a.push(new Array(100).fill(7))`, "LIMIT", "script_heap"},
		"allocation over time":  {message.Limits{Heap: 8 << 20}, `for (;;) { const a = []; for (let i = 0; i < 2000; i++) a.push({i}); await host("x") }`, "LIMIT", "script_heap"},
		"timers":                {message.Limits{Timers: 10}, `for (let i = 0; i < 11; i++) setTimeout(() => {}, 1000)`, "LIMIT", "timers"},
		"requests":              {message.Limits{Requests: 5}, `await Promise.all([1,2,3,4,5,6].map(() => host("open")))`, "LIMIT", "requests"},
		"request body":          {message.Limits{BodyBytes: 1000}, `await host("x", "y".repeat(1000))`, "LIMIT", "body_bytes"},
		"depth":                 {message.Limits{}, `let o = {}; for (let i = 0; i < ` + over(MaxDepth) + `; i++) o = {o}; await host("x", o)`, "LIMIT", "depth"},
		"nodes":                 {message.Limits{}, `await host("x", new Array(` + over(MaxNodes) + `))`, "LIMIT", "nodes"},
		"callbacks":             {message.Limits{}, `await host("x", new Array(` + over(MaxCallbacks) + `).fill(() => 1))`, "LIMIT", "callbacks"},
		"tags":                  {message.Limits{}, `for (let i = 0; i < ` + over(MaxTags) + `; i++) tag("t" + i, "x")`, "LIMIT", "tags"},
		"event handlers":        {message.Limits{}, `for (let i = 0; i < ` + over(MaxEventHandlers) + `; i++) on("digit", () => {})`, "LIMIT", "event_handlers"},
		"result":                {message.Limits{}, `result("x".repeat(` + over(MaxStateBytes) + `)); await host("x")`, "LIMIT", "body_bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			h := testHost(t)
			h.limits = c.limits
			h.answer = func(r message.Request) (any, *message.Error, bool) { return nil, nil, r.Method != "open" }
			o := h.run(`exports.default = async () => { ` + c.source + ` }`)
			if o.Error == nil || o.Error.Code != c.code || !strings.Contains(o.Error.Message, "(limit "+c.named+")") {
				t.Fatalf("%+v", o.Error)
			}
			if c.named != "requests" && c.named != "result" && o.Error.Place == "" && !strings.Contains(c.source, "result(") {
				t.Fatalf("no place: %+v", o.Error)
			}
		})
	}
}

func TestAtTheLimitAllIsWell(t *testing.T) {
	h := testHost(t)
	h.limits = message.Limits{Timers: 10, Requests: 5}
	h.answer = echo
	o := h.run(fmt.Sprintf(`exports.default = async () => {
		for (let i = 0; i < 10; i++) setTimeout(() => {}, 1000);
		await Promise.all([1,2,3,4,5].map(() => host("x")));
		await host("x", new Array(%d).fill(() => 1));
		for (let i = 0; i < %d; i++) tag("t" + i, "x");
		for (let i = 0; i < %d; i++) on("digit", () => {});
		const f = n => n ? f(n - 1) : 0; f(900);
		return "fine";
	}`, MaxCallbacks, MaxTags, MaxEventHandlers))
	if string(o.Value) != `"fine"` {
		t.Fatalf("%+v", o.Error)
	}
}

func TestLogLimitDropsAndSaysSoOnce(t *testing.T) {
	h := testHost(t)
	h.limits = message.Limits{LogBytes: 100}
	o := h.run(`exports.default = async () => { const r = []; for (let i = 0; i < 6; i++) r.push(post("console.log", "x".repeat(38))); return r }`)
	if string(o.Value) != `[true,true,false,false,false,false]` {
		t.Fatalf("%s %+v", o.Value, o.Error)
	}
	got := h.seen()
	if len(got) != 3 || got[2] != `limit {"limit":"log_bytes","max":100}` {
		t.Fatalf("%v", got)
	}
}

func TestInboxLimit(t *testing.T) {
	for extra, code := range map[int]string{0: "", 1: "LIMIT"} {
		entered, open := make(chan struct{}), make(chan struct{})
		h := newHost(t, Options{Lanes: 1, Globals: func(vm *VM) error {
			return vm.Runtime().Set("block", vm.Func("block", func(goja.FunctionCall) goja.Value {
				close(entered)
				<-open
				return goja.Undefined()
			}))
		}})
		h.load("1", `exports.default = () => { block(); return new Promise(() => {}) }`)
		vm := h.start("1", "default", nil)
		<-entered
		for range MaxInbox + extra {
			h.send(message.Event, vm, 0, message.Notice{Name: "digit"})
		}
		h.send(message.Ping, 0, 0, nil) // answered when all before it are in the inbox
		for h.pongCount() == 0 {
			goruntime.Gosched()
		}
		close(open)
		h.clock.Settle()
		got := ""
		if o, ended := h.outcomes[vm]; ended {
			got = o.Error.Code
		}
		if got != code {
			t.Fatalf("%d messages over the limit: %q", extra, got)
		}
	}
}

func (h *host) pongCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.pongs)
}

func TestOnlyTheEndlessScriptEnds(t *testing.T) {
	h := testHost(t)
	h.limits = message.Limits{SliceCPU: 50 * time.Millisecond}
	h.load("1", `exports.default = async () => { await host("wait"); return "good" }; exports.loop = () => { for (;;) {} }`)
	good := h.start("1", "default", nil)
	bad := []uint64{h.start("1", "loop", nil), h.start("1", "loop", nil), h.start("1", "loop", nil)}
	for _, vm := range bad {
		if o := h.outcome(vm); o.Error == nil || o.Error.Code != "LIMIT" {
			t.Fatalf("%+v", o.Error)
		}
	}
	h.settle(good, 1, nil, nil)
	if o := h.outcome(good); string(o.Value) != `"good"` {
		t.Fatalf("%+v", o)
	}
}

func TestNativePanicEndsItsVM(t *testing.T) {
	h := testHost(t)
	o := h.run(`exports.default = async () => { try { nativePanic() } catch (e) { return "caught" } }`)
	if o.Error == nil || o.Error.Code != "INTERNAL" {
		t.Fatalf("%+v", o)
	}
	if o := h.outcome(h.start("1", "default", nil)); o.Error == nil {
		t.Fatal("the worker goes on")
	}
}

func TestGuard(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{`return typeof eval`, `"undefined"`},
		{`try { new Function("return 1") } catch (e) { return e.name }`, `"TypeError"`},
		{`return Function("return this")() === globalThis && Function("return this;")() === globalThis`, `true`},
		{`try { Function("a", "return this") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { Function("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { (() => {}).constructor("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { (async () => {}).constructor("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { (function* () {}).constructor("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { ({ *g() {} }).g.constructor("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { (new class { static *"g"() {} }).constructor.g.constructor("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { (new class {
			*[Symbol.iterator]() {} })[Symbol.iterator].constructor("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`return (() => {}) instanceof Function`, `true`},
		{`return typeof Symbol.asyncIterator`, `"symbol"`},
		{`const {promise, resolve} = Promise.withResolvers(); resolve(5); return promise`, `5`},
		{`return Object.groupBy([1,2,3], x => x % 2 ? "odd" : "even")`, `{"odd":[1,3],"even":[2]}`},
		{`return Array.fromAsync([1, Promise.resolve(2)])`, `[1,2]`},
		{`return Promise.try(() => 7)`, `7`},
		{`return [...Map.groupBy([1,2,3], x => x > 1)].map(([k, v]) => [k, v])`, `[[false,[1]],[true,[2,3]]]`},
		{`try { (() => {})["con" + "structor"]("return 1") } catch (e) { return e.code }`, `"DENIED"`},
		{`try { Object.getPrototypeOf(async () => {})["con" + "structor"]("return 1") } catch (e) { return e.code }`, `"DENIED"`},
	} {
		for _, head := range []string{"", strictBanner} {
			h := testHost(t)
			if o := h.run(head + `exports.default = async () => { ` + c.source + ` }`); string(o.Value) != c.want {
				t.Errorf("%s%s: %s %+v", head, c.source, o.Value, o.Error)
			}
		}
	}
}

// A script that names no global is not given all of them; by whatever way it
// comes to the global object, all are there, and eval is not.
func TestLateGlobals(t *testing.T) {
	const every = `[["ev", "al"], ["set", "Timeout"], ["queue", "Microtask"], ["Err", "or"]].map(([a, b]) => typeof g[a + b])`
	for _, g := range []string{
		`(() => {})["con" + "structor"]("return " + "this")()`,
		`Function("return " + "this")()`,
		`globalThis`,
		`\u0067lobalThis`,
		`(function () { return this })() ?? globalThis`,
	} {
		h := testHost(t)
		source := strictBanner + `exports.default = () => { const g = ` + g + `; return ` + every + ` }`
		if o := h.run(source); string(o.Value) != `["undefined","function","function","function"]` {
			t.Errorf("%s: %s %+v", g, o.Value, o.Error)
		}
	}
	h := testHost(t)
	if o := h.run(`exports.default = () => { const g = (function () { return this })(); return ` + every + ` }`); string(o.Value) != `["undefined","function","function","function"]` {
		t.Errorf("not strict: %s %+v", o.Value, o.Error)
	}
}

func TestPing(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = () => host("x")`)
	h.start("1", "default", nil)
	h.clock.Settle()
	h.send(message.Ping, 0, 0, nil)
	h.clock.Settle()
	if len(h.pongs) != 1 || h.pongs[0].VMs != 1 || h.pongs[0].Queued != 0 || h.pongs[0].Heap == 0 || h.pongs[0].Stuck != 0 {
		t.Fatalf("%+v", h.pongs)
	}
}

func TestThousandVMs(t *testing.T) {
	h := testHost(t)
	h.answer = echo
	h.load("1", `exports.default = async (n) => { await host("a"); await new Promise(r => setTimeout(r, 1000 - n)); return (await host("b", n)) + 1 }`)
	var vms []uint64
	for i := range 1000 {
		vms = append(vms, h.start("1", "default", i))
	}
	h.clock.Advance(2 * time.Second)
	for i, vm := range vms {
		if o := h.outcome(vm); string(o.Value) != fmt.Sprint(i+1) {
			t.Fatalf("VM %d: %s %+v", i, o.Value, o.Error)
		}
	}
}
