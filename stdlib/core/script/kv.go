package script

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Limits of shared state.
const (
	MaxKey     = 512 // bytes of a key, a prefix or a lock's name
	MaxList    = 1000
	MaxUpdates = 100 // tries of one update
)

var kvMembers = map[string]bind.Member{
	"get":           bind.Async(kvGet),
	"set":           bind.Async(kvSet),
	"delete":        bind.Async(kvDelete),
	"increment":     bind.Async(kvIncrement),
	"compareAndSet": bind.Async(kvCompareAndSet),
	"update":        bind.Async(kvUpdate),
	"list":          bind.Async(kvList),
}

func kv(vm *runtime.VM, _ string) goja.Value { return bind.Namespace(vm, kvMembers) }

// keyOf is the first argument of a verb, a string that is not empty.
func keyOf(vm *runtime.VM, verb string, v goja.Value) string {
	s, ok := v.(goja.String)
	if !ok || s.Length() == 0 {
		vm.Throw(fault.Invalid, verb+": the key is "+bind.Describe(v)+", a string is wanted", "")
	}
	if text := s.String(); len(text) <= MaxKey {
		return text
	}
	vm.Throw(fault.Limit, verb+": the key is longer than "+strconv.Itoa(MaxKey)+" bytes", "")
	return ""
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

func kvGet(vm *runtime.VM, args []goja.Value) goja.Value {
	key := keyOf(vm, "kv.get", bind.Arg(args, 0))
	return bind.Then(vm, vm.Call("kv.get", map[string]any{"key": key}), func(v goja.Value) goja.Value {
		if !field("found")(v).ToBoolean() {
			return goja.Undefined()
		}
		return field("value")(v)
	})
}

func kvSet(vm *runtime.VM, args []goja.Value) goja.Value {
	key := keyOf(vm, "kv.set", bind.Arg(args, 0))
	value := bind.Arg(args, 1)
	if goja.IsUndefined(value) {
		vm.Throw(fault.Invalid, "kv.set: the value of "+key+" is undefined", "use kv.delete to take a key away")
	}
	o := ttl(vm, "kv.set", bind.Arg(args, 2))
	o.Wire["key"], o.Wire["value"] = key, plain(vm, "kv.set", value)
	return bind.Then(vm, vm.Call("kv.set", o.Wire), undefined)
}

// plain is the JSON of what is kept: functions in it are left out, as
// JSON.stringify does, and what is nothing but a function is refused.
func plain(vm *runtime.VM, verb string, v goja.Value) json.RawMessage {
	text, err := vm.Encode(v)
	if err != nil {
		vm.ThrowError(err)
	}
	if text == nil {
		vm.Throw(fault.Invalid, verb+": "+bind.Describe(v)+" has no JSON form", "")
	}
	return text
}

func undefined(goja.Value) goja.Value { return goja.Undefined() }

func ttl(vm *runtime.VM, verb string, v goja.Value, more ...string) *bind.Options {
	o := bind.Read(vm, verb, v, append(more, "ttl")...)
	return o.Duration("ttl", time.Millisecond, duration.Max)
}

func kvDelete(vm *runtime.VM, args []goja.Value) goja.Value {
	key := keyOf(vm, "kv.delete", bind.Arg(args, 0))
	return bind.Then(vm, vm.Call("kv.delete", map[string]any{"key": key}), field("deleted"))
}

func kvIncrement(vm *runtime.VM, args []goja.Value) goja.Value {
	key := keyOf(vm, "kv.increment", bind.Arg(args, 0))
	o := ttl(vm, "kv.increment", bind.Arg(args, 1), "by")
	o.Wire["key"], o.Wire["by"] = key, 1
	o.Int("by", -math.MaxInt32, math.MaxInt32)
	return bind.Then(vm, vm.Call("kv.increment", o.Wire), field("value"))
}

func kvCompareAndSet(vm *runtime.VM, args []goja.Value) goja.Value {
	key := keyOf(vm, "kv.compareAndSet", bind.Arg(args, 0))
	o := ttl(vm, "kv.compareAndSet", bind.Arg(args, 3))
	return swap(vm, key, bind.Arg(args, 1), bind.Arg(args, 2), o.Wire)
}

// swap sends a compare-and-set. An undefined old value means the key must not
// exist, an undefined new one deletes it.
func swap(vm *runtime.VM, key string, old, new any, wire map[string]any) goja.Value {
	wire["key"] = key
	for name, v := range map[string]any{"old": old, "new": new} {
		value, ok := v.(goja.Value)
		switch {
		case v == nil || ok && goja.IsUndefined(value):
		case ok:
			wire[name] = plain(vm, "kv.compareAndSet", value)
		default:
			wire[name] = v
		}
	}
	return bind.Then(vm, vm.Call("kv.compareAndSet", wire), field("swapped"))
}

// kvUpdate reads, lets fn make a new value and writes it if nothing came in
// between; else it begins again.
func kvUpdate(vm *runtime.VM, args []goja.Value) goja.Value {
	key := keyOf(vm, "kv.update", bind.Arg(args, 0))
	fn, ok := goja.AssertFunction(bind.Arg(args, 1))
	if !ok {
		vm.Throw(fault.Invalid, "kv.update: the second argument is "+bind.Describe(bind.Arg(args, 1))+", a function is wanted", "")
	}
	wire := ttl(vm, "kv.update", bind.Arg(args, 2)).Wire
	return tryUpdate(vm, key, fn, wire, MaxUpdates)
}

func tryUpdate(vm *runtime.VM, key string, fn goja.Callable, options map[string]any, tries int) goja.Value {
	if tries == 0 {
		vm.Throw(fault.Conflict, "kv.update: "+key+" was changed by others "+strconv.Itoa(MaxUpdates)+" times in a row",
			"use kv.increment for counters, or lock for longer work")
	}
	return bind.Then(vm, kvGet(vm, []goja.Value{vm.Runtime().ToValue(key)}), func(old goja.Value) goja.Value {
		var before any // as it was: fn may change the object that it is given
		if !goja.IsUndefined(old) {
			text, err := vm.Encode(old)
			if err != nil {
				vm.ThrowError(err)
			}
			before = text
		}
		return bind.Then(vm, bind.Call(fn, old), func(value goja.Value) goja.Value {
			if goja.IsUndefined(value) {
				return old
			}
			wire := map[string]any{}
			for k, v := range options {
				wire[k] = v
			}
			return bind.Then(vm, swap(vm, key, before, value, wire), func(swapped goja.Value) goja.Value {
				if swapped.ToBoolean() {
					return value
				}
				return tryUpdate(vm, key, fn, options, tries-1)
			})
		})
	})
}

func kvList(vm *runtime.VM, args []goja.Value) goja.Value {
	prefix, ok := bind.Arg(args, 0).(goja.String)
	if !ok {
		vm.Throw(fault.Invalid, "kv.list: the prefix is "+bind.Describe(bind.Arg(args, 0))+", a string is wanted", `use "" for all keys`)
	}
	o := bind.Read(vm, "kv.list", bind.Arg(args, 1), "limit", "after")
	o.Wire["prefix"], o.Wire["limit"] = prefix.String(), 100
	o.Int("limit", 1, MaxList).String("after")
	return bind.Then(vm, vm.Call("kv.list", o.Wire), field("items"))
}
