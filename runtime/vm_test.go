package runtime

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// hostGlobal gives scripts a bare host(method, args), post and on.
func hostGlobal(vm *VM) error {
	define := func(name string, fn func(goja.FunctionCall) goja.Value) error {
		return vm.Runtime().Set(name, vm.Func(name, fn))
	}
	return firstError(
		define("host", func(c goja.FunctionCall) goja.Value { return vm.Call(c.Argument(0).String(), c.Argument(1)) }),
		define("post", func(c goja.FunctionCall) goja.Value {
			return vm.Runtime().ToValue(vm.Post(c.Argument(0).String(), c.Argument(1)))
		}),
		define("on", func(c goja.FunctionCall) goja.Value {
			fn, _ := goja.AssertFunction(c.Argument(1))
			vm.On(c.Argument(0).String(), func(data json.RawMessage) {
				v, err := vm.Decode(data)
				if err == nil {
					_, err = fn(goja.Undefined(), v)
				}
				if err != nil {
					panic(err)
				}
			})
			return goja.Undefined()
		}),
		define("onAbort", func(c goja.FunctionCall) goja.Value {
			fn, _ := goja.AssertFunction(c.Argument(0))
			vm.Aborted(func(reason string) { _, _ = fn(goja.Undefined(), vm.Runtime().ToValue(reason)) })
			return goja.Undefined()
		}),
		define("result", func(c goja.FunctionCall) goja.Value { vm.SetResult(c.Argument(0)); return goja.Undefined() }),
		define("tag", func(c goja.FunctionCall) goja.Value {
			vm.SetTag(c.Argument(0).String(), c.Argument(1).String())
			vm.SetOutcome(c.Argument(1).String())
			return goja.Undefined()
		}),
		define("conceal", func(c goja.FunctionCall) goja.Value {
			vm.Conceal(c.Argument(0).String())
			return goja.Undefined()
		}),
		define("nativePanic", func(goja.FunctionCall) goja.Value { var m map[string]int; m["x"] = 1; return nil }),
		define("refuse", func(goja.FunctionCall) goja.Value {
			vm.Throw(fault.Denied, "not this", "try that")
			return nil
		}),
	)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func testHost(t testing.TB) *host { return newHost(t, testOptions(Light)) }

func testOptions(guard Guard) Options { return Options{Globals: hostGlobal, Guard: guard} }

func TestReturnValueEndsTheVM(t *testing.T) {
	h := testHost(t)
	o := h.run(`exports.default = async (arg) => ({ hello: arg.name })`)
	if o.Error != nil || string(o.Value) != `{"hello":"Anna"}` {
		t.Fatalf("%+v", o)
	}
}

func TestHostCallSettlesOnce(t *testing.T) {
	h := testHost(t)
	h.answer = echo
	o := h.run(`exports.default = async () => { const a = await host("kv.get", {key: "a"}); return [a.key, await host("x", 5)]; }`)
	if o.Error != nil || string(o.Value) != `["a",5]` {
		t.Fatalf("%+v", o.Error)
	}
	if want, got := []string{`kv.get {"key":"a"}`, `x 5`}, h.seen(); !reflect.DeepEqual(got, want) {
		t.Fatalf("%v", got)
	}
}

func TestSettleOfUnknownRequestIsDropped(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = async () => host("x")`)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	h.settle(vm, 77, "nobody", nil)
	h.settle(vm, 1, "first", nil)
	h.settle(vm, 1, "second", nil)
	if o := h.outcome(vm); string(o.Value) != `"first"` {
		t.Fatalf("%+v", o)
	}
}

func TestRejectedHostCallHasCodeHintAndStack(t *testing.T) {
	h := testHost(t)
	h.answer = func(message.Request) (any, *message.Error, bool) {
		return nil, &message.Error{Code: "MEDIA", Message: "no such file", Hint: "put it there"}, true
	}
	o := h.run(`exports.default = async () => { try { await host("play") } catch (e) { return [e.code, e.message, e.hint, e instanceof Error, e.stack.includes("bundle.js:1:")] } }`)
	if string(o.Value) != `["MEDIA","no such file","put it there",true,true]` {
		t.Fatalf("%s %+v", o.Value, o.Error)
	}
}

func TestTimersRunInOrderOnTheVirtualClock(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = () => new Promise(done => {
		const seen = [];
		setTimeout(() => seen.push("b"), 2000);
		setTimeout((x) => seen.push(x), 1000, "a");
		clearTimeout(setTimeout(() => seen.push("never"), 500));
		const every = setInterval(() => { seen.push("i"); if (seen.length > 5) { clearInterval(every); done(seen) } }, 1500);
		queueMicrotask(() => seen.push("micro"));
	})`)
	vm := h.start("1", "default", nil)
	h.clock.Advance(999 * time.Millisecond)
	if h.ended(vm) {
		t.Fatal("too early")
	}
	h.clock.Advance(10 * time.Second)
	if o := h.outcome(vm); string(o.Value) != `["micro","a","i","b","i","i"]` {
		t.Fatalf("%s %+v", o.Value, o.Error)
	}
	if at, pending := h.clock.Next(); pending {
		t.Fatalf("a timer is left at %s", at)
	}
}

func TestDatesAndRandomAreInjected(t *testing.T) {
	h := newHost(t, Options{Random: func() float64 { return 0.25 }})
	if o := h.run(`exports.default = () => [Date.now(), new Date().toISOString(), Math.random()]`); string(o.Value) != `[1795255200000,"2026-11-21T10:00:00.000Z",0.25]` {
		t.Fatalf("%s %+v", o.Value, o.Error)
	}
}

func TestEventsAndCallbacks(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = () => new Promise(done => {
		let digits = "";
		on("digit", d => { digits += d.digit });
		host("gather", { validate: async v => v === "42" ? true : "wrong " + v, bad: () => { throw new Error("no") } }).then(() => done(digits));
	})`)
	vm := h.start("1", "default", nil)
	if got := h.seen(); len(got) != 1 || got[0] != `gather {"validate":{"$fn":1},"bad":{"$fn":2}}` {
		t.Fatalf("%v", got)
	}
	h.send(message.Event, vm, 0, message.Notice{Name: "digit", Data: json.RawMessage(`{"digit":"4"}`)})
	h.send(message.Event, vm, 0, message.Notice{Name: "unknown"})
	h.send(message.Event, vm, 0, message.Notice{Callback: 1, Reply: 7, Data: json.RawMessage(`["42"]`)})
	h.send(message.Event, vm, 0, message.Notice{Callback: 1, Reply: 8, Data: json.RawMessage(`["43"]`)})
	h.send(message.Event, vm, 0, message.Notice{Callback: 2, Reply: 9})
	h.clock.Settle()
	h.settle(vm, 1, nil, nil)
	want := []string{
		`gather {"validate":{"$fn":1},"bad":{"$fn":2}}`,
		`reply {"reply":7,"value":true}`, `reply {"reply":8,"value":"wrong 43"}`,
		`reply {"error":{"code":"SCRIPT","message":"no"},"reply":9}`,
	}
	if got := h.seen(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
	if o := h.outcome(vm); string(o.Value) != `"4"` {
		t.Fatalf("%+v", o)
	}
}

func TestCallbackIsReleasedWithItsRequest(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = async () => { await host("a", () => 1); await host("b"); }`)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	h.settle(vm, 1, nil, nil)
	h.clock.Settle()
	h.send(message.Event, vm, 0, message.Notice{Callback: 1, Reply: 3})
	if got := h.seen(); !strings.Contains(got[len(got)-1], `"code":"NOT_FOUND"`) {
		t.Fatalf("%v", got)
	}
}

func TestStateIsSentAfterEachSliceThatChangedIt(t *testing.T) {
	h := testHost(t)
	h.answer = echo
	o := h.run(`exports.default = async () => {
		const r = { step: 1 }; result(r); tag("kind", "served");
		await host("a"); r.step = 2;
		await host("b"); await host("c"); r.step = 3;
	}`)
	if o.Error != nil {
		t.Fatal(o.Error)
	}
	var steps []string
	for _, u := range h.updates {
		steps = append(steps, string(u.Result)+u.Outcome+u.Tags["kind"])
	}
	want := []string{`{"step":1}servedserved`, `{"step":2}servedserved`, `{"step":3}servedserved`}
	if !reflect.DeepEqual(steps, want) {
		t.Fatalf("%v", steps)
	}
}

func TestEndGivesGraceThenEnds(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = async () => {
		onAbort(reason => post("aborted", reason));
		await host("say", "hello");
	}`)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	h.send(message.End, vm, 0, message.Ending{Reason: "hangup"})
	if got := h.seen(); got[len(got)-1] != `aborted "hangup"` {
		t.Fatalf("%v", got)
	}
	h.clock.Advance(4999 * time.Millisecond)
	if h.ended(vm) {
		t.Fatal("the grace period was cut short")
	}
	h.clock.Advance(time.Millisecond)
	o := h.outcome(vm)
	if o.Error == nil || o.Error.Code != "HANGUP" || len(o.Error.Awaited) == 0 || !strings.HasPrefix(o.Error.Awaited[0], "exports.default (test.bundle.js:3:") && !strings.HasPrefix(o.Error.Awaited[0], "test.bundle.js:3:") {
		t.Fatalf("%+v", o.Error)
	}
}

func TestScriptMayFinishInItsGrace(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = async () => { try { await host("say") } catch (e) { await host("kv.set"); return e.code } }`)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	h.send(message.End, vm, 0, message.Ending{Reason: "hangup"})
	h.settle(vm, 1, nil, &message.Error{Code: "HANGUP", Message: "the call is over"})
	h.clock.Settle()
	h.settle(vm, 2, nil, nil)
	if o := h.outcome(vm); o.Error != nil || string(o.Value) != `"HANGUP"` {
		t.Fatalf("%+v", o)
	}
	if _, pending := h.clock.Next(); pending {
		t.Fatal("the grace timer is left")
	}
}

func TestEndNow(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = () => new Promise(() => {})`)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	h.send(message.End, vm, 0, message.Ending{Reason: "killed", Now: true})
	if o := h.outcome(vm); o.Error == nil || o.Error.Code != "UNAVAILABLE" {
		t.Fatalf("%+v", o.Error)
	}
}

func TestModulesAreMadeLazilyAndOnce(t *testing.T) {
	made := 0
	m := &testModule{name: "core", make: func(vm *VM) (goja.Value, error) {
		made++
		return vm.Decode(json.RawMessage(`{"answer":42}`))
	}}
	h := newHost(t, Options{Modules: []Module{m}})
	o := h.run(`exports.default = () => require("loopstart:core").answer + require("loopstart:core").answer`)
	if string(o.Value) != "84" || made != 1 {
		t.Fatalf("%s, made %d times, %+v", o.Value, made, o.Error)
	}
	h.load("2", `require("loopstart:cora")`)
	o = h.outcome(h.start("2", "default", nil))
	if o.Error == nil || o.Error.Code != "NOT_FOUND" || o.Error.Hint != "did you mean loopstart:core?" {
		t.Fatalf("%+v", o.Error)
	}
}

type testModule struct {
	name string
	make func(*VM) (goja.Value, error)
}

func (m *testModule) Name() string                   { return m.name }
func (m *testModule) New(vm *VM) (goja.Value, error) { return m.make(vm) }

func TestArgumentConstructor(t *testing.T) {
	h := newHost(t, Options{Arguments: map[string]Argument{"default": func(vm *VM, data json.RawMessage) (goja.Value, error) {
		o := vm.Runtime().NewObject()
		return o, o.Set("name", string(data))
	}}})
	if o := h.run(`exports.default = call => call.name`); string(o.Value) != `"{\"name\":\"Anna\"}"` {
		t.Fatalf("%s", o.Value)
	}
}

func TestReserve(t *testing.T) {
	h := newHost(t, Options{Globals: func(vm *VM) error {
		return vm.Runtime().Set("later", vm.Func("later", func(goja.FunctionCall) goja.Value {
			p, resolve, _ := vm.Runtime().NewPromise()
			done := vm.Reserve()
			vm.Clock().Busy(1)
			go func() {
				defer vm.Clock().Busy(-1)
				done(func() error { return resolve("from outside") })
				defer func() {
					if recover() == nil {
						panic("a second delivery was taken")
					}
				}()
				done(func() error { return nil })
			}()
			return vm.Runtime().ToValue(p)
		}))
	}})
	if o := h.run(`exports.default = async () => await later()`); string(o.Value) != `"from outside"` {
		t.Fatalf("%+v", o)
	}
}

func TestUncaughtRejections(t *testing.T) {
	for name, c := range map[string]struct{ source, code, message string }{
		"floating":  {`Promise.reject(new TypeError("lost"));`, "SCRIPT", "Uncaught (in promise) lost"},
		"thrown":    {`throw new RangeError("direct");`, "SCRIPT", "direct"},
		"timer":     {`setTimeout(() => { throw new Error("in a timer") }, 5); await new Promise(() => {});`, "SCRIPT", "in a timer"},
		"microtask": {`queueMicrotask(() => { throw new Error("in a microtask") }); await new Promise(() => {});`, "SCRIPT", "Uncaught (in promise) in a microtask"},
		"text":      {`throw "just text";`, "SCRIPT", `"just text"`},
		"refused":   {`refuse();`, "DENIED", "not this"},
		"cause":     {`throw new Error("outer", { cause: new Error("inner") });`, "SCRIPT", "outer; cause: inner"},
	} {
		t.Run(name, func(t *testing.T) {
			h := testHost(t)
			h.load("1", `exports.default = async () => { `+c.source+` await new Promise(() => {}) }`)
			vm := h.start("1", "default", nil)
			h.clock.Advance(time.Second)
			o := h.outcome(vm)
			if o.Error == nil || o.Error.Code != c.code || o.Error.Message != c.message {
				t.Fatalf("%+v", o.Error)
			}
		})
	}
}

func TestHandledInTimeIsNoError(t *testing.T) {
	h := testHost(t)
	h.answer = func(message.Request) (any, *message.Error, bool) {
		return nil, &message.Error{Code: "HANGUP", Message: "over"}, true
	}
	o := h.run(`exports.default = async () => {
		const p = Promise.reject(new Error("x")); p.catch(() => {});
		void host("play"); // rejects HANGUP, and nobody minds
		try { await host("say") } catch (e) { return e.code }
	}`)
	if o.Error != nil || string(o.Value) != `"HANGUP"` {
		t.Fatalf("%+v", o)
	}
}

func TestMissingExports(t *testing.T) {
	h := testHost(t)
	if o := h.run(`exports.afterCall = () => {}`); o.Error == nil || o.Error.Code != "NOT_FOUND" || !strings.Contains(o.Error.Hint, "export default") {
		t.Fatalf("%+v", o.Error)
	}
	if o := h.outcome(h.start("1", "aftercall", nil)); o.Error == nil || o.Error.Hint != "did you mean afterCall?" {
		t.Fatalf("%+v", o.Error)
	}
	if o := h.outcome(h.start("unknown", "default", nil)); o.Error == nil || o.Error.Code != "NOT_FOUND" {
		t.Fatalf("%+v", o.Error)
	}
}

func TestBrokenVersionFailsItsVMs(t *testing.T) {
	h := testHost(t)
	o := h.run("exports.default = () => {\n  const 1 = 2;\n}")
	if o.Error == nil || o.Error.Name != "SyntaxError" || !strings.HasPrefix(o.Error.Place, "test.bundle.js:2:") {
		t.Fatalf("%+v", o.Error)
	}
	if len(h.loaded) != 1 || h.loaded[0].Error == nil {
		t.Fatalf("%+v", h.loaded)
	}
}

func TestUnloadForgetsTheVersionWithItsLastVM(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = () => host("x")`)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	h.send(message.Unload, 0, 0, message.Bundle{Script: "test", Version: "1"})
	h.clock.Settle()
	second := h.start("1", "default", nil)
	if h.ended(second) {
		t.Fatal("forgotten while a VM runs")
	}
	h.settle(vm, 1, nil, nil)
	h.settle(second, 1, nil, nil)
	h.outcome(second)
	if o := h.outcome(h.start("1", "default", nil)); o.Error == nil || o.Error.Code != "NOT_FOUND" {
		t.Fatalf("%+v", o.Error)
	}
}

func TestReturnValueWithoutJSONIsAMistakeOfHooksOnly(t *testing.T) {
	h := testHost(t)
	h.load("1", `const loop = {}; loop.self = loop; exports.default = () => loop; exports.onRequest = () => loop`)
	if o := h.outcome(h.start("1", "default", nil)); o.Error != nil {
		t.Fatal(o.Error)
	}
	if o := h.outcome(h.start("1", "onRequest", nil)); o.Error == nil || o.Error.Code != "INVALID" {
		t.Fatalf("%+v", o)
	}
}

func TestMisspeltMemberOfTheArgument(t *testing.T) {
	h := newHost(t, Options{Arguments: map[string]Argument{"default": func(vm *VM, _ json.RawMessage) (goja.Value, error) {
		return vm.Runtime().RunString(`new (class Call { answer() {} say() {} gather() {} })`)
	}}})
	if o := h.run(`exports.default = async call => { call.answer(); call.gahter() }`); o.Error == nil || o.Error.Message != "gahter is not a function" || o.Error.Hint != "did you mean gather?" {
		t.Fatalf("%+v", o.Error)
	}
}

func TestWhatComesBeforeTheVersionIsCompiledWaits(t *testing.T) {
	h := testHost(t)
	h.load("1", `exports.default = () => new Promise(done => on("x", done));`+strings.Repeat("var a = [1, 2, 3];\n", 20000))
	vm := h.start("1", "default", nil)
	h.send(message.Event, vm, 0, message.Notice{Name: "x", Data: json.RawMessage("7")})
	if o := h.outcome(vm); string(o.Value) != "7" {
		t.Fatalf("%+v", o.Error)
	}
}
