package script

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/internal/when"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Bounds of waits.
const (
	maxWait      = 10 * 365 * 24 * time.Hour
	maxStepTries = 1000
	maxDials     = 100 // of one f.call, as of an order
)

// verbs are the functions of f.
var verbs = map[string]func(r *run, args []goja.Value) goja.Value{
	"step": (*run).step, "sleep": (*run).sleep, "sleepUntil": (*run).sleepUntil, "event": (*run).event, "call": (*run).call,
}

// Members are what f has, sorted.
func Members() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(verbs)), "id", "key", "script", "data", "startedAt")))
}

// object is f. A misspelt member of it is an error that says so.
func (r *run) object() (goja.Value, error) {
	rt, f := r.vm.Runtime(), r.wake.Flow
	data, err := r.vm.Decode(f.Data)
	if err != nil {
		return nil, err
	}
	made := map[string]goja.Value{
		"id": rt.ToValue(f.ID), "key": rt.ToValue(f.Key), "script": rt.ToValue(f.Script), "data": data, "startedAt": bind.Date(r.vm, f.Started),
	}
	for name, verb := range verbs {
		made[name] = bind.Async(func(_ *runtime.VM, args []goja.Value) goja.Value { return verb(r, args) })(r.vm, name)
	}
	return rt.NewDynamicObject(&facts{r, made}), nil
}

// facts is f as an object: read-only, and strict about names.
type facts struct {
	r    *run
	made map[string]goja.Value
}

// Get implements goja.DynamicObject.
func (f *facts) Get(key string) goja.Value {
	if v, ok := f.made[key]; ok {
		return v
	}
	if near := suggest.Nearest(key, Members()); near != "" {
		f.r.vm.Throw(fault.Invalid, "f has no "+key, "did you mean "+near+"?")
	}
	return nil
}

// Set implements goja.DynamicObject.
func (f *facts) Set(key string, _ goja.Value) bool {
	f.r.vm.Throw(fault.Invalid, "f."+key+" cannot be set", "keep it in a variable of the flow's function; what steps return is in the journal")
	return false
}

// Has implements goja.DynamicObject.
func (f *facts) Has(key string) bool { return f.made[key] != nil }

// Delete implements goja.DynamicObject.
func (f *facts) Delete(string) bool { return false }

// Keys implements goja.DynamicObject.
func (f *facts) Keys() []string { return Members() }

// step runs a function once and keeps its result.
func (r *run) step(args []goja.Value) goja.Value {
	name := word(r.vm, "f.step", "a step's name", bind.Arg(args, 0))
	fn, ok := goja.AssertFunction(bind.Arg(args, 1))
	if !ok {
		r.vm.Throw(fault.Invalid, "f.step: "+bind.Describe(bind.Arg(args, 1))+" is no function", `write f.step("`+name+`", () => …)`)
	}
	o := bind.Read(r.vm, "f.step", bind.Arg(args, 2), "tries", "every")
	o.Int("tries", 1, maxStepTries).Duration("every", time.Second, 24*time.Hour)
	_, n, promise, fresh := r.ask("f.step", journal.Step, name)
	e, again := r.open[n]
	if fresh || again && !e.Done() && !slices.Contains(r.wake.Held, n) && !r.over {
		r.perform(n, name, fn, o)
	}
	return promise
}

// perform runs a step's function with the world at hand and tells its end.
func (r *run) perform(n int, name string, fn goja.Callable, o *bind.Options) {
	r.working++
	place := r.vm.Here()
	done := func(a journal.Asked) goja.Value {
		r.working--
		a.N, a.Kind, a.Name, a.Place = n, journal.Step, name, place
		tries, _ := o.Wire["tries"].(int64)
		every, _ := o.Wire["everyMs"].(int64)
		a.Tries, a.EveryMs = int(tries), every
		r.request("flow.done", a)
		return goja.Undefined()
	}
	r.vm.Unsealed(func() {
		info := r.vm.Runtime().NewObject()
		_ = info.Set("id", r.wake.Flow.ID+"-"+strconv.Itoa(n)) // a new object takes it
		result := bind.Promise(r.vm, func() goja.Value { return bind.Call(fn, info) })
		bind.Settle(r.vm, result, func(v goja.Value) goja.Value {
			value, err := r.vm.Encode(v)
			if err == nil && len(value) > journal.MaxResult {
				err = fault.New(fault.Limit, "step %q: its result has %d bytes of JSON, the most is %d", name, len(value), journal.MaxResult).
					WithHint("keep what is large elsewhere and return where")
			}
			if err != nil {
				return done(journal.Asked{Final: true, Error: &journal.Problem{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}})
			}
			return done(journal.Asked{Value: value})
		}, func(reason goja.Value) goja.Value { return done(journal.Asked{Error: r.problemOf(reason)}) })
	})
}

// wait asks the host to wait for something, unless the journal has it.
func (r *run) wait(verb string, a journal.Asked, read func(goja.Value) goja.Value) (*command, goja.Value) {
	c, n, promise, fresh := r.ask(verb, a.Kind, a.Name)
	if c != nil {
		c.read = read
	}
	if fresh {
		a.N = n
		r.request("flow.wait", a)
	}
	return c, promise
}

// nothing makes undefined of any result.
func nothing(goja.Value) goja.Value { return goja.Undefined() }

func (r *run) sleep(args []goja.Value) goja.Value {
	d, err := bind.ParseDuration(bind.Arg(args, 0))
	if err != nil || d > maxWait {
		r.vm.Throw(fault.Invalid, "f.sleep: "+bind.Describe(bind.Arg(args, 0))+" is no duration", `write f.sleep("2h"), f.sleep("3d") or a number of milliseconds`)
	}
	_, promise := r.wait("f.sleep", journal.Asked{Kind: journal.Sleep, Until: r.now.Add(d)}, nothing)
	return promise
}

func (r *run) sleepUntil(args []goja.Value) goja.Value {
	o := bind.Read(r.vm, "f.sleepUntil", bind.Arg(args, 1), "zone", "to").String("zone", "to")
	v := bind.Arg(args, 0)
	at, ok := time.Time{}, false
	if s, isText := v.(goja.String); isText {
		at, ok = when.Parse(s.String(), r.now, r.zone(o))
	} else {
		at, ok = bind.Instant(v)
	}
	if !ok || at.Sub(r.now) > maxWait {
		r.vm.Throw(fault.Invalid, "f.sleepUntil: "+bind.Describe(v)+" is no time", when.Hint)
	}
	_, promise := r.wait("f.sleepUntil", journal.Asked{Kind: journal.Sleep, Until: at}, nothing)
	return promise
}

// zone is the option zone: a name, "callee" for that of a number, else the
// project's.
func (r *run) zone(o *bind.Options) *time.Location {
	name, _ := o.Wire["zone"].(string)
	switch name {
	case "":
		name = r.vm.Env().Zone
	case "callee":
		name = r.zoneOf(o)
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		o.Bad("zone", o.Value("zone"), `a zone such as "Europe/Moscow", or "callee"`, "")
	}
	return zone
}

// zoneOf is the zone of the option to, else of data.to or data.phone.
func (r *run) zoneOf(o *bind.Options) string {
	number, _ := o.Wire["to"].(string)
	if number == "" {
		var data struct{ To, Phone any }
		_ = json.Unmarshal(r.wake.Flow.Data, &data) // without them there is a hint
		for _, v := range []any{data.To, data.Phone} {
			if s, ok := v.(string); ok && number == "" {
				number = s
			}
		}
	}
	zone, _ := phone.Zone(phone.Normalize(number, r.vm.Env().Country))
	if zone == "" {
		o.VM.Throw(fault.Invalid, o.Verb+`: whose zone is "callee"?`, `name the number: { zone: "callee", to: f.data.phone }; data.to and data.phone are found by themselves`)
	}
	return zone
}

func (r *run) event(args []goja.Value) goja.Value {
	name := word(r.vm, "f.event", "an event's name", bind.Arg(args, 0))
	o := bind.Read(r.vm, "f.event", bind.Arg(args, 1), "within").Duration("within", 0, maxWait)
	a := journal.Asked{Kind: journal.Event, Name: name}
	if ms, ok := o.Wire["withinMs"].(int64); ok {
		a.Until = r.now.Add(time.Duration(ms) * time.Millisecond)
	}
	_, promise := r.wait("f.event", a, nil)
	return promise
}

// callTexts are the options of f.call that go to the order as they are.
var callTexts = []string{"to", "from", "trunk", "window", "zone", "deliveredAfter", "expires"}

func (r *run) call(args []goja.Value) goja.Value {
	o := bind.Read(r.vm, "f.call", bind.Arg(args, 0), append([]string{"script", "data", "tries", "every", "unless", "timeout", "retry", "hide"}, callTexts...)...)
	o.Wire["tries"] = int64(1)
	o.String(callTexts...).String("script").Bool("hide").Int("tries", 1, maxDials)
	script, _ := o.Wire["script"].(string)
	if script == "" {
		script = r.wake.Flow.Script
	}
	o.Wire["script"] = script
	if to, _ := o.Wire["to"].(string); to == "" {
		o.Bad("to", o.Value("to"), "a number, a user or a group", "")
	}
	for _, name := range []string{"every", "timeout"} {
		if v, ok := o.Get(name); ok {
			o.Wire[name] = duration.Format(r.span(o, name, v))
		}
	}
	if v, ok := o.Get("retry"); ok {
		o.Wire["retry"] = r.retry(o, v)
	}
	if data := plain(o, "data"); data != nil {
		o.Wire["data"] = data
	}
	unless := o.Func("unless")
	o.Wire["unless"] = unless != nil
	ask, err := json.Marshal(o.Wire)
	if err != nil {
		r.vm.ThrowError(err)
	}
	c, promise := r.wait("f.call", journal.Asked{Kind: journal.Call, Name: script, Ask: ask}, nil)
	if c != nil {
		c.unless = unless
	}
	return promise
}

func (r *run) span(o *bind.Options, name string, v goja.Value) time.Duration {
	d, err := bind.ParseDuration(v)
	if err != nil {
		o.Bad(name, v, "a duration", `write "15m", "30s" or a number of milliseconds`)
	}
	return d
}

// retry is the pause by outcome.
func (r *run) retry(o *bind.Options, v goja.Value) map[string]string {
	obj, ok := v.(*goja.Object)
	if !ok {
		o.Bad("retry", v, `an object such as { busy: "5m", default: "1h" }`, "")
	}
	out := map[string]string{}
	for _, key := range obj.Keys() {
		out[key] = duration.Format(r.span(o, "retry."+key, obj.Get(key)))
	}
	return out
}

// unless runs the function of that name before a dial and tells what it says.
func (r *run) unless(n int) {
	c := r.commands[n]
	if c == nil || c.unless == nil {
		return // the host goes on without an answer
	}
	r.working++
	answer := func(a journal.Answer) goja.Value {
		r.working--
		a.N = n
		r.tell("flow.asked", a)
		r.soon()
		return goja.Undefined()
	}
	r.vm.Unsealed(func() {
		p := bind.Promise(r.vm, func() goja.Value { return bind.Call(c.unless) })
		bind.Settle(r.vm, p, func(v goja.Value) goja.Value {
			switch s, isText := v.(goja.String); {
			case isText && s.Length() > 0 && s.Length() <= journal.MaxName:
				return answer(journal.Answer{Skip: s.String()})
			case v.ToBoolean():
				return answer(journal.Answer{Skip: "unless"})
			}
			return answer(journal.Answer{})
		}, func(reason goja.Value) goja.Value { return answer(journal.Answer{Error: r.problemOf(reason)}) })
	})
}
