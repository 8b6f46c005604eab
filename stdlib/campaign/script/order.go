package script

import (
	"encoding/json"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// orderFields are those of POST /v1/calls.
var orderFields = []string{
	"script", "to", "key", "from", "trunk", "hide", "data", "timeout", "at", "window", "zone", "attempts", "retry", "expires", "deliveredAfter", "priority",
	"callback", "dedupe",
}

// schedule orders a call; it resolves when the order is on disk.
func schedule(vm *runtime.VM, args []goja.Value) goja.Value {
	return vm.Call("campaign.schedule", map[string]any{"order": fields(vm, "schedule", bind.Arg(args, 0), orderFields)})
}

// cancel hangs an order up and cancels what is left of it.
func cancel(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "cancel", bind.Arg(args, 0), "id", "key").String("id", "key")
	if (o.Wire["id"] == nil) == (o.Wire["key"] == nil) {
		vm.Throw(fault.Invalid, "cancel: either id or key is wanted", `write cancel({ key: "order-77" })`)
	}
	return bind.Then(vm, vm.Call("campaign.cancel", o.Wire), undefined)
}

func undefined(goja.Value) goja.Value { return goja.Undefined() }

// fields reads an object whose fields have the names of the API in camelCase.
// Values go as they are: durations may be texts or milliseconds, times also
// dates.
func fields(vm *runtime.VM, verb string, v goja.Value, known []string) map[string]any {
	o := bind.Read(vm, verb, v, known...)
	out := map[string]any{}
	for _, name := range known {
		value, ok := o.Get(name)
		if !ok {
			continue
		}
		text, err := vm.Encode(value)
		if err != nil {
			vm.ThrowError(err)
		}
		if text == nil {
			o.Bad(name, value, "a value that has a JSON form", "")
		}
		if name == "stopWhen" {
			text = rename(text)
		}
		out[snake(name)] = json.RawMessage(text)
	}
	return out
}

// rename writes the keys of an object as the API has them.
func rename(text []byte) []byte {
	var in map[string]json.RawMessage
	if json.Unmarshal(text, &in) != nil {
		return text // the host says what is wrong
	}
	out := map[string]json.RawMessage{}
	for k, v := range in {
		out[snake(k)] = v
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return text
	}
	return raw
}

// snake is deliveredAfter as delivered_after.
func snake(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
