package script

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// leg is one Call object. Its members are made when they are first touched.
type leg struct {
	session *session
	vm      *runtime.VM
	handle  string
	main    bool // the call that this VM runs for
	object  *goja.Object
	facts   *goja.Object // plain data, kept up to date by events
	// received is the headers of the INVITE as [[name, value], …]; nil where the
	// facts have them.
	received json.RawMessage
	made     map[string]goja.Value

	listeners  map[string][]listener
	streams    []*stream
	controller *goja.Object // of call.signal, made when it is asked for
	ended      bool

	result  goja.Value // only of a leg that is not main
	outcome string
}

// verb is a method of Call; it returns a promise or throws.
type verb func(l *leg, args []goja.Value) goja.Value

// facts are plain members, in the order in which console.log shows them.
var facts = []string{"id", "direction", "from", "to", "remote", "data", "script", "campaign", "attempt", "startedAt", "answeredAt", "state"}

// verbs are the members that are asynchronous methods.
var verbs = map[string]verb{
	"ring": plain("ring"), "progress": plain("progress"), "answer": answer, "reject": reject, "redirect": redirect, "hangup": hangup,
	"say": speak("say"), "play": speak("play"), "prompt": speak("prompt"), "stop": plain("stop"),
	"pause": plain("pause"), "resume": plain("resume"), "seek": seek,
	"gather": gather, "menu": menu, "record": record, "connect": connect, "bridge": bridge, "unbridge": plain("unbridge"),
	"hold": hold, "unhold": plain("unhold"), "stream": startStream, "mute": mute(true), "unmute": mute(false),
	"sendDigits": sendDigits, "detectMachine": detectMachine, "waitForBeep": waitForBeep, "transfer": transfer, "retry": retry, "sendMessage": sendMessage, "sendInfo": sendInfo,
}

// others are the members that are no plain facts and no verbs.
func (l *leg) other(name string) goja.Value {
	switch name {
	case "headers":
		return l.headers()
	case "identity":
		return l.identity()
	case "recording":
		return l.recording()
	case "signal":
		return l.signal()
	case "on":
		return l.vm.Func(name, func(c goja.FunctionCall) goja.Value { return l.on(c.Arguments) })
	case "tag":
		return l.vm.Func(name, func(c goja.FunctionCall) goja.Value { return l.tag(c.Arguments) })
	case "log":
		return l.vm.Func(name, func(c goja.FunctionCall) goja.Value {
			l.vm.Post("console.log", map[string]any{"level": "info", "text": bind.Format(l.vm, c.Arguments), "call": l.handle})
			return goja.Undefined()
		})
	}
	return nil
}

var otherNames = []string{"headers", "identity", "recording", "signal", "on", "tag", "log"}

// Members are the names of everything a Call has, sorted.
func Members() []string {
	names := slices.Concat(facts, otherNames, []string{"result", "outcome", "digits"}, slices.Collect(maps.Keys(verbs)))
	slices.Sort(names)
	return names
}

// Get implements goja.DynamicObject.
func (l *leg) Get(key string) goja.Value {
	switch {
	case key == "result":
		return l.getResult()
	case key == "outcome":
		return l.getOutcome()
	case key == "digits":
		return l.digits()
	case slices.Contains(facts, key):
		if v := l.facts.Get(key); v != nil {
			return v
		}
		return goja.Undefined()
	}
	if v, ok := l.made[key]; ok {
		return v
	}
	v := l.make(key)
	if v != nil {
		l.made[key] = v
	}
	return v
}

func (l *leg) make(key string) goja.Value {
	if do, ok := verbs[key]; ok {
		return l.method(key, do)
	}
	return l.other(key)
}

func (l *leg) method(name string, do verb) goja.Value {
	return l.vm.Func(name, func(c goja.FunctionCall) goja.Value {
		return bind.Promise(l.vm, func() goja.Value { return do(l, c.Arguments) })
	})
}

// Has implements goja.DynamicObject.
func (l *leg) Has(key string) bool {
	_, ok := slices.BinarySearch(Members(), key)
	return ok
}

// Delete implements goja.DynamicObject.
func (l *leg) Delete(key string) bool { return !l.Has(key) }

// Keys implements goja.DynamicObject.
func (l *leg) Keys() []string { return Members() }

// Shown are the members that console.log shows.
func (l *leg) Shown() []string {
	return slices.DeleteFunc(slices.Clone(facts), func(name string) bool { return bind.Missing(l.facts.Get(name)) })
}

// Set implements goja.DynamicObject: result, outcome and data can be set.
func (l *leg) Set(key string, v goja.Value) bool {
	switch key {
	case "result":
		l.setResult(v)
	case "outcome":
		l.setOutcome(v)
	case "data":
		return l.facts.Set("data", v) == nil
	default:
		hint := ""
		if near := suggest.Nearest(key, []string{"result", "outcome", "data"}); near != "" {
			hint = "did you mean " + near + "?"
		}
		l.vm.Throw(fault.Invalid, "call."+key+" cannot be set; result and outcome can", hint)
	}
	return true
}

func (l *leg) getResult() goja.Value {
	if l.main {
		return l.vm.Result()
	}
	if l.result == nil {
		return goja.Undefined()
	}
	return l.result
}

func (l *leg) setResult(v goja.Value) {
	if _, is := goja.AssertFunction(v); is {
		l.vm.Throw(fault.Invalid, "call.result: "+bind.Describe(v)+" has no JSON form", "is a call of it meant, with ()?")
	}
	if l.main {
		l.vm.SetResult(v)
		return
	}
	l.result = v
	l.post(map[string]any{"result": v})
}

func (l *leg) getOutcome() goja.Value {
	outcome := l.outcome
	if l.main {
		outcome = l.vm.Outcome()
	}
	if outcome == "" {
		return goja.Undefined()
	}
	return l.vm.Runtime().ToValue(outcome)
}

// outcomes are the values that a record may have.
var outcomes = []string{"delivered", "answered_short", "machine", "busy", "no_answer", "rejected", "bad_number", "trunk_failed",
	"failed", "unknown", "not_called", "talked", "served", "missed", "abandoned"}

func (l *leg) setOutcome(v goja.Value) {
	s := textOf(v)
	if !slices.Contains(outcomes, s) {
		hint := "the outcomes are " + strings.Join(outcomes, ", ") + "; your own words belong in call.result"
		if near := suggest.Nearest(s, outcomes); near != "" {
			hint = "did you mean " + near + "?"
		}
		l.vm.Throw(fault.Invalid, "call.outcome: "+bind.Describe(v)+" is no outcome", hint)
	}
	if l.main {
		l.vm.SetOutcome(s)
		return
	}
	l.outcome = s
	l.post(map[string]any{"outcome": s})
}

// post tells the host what was set on a call of dial.
func (l *leg) post(fields map[string]any) {
	fields["call"] = l.handle
	l.vm.Post("call.set", fields)
}

// MaxTag is the length of a tag's name and value in bytes.
const MaxTag = 256

func (l *leg) tag(args []goja.Value) goja.Value {
	name, value := textOf(bind.Arg(args, 0)), bind.Arg(args, 1)
	if name == "" || len(name) > MaxTag {
		l.vm.Throw(fault.Invalid, "call.tag: the name is "+bind.Describe(bind.Arg(args, 0))+", a short string is wanted", "")
	}
	if _, isObject := value.(*goja.Object); isObject || bind.Missing(value) || len(value.String()) > MaxTag {
		l.vm.Throw(fault.Invalid, "call.tag: the value of "+name+" is "+bind.Describe(value)+", a short text or number is wanted",
			"objects belong in call.result")
	}
	if l.main {
		l.vm.SetTag(name, value.String())
	} else {
		l.post(map[string]any{"tags": map[string]any{name: value.String()}})
	}
	return goja.Undefined()
}

// send is a verb on its way to the host.
func (l *leg) send(verb string, o *bind.Options) goja.Value {
	o.Wire["call"] = l.handle
	return bind.Cancelable(l.vm, o.Value("signal"), "call."+verb, o.Wire)
}

// done turns the answer of a verb that has none into undefined.
func (l *leg) done(promise goja.Value) goja.Value {
	return bind.Then(l.vm, promise, func(goja.Value) goja.Value { return goja.Undefined() })
}

// read reads the options of a verb.
func (l *leg) read(verb string, v goja.Value, known ...string) *bind.Options {
	return bind.Read(l.vm, "call."+verb, v, known...)
}
