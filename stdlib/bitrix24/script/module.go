// Package script is the script half of loopstart:bitrix24: it checks what an
// author says and hands it to the host, which has the credentials.
//
// # Limits
//
// [MaxCommands] in a batch; bodies are bounded by the worker's body_bytes.
//
// # Errors
//
// INVALID for wrong arguments; else what the host says.
package script

import (
	_ "embed"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// MaxCommands is how many commands a batch may hold.
const MaxCommands = 50

// maxTimeout is the longest time that a script waits for one answer.
const maxTimeout = time.Minute

// Module is loopstart:bitrix24.
func Module() bind.Module {
	return bind.Module{Scheme: "bitrix24", Members: map[string]bind.Member{
		"rest":       bind.Async(rest),
		"list":       bind.Async(list),
		"batch":      bind.Async(batch),
		"send":       bind.Async(send),
		"caller":     bind.Async(caller),
		"lead":       bind.Async(lead),
		"openCard":   bind.Async(openCard),
		"showCard":   bind.Async(cardFor("showCard")),
		"hideCard":   bind.Async(cardFor("hideCard")),
		"finishCall": bind.Async(finishCall),
		"event":      bind.Async(event),
	}}
}

func ask(o *bind.Options, verb string) goja.Value { return o.VM.Call("bitrix24."+verb, o.Wire) }

// method reads (method, params, options) as rest, list and send take them.
func method(vm *runtime.VM, verb string, args []goja.Value, options ...string) *bind.Options {
	name, ok := bind.Arg(args, 0).(goja.String)
	if !ok || name.Length() == 0 {
		vm.Throw(fault.Invalid, verb+": the method is "+bind.Describe(bind.Arg(args, 0))+", a string is wanted", `write `+verb+`("crm.item.list", { entityTypeId: 1 })`)
	}
	o := bind.Read(vm, verb, bind.Arg(args, 2), options...)
	o.Wire["method"], o.Wire["params"] = name.String(), bind.Params(vm, verb, bind.Arg(args, 1))
	return o
}

func rest(vm *runtime.VM, args []goja.Value) goja.Value {
	o := method(vm, "rest", args, "timeout")
	o.Duration("timeout", time.Millisecond, maxTimeout)
	return ask(o, "rest")
}

func list(vm *runtime.VM, args []goja.Value) goja.Value {
	o := method(vm, "list", args, "limit")
	o.Int("limit", 1, 5000)
	return ask(o, "list")
}

func send(vm *runtime.VM, args []goja.Value) goja.Value {
	o := method(vm, "send", args, "key")
	o.String("key")
	return ask(o, "send")
}

// batch takes {name: [method, params]} in the author's order.
func batch(vm *runtime.VM, args []goja.Value) goja.Value {
	commands, ok := bind.Arg(args, 0).(*goja.Object)
	if !ok {
		vm.Throw(fault.Invalid, "batch: the commands are "+bind.Describe(bind.Arg(args, 0))+", an object is wanted", `write batch({ me: ["user.current"] })`)
	}
	o := bind.Read(vm, "batch", bind.Arg(args, 1), "halt")
	o.Bool("halt")
	wire := []any{}
	for _, name := range commands.Keys() {
		pair, ok := commands.Get(name).(*goja.Object)
		if !ok || pair.ClassName() != "Array" {
			vm.Throw(fault.Invalid, "batch: the command "+name+" is "+bind.Describe(commands.Get(name))+", [method, params] is wanted", "")
		}
		one := method(vm, "batch", []goja.Value{pair.Get("0"), pair.Get("1")})
		one.Wire["name"] = name
		wire = append(wire, one.Wire)
	}
	if len(wire) == 0 || len(wire) > MaxCommands {
		vm.Throw(fault.Invalid, "batch: 1 to 50 commands are possible", "")
	}
	o.Wire["commands"] = wire
	return ask(o, "batch")
}

func caller(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "caller", bind.Arg(args, 1), "timeout")
	o.Duration("timeout", time.Millisecond, maxTimeout)
	o.Wire["phone"] = bind.PhoneOf(vm, "caller", bind.Arg(args, 0))
	return ask(o, "caller")
}

func lead(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "lead", bind.Arg(args, 0), "phone", "type", "title", "name", "source", "assigned", "comment", "fields")
	o.String("phone", "title", "name", "source", "comment").Choice("type", "lead", "contact").Int("assigned", 1, 1<<31)
	if o.Wire["phone"] == nil {
		o.Bad("phone", o.Value("phone"), "a phone number", "an anonymous call has none: look at call.remote.e164")
	}
	if v, ok := o.Get("fields"); ok {
		o.Wire["fields"] = bind.Params(vm, "lead", v)
	}
	return ask(o, "lead")
}

// cardNames are the options of a card.
var cardNames = []string{"user", "inner", "type", "line", "create", "source", "entity", "list", "addToChat"}

func cardOptions(o *bind.Options) {
	o.Int("user", 1, 1<<31).Int("list", 1, 1<<31).String("inner", "line", "source").Bool("create", "addToChat").
		Choice("type", "outbound", "inbound", "forwarded", "callback", "info")
	if v, ok := o.Get("entity"); ok {
		e := bind.Read(o.VM, o.Verb+".entity", v, "type", "id", "created")
		e.Choice("type", "lead", "contact", "company").Int("id", 1, 1<<31)
		o.Wire["entity"] = e.Wire
	}
}

func openCard(vm *runtime.VM, args []goja.Value) goja.Value {
	facts := bind.CallFacts(vm, "openCard", bind.Arg(args, 0))
	o := bind.Read(vm, "openCard", bind.Arg(args, 1), append([]string{"show", "timeout"}, cardNames...)...)
	cardOptions(o)
	o.Bool("show").Duration("timeout", time.Millisecond, maxTimeout)
	o.Wire["call"] = facts
	return ask(o, "openCard")
}

// cardFor is showCard or hideCard: (call, user or users).
func cardFor(verb string) bind.Native {
	return func(vm *runtime.VM, args []goja.Value) goja.Value {
		facts := bind.CallFacts(vm, verb, bind.Arg(args, 0))
		users := []int64{}
		add := func(v goja.Value) {
			id, ok := bind.WholeNumber(v)
			if !ok || id < 1 {
				vm.Throw(fault.Invalid, verb+": "+bind.Describe(v)+" is no employee's ID", "")
			}
			users = append(users, id)
		}
		if list, ok := bind.Arg(args, 1).(*goja.Object); ok && list.ClassName() == "Array" {
			for _, key := range list.Keys() {
				add(list.Get(key))
			}
		} else {
			add(bind.Arg(args, 1))
		}
		return vm.Call("bitrix24."+verb, map[string]any{"call": facts["id"], "users": users})
	}
}

func finishCall(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "finishCall", bind.Arg(args, 1), append([]string{"status", "reason", "cost", "currency", "vote", "recording"}, cardNames...)...)
	cardOptions(o)
	o.Choice("status", "200", "304", "603", "603-S", "403", "404", "486", "484", "503", "480", "402", "423", "OTHER").
		String("reason", "currency").Number("cost", 0, 1e9).Int("vote", 1, 5).Bool("recording")
	o.Wire["record"] = bind.Params(vm, "finishCall", bind.Arg(args, 0))
	return ask(o, "finishCall")
}

func event(vm *runtime.VM, args []goja.Value) goja.Value {
	request, ok := bind.Arg(args, 0).(*goja.Object)
	if ok {
		_, ok = request.Get("text").(goja.String)
	}
	if !ok {
		vm.Throw(fault.Invalid, "event: "+bind.Describe(bind.Arg(args, 0))+" is no request", "give it the request of onRequest")
	}
	return vm.Call("bitrix24.event", map[string]any{"body": request.Get("text").String()})
}
