package bind

import (
	"encoding/json"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
)

// Plain is an author's value as JSON; without a JSON form it throws INVALID.
func Plain(vm *runtime.VM, verb string, v goja.Value) json.RawMessage {
	text, err := vm.Encode(v)
	if err != nil {
		vm.ThrowError(err)
	}
	if text == nil {
		vm.Throw(fault.Invalid, verb+": "+Describe(v)+" has no JSON form", "")
	}
	return text
}

// Params is Plain for an object or nothing.
func Params(vm *runtime.VM, verb string, v goja.Value) json.RawMessage {
	if Missing(v) {
		return json.RawMessage("{}")
	}
	o, ok := v.(*goja.Object)
	if _, callable := goja.AssertFunction(v); !ok || callable || o.ClassName() == "Array" {
		vm.Throw(fault.Invalid, verb+": the parameters are "+Describe(v)+", an object is wanted", "")
	}
	return Plain(vm, verb, v)
}

// Number is the phone number of an address (a Call's from, to or remote): E.164,
// else what stands there.
func Number(v goja.Value) string {
	o, ok := v.(*goja.Object)
	if !ok {
		return ""
	}
	for _, name := range []string{"e164", "user"} {
		if s, ok := o.Get(name).(goja.String); ok {
			return s.String()
		}
	}
	return ""
}

// CallFacts are what a connector is told of a Call: {id, direction, phone (of
// the other party, if it is one), line (ours), startedAt}.
func CallFacts(vm *runtime.VM, verb string, v goja.Value) map[string]any {
	o, ok := v.(*goja.Object)
	if ok {
		_, ok = o.Get("remote").(*goja.Object)
	}
	if !ok {
		vm.Throw(fault.Invalid, verb+": "+Describe(v)+" is no call", "give it the call of the script")
	}
	facts := map[string]any{"id": o.Get("id"), "direction": o.Get("direction"), "startedAt": o.Get("startedAt")}
	ours := "to"
	if o.Get("direction").String() == "outbound" {
		ours = "from"
	}
	facts["line"] = Number(o.Get(ours))
	facts["phone"] = ""
	if s, ok := o.Get("remote").(*goja.Object).Get("e164").(goja.String); ok {
		facts["phone"] = s.String()
	}
	return facts
}

// PhoneOf is a number as text, or that of a Call's other party: "" when that
// is anonymous.
func PhoneOf(vm *runtime.VM, verb string, v goja.Value) string {
	if s, ok := v.(goja.String); ok {
		return s.String()
	}
	if Missing(v) {
		return "" // call.remote.e164 of an anonymous call
	}
	return CallFacts(vm, verb, v)["phone"].(string)
}
