package script

import (
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Limits of a queue's options.
const (
	MaxSkills    = 20
	maxPriority  = 1000
	minEvery     = 5 * time.Second
	maxWait      = 24 * time.Hour
	maxKeptTries = 10
)

// queueOptions are those of enter; a check reads them too.
var queueOptions = []string{"music", "announce", "every", "priority", "timeout", "keys", "whisper", "accept", "skills", "maxDuration", "record", "headers",
	"from", "hangupOn", "onRing", "onAnswer", "signal"}

var callbackOptions = []string{"place", "from", "trunk", "priority", "skills", "timeout", "expires", "attempts", "retry", "whisper", "accept", "record", "data"}

// QueueMembers are what queue(…) has.
var QueueMembers = []string{"callback", "cancel", "enter", "priority", "state"}

// queue names a group in front of whose agents callers wait.
func (c *Calls) queue(vm *runtime.VM, _ string) goja.Value {
	return vm.Func("queue", func(f goja.FunctionCall) goja.Value {
		group := groupName(vm, "queue", "group", f.Argument(0))
		return bind.Namespace(vm, map[string]bind.Member{
			"enter":    bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value { return c.enter(vm, group, args) }),
			"callback": bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value { return c.callback(vm, group, args) }),
			"state": bind.Async(func(vm *runtime.VM, _ []goja.Value) goja.Value {
				return vm.Call("queue.state", map[string]any{"group": group})
			}),
			"priority": bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value { return reprioritize(vm, args) }),
			"cancel": bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value {
				return vm.Call("queue.cancel", map[string]any{"id": groupName(vm, "queue.cancel", "id", bind.Arg(args, 0))})
			}),
		})
	})
}

// agent is one who serves queues.
func (c *Calls) agent(vm *runtime.VM, _ string) goja.Value {
	return vm.Func("agent", func(f goja.FunctionCall) goja.Value {
		name := groupName(vm, "agent", "user", f.Argument(0))
		set := func(state string) bind.Member {
			return bind.Async(func(vm *runtime.VM, _ []goja.Value) goja.Value {
				return vm.Call("agent.set", map[string]any{"agent": name, "state": state})
			})
		}
		return bind.Namespace(vm, map[string]bind.Member{
			"ready": set("ready"), "away": set("away"),
			"state": bind.Async(func(vm *runtime.VM, _ []goja.Value) goja.Value {
				return vm.Call("agent.state", map[string]any{"agent": name})
			}),
		})
	})
}

func groupName(vm *runtime.VM, verb, what string, v goja.Value) string {
	_, isObject := v.(*goja.Object)
	if isObject || bind.Missing(v) || strings.TrimSpace(v.String()) == "" || len(v.String()) > 200 {
		vm.Throw(fault.Invalid, verb+": the "+what+" is "+bind.Describe(v)+", a name is wanted", "")
	}
	return strings.TrimSpace(v.String())
}

// legOf is the call that a function is given.
func legOf(vm *runtime.VM, verb string, v goja.Value) *leg {
	if o, ok := v.(*goja.Object); ok {
		if l, ok := bind.Go(o).(*leg); ok {
			return l
		}
	}
	vm.Throw(fault.Invalid, verb+": "+bind.Describe(v)+" is no call", `write queue("sales").enter(call)`)
	return nil
}

// enter lets a call wait in line. What keys stand for stays here.
func (c *Calls) enter(vm *runtime.VM, group string, args []goja.Value) goja.Value {
	l := legOf(vm, "queue.enter", bind.Arg(args, 0))
	o := bind.Read(vm, "queue.enter", bind.Arg(args, 1), queueOptions...)
	o.Wire["group"] = group
	o.Int("priority", -maxPriority, maxPriority).Duration("timeout", time.Second, maxWait).Duration("every", minEvery, maxWait)
	o.Duration("maxDuration", time.Second, maxCall).Bool("record").Headers("headers").Callback("onRing", "onAnswer")
	caller(o)
	readMusic(o)
	readAnnounce(o)
	optionalPrompt(o, "whisper", asSay)
	readAccept(o)
	readSkills(o)
	if v, ok := o.Get("hangupOn"); ok {
		o.Wire["hangupOn"] = sequence(o, "hangupOn", v.String())
	}
	left := map[string]goja.Value{} // values by key
	readQueueKeys(o, l, left)
	o.Wire["call"] = l.handle
	return bind.Then(vm, bind.Cancelable(vm, o.Value("signal"), "queue.enter", o.Wire), func(v goja.Value) goja.Value {
		if answer, ok := v.(*goja.Object); ok {
			if value, known := left[textOf(answer.Get("key"))]; known {
				must(answer.Set("value", value))
			}
		}
		return v
	})
}

// readAnnounce: "position", "wait" and "both" are words of ours, all else is a
// prompt; false and nothing are silence.
func readAnnounce(o *bind.Options) {
	v, ok := o.Get("announce")
	if !ok {
		return
	}
	if on, isBool := bind.Go(v).(bool); isBool && !on {
		return
	}
	switch s := textOf(v); s {
	case "position", "wait", "both":
		o.Wire["announce"] = s
	default:
		optionalPrompt(o, "announce", asSay)
	}
}

// readSkills reads ["billing"] or {billing: 2}.
func readSkills(o *bind.Options) {
	v, ok := o.Get("skills")
	if !ok {
		return
	}
	object, isObject := v.(*goja.Object)
	if !isObject || len(object.Keys()) > MaxSkills {
		o.Bad("skills", v, `a list such as ["billing"] or an object {billing: 2}`, "")
	}
	out := map[string]any{}
	if object.ClassName() == "Array" {
		list, isList := texts(v)
		if !isList {
			o.Bad("skills", v, "a list of names", "")
		}
		for _, name := range list {
			out[name.(string)] = 1
		}
		o.Wire["skills"] = out
		return
	}
	for _, name := range object.Keys() {
		n, whole := bind.WholeNumber(object.Get(name))
		if !whole || n < 1 || n > 100 {
			o.Bad("skills."+name, object.Get(name), "a level from 1 to 100", "")
		}
		out[name] = n
	}
	o.Wire["skills"] = out
}

// readQueueKeys reads what a key does to a caller who waits: a value leaves the
// line with it; a function is called while the caller stays, and leaves it when
// it returns a value.
func readQueueKeys(o *bind.Options, l *leg, left map[string]goja.Value) {
	v, ok := o.Get("keys")
	if !ok {
		return
	}
	object, isObject := v.(*goja.Object)
	if !isObject || object.ClassName() == "Array" || len(object.Keys()) > MaxChoices {
		o.Bad("keys", v, `an object such as {1: "callback"}`, "")
	}
	keys := map[string]any{}
	for _, key := range object.Keys() {
		sequence(o, "keys", key)
		value := object.Get(key)
		fn, callable := goja.AssertFunction(value)
		if !callable {
			left[key], keys[key] = value, map[string]any{}
			continue
		}
		keys[key] = l.vm.Func("key "+strconv.Quote(key), func(f goja.FunctionCall) goja.Value {
			return bind.Then(l.vm, bind.Call(fn, f.Arguments...), func(value goja.Value) goja.Value {
				if !bind.Missing(value) {
					left[key] = value
					l.vm.Post("queue.leave", map[string]any{"call": l.handle, "key": key})
				}
				return goja.Undefined()
			})
		})
	}
	o.Wire["keys"] = keys
}

// reprioritize moves a call that waits.
func reprioritize(vm *runtime.VM, args []goja.Value) goja.Value {
	l := legOf(vm, "queue.priority", bind.Arg(args, 0))
	n, whole := bind.WholeNumber(bind.Arg(args, 1))
	if !whole || n < -maxPriority || n > maxPriority {
		vm.Throw(fault.Invalid, "queue.priority: the priority is "+bind.Describe(bind.Arg(args, 1))+", a whole number is wanted", "")
	}
	return vm.Call("queue.priority", map[string]any{"call": l.handle, "priority": n})
}

// callback keeps a place for somebody who is called back when its turn comes.
func (c *Calls) callback(vm *runtime.VM, group string, args []goja.Value) goja.Value {
	o := bind.Read(vm, "queue.callback", bind.Arg(args, 1), callbackOptions...)
	o.Wire["group"], o.Wire["place"] = group, "kept"
	o.Wire["to"] = targetText(vm, "queue.callback", bind.Arg(args, 0))
	o.Choice("place", "kept", "end").Int("priority", -maxPriority, maxPriority).Int("attempts", 1, maxKeptTries).Bool("record").String("trunk")
	o.Duration("timeout", minRing, maxRing).Duration("expires", time.Minute, 30*24*time.Hour).Duration("retry", time.Second, 7*24*time.Hour)
	caller(o)
	readSkills(o)
	optionalPrompt(o, "whisper", asSay)
	readAccept(o)
	if data, ok := o.Get("data"); ok {
		o.Wire["data"] = data
	}
	return vm.Call("queue.callback", o.Wire)
}
