package script

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// wakeUp runs the body of flow(async (f) => { … }) with a journal and tells what
// the code asked for, one line each, until it is idle, changed or done. Steps are
// answered at once, waits stay open.
func wakeUp(t *testing.T, body string, w journal.Wake) (asked []string, o message.Outcome) {
	t.Helper()
	w.Flow.ID, w.Flow.Key, w.Flow.Script, w.Flow.Started, w.Flow.Seed = "F", "77", "order", scripttest.Start, make([]byte, 32)
	if w.Flow.Data == nil {
		w.Flow.Data = json.RawMessage(`{"phone":"+79161234567"}`)
	}
	flows := New()
	seq := len(w.Settled)
	o, _ = scripttest.Run{
		Source: `const { flow, start, signal } = require("loopstart:flow"); return flow(async (f) => {` + body + `})(call);`, Argument: w, Export: "onFlow",
		Env:     message.Environment{Country: "RU", Zone: "Europe/Moscow", Language: "ru-RU"},
		Options: runtime.Options{Modules: []runtime.Module{flows}, Globals: flows.Prepare, Arguments: map[string]runtime.Argument{"onFlow": flows.Argument}},
		Host: func(h *scripttest.Host, r message.Request, _ uint32) (any, error) {
			asked = append(asked, strings.TrimPrefix(r.Method, "flow.")+" "+string(r.Args))
			switch r.Method {
			case "flow.done":
				var a journal.Asked
				if err := json.Unmarshal(r.Args, &a); err != nil {
					t.Error(err)
				}
				if a.Error != nil {
					return nil, nil // it is tried again later
				}
				seq++
				return journal.Entry{N: a.N, Kind: a.Kind, Name: a.Name, Seq: seq, At: scripttest.Start.Add(time.Minute), Value: a.Value}, nil
			case "flow.idle", "flow.changed":
				h.End("over")
			}
			return nil, nil
		},
	}.Do(t)
	return asked, o
}

func settled(list ...journal.Entry) journal.Wake {
	for i := range list {
		list[i].Seq, list[i].At = i+1, scripttest.Start.Add(time.Duration(i+1)*time.Hour)
	}
	return journal.Wake{Settled: list, Ran: len(list)}
}

func TestWakeUps(t *testing.T) {
	for _, c := range []struct {
		name, body string
		wake       journal.Wake
		want       []string // what is asked for holds it, in order
		value      string
	}{
		{"first step", `return await f.step("a", ({ id }) => id)`, journal.Wake{}, []string{`done {"n":1,"kind":"step","name":"a"`}, `"F-1"`},
		{"replayed step", `return [await f.step("a", () => { throw 1 }), Date.now(), f.key, f.data.phone]`,
			settled(journal.Entry{N: 1, Kind: journal.Step, Name: "a", Value: json.RawMessage(`5`)}), nil, `[5,1795258800000,"77","+79161234567"]`},
		{"thrown in the journal", `try { await f.step("a", () => 1) } catch (e) { return [e.code, e.message, e.name] }`,
			settled(journal.Entry{N: 1, Kind: journal.Step, Name: "a", Error: &journal.Problem{Code: "NETWORK", Name: "TypeError", Message: "gone"}}), nil, `["NETWORK","gone","TypeError"]`},
		{"sleep", `await f.sleep("2h")`, journal.Wake{}, []string{`wait {"n":1,"kind":"sleep","until":"2026-11-21T12:00:00Z"`, `idle {"seen":0,"open":1}`}, ""},
		{"zone of the callee", `await f.sleepUntil("tomorrow 10:00", { zone: "callee", to: "+74232000000" })`, journal.Wake{}, []string{`"until":"2026-11-22T10:00:00+10:00"`, "idle"}, ""},
		{"project's zone", `await f.sleepUntil("18:30")`, journal.Wake{}, []string{`"until":"2026-11-21T18:30:00+03:00"`, "idle"}, ""},
		{"event in time", `return await f.event("paid", { within: "1d" })`, settled(journal.Entry{N: 1, Kind: journal.Event, Name: "paid", Value: json.RawMessage(`{"sum":7}`)}), nil, `{"sum":7}`},
		{"event too late", `return (await f.event("paid", { within: "1d" })) === undefined`, settled(journal.Entry{N: 1, Kind: journal.Event, Name: "paid"}), nil, `true`},
		{"call", `await f.call({ to: "+79161234567", tries: 3, every: "15m", retry: { busy: 5000 }, unless: () => false })`, journal.Wake{},
			[]string{`"ask":{"every":"15m","retry":{"busy":"5s"},"script":"order","to":"+79161234567","tries":3,"unless":true}`, "idle"}, ""},
		{"race", `return await Promise.race([f.event("paid").then(() => "paid"), f.sleep("1d").then(() => "late")])`,
			settled(journal.Entry{N: 2, Kind: journal.Sleep}), []string{`wait {"n":1,"kind":"event","name":"paid"`}, `"late"`},
		{"step that waits", `await f.step("a", () => 1)`, journal.Wake{Open: []journal.Entry{{N: 1, Kind: journal.Step, Name: "a", Tries: 1}}, Held: []int{1}}, []string{`idle {"seen":0,"open":1}`}, ""},
		{"step again", `return await f.step("a", () => 2)`, journal.Wake{Open: []journal.Entry{{N: 1, Kind: journal.Step, Name: "a", Tries: 1}}}, []string{"done"}, `2`},
		{"step that throws", `await f.step("a", () => { throw new Error("no") }, { tries: 3, every: "1m" })`, journal.Wake{},
			[]string{`"error":{"code":"SCRIPT","name":"Error","message":"no"`, "idle"}, ""},
		{"unless", `await f.call({ to: "101", unless: async () => "paid" })`, journal.Wake{Open: []journal.Entry{{N: 1, Kind: journal.Call, Name: "order"}}, Ask: 1},
			[]string{`asked {"n":1,"skip":"paid"}`, "idle"}, ""},
		{"unless not", `await f.call({ to: "101", unless: () => 0 })`, journal.Wake{Open: []journal.Entry{{N: 1, Kind: journal.Call, Name: "order"}}, Ask: 1}, []string{`asked {"n":1}`, "idle"}, ""},
		{"never", `await new Promise(() => {})`, journal.Wake{}, []string{`idle {"seen":0,"open":0}`}, ""},
		// Code that is not the one of the journal.
		{"another name", `await f.step("b", () => 1)`, settled(journal.Entry{N: 1, Kind: journal.Step, Name: "a"}), []string{`changed {"n":1,"want":"step \"a\"","got":"step \"b\""}`}, ""},
		{"another kind", `await f.sleep(1)`, journal.Wake{Open: []journal.Entry{{N: 1, Kind: journal.Event, Name: "a"}}}, []string{`"got":"sleep"`}, ""},
		{"it ends too early", `return 1`, settled(journal.Entry{N: 1, Kind: journal.Step, Name: "a"}), []string{`"got":"the end of the flow"`}, ""},
		{"it waits for something else", `await f.step("a", () => 1); await new Promise(() => {})`,
			settled(journal.Entry{N: 1, Kind: journal.Step, Name: "a"}, journal.Entry{N: 2, Kind: journal.Sleep}), []string{`changed {"n":2,"want":"sleep","got":"nothing"}`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, o := wakeUp(t, c.body, c.wake)
			if c.value != "" && (o.Error != nil || string(o.Value) != c.value) {
				t.Errorf("value %s %v, want %s", o.Value, o.Error, c.value)
			}
			if c.value != "" && c.want == nil && len(asked) > 0 {
				t.Errorf("it asks for %q", asked)
			}
			for i, want := range c.want {
				if i >= len(asked) || !strings.Contains(asked[i], want) {
					t.Fatalf("asked %q, want %q", asked, c.want)
				}
			}
		})
	}
}

// TestSameEachTime: random numbers and dates of two wake-ups are the same.
func TestSameEachTime(t *testing.T) {
	const body = `const a = [Math.random(), Date.now()]; await f.sleep("1h"); return [...a, Math.random(), new Date().toISOString()];`
	w := func() journal.Wake { return settled(journal.Entry{N: 1, Kind: journal.Sleep}) }
	_, first := wakeUp(t, body, w())
	_, second := wakeUp(t, body, w())
	if string(first.Value) != string(second.Value) || !strings.HasSuffix(string(first.Value), `"2026-11-21T11:00:00.000Z"]`) {
		t.Fatalf("%s, then %s %v", first.Value, second.Value, first.Error)
	}
}

func TestWrongUse(t *testing.T) {
	for body, want := range map[string]string{
		`await start("x")`:                                           "flow.start outside of a step",
		`await f.step("a", () => f.sleep(1))`:                        "", // the step throws: it is told as its error
		`await f.step("", () => 1)`:                                  `f.step: "" is not a step's name`,
		`await f.step("a")`:                                          "f.step: undefined is no function",
		`await f.step("a", () => 1, { tires: 1 })`:                   `f.step: unknown option "tires"`,
		`await f.sleep("soon")`:                                      `f.sleep: "soon" is no duration`,
		`await f.sleepUntil("soon")`:                                 `f.sleepUntil: "soon" is no time`,
		`await f.sleepUntil("10:00", { zone: "callee", to: "101" })`: `f.sleepUntil: whose zone is "callee"?`,
		`await f.sleepUntil("10:00", { zone: "Mars" })`:              `f.sleepUntil: option "zone" is "Mars"`,
		`await f.call({ tries: 2 })`:                                 `f.call: option "to" is undefined`,
		`await f.call({ to: "1", tries: 101 })`:                      `f.call: option "tries" is 101`,
		`await f.evnt("a")`:                                          "f has no evnt",
		`f.data = 1`:                                                 "f.data cannot be set",
		`for (;;) await f.step("a", () => 1)`:                        "a flow has at most 1000 steps",
	} {
		asked, o := wakeUp(t, body, journal.Wake{})
		if want == "" {
			if !strings.Contains(asked[0], "f.sleep is not possible inside of a step") {
				t.Errorf("%s: %q", body, asked)
			}
			continue
		}
		if o.Error == nil || !strings.HasPrefix(o.Error.Message, want) {
			t.Errorf("%s: %v, want %s", body, o.Error, want)
		}
	}
}

// TestLargeResult: a result beyond journal.MaxResult is an error that is not
// tried again.
func TestLargeResult(t *testing.T) {
	asked, _ := wakeUp(t, `await f.step("a", () => "x".repeat(300000))`, journal.Wake{})
	if !strings.Contains(asked[0], `"code":"LIMIT"`) || !strings.Contains(asked[0], `"final":true`) {
		t.Fatalf("%q", asked)
	}
	if journal.MaxResult > 300000 {
		t.Fatal("the text is too short")
	}
}

// TestNames: start and signal check what they can; a flow's function takes no
// call.
func TestNames(t *testing.T) {
	run := func(source string) (message.Outcome, []string) {
		var asked []string
		flows := New()
		o, _ := scripttest.Run{Source: `const { flow, start, signal } = require("loopstart:flow");` + source, Argument: map[string]any{}, Options: runtime.Options{Modules: []runtime.Module{flows}, Globals: flows.Prepare},
			Host: func(_ *scripttest.Host, r message.Request, _ uint32) (any, error) {
				asked = append(asked, r.Method+" "+string(r.Args))
				return nil, nil
			}}.Do(t)
		return o, asked
	}
	for source, want := range map[string]string{
		`await start("order", { key: 77, data: { a: 1 } })`:   `flow.start {"script":"order","key":"77","data":{"a":1}}`,
		`await signal("order", { key: "77", event: "paid" })`: `flow.signal {"script":"order","key":"77","event":"paid"}`,
	} {
		if o, asked := run(source); o.Error != nil || len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: %q %v", source, asked, o.Error)
		}
	}
	for source, want := range map[string]string{
		`await start()`:                        "start: undefined is not the script's name",
		`await signal("order", { key: "77" })`: `signal: option "event" is undefined`,
		`flow(5)`:                              "flow needs a function",
		`flow(async () => {})({})`:             "this script is a flow and takes no calls",
	} {
		if o, _ := run(source); o.Error == nil || !strings.HasPrefix(o.Error.Message, want) {
			t.Errorf("%s: %v", source, o.Error)
		}
	}
}
