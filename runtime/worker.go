package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/metrics"
	"sync"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// worker runs the VMs of one connection. Its goroutines are the reader, the
// lanes, and one for each version that is being compiled.
type worker struct {
	options Options
	clock   clock.Clock
	log     *slog.Logger
	conn    message.Conn
	modules map[string]Module
	shared  shared
	watch   *watch
	queue   chan *VM // room for all VMs, so that push never blocks
	wg      sync.WaitGroup

	mu       sync.Mutex
	versions map[versionKey]*version
	vms      map[uint64]*VM
	running  int // VMs on the run queue or on a lane
	closed   bool
	failure  error
}

func newWorker(conn message.Conn, o Options) *worker {
	o = o.withDefaults()
	return &worker{
		options: o, clock: o.Clock, log: o.Log, conn: conn, modules: o.modules(), shared: compileShared(),
		watch: newWatch(o.Lanes), queue: make(chan *VM, MaxVMs+1),
		versions: map[versionKey]*version{}, vms: map[uint64]*VM{},
	}
}

// ServeConn runs VMs for the host at the other end of conn, until it closes
// the connection or ctx ends. All goroutines have ended when it returns, unless
// one is inside a native that does not end.
func ServeConn(ctx context.Context, conn message.Conn, o Options) error {
	return serveConn(ctx, conn, o, func() {})
}

// serveConn is ServeConn; it calls gone when the connection has ended, before
// it waits for the lanes.
func serveConn(ctx context.Context, conn message.Conn, o Options, gone func()) error {
	w := newWorker(conn, o)
	w.watch.board = o.board
	for _, l := range w.watch.lanes {
		w.wg.Go(func() { w.lane(l) })
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	w.tell(message.Ready, message.Hello{PID: os.Getpid()})
	err := w.read()
	gone()
	w.shut()
	if flusher, ok := conn.(interface{ Flush() error }); ok && err == nil {
		err = flusher.Flush()
	}
	return errors.Join(err, conn.Close())
}

// read handles frames until the connection ends.
func (w *worker) read() error {
	for {
		f, err := w.conn.Receive()
		if err != nil {
			return w.ended(err)
		}
		if err := w.dispatch(f); err != nil {
			return err
		}
	}
}

func (w *worker) ended(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
		return w.failure
	}
	return err
}

// broken ends the connection after a frame could not be sent.
func (w *worker) broken(err error) {
	w.mu.Lock()
	if w.failure == nil && !w.closed && fault.CodeOf(err) != fault.Unavailable {
		w.failure = err
	}
	w.mu.Unlock()
	_ = w.conn.Close() // the reader sees the end
}

func (w *worker) tell(k message.Kind, body any) {
	f, err := message.Encode(k, 0, 0, body)
	if err == nil {
		err = w.conn.Send(f)
	}
	if err != nil {
		w.broken(err)
	}
}

// shut ends all VMs without a word to the host, which is gone, and waits for
// the goroutines.
func (w *worker) shut() {
	w.mu.Lock()
	w.closed = true
	vms := make([]*VM, 0, len(w.vms))
	for _, vm := range w.vms {
		vms = append(vms, vm)
	}
	close(w.queue)
	w.mu.Unlock()
	w.watch.interruptAll(fault.New(fault.Unavailable, "the host is gone"))
	w.wg.Wait()
	for _, vm := range vms {
		vm.drop()
	}
}

func (w *worker) dispatch(f message.Frame) error {
	switch f.Kind {
	case message.Load:
		return w.load(f)
	case message.Start:
		return w.start(f)
	case message.Settle:
		w.give(f, task{kind: taskSettle, seq: f.Seq, body: f.Body})
	case message.Event:
		w.give(f, task{kind: taskEvent, body: f.Body})
	case message.End:
		w.give(f, task{kind: taskEnd, body: f.Body})
	case message.Unload:
		return w.unload(f)
	case message.Ping:
		w.tell(message.Pong, w.health())
	default:
		return fault.New(fault.Internal, "runtime: the host sent %s", f.Kind)
	}
	return nil
}

// give passes a task to the VM of a frame, if it is still there.
func (w *worker) give(f message.Frame, t task) {
	w.mu.Lock()
	vm := w.vms[f.VM]
	w.mu.Unlock()
	if vm == nil {
		return
	}
	var e message.Ending
	if t.kind == taskEnd && f.Decode(&e) == nil && e.Now {
		w.watch.interrupt(vm, fault.New(fault.Unavailable, "the script was ended: %s", e.Reason))
	}
	vm.post(t)
}

// load compiles a version beside the reader, which has to stay able to answer
// a Ping.
func (w *worker) load(f message.Frame) error {
	var b message.Bundle
	if err := f.Decode(&b); err != nil {
		return err
	}
	if w.options.adoptZone != nil && b.Env.Zone != "" {
		if err := w.options.adoptZone(b.Env.Zone); err != nil {
			w.log.Warn("unknown time zone", "zone", b.Env.Zone, "error", err)
		}
	}
	v := newVersion(b, w.options.Guard)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.versions[v.key] != nil {
		return nil
	}
	w.versions[v.key] = v
	w.clock.Busy(1)
	w.wg.Go(func() {
		defer w.clock.Busy(-1)
		v.compile()
		w.tell(message.Loaded, message.LoadResult{Script: b.Script, Version: b.Version, Error: v.err})
		for _, vm := range v.open() {
			vm.yieldLane()
		}
	})
	return nil
}

func (w *worker) unload(f message.Frame) error {
	var b message.Bundle
	if err := f.Decode(&b); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := versionKey{b.Script, b.Version}
	if v := w.versions[key]; v != nil {
		v.retired = true
		w.forget(v)
	}
	return nil
}

// forget drops a version that nobody needs; the lock is held.
func (w *worker) forget(v *version) {
	if v.retired && v.vms == 0 {
		delete(w.versions, v.key)
	}
}

func (w *worker) start(f message.Frame) error {
	e, err := message.ReadEntry(f)
	if err != nil {
		return err
	}
	vm, err := w.add(f.VM, e)
	if err != nil {
		w.refuse(f.VM, &message.ScriptError{Code: string(fault.CodeOf(err)), Name: "Error", Message: err.Error()})
		return nil
	}
	if vm.version.admit(vm) {
		vm.yieldLane()
	}
	return nil
}

func (w *worker) refuse(vm uint64, e *message.ScriptError) {
	f, err := message.Encode(message.Done, vm, 0, message.Outcome{Error: e})
	if err == nil {
		err = w.conn.Send(f)
	}
	if err != nil {
		w.broken(err)
	}
}

func (w *worker) add(id uint64, e message.Entry) (*VM, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.versions[versionKey{e.Script, e.Version}]
	if v == nil {
		return nil, fault.New(fault.NotFound, "runtime: script %s version %s is not loaded", e.Script, e.Version)
	}
	if len(w.vms) >= MaxVMs {
		return nil, fault.New(fault.Limit, "runtime: the worker runs %d scripts already (limit vms)", MaxVMs)
	}
	if w.vms[id] != nil {
		return nil, fault.New(fault.Conflict, "runtime: VM %d runs already", id)
	}
	vm := &VM{
		id: id, entry: e, version: v, worker: w, limits: v.limits,
		queued: true, inbox: []task{{kind: taskStart}}, // held back until the version is compiled
		pending: map[uint32]*hostCall{}, callbacks: map[uint32]goja.Callable{}, events: map[string][]func(json.RawMessage){},
	}
	vm.ctx, vm.cancel = context.WithCancel(context.Background())
	vm.budget.capacity, vm.logs.capacity, vm.stepBytes.capacity = vm.limits.Heap, int64(vm.limits.LogBytes), maxStepBytes
	w.vms[id] = vm
	v.vms++
	if w.options.grow != nil {
		w.options.grow(len(w.vms))
	}
	return vm, nil
}

// remove forgets a VM that has ended.
func (w *worker) remove(vm *VM) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.vms, vm.id)
	vm.version.vms--
	w.forget(vm.version)
}

// push queues a VM; the VM's lock is held, so it is pushed once.
func (w *worker) push(vm *VM) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.running++
	w.clock.Busy(1)
	w.queue <- vm
}

// lane runs slices until the queue is closed.
func (w *worker) lane(l *lane) {
	w.watch.board.Lane(l.index, goroutineNumber())
	for vm := range w.queue {
		w.turn(l, vm)
		w.mu.Lock()
		w.running--
		w.mu.Unlock()
		w.clock.Busy(-1)
	}
}

// turn runs one slice of vm.
func (w *worker) turn(l *lane, vm *VM) {
	t, ok := vm.next()
	if !ok {
		return
	}
	if vm.version.err != nil {
		vm.fail(vm.version.err)
	} else {
		w.watch.begin(l, vm)
		vm.step(t)
		if why := w.watch.end(l); why != nil {
			vm.fail(vm.scriptError(why))
		}
	}
	if vm.outcome != nil {
		vm.finish()
		return
	}
	vm.yieldLane()
}

func (w *worker) health() message.Health {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	h := message.Health{Heap: sample[0].Value.Uint64()}
	h.Stuck, h.StuckFor = w.watch.stuck()
	w.mu.Lock()
	defer w.mu.Unlock()
	h.VMs, h.Queued = len(w.vms), w.running
	return h
}
