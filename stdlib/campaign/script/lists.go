package script

import (
	"fmt"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// MaxContacts is how many contacts one call of campaigns.add takes.
const MaxContacts = 10_000

var stopListMembers = map[string]bind.Member{
	"add":    bind.Async(stopAdd),
	"has":    bind.Async(stopHas),
	"delete": bind.Async(stopDelete),
}

func stopList(vm *runtime.VM, _ string) goja.Value { return bind.Namespace(vm, stopListMembers) }

// text is an argument that is a string and not empty.
func text(vm *runtime.VM, verb, what string, v goja.Value) string {
	s, ok := v.(goja.String)
	if !ok || s.Length() == 0 || s.Length() > bind.MaxText {
		vm.Throw(fault.Invalid, verb+": the "+what+" is "+bind.Describe(v)+", a string is wanted", "")
	}
	return s.String()
}

func stopAdd(vm *runtime.VM, args []goja.Value) goja.Value {
	const verb = "stopList.add"
	wire := fields(vm, verb, bind.Arg(args, 1), []string{"reason", "expires"})
	wire["phone"] = text(vm, verb, "number", bind.Arg(args, 0))
	return bind.Then(vm, vm.Call("campaign.stop.add", wire), undefined)
}

func stopHas(vm *runtime.VM, args []goja.Value) goja.Value {
	return bind.Then(vm, vm.Call("campaign.stop.has", map[string]any{"phone": text(vm, "stopList.has", "number", bind.Arg(args, 0))}), field("found"))
}

func stopDelete(vm *runtime.VM, args []goja.Value) goja.Value {
	return bind.Then(vm, vm.Call("campaign.stop.delete", map[string]any{"phone": text(vm, "stopList.delete", "number", bind.Arg(args, 0))}), field("deleted"))
}

// field is one field of the host's answer.
func field(name string) func(goja.Value) goja.Value {
	return func(v goja.Value) goja.Value {
		if o, ok := v.(*goja.Object); ok {
			if f := o.Get(name); f != nil {
				return f
			}
		}
		return goja.Undefined()
	}
}

// campaignFields are those of POST /v1/campaigns.
var campaignFields = []string{
	"name", "script", "trunk", "from", "hide", "attempts", "retry", "window", "quiet", "holidays", "zone", "maxCalls", "maxCps", "priority", "dedupe", "dailyCap",
	"frequency", "timeout", "deliveredAfter", "expires", "pauseAfter", "stopWhen", "callback",
}

// patchFields are those of PATCH /v1/campaigns/{id}.
var patchFields = []string{
	"name", "trunk", "from", "hide", "attempts", "retry", "window", "quiet", "holidays", "zone", "maxCalls", "maxCps", "dailyCap", "frequency", "expires",
	"pauseAfter", "stopWhen",
}

var campaignMembers = map[string]bind.Member{
	"create": bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value {
		return vm.Call("campaign.create", map[string]any{"campaign": fields(vm, "campaigns.create", bind.Arg(args, 0), campaignFields)})
	}),
	"get":    bind.Async(byID("get")),
	"patch":  bind.Async(byID("patch", patchFields...)),
	"start":  bind.Async(byID("start", "pauseAfter")),
	"pause":  bind.Async(byID("pause")),
	"resume": bind.Async(byID("resume", "pauseAfter")),
	"cancel": bind.Async(byID("cancel")),
	"add":    bind.Async(addContacts),
	"contact": bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value {
		const verb = "campaigns.contact"
		return vm.Call("campaign.contact", map[string]any{
			"id": text(vm, verb, "id", bind.Arg(args, 0)), "key": text(vm, verb, "key", bind.Arg(args, 1)),
		})
	}),
}

func campaigns(vm *runtime.VM, _ string) goja.Value { return bind.Namespace(vm, campaignMembers) }

// byID is a verb on one campaign, with fields of its own.
func byID(what string, known ...string) bind.Native {
	return func(vm *runtime.VM, args []goja.Value) goja.Value {
		verb := "campaigns." + what
		return vm.Call("campaign."+what, map[string]any{
			"id": text(vm, verb, "id", bind.Arg(args, 0)), "fields": fields(vm, verb, bind.Arg(args, 1), known),
		})
	}
}

// addContacts adds a list of contacts, or one.
func addContacts(vm *runtime.VM, args []goja.Value) goja.Value {
	const verb = "campaigns.add"
	v := bind.Arg(args, 1)
	list, isObject := v.(*goja.Object)
	if !isObject {
		vm.Throw(fault.Invalid, verb+": the contacts are "+bind.Describe(v)+", an array is wanted", `write [{ phone: "+7916…", data: {…} }]`)
	}
	if list.ClassName() != "Array" {
		list = vm.Runtime().NewArray(list)
	}
	if n := list.Get("length").ToInteger(); n > MaxContacts {
		vm.Throw(fault.Limit, fmt.Sprintf("%s: %d contacts at once, the most is %d", verb, n, MaxContacts), "send them in several calls")
	}
	raw, err := vm.Encode(list)
	if err != nil {
		vm.ThrowError(err)
	}
	return vm.Call("campaign.add", map[string]any{"id": text(vm, verb, "id", bind.Arg(args, 0)), "contacts": raw})
}
