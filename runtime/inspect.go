package runtime

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// Inspection is what can be known of a bundle without running a call.
type Inspection struct {
	Config  json.RawMessage // the export "config", nil if there is none
	Exports []string        // all names, sorted
	Flow    string          // the export that is a flow, "default" or "onFlow"; "" if none is
}

// inspectTime is how long evaluating the static part of a script may take.
const inspectTime = 2 * time.Second

// Inspect compiles a bundle and evaluates its static part, with stand-ins for
// the built-in modules and the web globals. It is meant for the build child: a
// bundle can be made to hang or crash the compiler.
func Inspect(b message.Bundle) (Inspection, *message.ScriptError) {
	v := newVersion(b, Light)
	v.limits.SliceCPU = inspectTime
	v.compile()
	if v.err != nil {
		return Inspection{}, v.err
	}
	w := newWorker(nil, Options{Lanes: 1, Globals: standInGlobals})
	vm := &VM{
		version: v, worker: w, limits: v.limits, inspecting: true, entry: message.Entry{Script: b.Script},
		events: map[string][]func(json.RawMessage){}, pending: map[uint32]*hostCall{}, callbacks: map[uint32]goja.Callable{},
	}
	vm.ctx, vm.cancel = context.WithCancel(context.Background())
	defer vm.cancel()
	vm.budget.capacity, vm.logs.capacity, vm.stepBytes.capacity = vm.limits.Heap, int64(vm.limits.LogBytes), maxStepBytes
	var found Inspection
	w.watch.begin(w.watch.lanes[0], vm)
	vm.inspect(&found)
	if why := w.watch.end(w.watch.lanes[0]); why != nil {
		vm.fail(vm.scriptError(why))
	}
	vm.timers.disarm()
	if vm.outcome != nil {
		return Inspection{}, vm.outcome.Error
	}
	return found, nil
}

// inspect is the one slice of an inspection.
func (vm *VM) inspect(found *Inspection) {
	defer func() {
		if x := recover(); x != nil {
			vm.panicked(x)
		}
	}()
	if err := vm.evaluate(found); err != nil {
		vm.fail(vm.scriptError(err))
	}
	vm.checkRejections()
}

func (vm *VM) evaluate(found *Inspection) error {
	if err := vm.boot(); err != nil {
		return err
	}
	exports, err := vm.exports()
	if err != nil {
		return err
	}
	found.Exports = slices.DeleteFunc(exports.Keys(), func(name string) bool { return name == "__esModule" })
	slices.Sort(found.Exports)
	if len(found.Exports) == 0 { // a CommonJS module; of others the bundler knows
		return fault.New(fault.Script, "the script exports nothing, so there is nothing to run").WithHint("write: export default async function (call) { await call.answer(); }")
	}
	if entry := exports.Get("default"); entry != nil {
		if _, callable := goja.AssertFunction(entry); !callable {
			return fault.New(fault.Script, "the default export is no function").WithHint("write: export default async function (call) { await call.answer(); }")
		}
	}
	if found.Flow, err = vm.findFlow(exports); err != nil {
		return err
	}
	config := exports.Get("config")
	if config == nil || goja.IsUndefined(config) {
		return nil
	}
	enc := encoder{vm: vm, maxBytes: MaxStateBytes, plainOnly: true}
	if found.Config, err = enc.encode(config); err != nil {
		return fault.New(fault.CodeOf(err), "config: %w", err).WithHint("config has to be a constant: text, numbers, lists and objects")
	}
	return nil
}

// standIn is a value that takes any use at load time: it can be called, made
// new, and asked for any member, and gives itself.
func (vm *VM) standIn() goja.Value {
	target := vm.rt.ToValue(func(goja.ConstructorCall) *goja.Object { return nil }).(*goja.Object)
	var self goja.Value
	proxy := vm.rt.NewProxy(target, &goja.ProxyTrapConfig{
		Get: func(_ *goja.Object, property string, _ goja.Value) goja.Value {
			if property == "then" || property == "toJSON" || property == "__esModule" {
				return goja.Undefined()
			}
			return self
		},
		GetSym:    func(*goja.Object, *goja.Symbol, goja.Value) goja.Value { return goja.Undefined() },
		Has:       func(*goja.Object, string) bool { return true },
		Apply:     func(*goja.Object, goja.Value, []goja.Value) goja.Value { return self },
		Construct: func(*goja.Object, []goja.Value, *goja.Object) *goja.Object { return self.(*goja.Object) },
	})
	self = vm.rt.ToValue(proxy)
	return self
}

// webGlobals are those that scripts may use while they are loaded.
var webGlobals = []string{
	"console", "fetch", "URL", "URLSearchParams", "TextEncoder", "TextDecoder", "structuredClone", "AbortController",
	"AbortSignal", "FormData", "Headers", "Request", "Response", "Blob", "crypto", "atob", "btoa", "Intl", "performance",
	"Event", "EventTarget",
}

func standInGlobals(vm *VM) error {
	for _, name := range webGlobals {
		if err := vm.rt.Set(name, vm.standIn()); err != nil {
			return err
		}
	}
	return nil
}
