// Package script is the script half of loopstart:flow: durable flows, and what
// starts them and sends them events.
//
// A flow's code is run from its beginning at every wake-up, in a VM of its own.
// What it asks for by f.step, f.sleep, f.event and f.call is looked up in the
// journal that comes with the start; what is not there yet is done or waited
// for. Dates and random numbers are those of the journal, so that the code goes
// the same way each time. When it does not, the host hears of it and the flow
// stops: never does a result go to another question.
//
// # Concurrency
//
// A run belongs to the lane of its VM. Flows, the module, is shared by the VMs
// of a worker and only keeps which run each has.
//
// # Errors
//
// INVALID for what is wrong with arguments, for requests and timers outside of
// steps, and for f.… inside of them.
package script

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// Flows is the module with what it needs to find the run of a VM.
type Flows struct {
	bind.Module
	mu   sync.Mutex
	runs map[*runtime.VM]*run // until the VM ends
}

// New makes the module for one worker.
func New() *Flows {
	m := &Flows{runs: map[*runtime.VM]*run{}}
	m.Module = bind.Module{Scheme: "flow", Members: map[string]bind.Member{
		"flow": bind.Sync(m.flow), "start": bind.Async(start), "signal": bind.Async(signal),
	}}
	return m
}

// IsWake reports whether a VM was started to run a flow.
func IsWake(argument json.RawMessage) bool { return bytes.HasPrefix(argument, []byte(`{"flow":`)) }

// Prepare seals a VM that was started to run a flow, before its script is
// evaluated.
func (m *Flows) Prepare(vm *runtime.VM) error {
	if !IsWake(vm.Argument()) {
		return nil
	}
	r := &run{vm: vm, commands: map[int]*command{}, settled: map[int]journal.Entry{}, open: map[int]journal.Entry{}}
	if err := r.read(vm.Argument()); err != nil {
		return err
	}
	vm.Seal(r)
	vm.On("flow.settled", r.told)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[vm] = r
	context.AfterFunc(vm.Context(), func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.runs, vm)
	})
	return nil
}

// Argument makes f.
func (m *Flows) Argument(vm *runtime.VM, _ json.RawMessage) (goja.Value, error) {
	r := m.run(vm)
	if r == nil {
		return nil, fault.New(fault.Internal, "flow: the journal is missing")
	}
	return r.object()
}

func (m *Flows) run(vm *runtime.VM) *run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[vm]
}

// flow marks a function as a flow's code.
func (m *Flows) flow(vm *runtime.VM, args []goja.Value) goja.Value {
	code, ok := goja.AssertFunction(bind.Arg(args, 0))
	if !ok {
		vm.Throw(fault.Invalid, "flow needs a function", "write flow(async (f) => { … })")
	}
	return vm.Func("flow", func(c goja.FunctionCall) goja.Value {
		r := m.run(vm)
		if r == nil {
			vm.Throw(fault.Conflict, "this script is a flow and takes no calls", `start it: start("`+vm.Entry().Script+`", { key, data }), or POST /v1/flows/`+vm.Entry().Script)
		}
		return r.begin(code, c.Argument(0))
	})
}

// start begins a flow, if none with the key is running.
func start(vm *runtime.VM, args []goja.Value) goja.Value {
	script := word(vm, "start", "the script's name", bind.Arg(args, 0))
	o := bind.Read(vm, "start", bind.Arg(args, 1), "key", "data")
	w := journal.Start{Script: script, Key: text(o, "key"), Data: plain(o, "data")}
	return vm.Call("flow.start", encode(vm, w))
}

// signal sends a running flow an event.
func signal(vm *runtime.VM, args []goja.Value) goja.Value {
	script := word(vm, "signal", "the script's name", bind.Arg(args, 0))
	o := bind.Read(vm, "signal", bind.Arg(args, 1), "key", "event", "data")
	w := journal.Signal{Script: script, Key: text(o, "key"), Event: text(o, "event"), Data: plain(o, "data")}
	for name, value := range map[string]string{"key": w.Key, "event": w.Event} {
		if value == "" {
			o.Bad(name, o.Value(name), "a text", `write signal("order", { key: "77", event: "paid", data: { … } })`)
		}
	}
	return vm.Call("flow.signal", encode(vm, w))
}

// word is an argument that is a short text.
func word(vm *runtime.VM, verb, what string, v goja.Value) string {
	s, ok := v.(goja.String)
	if !ok || s.Length() == 0 || s.Length() > journal.MaxName {
		vm.Throw(fault.Invalid, verb+": "+bind.Describe(v)+" is not "+what, "")
	}
	return s.String()
}

// text is an option that is a text; numbers of a CRM count as one.
func text(o *bind.Options, name string) string {
	v, ok := o.Get(name)
	if !ok {
		return ""
	}
	if n, whole := bind.WholeNumber(v); whole {
		return strconv.FormatInt(n, 10)
	}
	o.String(name)
	s, _ := o.Wire[name].(string)
	return s
}

// plain is an option with a JSON form.
func plain(o *bind.Options, name string) json.RawMessage {
	v, ok := o.Get(name)
	if !ok {
		return nil
	}
	raw, err := o.VM.Encode(v)
	if err != nil {
		o.VM.ThrowError(fault.New(fault.CodeOf(err), "%s: option %q: %w", o.Verb, name, err))
	}
	return raw
}

// encode makes the arguments of a request of a Go value.
func encode(vm *runtime.VM, v any) goja.Value {
	raw, err := json.Marshal(v)
	if err != nil {
		vm.ThrowError(err)
	}
	out, err := vm.Decode(raw)
	if err != nil {
		vm.ThrowError(err)
	}
	return out
}
