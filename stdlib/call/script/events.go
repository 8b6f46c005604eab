package script

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// eventNames are the events that call.on takes.
var eventNames = []string{"digit", "end", "hold", "transfer", "media", "command", "info", "message"}

// listener is one function of call.on.
type listener struct {
	id int
	fn goja.Callable
}

// event gives what the host says to the leg that it is about.
func (s *session) event(name string, data json.RawMessage) {
	v, err := s.vm.Decode(data)
	if err != nil {
		return // a defect of the host; the runtime has counted it
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return
	}
	l := s.legs[textOf(o.Get("call"))]
	if l == nil {
		return // over already
	}
	_ = o.Delete("call") // plain data of ours
	l.event(name, o)
}

func (l *leg) event(name string, o *goja.Object) {
	switch name {
	case "state":
		l.update(o, "state", "answeredAt")
		return
	case "digit":
		l.feed(o.Get("digit"))
	case "message":
		readable(l.vm, o)
	case "transfer":
		if !bind.Missing(o.Get("request")) {
			l.consent(o)
			return
		}
	}
	if name == "end" {
		l.end()
	}
	for _, x := range slices.Clone(l.listeners[name]) {
		l.notify(x.fn, o)
	}
}

// notify calls a listener as a promise job, so that what it throws is an
// uncaught error of the script and the next listener still hears.
func (l *leg) notify(fn goja.Callable, event goja.Value) {
	bind.Then(l.vm, goja.Undefined(), func(goja.Value) goja.Value { return bind.Call(fn, event) })
}

// update copies facts that have changed.
func (l *leg) update(v goja.Value, names ...string) {
	o, ok := v.(*goja.Object)
	if !ok {
		return
	}
	for _, name := range names {
		if fact := o.Get(name); !bind.Missing(fact) {
			_ = l.facts.Set(name, fact) // plain data of ours
		}
	}
}

// end is the hang-up: the signal aborts and the streams run dry.
func (l *leg) end() {
	if l.ended {
		return
	}
	l.ended = true
	_ = l.facts.Set("state", "ended") // plain data of ours
	for _, s := range slices.Clone(l.streams) {
		s.close()
	}
	if l.controller != nil {
		l.abort()
	}
	if !l.main {
		delete(l.session.legs, l.handle)
	}
}

// on adds a listener and returns the function that takes it away.
func (l *leg) on(args []goja.Value) goja.Value {
	name := textOf(bind.Arg(args, 0))
	if !slices.Contains(eventNames, name) {
		hint := "the events are " + strings.Join(eventNames, ", ")
		if near := suggest.Nearest(name, eventNames); near != "" {
			hint = "did you mean " + near + "?"
		}
		l.vm.Throw(fault.Invalid, "call.on: there is no event "+bind.Describe(bind.Arg(args, 0)), hint)
	}
	fn, ok := goja.AssertFunction(bind.Arg(args, 1))
	if !ok {
		l.vm.Throw(fault.Invalid, "call.on: the second argument is "+bind.Describe(bind.Arg(args, 1))+", a function is wanted", "")
	}
	list := l.listeners[name]
	if len(list) >= MaxListeners {
		l.vm.Throw(fault.Limit, "call.on: this event has as many listeners as it may have (limit listeners)", "call.on returns a function that takes the listener away")
	}
	id := 0
	if len(list) > 0 {
		id = list[len(list)-1].id + 1
	}
	l.listeners[name] = append(list, listener{id, fn})
	return l.vm.Func("off", func(goja.FunctionCall) goja.Value {
		l.listeners[name] = slices.DeleteFunc(l.listeners[name], func(x listener) bool { return x.id == id })
		return goja.Undefined()
	})
}

// signal is an AbortSignal that aborts at hang-up.
func (l *leg) signal() goja.Value {
	rt := l.vm.Runtime()
	controller, err := rt.New(rt.GlobalObject().Get("AbortController"))
	if err != nil {
		panic(err)
	}
	l.controller = controller
	if l.ended {
		l.abort()
	}
	return controller.Get("signal")
}

func (l *leg) abort() {
	abort, ok := goja.AssertFunction(l.controller.Get("abort"))
	if !ok {
		return
	}
	if _, err := abort(l.controller, l.vm.NewError(fault.Hangup, "the call is over", "")); err != nil {
		panic(err)
	}
}
