package runtime

import (
	goruntime "runtime"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/dop251/goja"
	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// watchTick is how often running slices are looked at. A slice that is shorter
// costs the watch nothing.
const watchTick = 5 * time.Millisecond

// lane is one goroutine that runs slices, and what the watch knows of it. All
// but the worker's own use of vm belongs to watch.mu.
type lane struct {
	index   int
	vm      *VM // nil between slices
	rt      *goja.Runtime
	thread  int
	begun   time.Time
	base    time.Duration // CPU of the thread at the first tick
	ticked  bool
	start   time.Duration // CPU of the thread when the slice began
	weight  float64       // of the slice in the charge being made
	tripped *fault.Error  // the limit that was reached
	tripCPU time.Duration
	tripAt  time.Time
}

// watch keeps slices within their limits: CPU time by the clock of the lane's
// thread, wall time, and the allocation budget of the call. It has a timer
// only while slices are running.
type watch struct {
	clock clock.Clock // the system's, also when scripts live in virtual time

	mu     sync.Mutex
	lanes  []*lane
	timer  clock.Timer
	armed  bool
	sample []metrics.Sample
	allocs uint64 // bytes allocated by the process when last looked at
	trips  uint64
	board  *message.Board // nil in memory
}

func newWatch(lanes int) *watch {
	w := &watch{clock: clock.System(), sample: []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}}
	for i := range lanes {
		w.lanes = append(w.lanes, &lane{index: i})
	}
	return w
}

// begin starts a slice on the calling thread, which stays the lane's own until
// end.
func (w *watch) begin(l *lane, vm *VM) {
	goruntime.LockOSThread()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.charge()
	w.board.Run(l.index, vm.id)
	*l = lane{index: l.index, vm: vm, rt: vm.rt, thread: unix.Gettid(), begun: w.clock.Now()}
	l.start = threadCPU(l.thread)
	if !w.armed {
		w.armed = true
		if w.timer == nil {
			w.timer = w.clock.AfterFunc(watchTick, w.tick)
		} else {
			w.timer.Reset(watchTick)
		}
	}
}

// attach makes the goja runtime known that was made during the slice.
func (w *watch) attach(vm *VM) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lanes {
		if l.vm == vm {
			l.rt = vm.rt
			if l.tripped != nil {
				l.rt.Interrupt(l.tripped)
			}
		}
	}
}

// end ends the slice and returns the limit that it has reached, if any.
func (w *watch) end(l *lane) *fault.Error {
	defer goruntime.UnlockOSThread()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.charge()
	tripped := l.tripped
	if l.vm != nil && tripped == nil && l.vm.budget.used > l.vm.budget.capacity {
		tripped = heapError(l.vm)
	}
	if l.rt != nil {
		l.rt.ClearInterrupt()
	}
	if tripped != nil {
		l.vm.stop.Store(nil)
	}
	w.board.Run(l.index, 0)
	*l = lane{index: l.index}
	return tripped
}

// allocationRate is how many bytes a nanosecond of CPU can allocate at most: a
// call that ran for a moment beside a greedy one cannot have done it.
const allocationRate = 4

// charge spreads what was allocated since the last look over the calls that
// are running, by the CPU time of their slices; the lock is held. What nobody
// can have allocated in that time is charged to nobody: its owner runs on, and
// the next look finds it.
func (w *watch) charge() {
	metrics.Read(w.sample)
	now := w.sample[0].Value.Uint64()
	delta := float64(now - w.allocs)
	w.allocs = now
	running, all := 0, 0.0
	for _, l := range w.lanes {
		if l.vm != nil {
			running++
		}
	}
	if running > 1 {
		for _, l := range w.lanes {
			l.weight = l.worked()
			all += l.weight
		}
	}
	at := w.clock.Now()
	for _, l := range w.lanes {
		if l.vm == nil {
			continue
		}
		share := delta
		if running > 1 {
			share = min(delta*l.weight/all, allocationRate*l.weight)
		}
		if !l.vm.budget.take(at, int64(share)) {
			w.trip(l, heapError(l.vm))
		}
		w.board.Use(l.index, l.vm.budget.used)
	}
}

// worked is the CPU time of the lane's slice in nanoseconds, 0 without one.
func (l *lane) worked() float64 {
	if l.vm == nil {
		return 0
	}
	return float64(max(threadCPU(l.thread)-l.start, 1))
}

func heapError(vm *VM) *fault.Error {
	return limitError("script_heap", "the script allocates memory too fast: its budget of %d MB is used up", vm.limits.Heap>>20)
}

// tick looks at the running slices and comes again while there are any.
func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.charge()
	now, busy := w.clock.Now(), false
	for _, l := range w.lanes {
		if l.vm != nil {
			busy = true
			w.check(l, now)
		}
	}
	if w.armed = busy; busy {
		w.timer.Reset(watchTick)
	}
}

// check trips a slice that is over its time. The CPU used before the first
// tick is not known; it is less than the tick.
func (w *watch) check(l *lane, now time.Time) {
	cpu := threadCPU(l.thread)
	if !l.ticked {
		l.ticked, l.base = true, cpu
		return
	}
	limits := l.vm.limits
	switch {
	case cpu-l.base > limits.SliceCPU:
		w.trip(l, limitError("script_cpu", "the script ran for %s of CPU time without a pause", limits.SliceCPU))
	case now.Sub(l.begun) > max(SliceWall, limits.SliceCPU):
		w.trip(l, limitError("script_wall", "the script ran for %s without a pause", SliceWall))
	}
}

// trip interrupts a slice once; the lock is held.
func (w *watch) trip(l *lane, why *fault.Error) {
	if l.tripped != nil {
		return
	}
	w.trips++
	l.tripped, l.tripAt, l.tripCPU = why, w.clock.Now(), threadCPU(l.thread)
	l.vm.stop.Store(why)
	if l.rt != nil {
		l.rt.Interrupt(why)
	}
}

// interrupt ends the slice of vm, if it is running one.
func (w *watch) interrupt(vm *VM, why *fault.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lanes {
		if l.vm == vm {
			w.trip(l, why)
		}
	}
}

// interruptAll ends all running slices.
func (w *watch) interruptAll(why *fault.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lanes {
		if l.vm != nil {
			w.trip(l, why)
		}
	}
}

// wallShare weighs the time since an interrupt against the CPU used since: a
// lane that gets no CPU is not stuck, it waits its turn.
const wallShare = 5

// stuck names the VM that has ignored its interrupt for longest.
func (w *watch) stuck() (vm uint64, since time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lanes {
		if l.vm == nil || l.tripped == nil {
			continue
		}
		d := max(threadCPU(l.thread)-l.tripCPU, w.clock.Now().Sub(l.tripAt)/wallShare)
		if d > since {
			vm, since = l.vm.id, d
		}
	}
	return vm, since
}

// threadCPU is the CPU time of a thread of this process, by its own clock
// (clock_getcpuclockid(3): the complement of the thread's number, three bits up,
// with the kind "scheduler, of a thread" below).
func threadCPU(thread int) time.Duration {
	const schedulerOfThread = 6
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^thread<<3|schedulerOfThread), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
