package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// VM is one run of one exported function: a goja runtime and its event loop.
type VM struct {
	id      uint64
	entry   message.Entry
	version *version
	worker  *worker
	limits  message.Limits

	inspecting bool           // built-in modules are stand-ins
	flows      []*goja.Object // what flow(fn) of loopstart:flow gave while inspecting

	ctx    context.Context
	cancel context.CancelFunc

	// The inbox; all else belongs to the lane.
	mu     sync.Mutex
	inbox  []task
	queued bool // on the run queue or on a lane
	ended  bool

	rt        *goja.Runtime
	intrinsic intrinsics
	guard     *guard                      // nil under Light
	seal      *sealed                     // nil for all but flows
	stop      atomic.Pointer[fault.Error] // set while a slice is over a limit
	budget    bucket
	logs      bucket

	seq       uint32
	origin    []goja.StackFrame // what counts as the place of code that no function of the script has called, see Origin
	pending   map[uint32]*hostCall
	callbacks map[uint32]goja.Callable
	callback  uint32
	events    map[string][]func(json.RawMessage)
	timers    timers
	timed     bool // the global object has the timers' functions
	modules   map[string]goja.Value
	argument  goja.Value
	rejected  []*goja.Promise
	aborts    []func(reason string)
	ending    *message.Ending
	grace     clock.Timer
	state     state
	logFull   bool
	stepBytes bucket           // as logs, for steps
	concealed []string         // what steps must not show
	outcome   *message.Outcome // set once: the VM ends after this slice
}

// Runtime is the goja runtime, for the script halves of modules.
func (vm *VM) Runtime() *goja.Runtime { return vm.rt }

// Argument is the JSON that the entry was started with.
func (vm *VM) Argument() json.RawMessage { return vm.entry.Argument }

// Entry says what this VM runs.
func (vm *VM) Entry() message.Entry { return vm.entry }

// Env is what the version may know without asking the host.
func (vm *VM) Env() message.Environment { return vm.version.bundle.Env }

// Now is the time that the script sees: that on the worker's clock, unless the
// VM is sealed.
func (vm *VM) Now() time.Time {
	if vm.Sealed() {
		return vm.seal.Now()
	}
	return vm.worker.clock.Now()
}

// Clock is the worker's clock.
func (vm *VM) Clock() clock.Clock { return vm.worker.clock }

// Rand is a random number in [0, 1), the same source as Math.random.
func (vm *VM) Rand() float64 {
	if vm.Sealed() {
		return vm.seal.Random()
	}
	return vm.worker.options.Random()
}

// Entropy fills b with random bytes that nobody can guess.
func (vm *VM) Entropy(b []byte) {
	if vm.Sealed() {
		vm.seal.Read(b)
		return
	}
	if _, err := io.ReadFull(vm.worker.options.Entropy, b); err != nil {
		panic(err) // the system's never fails (Go 1.24)
	}
}

// Localizes reports whether the script's text holds toLocale… methods.
func (vm *VM) Localizes() bool { return vm.version.needs.locale || vm.version.guard >= Full }

// Context ends with the VM.
func (vm *VM) Context() context.Context { return vm.ctx }

// NewError makes a JavaScript Error with a stable code and, if there is one, a
// hint. The place is where the script is now.
func (vm *VM) NewError(code fault.Code, msg, hint string) *goja.Object {
	return vm.intrinsic.newError(vm, string(code), msg, hint)
}

// Throw makes a native function throw a [VM.NewError]. It does not return.
func (vm *VM) Throw(code fault.Code, msg, hint string) {
	panic(goja.Value(vm.NewError(code, msg, hint)))
}

// ThrowError is Throw with the code, message and hint of err.
func (vm *VM) ThrowError(err error) {
	panic(vm.errorValue(err))
}

// errorValue is err as an Error; what a script has thrown stays as it was.
func (vm *VM) errorValue(err error) goja.Value {
	if thrown, ok := errors.AsType[*goja.Exception](err); ok {
		return thrown.Value()
	}
	return vm.NewError(fault.CodeOf(err), err.Error(), fault.HintOf(err))
}

// Resolved is a promise that is fulfilled with v.
func (vm *VM) Resolved(v goja.Value) goja.Value {
	p, resolve, _ := vm.rt.NewPromise()
	vm.must(resolve(v))
	return vm.rt.ToValue(p)
}

// Rejected is a promise that is rejected with reason, which is mostly made by
// [VM.NewError].
func (vm *VM) Rejected(reason goja.Value) goja.Value {
	p, _, reject := vm.rt.NewPromise()
	vm.must(reject(reason))
	return vm.rt.ToValue(p)
}

// must passes on the only errors that promise functions return, which are
// interrupts.
func (vm *VM) must(err error) {
	if err != nil {
		panic(err)
	}
}
