package runtime

import (
	"container/heap"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// timer is one setTimeout or setInterval.
type timer struct {
	id    int64
	at    time.Time
	every time.Duration // 0 for setTimeout
	fn    goja.Callable
	args  []goja.Value
	index int // in the heap, -1 when not in it

	frames []goja.StackFrame // where it was set, nil for what repeats
}

// timers are those of one VM. Only the earliest is armed on the clock; its
// alarm posts a task.
type timers struct {
	queue timerHeap
	byID  map[int64]*timer
	next  int64
	alarm clock.Timer
	armed time.Time // what the alarm is set to, zero when it is off
}

// Bounds of a delay, as in browsers: at least a millisecond, and no more than
// 32 bits of them.
const (
	minDelay = time.Millisecond
	maxDelay = math.MaxInt32 * time.Millisecond
)

// LateGlobal is a global function of the runtime that the VM was not given
// because the script does not name it; nil if there is none of that name. It is
// for what serves the script without its naming it.
func (vm *VM) LateGlobal(name string) goja.Value {
	if vm.timed || !slices.Contains(timerWords, name) {
		return nil
	}
	vm.must(vm.defineTimers())
	return vm.rt.GlobalObject().Get(name)
}

func (vm *VM) defineTimers() error {
	if vm.timed {
		return nil
	}
	vm.timed = true
	functions := map[string]func(goja.FunctionCall) goja.Value{
		"setTimeout":     func(c goja.FunctionCall) goja.Value { return vm.setTimer("setTimeout", c, false) },
		"setInterval":    func(c goja.FunctionCall) goja.Value { return vm.setTimer("setInterval", c, true) },
		"clearTimeout":   vm.clearTimer,
		"clearInterval":  vm.clearTimer,
		"queueMicrotask": vm.queueMicrotask,
	}
	for _, name := range sortedKeys(functions) {
		if err := vm.rt.GlobalObject().DefineDataProperty(name, vm.Func(name, functions[name]), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
			return err
		}
	}
	return nil
}

// callable is the function in argument 0, or a TypeError with a hint.
func (vm *VM) callable(name string, call goja.FunctionCall) goja.Callable {
	fn, ok := goja.AssertFunction(call.Argument(0))
	if !ok {
		vm.Throw(fault.Invalid, name+" needs a function", "write "+name+"(() => { … }, …), without calling the function yourself")
	}
	return fn
}

func (vm *VM) queueMicrotask(call goja.FunctionCall) goja.Value {
	fn := vm.callable("queueMicrotask", call)
	vm.must(vm.then(goja.Undefined(), vm.rt.ToValue(func(goja.FunctionCall) goja.Value {
		_, err := fn(goja.Undefined())
		vm.must(err)
		return goja.Undefined()
	}), goja.Undefined()))
	return goja.Undefined()
}

func (vm *VM) setTimer(name string, call goja.FunctionCall, repeat bool) goja.Value {
	fn := vm.callable(name, call)
	if vm.Sealed() {
		vm.ThrowError(vm.refusal(name))
	}
	if len(vm.timers.queue) >= vm.limits.Timers {
		vm.Throw(fault.Limit, strconv.Itoa(vm.limits.Timers)+" timers are pending already (limit timers)", "clear timers that are not needed any more")
	}
	var args []goja.Value
	if len(call.Arguments) > 2 {
		args = slices.Clone(call.Arguments[2:]) // goja uses the slice again
	}
	delay := delayOf(call.Argument(1).ToFloat())
	t := &timer{fn: fn, args: args, at: vm.worker.clock.Now().Add(delay), index: -1}
	if repeat {
		t.every = delay
	} else {
		t.frames = vm.frames()
	}
	return vm.rt.ToValue(vm.timers.add(t))
}

func delayOf(ms float64) time.Duration {
	if math.IsNaN(ms) || ms < 1 {
		return minDelay
	}
	if ms >= math.MaxInt32 {
		return maxDelay
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// After calls fn on the lane once d has passed, for the script halves of
// modules; the returned function cancels it. It counts as a timer.
func (vm *VM) After(d time.Duration, fn func() error) (cancel func()) {
	if vm.Sealed() {
		vm.ThrowError(vm.refusal("waiting"))
	}
	call := func(goja.Value, ...goja.Value) (goja.Value, error) { return nil, fn() }
	t := &timer{fn: call, at: vm.worker.clock.Now().Add(max(d, 0)), index: -1, frames: vm.frames()}
	vm.timers.add(t)
	return func() { vm.timers.remove(t) }
}

func (vm *VM) clearTimer(call goja.FunctionCall) goja.Value {
	if t := vm.timers.byID[call.Argument(0).ToInteger()]; t != nil {
		vm.timers.remove(t)
	}
	return goja.Undefined()
}

func (ts *timers) add(t *timer) int64 {
	ts.next++
	t.id = ts.next
	if ts.byID == nil {
		ts.byID = make(map[int64]*timer)
	}
	ts.byID[t.id] = t
	heap.Push(&ts.queue, t)
	return t.id
}

func (ts *timers) remove(t *timer) {
	delete(ts.byID, t.id)
	if t.index >= 0 {
		heap.Remove(&ts.queue, t.index)
	}
}

// fire runs the earliest timer if it is due; others that are due follow in
// slices of their own.
func (vm *VM) fire() error {
	ts := &vm.timers
	ts.armed = time.Time{}
	if len(ts.queue) == 0 || ts.queue[0].at.After(vm.worker.clock.Now()) {
		return nil
	}
	t := ts.queue[0]
	if t.every > 0 {
		t.at = vm.worker.clock.Now().Add(t.every)
		heap.Fix(&ts.queue, 0)
	} else {
		ts.remove(t)
	}
	var err error
	vm.within(true, func() { _, err = t.fn(goja.Undefined(), t.args...) })
	return err
}

// arm sets the alarm to the earliest timer, after each slice.
func (vm *VM) arm() {
	ts := &vm.timers
	if len(ts.queue) == 0 {
		ts.disarm()
		return
	}
	at := ts.queue[0].at
	if at.Equal(ts.armed) {
		return
	}
	ts.armed = at
	wait := at.Sub(vm.worker.clock.Now())
	if ts.alarm == nil {
		ts.alarm = vm.worker.clock.AfterFunc(wait, func() { vm.post(task{kind: taskTimers}) })
		return
	}
	ts.alarm.Reset(wait)
}

func (ts *timers) disarm() {
	if ts.alarm != nil && !ts.armed.IsZero() {
		ts.alarm.Stop()
		ts.armed = time.Time{}
	}
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].id < h[j].id
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
