// Package script is the script half of loopstart:test: what a *.test.ts file
// imports. Callers, callees, mocks and expectations are JavaScript (test.js);
// what happens in virtual time is done by a [Host] in the same process.
//
// # Concurrency
//
// Everything runs on the lane of the VM. Host.Wait answers from any goroutine.
//
// # Errors
//
// A failed expectation is an ExpectationError with the code TEST. What the
// host reports keeps its code; the place is always the author's line.
package script

import (
	_ "embed"
	"encoding/json"
	"slices"
	"sync"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Failed is the code of a test that did not come out as expected.
const Failed fault.Code = "TEST"

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

//go:embed test.js
var source string

var program = sync.OnceValue(func() *goja.Program { return goja.MustCompile("loopstart:test", source, true) })

// Host carries out what a test asks for. Arguments and values are JSON.
type Host interface {
	// Call answers at once.
	Call(name string, args json.RawMessage) (value any, err error)
	// Wait calls done exactly once, now or later, from any goroutine.
	Wait(name string, args json.RawMessage, done func(value any, err error))
}

// Names are what a test may import.
func Names() []string {
	return slices.Clone([]string{"asr", "bitrix24", "callee", "clock", "expect", "flow", "hook", "http", "inbound", "kv", "message", "outbound", "retailcrm", "secrets", "streams", "test", "user"})
}

// Module is the built-in module. Without a Host it only says that it belongs
// into tests.
type Module struct{ Host Host }

// Name implements runtime.Module.
func (Module) Name() string { return "test" }

// New implements runtime.Module.
func (m Module) New(vm *runtime.VM) (goja.Value, error) {
	if m.Host == nil {
		return nil, fault.New(fault.Invalid, "loopstart:test works in tests only").
			WithHint("tests are files such as main.test.ts beside the script, and run by `loopstart test`")
	}
	v, err := vm.Runtime().RunProgram(program())
	if err != nil {
		return nil, err
	}
	fn, _ := goja.AssertFunction(v)
	return fn(goja.Undefined(), bind.Namespace(vm, m.natives()))
}

func (m Module) natives() map[string]bind.Member {
	return map[string]bind.Member{
		"call": bind.Sync(m.call),
		"wait": bind.Async(m.wait),
		"format": bind.Sync(func(vm *runtime.VM, args []goja.Value) goja.Value {
			return vm.Runtime().ToValue(bind.Format(vm, quoted(vm, args)))
		}),
	}
}

// quoted makes a text show as one: the console prints it bare.
func quoted(vm *runtime.VM, args []goja.Value) []goja.Value {
	if s, ok := bind.Arg(args, 0).(goja.String); ok {
		return []goja.Value{vm.Runtime().ToValue("%s"), vm.Runtime().ToValue(bind.Describe(s))}
	}
	return args
}

func (m Module) call(vm *runtime.VM, args []goja.Value) goja.Value {
	body, err := vm.Encode(bind.Arg(args, 1))
	if err != nil {
		vm.ThrowError(err)
	}
	value, err := m.Host.Call(bind.Arg(args, 0).String(), body)
	if err != nil {
		vm.ThrowError(err)
	}
	return decode(vm, value)
}

func (m Module) wait(vm *runtime.VM, args []goja.Value) goja.Value {
	body, err := vm.Encode(bind.Arg(args, 1))
	if err != nil {
		vm.ThrowError(err)
	}
	promise, resolve, reject := vm.Runtime().NewPromise()
	settle := vm.Reserve()
	m.Host.Wait(bind.Arg(args, 0).String(), body, func(value any, err error) {
		settle(func() error {
			if err != nil {
				return reject(vm.NewError(fault.CodeOf(err), err.Error(), fault.HintOf(err)))
			}
			return resolve(decode(vm, value))
		})
	})
	return vm.Runtime().ToValue(promise)
}

// decode is a value of the host as JavaScript; nil is undefined.
func decode(vm *runtime.VM, value any) goja.Value {
	if value == nil {
		return goja.Undefined()
	}
	body, err := json.Marshal(value)
	if err != nil {
		vm.ThrowError(err)
	}
	v, err := vm.Decode(body)
	if err != nil {
		vm.ThrowError(err)
	}
	return v
}
