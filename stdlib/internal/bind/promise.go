package bind

import (
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
)

// Promise runs fn and makes a rejected promise of what it throws. A promise
// that fn returns is passed on; any other value becomes a fulfilled one.
func Promise(vm *runtime.VM, fn func() goja.Value) goja.Value {
	var v goja.Value
	if thrown := vm.Runtime().Try(func() { v = fn() }); thrown != nil {
		return vm.Rejected(thrown.Value())
	}
	if _, ok := Go(v).(*goja.Promise); ok {
		return v
	}
	return vm.Resolved(v)
}

// Then calls fn with the value of a promise, or of any value as if it were
// one, and returns the promise of what fn returns.
func Then(vm *runtime.VM, promise goja.Value, fn func(goja.Value) goja.Value) goja.Value {
	return Settle(vm, promise, fn, nil)
}

// Settle is Then with a second function for the rejection.
func Settle(vm *runtime.VM, promise goja.Value, ok, failed func(goja.Value) goja.Value) goja.Value {
	if _, is := Go(promise).(*goja.Promise); !is {
		promise = vm.Resolved(promise)
	}
	then, _ := goja.AssertFunction(promise.(*goja.Object).Get("then"))
	v, err := then(promise, handler(vm, ok), handler(vm, failed))
	if err != nil {
		panic(err)
	}
	return v
}

func handler(vm *runtime.VM, fn func(goja.Value) goja.Value) goja.Value {
	if fn == nil {
		return goja.Undefined()
	}
	return vm.Runtime().ToValue(func(c goja.FunctionCall) goja.Value { return fn(c.Argument(0)) })
}

// Call is a function of the author as Go; thrown errors panic and so reach the
// promise or the caller that surrounds it.
func Call(fn goja.Callable, args ...goja.Value) goja.Value {
	v, err := fn(goja.Undefined(), args...)
	if err != nil {
		panic(err)
	}
	return v
}

// Cancelable is vm.Call for a request that an AbortSignal may end early. The
// request carries its cancel number, see WIRE.md.
func Cancelable(vm *runtime.VM, signal goja.Value, method string, args map[string]any) goja.Value {
	if Missing(signal) {
		return vm.Call(method, args)
	}
	s, ok := signal.(*goja.Object)
	if !ok || Missing(s.Get("addEventListener")) || Missing(s.Get("aborted")) {
		vm.Throw(fault.Invalid, method+`: option "signal" is no AbortSignal`, "pass controller.signal of an AbortController")
	}
	if s.Get("aborted").ToBoolean() {
		return vm.Rejected(s.Get("reason"))
	}
	promise, resolve, reject := vm.Runtime().NewPromise()
	id := vm.Callback(func(goja.Value, ...goja.Value) (goja.Value, error) { return goja.Undefined(), nil })
	args["cancel"] = id
	area, _, _ := strings.Cut(method, ".")
	note := map[string]any{"cancel": id}
	if handle, ok := args["call"]; ok {
		note["call"] = handle
	}
	onAbort := vm.Runtime().ToValue(func(goja.FunctionCall) goja.Value {
		vm.Post(area+".cancel", note)
		check(reject(s.Get("reason")))
		return goja.Undefined()
	})
	invoke(s, "addEventListener", vm.Runtime().ToValue("abort"), onAbort)
	over := func(settle func(any) error) func(goja.Value) goja.Value {
		return func(v goja.Value) goja.Value {
			invoke(s, "removeEventListener", vm.Runtime().ToValue("abort"), onAbort)
			vm.Release(id)
			check(settle(v)) // does nothing after an abort
			return goja.Undefined()
		}
	}
	Settle(vm, vm.Call(method, args), over(resolve), over(reject))
	return vm.Runtime().ToValue(promise)
}

func invoke(o *goja.Object, method string, args ...goja.Value) {
	fn, ok := goja.AssertFunction(o.Get(method))
	if !ok {
		return
	}
	if _, err := fn(o, args...); err != nil {
		panic(err)
	}
}

// check passes on an interrupt, the only error of a promise's functions.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Sleep is a promise that is fulfilled after d on the VM's clock, or rejected
// when the signal aborts.
func Sleep(vm *runtime.VM, d time.Duration, signal goja.Value) goja.Value {
	rt := vm.Runtime()
	var s *goja.Object
	if !Missing(signal) {
		s = signal.ToObject(rt)
		if v := s.Get("aborted"); v != nil && v.ToBoolean() {
			return vm.Rejected(s.Get("reason"))
		}
	}
	promise, resolve, reject := rt.NewPromise()
	if s == nil {
		vm.After(d, func() error { return resolve(goja.Undefined()) })
		return rt.ToValue(promise)
	}
	var cancel func()
	onAbort := rt.ToValue(func(goja.FunctionCall) goja.Value {
		cancel()
		check(reject(s.Get("reason")))
		return goja.Undefined()
	})
	cancel = vm.After(d, func() error {
		invoke(s, "removeEventListener", rt.ToValue("abort"), onAbort)
		return resolve(goja.Undefined())
	})
	invoke(s, "addEventListener", rt.ToValue("abort"), onAbort)
	return rt.ToValue(promise)
}
