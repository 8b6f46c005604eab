// Package script is the script half of loopstart:retailcrm: it checks what an
// author says and hands it to the host, which has the key. trigger needs no
// host.
//
// # Errors
//
// INVALID for wrong arguments; else what the host says.
package script

import (
	_ "embed"
	"encoding/json"
	"strings"
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

// maxTimeout is the longest time that a script waits for one answer.
const maxTimeout = time.Minute

// Module is loopstart:retailcrm.
func Module() bind.Module {
	return bind.Module{Scheme: "retailcrm", Members: map[string]bind.Member{
		"rest":        bind.Async(rest),
		"send":        bind.Async(send),
		"caller":      bind.Async(caller),
		"order":       bind.Async(order),
		"updateOrder": bind.Async(updateOrder),
		"callEvent":   bind.Async(callEvent),
		"finishCall":  bind.Async(finishCall),
		"trigger":     bind.Sync(trigger),
	}}
}

func ask(o *bind.Options, verb string) goja.Value { return o.VM.Call("retailcrm."+verb, o.Wire) }

// request reads ("GET orders/7", params, options).
func request(vm *runtime.VM, verb string, args []goja.Value, options ...string) *bind.Options {
	what := ""
	if s, ok := bind.Arg(args, 0).(goja.String); ok {
		what = s.String()
	}
	method, path, ok := strings.Cut(what, " ")
	if !ok || method != "GET" && method != "POST" {
		vm.Throw(fault.Invalid, verb+": "+bind.Describe(bind.Arg(args, 0))+" is no request", `write `+verb+`("GET orders/statuses") or `+verb+`("POST customers/notes/create", { note: { … } })`)
	}
	o := bind.Read(vm, verb, bind.Arg(args, 2), options...)
	o.Wire["method"], o.Wire["path"] = method, strings.TrimPrefix(strings.TrimSpace(path), "/api/v5/")
	o.Wire["params"] = bind.Params(vm, verb, bind.Arg(args, 1))
	return o
}

func rest(vm *runtime.VM, args []goja.Value) goja.Value {
	o := request(vm, "rest", args, "timeout")
	o.Duration("timeout", time.Millisecond, maxTimeout)
	return ask(o, "rest")
}

func send(vm *runtime.VM, args []goja.Value) goja.Value {
	o := request(vm, "send", args, "key")
	if o.Wire["method"] != "POST" {
		vm.Throw(fault.Invalid, "send: only POST changes anything", "read with rest")
	}
	o.String("key")
	return ask(o, "send")
}

func caller(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "caller", bind.Arg(args, 1), "timeout", "ignoreStatus")
	o.Duration("timeout", time.Millisecond, maxTimeout).Bool("ignoreStatus")
	o.Wire["phone"] = bind.PhoneOf(vm, "caller", bind.Arg(args, 0))
	return ask(o, "caller")
}

// reference is an order: {number}, {externalId} or {id}, and {site}.
func reference(vm *runtime.VM, verb string, v goja.Value) map[string]any {
	o := bind.Read(vm, verb, v, "number", "externalId", "id", "site")
	o.String("site")
	named := 0
	for _, name := range []string{"number", "externalId", "id"} {
		v, ok := o.Get(name)
		if !ok {
			continue
		}
		if _, whole := bind.WholeNumber(v); !whole {
			o.String(name)
		} else {
			o.Wire[name] = v.String()
		}
		named++
	}
	if named != 1 {
		vm.Throw(fault.Invalid, verb+": which order?", `say { number: "1001C" }, { externalId: "77" } or { id: 77 }`)
	}
	return o.Wire
}

func order(vm *runtime.VM, args []goja.Value) goja.Value {
	ref := reference(vm, "order", bind.Arg(args, 0))
	return bind.Then(vm, vm.Call("retailcrm.order", ref), func(v goja.Value) goja.Value {
		o, ok := v.(*goja.Object)
		if !ok || !o.Get("found").ToBoolean() {
			return goja.Undefined()
		}
		return o.Get("order")
	})
}

func updateOrder(vm *runtime.VM, args []goja.Value) goja.Value {
	ref := reference(vm, "updateOrder", bind.Arg(args, 0))
	if bind.Missing(bind.Arg(args, 1)) {
		vm.Throw(fault.Invalid, "updateOrder: nothing to change", `write updateOrder({ number }, { customFields: { call_result: "answered" } })`)
	}
	return vm.Call("retailcrm.updateOrder", map[string]any{"order": ref, "changes": bind.Params(vm, "updateOrder", bind.Arg(args, 1))})
}

func callEvent(vm *runtime.VM, args []goja.Value) goja.Value {
	facts := bind.CallFacts(vm, "callEvent", bind.Arg(args, 0))
	o := bind.Read(vm, "callEvent", bind.Arg(args, 1), "type", "outcome", "codes", "users", "site", "timeout")
	o.Choice("type", "in", "out", "hangup").String("outcome", "site").Duration("timeout", time.Millisecond, maxTimeout)
	for _, name := range []string{"codes", "users"} {
		if v, ok := o.Get(name); ok {
			list, isObject := v.(*goja.Object)
			if !isObject || list.ClassName() != "Array" {
				o.Bad(name, v, "a list", "")
			}
			o.Wire[name] = bind.Plain(vm, "callEvent", v)
		}
	}
	o.Wire["call"] = facts
	return ask(o, "callEvent")
}

func finishCall(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "finishCall", bind.Arg(args, 1), "code", "user", "site", "result", "recording")
	o.String("code", "site").Int("user", 1, 1<<31).Bool("recording").
		Choice("result", "answered", "busy", "failed", "no answer", "not allowed", "unknown")
	o.Wire["record"] = bind.Params(vm, "finishCall", bind.Arg(args, 0))
	return ask(o, "finishCall")
}

// trigger brings query, form and JSON of a request together: how a trigger
// sends its fields is the account's choice. Text that is a JSON object or list
// becomes one; the hook's own token is left out.
func trigger(vm *runtime.VM, args []goja.Value) goja.Value {
	req, ok := bind.Arg(args, 0).(*goja.Object)
	if ok {
		_, ok = req.Get("query").(*goja.Object)
	}
	if !ok {
		vm.Throw(fault.Invalid, "trigger: "+bind.Describe(bind.Arg(args, 0))+" is no request", "give it the request of onRequest")
	}
	out := vm.Runtime().NewObject()
	for _, part := range []string{"query", "form", "json"} {
		fields, ok := req.Get(part).(*goja.Object)
		if !ok || fields.ClassName() == "Array" {
			continue
		}
		for _, name := range fields.Keys() {
			if part == "query" && name == "token" {
				continue
			}
			if err := out.DefineDataProperty(name, unpacked(vm, fields.Get(name)), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
				vm.ThrowError(err)
			}
		}
	}
	return out
}

// unpacked reads text that holds a JSON object or list.
func unpacked(vm *runtime.VM, v goja.Value) goja.Value {
	s, ok := v.(goja.String)
	if !ok || s.Length() == 0 {
		return v
	}
	text := s.String()
	if (text[0] == '{' || text[0] == '[') && json.Valid([]byte(text)) {
		if inner, err := vm.Decode(json.RawMessage(text)); err == nil {
			return inner
		}
	}
	return v
}
