package script

import (
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Defaults and bounds of a lock.
const (
	lockTTL  = 30 * time.Second
	lockWait = 10 * time.Second
	maxLock  = time.Hour
)

// lock runs a function while no other call holds the key. The key is given
// back when the function is done, however it ends.
func lock(vm *runtime.VM, args []goja.Value) goja.Value {
	key := keyOf(vm, "lock", bind.Arg(args, 0))
	options, last := bind.Arg(args, 1), bind.Arg(args, 2)
	if _, ok := goja.AssertFunction(options); ok {
		options, last = goja.Undefined(), options
	}
	fn, ok := goja.AssertFunction(last)
	if !ok {
		vm.Throw(fault.Invalid, "lock: the last argument is "+bind.Describe(last)+", a function is wanted",
			"write lock(key, async () => { … })")
	}
	o := bind.Read(vm, "lock", options, "ttl", "wait")
	o.Wire["key"] = key
	o.DurationOr("ttl", time.Millisecond, maxLock, lockTTL).DurationOr("wait", 0, maxLock, lockWait)
	return bind.Then(vm, vm.Call("lock.acquire", o.Wire), func(held goja.Value) goja.Value {
		token := field("token")(held)
		return bind.Settle(vm, bind.Promise(vm, func() goja.Value { return bind.Call(fn) }),
			func(v goja.Value) goja.Value { return unlock(vm, key, token, func() goja.Value { return v }) },
			func(reason goja.Value) goja.Value {
				return unlock(vm, key, token, func() goja.Value { return vm.Rejected(reason) })
			})
	})
}

// unlock gives the key back and then does what comes next, also when giving it
// back failed: it ends by itself after its ttl.
func unlock(vm *runtime.VM, key string, token goja.Value, next func() goja.Value) goja.Value {
	after := func(goja.Value) goja.Value { return next() }
	return bind.Settle(vm, vm.Call("lock.release", map[string]any{"key": key, "token": token}), after, after)
}

// maxSleep is how long one sleep may last.
const maxSleep = 24 * time.Hour

// sleep waits on the VM's clock; a signal ends it early with AbortError.
func sleep(vm *runtime.VM, args []goja.Value) goja.Value {
	d, err := bind.ParseDuration(bind.Arg(args, 0))
	if err != nil || d > maxSleep {
		vm.Throw(fault.Invalid, "sleep: "+bind.Describe(bind.Arg(args, 0))+" is no duration up to 24h",
			`write sleep("5s"), sleep("1m30s") or a number of milliseconds`)
	}
	o := bind.Read(vm, "sleep", bind.Arg(args, 1), "signal")
	return bind.Sleep(vm, d, o.Value("signal"))
}
