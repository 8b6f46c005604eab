package runtime

import (
	"encoding/json"
	"strconv"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// hostCall is a Call that the host has not settled yet.
type hostCall struct {
	method    string
	resolve   func(any) error
	reject    func(any) error
	frames    []goja.StackFrame // where the script called, innermost first
	callbacks []uint32          // functions in the arguments, released with it
}

// Call asks the host for something and returns the promise of its answer. The
// arguments are a goja.Value, or Go data in which goja values may stand; they
// are copied as JSON, functions become {"$fn": N} and bytes {"$bytes": "…"}.
// A failure, also one of the arguments, rejects.
func (vm *VM) Call(method string, args any) goja.Value {
	if vm.Sealed() {
		return vm.Rejected(vm.errorValue(vm.refusal(method)))
	}
	if len(vm.pending) >= vm.limits.Requests {
		return vm.Rejected(vm.NewError(fault.Limit,
			method+": "+strconv.Itoa(vm.limits.Requests)+" requests are waiting for an answer already (limit requests)",
			"await earlier calls before making more"))
	}
	enc := encoder{vm: vm, maxBytes: vm.limits.BodyBytes, functions: true}
	body, err := enc.encode(args)
	if err != nil {
		vm.release(enc.callbacks)
		return vm.Rejected(vm.errorValue(fault.New(fault.CodeOf(err), "%s: %w", method, err).WithHint("%s", fault.HintOf(err))))
	}
	frames := vm.frames()
	vm.seq++
	promise, resolve, reject := vm.rt.NewPromise()
	vm.pending[vm.seq] = &hostCall{method: method, resolve: resolve, reject: reject, frames: frames, callbacks: enc.callbacks}
	vm.request(vm.seq, method, body, vm.version.innermost(frames))
	return vm.rt.ToValue(promise)
}

// Post tells the host something that has no answer, such as a log line. Over
// the limit log_bytes it drops the message, tells the host so once, and
// reports false.
func (vm *VM) Post(method string, args any) bool {
	if vm.Sealed() && vm.seal.Silent() {
		return true
	}
	enc := encoder{vm: vm, maxBytes: vm.limits.BodyBytes, functions: true}
	body, err := enc.encode(args)
	if err != nil {
		vm.release(enc.callbacks)
		body = json.RawMessage(strconv.Quote("[" + err.Error() + "]"))
	}
	at := vm.version.innermost(vm.frames())
	if vm.logs.take(vm.worker.clock.Now(), int64(len(body))) {
		vm.logFull = false
		vm.request(0, method, body, at)
		return true
	}
	vm.release(enc.callbacks)
	if !vm.logFull {
		vm.logFull = true
		vm.request(0, "limit", json.RawMessage(`{"limit":"log_bytes","max":`+strconv.Itoa(vm.limits.LogBytes)+`}`), at)
	}
	return false
}

func (vm *VM) request(seq uint32, method string, args json.RawMessage, at string) {
	vm.send(message.Call, seq, message.AppendRequest(nil, message.Request{Method: method, Args: args, At: at}))
}

// send hands a frame to the host. A connection that fails ends the worker, so
// the error has nowhere else to go.
func (vm *VM) send(kind message.Kind, seq uint32, body any) {
	f, err := message.Encode(kind, vm.id, seq, body)
	if err == nil {
		err = vm.worker.conn.Send(f)
	}
	if err != nil {
		vm.worker.broken(err)
	}
}

// settle is the host's answer to a Call. One that comes twice, or for nothing,
// is dropped.
func (vm *VM) settle(seq uint32, body json.RawMessage) error {
	call := vm.pending[seq]
	if call == nil {
		return nil
	}
	delete(vm.pending, seq)
	vm.release(call.callbacks)
	answer, err := message.ReadAnswer(body)
	if err != nil {
		return call.reject(vm.NewError(fault.Internal, call.method+": the answer cannot be read", ""))
	}
	if answer.Error != nil {
		return call.reject(vm.hostError(call, answer.Error))
	}
	value, err := vm.Decode(answer.Value)
	if err != nil {
		return call.reject(vm.errorValue(err))
	}
	return call.resolve(value)
}

// hostError is an Error whose stack is the line that made the call.
func (vm *VM) hostError(call *hostCall, e *message.Error) *goja.Object {
	o := vm.NewError(fault.Code(e.Code), e.Message, e.Hint)
	vm.intrinsic.setStack(o, vm.version.stackText("Error: "+e.Message, call.frames))
	return o
}

// frames is where the script is now, innermost first, with the functions that
// await it.
func (vm *VM) frames() []goja.StackFrame {
	frames := vm.rt.CaptureCallStack(maxFrames, nil)
	if vm.origin != nil && vm.version.innermost(frames) == "" {
		return vm.origin
	}
	return frames
}

// Origin keeps where the script is now for a verb that goes on by itself
// later: what the returned function runs counts as called from there, as far as
// no function of the script is in between.
func (vm *VM) Origin() func(fn func()) {
	frames := vm.frames()
	return func(fn func()) {
		before := vm.origin
		vm.origin = frames
		defer func() { vm.origin = before }()
		fn()
	}
}

// Here is where the script is now, file:line:col of its innermost frame.
func (vm *VM) Here() string { return vm.version.innermost(vm.frames()) }

// maxFrames bounds what is kept of a call stack.
const maxFrames = 20

// On calls fn on the VM's lane for each event of that name.
func (vm *VM) On(name string, fn func(data json.RawMessage)) {
	if len(vm.events[name]) >= MaxEventHandlers {
		vm.Throw(fault.Limit, strconv.Itoa(MaxEventHandlers)+" functions listen to "+name+" already (limit event_handlers)", "add the listener once, not in a loop")
	}
	vm.events[name] = append(vm.events[name], fn)
}

// Callback registers fn for the host and returns the number that it is called
// by. Functions inside the arguments of Call are registered by themselves,
// until that Call is settled; this one stays until Release.
func (vm *VM) Callback(fn goja.Callable) uint32 {
	if len(vm.callbacks) >= MaxCallbacks {
		vm.Throw(fault.Limit, strconv.Itoa(MaxCallbacks)+" functions are registered with the host already (limit callbacks)", "")
	}
	vm.callback++
	vm.callbacks[vm.callback] = fn
	return vm.callback
}

// Release forgets a function of Callback.
func (vm *VM) Release(id uint32) { delete(vm.callbacks, id) }

func (vm *VM) release(ids []uint32) {
	for _, id := range ids {
		vm.Release(id)
	}
}

// Reserve promises the loop a task: the returned function may be called once,
// from any goroutine, and runs fn as a slice on the VM's lane. An error of fn
// is an uncaught error of the script. Once the VM has ended nothing is run;
// the work behind it should stop with [VM.Context].
//
//	done := vm.Reserve()
//	go func() {
//		sum := hash(data)
//		done(func() error { return resolve(vm.Runtime().ToValue(sum)) })
//	}()
func (vm *VM) Reserve() func(fn func() error) {
	used := make(chan struct{}, 1)
	return func(fn func() error) {
		select {
		case used <- struct{}{}:
			vm.post(task{run: fn})
		default:
			panic("runtime: a reserved task was delivered twice")
		}
	}
}

// Aborted calls fn on the lane when the host says that the call is over, with
// the reason, before the grace period begins.
func (vm *VM) Aborted(fn func(reason string)) {
	if vm.ending != nil {
		fn(vm.ending.Reason)
		return
	}
	vm.aborts = append(vm.aborts, fn)
}
