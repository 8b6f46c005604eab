package runtime

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// task is one thing for a VM to do; a slice does one.
type task struct {
	kind taskKind
	seq  uint32
	body json.RawMessage
	run  func() error
}

type taskKind uint8

const (
	taskRun taskKind = iota // of Reserve
	taskStart
	taskSettle
	taskEvent
	taskEnd
	taskTimers
	taskGrace
)

// maxRejections is how many promises rejected without a handler are remembered
// during one slice; one is enough to end the script.
const maxRejections = 100

// post gives the VM something to do, from any goroutine; it never blocks. A
// script that cannot keep up ends with LIMIT.
func (vm *VM) post(t task) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if vm.ended {
		return
	}
	if len(vm.inbox) >= MaxInbox {
		vm.inbox[0] = task{run: func() error {
			return limitError("inbox", "%d messages wait for the script", MaxInbox)
		}}
		return
	}
	vm.inbox = append(vm.inbox, t)
	vm.enqueue()
}

// enqueue puts the VM on the run queue unless it is there; the lock is held.
func (vm *VM) enqueue() {
	if vm.queued || len(vm.inbox) == 0 {
		return
	}
	vm.queued = true
	vm.worker.push(vm)
}

// next takes the first task; a lane has the VM to itself until release.
func (vm *VM) next() (task, bool) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if len(vm.inbox) == 0 || vm.ended {
		return task{}, false
	}
	t := vm.inbox[0]
	vm.inbox[0] = task{}
	if vm.inbox = vm.inbox[1:]; len(vm.inbox) == 0 {
		vm.inbox = nil
	}
	return t, true
}

// yieldLane gives the VM back to the run queue, behind the others, if there is
// more to do.
func (vm *VM) yieldLane() {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	vm.queued = false
	vm.enqueue()
}

// step runs one task with its microtasks and what follows a slice. A panic of
// a native ends the VM, not the worker.
func (vm *VM) step(t task) {
	defer func() {
		if x := recover(); x != nil {
			vm.panicked(x)
		}
	}()
	if err := vm.do(t); err != nil {
		vm.fail(vm.scriptError(err))
	}
	vm.checkRejections()
	if vm.rt == nil || vm.crashed() {
		return
	}
	if err := vm.flushState(); err != nil {
		vm.fail(vm.scriptError(err))
	}
	if vm.outcome == nil {
		vm.arm()
	}
}

func (vm *VM) crashed() bool { return vm.outcome != nil && vm.outcome.Error != nil }

func (vm *VM) panicked(x any) {
	if err, ok := x.(error); ok {
		if _, interrupted := err.(*goja.InterruptedError); interrupted {
			vm.fail(vm.scriptError(err))
			return
		}
	}
	if v, ok := x.(goja.Value); ok {
		vm.fail(vm.valueError(v, nil))
		return
	}
	vm.worker.log.Error("defect in a native function", "script", vm.entry.Script, "panic", fmt.Sprint(x), "stack", string(debug.Stack()))
	vm.fail(&message.ScriptError{
		Code: string(fault.Internal), Name: "InternalError",
		Message: "a built-in function failed: " + clip(fmt.Sprint(x), 200),
		Hint:    "this is a defect of loopstart; the log has the details",
	})
}

func (vm *VM) do(t task) error {
	switch t.kind {
	case taskStart:
		return vm.run()
	case taskSettle:
		return vm.settle(t.seq, t.body)
	case taskEvent:
		return vm.event(t.body)
	case taskEnd:
		return vm.end(t.body)
	case taskTimers:
		return vm.fire()
	case taskGrace:
		vm.fail(vm.overdue())
		return nil
	}
	return t.run()
}

// fail ends the VM with an error, unless it has ended already.
func (vm *VM) fail(e *message.ScriptError) {
	if vm.outcome == nil {
		vm.outcome = &message.Outcome{Error: e}
	}
}

// run boots the VM, evaluates the bundle and calls the export.
func (vm *VM) run() error {
	if err := vm.boot(); err != nil {
		return err
	}
	exports, err := vm.exports()
	if err != nil {
		return err
	}
	fn, ok := goja.AssertFunction(exports.Get(vm.entry.Export))
	if !ok {
		return vm.noExport(exports)
	}
	if vm.argument, err = vm.buildArgument(); err != nil {
		return err
	}
	result, err := fn(goja.Undefined(), vm.argument)
	if err != nil {
		return err
	}
	return vm.await(result, vm.returned, func(reason goja.Value) { vm.fail(vm.valueError(reason, nil)) })
}

func (vm *VM) noExport(exports *goja.Object) error {
	if vm.entry.Export == "default" {
		return fault.New(fault.NotFound, "the script has no default export").WithHint("begin it with: export default async function (call) { … }")
	}
	return fault.New(fault.NotFound, "the script has no function %s to run", vm.entry.Export).WithHint("%s", didYouMean(vm.entry.Export, exports.Keys()))
}

func (vm *VM) buildArgument() (goja.Value, error) {
	if build := vm.worker.options.Arguments[vm.entry.Export]; build != nil {
		return build(vm, vm.entry.Argument)
	}
	return vm.Decode(vm.entry.Argument)
}

// await calls one of two functions when v, a promise or not, is settled.
func (vm *VM) await(v goja.Value, ok, bad func(goja.Value)) error {
	wrap := func(fn func(goja.Value)) goja.Value {
		return vm.rt.ToValue(func(c goja.FunctionCall) goja.Value {
			fn(c.Argument(0))
			return goja.Undefined()
		})
	}
	return vm.then(v, wrap(ok), wrap(bad))
}

// returned ends the VM normally. A call is not asked what it returns; for
// other exports a value that has no JSON form is a mistake.
func (vm *VM) returned(v goja.Value) {
	value, err := vm.Encode(v)
	if err != nil && vm.entry.Export != "default" {
		vm.fail(vm.scriptError(fault.New(fault.CodeOf(err), "the return value: %w", err).WithHint("%s", fault.HintOf(err))))
		return
	}
	if vm.outcome == nil {
		vm.outcome = &message.Outcome{Value: value}
	}
}

func (vm *VM) trackRejection(p *goja.Promise, op goja.PromiseRejectionOperation) {
	if op == goja.PromiseRejectionHandle {
		vm.rejected = slices.DeleteFunc(vm.rejected, func(q *goja.Promise) bool { return p == q })
		return
	}
	if len(vm.rejected) < maxRejections {
		vm.rejected = append(vm.rejected, p)
	}
}

// checkRejections ends the script for a rejection that nothing handles. The
// end of the call is no error where nobody waits for it.
func (vm *VM) checkRejections() {
	rejected := vm.rejected
	vm.rejected = nil
	for _, p := range rejected {
		e := vm.valueError(p.Result(), nil)
		if e.Code == string(fault.Hangup) {
			continue
		}
		e.Message = "Uncaught (in promise) " + e.Message
		vm.fail(e)
	}
}

// event passes a Notice to those who listen, or calls the callback it names.
func (vm *VM) event(body json.RawMessage) error {
	var n message.Notice
	if err := json.Unmarshal(body, &n); err != nil {
		return fault.New(fault.Internal, "runtime: a notice cannot be read: %w", err)
	}
	if n.Callback != 0 {
		return vm.invoke(n)
	}
	for _, fn := range vm.events[n.Name] {
		fn(n.Data)
	}
	return nil
}

// invoke calls a function that the script has passed to the host.
func (vm *VM) invoke(n message.Notice) error {
	fn := vm.callbacks[n.Callback]
	if fn == nil {
		vm.reply(n.Reply, nil, &message.Error{Code: string(fault.NotFound), Message: "the function belongs to a request that has been answered"})
		return nil
	}
	args, err := vm.arguments(n.Data)
	if err != nil {
		return err
	}
	result, err := fn(goja.Undefined(), args...)
	if n.Reply == 0 {
		return err
	}
	if err != nil {
		if thrown, ok := err.(*goja.Exception); ok {
			vm.reply(n.Reply, nil, vm.messageError(thrown.Value()))
			return nil
		}
		return err
	}
	return vm.await(result,
		func(v goja.Value) { vm.reply(n.Reply, v, nil) },
		func(reason goja.Value) { vm.reply(n.Reply, nil, vm.messageError(reason)) })
}

func (vm *VM) arguments(data json.RawMessage) ([]goja.Value, error) {
	list, err := vm.Decode(data)
	if err != nil {
		return nil, err
	}
	o, ok := list.(*goja.Object)
	if !ok {
		return nil, nil
	}
	args := make([]goja.Value, o.Get("length").ToInteger())
	for i := range args {
		args[i] = o.Get(strconv.Itoa(i))
	}
	return args, nil
}

// reply answers a Notice that asked for it.
func (vm *VM) reply(reply uint32, v goja.Value, e *message.Error) {
	if reply == 0 {
		return
	}
	body := map[string]any{"reply": reply}
	if e == nil && v != nil && !goja.IsUndefined(v) {
		value, err := vm.Encode(v)
		if err != nil {
			e = vm.messageError(vm.errorValue(err))
		} else if value != nil {
			body["value"] = value
		}
	}
	if e != nil {
		body["error"] = e
	}
	text, err := json.Marshal(body)
	if err != nil {
		vm.worker.log.Error("reply lost", "script", vm.entry.Script, "error", err)
		return
	}
	vm.request(0, "reply", text, "")
}

// end starts the grace period: abort hooks run, and when it is over the VM is
// ended whatever it waits for.
func (vm *VM) end(body json.RawMessage) error {
	var e message.Ending
	if err := json.Unmarshal(body, &e); err != nil {
		return fault.New(fault.Internal, "runtime: an ending cannot be read: %w", err)
	}
	first := vm.ending == nil
	vm.ending = &e
	if e.Now {
		vm.fail(vm.overdue())
		return nil
	}
	if !first {
		return nil
	}
	vm.grace = vm.worker.clock.AfterFunc(vm.limits.Grace, vm.graceOver)
	aborts := vm.aborts
	vm.aborts = nil
	for _, fn := range aborts {
		fn(e.Reason)
	}
	return nil
}

func (vm *VM) graceOver() {
	vm.worker.watch.interrupt(vm, limitError("script_grace", "the script was still busy when its grace period was over"))
	vm.post(task{kind: taskGrace})
}

// overdue is the error of a VM that was ended while it waited.
func (vm *VM) overdue() *message.ScriptError {
	code := fault.Limit
	switch vm.ending.Reason {
	case "hangup":
		code = fault.Hangup
	case "shutdown", "killed":
		code = fault.Unavailable
	}
	return vm.limited(fault.New(code, "the script was ended while it waited: %s", vm.ending.Reason), nil)
}

// drop frees a VM of a worker that has lost its host.
func (vm *VM) drop() {
	vm.mu.Lock()
	vm.ended = true
	vm.inbox = nil
	vm.mu.Unlock()
	vm.cancel()
	vm.timers.disarm()
	if vm.grace != nil {
		vm.grace.Stop()
	}
}

// finish ends the VM for good: nothing of it runs or is sent after its Done.
func (vm *VM) finish() {
	vm.drop()
	vm.worker.remove(vm)
	vm.send(message.Done, 0, vm.outcome)
	vm.rt, vm.pending, vm.callbacks, vm.events, vm.modules, vm.argument = nil, nil, nil, nil, nil, nil
	vm.timers, vm.aborts, vm.state, vm.intrinsic, vm.guard = timers{}, nil, state{}, intrinsics{}, nil
}
