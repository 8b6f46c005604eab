package supervisor

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// MaxBacklog is how many frames wait for a worker whose process is starting.
const MaxBacklog = 8192

// errDead says that a worker cannot be used any more; Start takes another.
var errDead = errors.New("supervisor: the worker is dead")

// worker is one worker process, or one connection in memory, from its start to
// its end. Its goroutine is run, which reads the connection.
type worker struct {
	sup     *Supervisor
	slot    *slot
	process *process // nil in memory; set by run before conn
	born    time.Time

	mu        sync.Mutex
	conn      message.Conn // nil until connected
	backlog   []message.Frame
	instances map[uint64]*Instance
	loaded    map[version]bool
	dead      bool
	closing   bool     // asked to end: not a crash
	verdict   *death   // why it was killed, if it was
	suspect   *version // whose script is to blame if it dies
	pulse     pulse
}

type version struct{ script, name string }

// death is why a worker ended, in words for those whose call it ended.
type death struct {
	code    fault.Code
	message string
	culprit uint64 // the VM that is to blame, 0 if unknown
}

// newWorker starts a worker in sl; the supervisor's lock is held.
func (s *Supervisor) newWorker(sl *slot) *worker {
	w := &worker{
		sup: s, slot: sl, born: s.clock.Now(),
		instances: map[uint64]*Instance{}, loaded: map[version]bool{},
	}
	s.running++
	s.counts.workers.Add(1)
	s.clock.Busy(1) // until connected
	go w.run()
	return w
}

// run owns the connection: it connects, reads until the end, and buries.
func (w *worker) run() {
	err := w.connect()
	w.sup.clock.Busy(-1)
	for err == nil {
		var f message.Frame
		if f, err = w.conn.Receive(); err == nil {
			err = w.dispatch(f)
		}
	}
	w.bury(err)
}

// connect starts the process and sends what has been waiting for it.
func (w *worker) connect() error {
	conn, err := w.dial()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
	for _, f := range w.backlog {
		if err := conn.Send(f); err != nil {
			return err
		}
	}
	w.backlog = nil
	if w.closing || w.verdict != nil {
		w.hangUp()
	}
	return nil
}

func (w *worker) dial() (message.Conn, error) {
	if w.sup.options.Dial != nil {
		return w.sup.options.Dial(w.slot.script)
	}
	p, conn, err := startProcess(w.sup.options.Command(w.slot.script), w.sup.log.With("worker", w.slot.name), w.sup.clock)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.process = p
	w.mu.Unlock()
	w.sup.armWatch()
	return conn, nil
}

// start adds an instance and sends it off.
func (w *worker) start(vm *Instance, spec Spec) error {
	start, err := message.Encode(message.Start, vm.id, 0, message.AppendEntry(nil, spec.Entry))
	if err != nil {
		return fault.New(fault.Limit, "supervisor: start %s: %w", spec.Script, err)
	}
	if err := w.load(spec); err != nil {
		return err
	}
	vm.worker = w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	w.instances[vm.id] = vm
	if err := w.send(start); err != nil {
		delete(w.instances, vm.id)
		return err
	}
	return nil
}

// load sends a version that the worker does not have yet.
func (w *worker) load(spec Spec) error {
	key := version{spec.Script, spec.Version}
	w.mu.Lock()
	known := w.loaded[key]
	w.mu.Unlock()
	if known {
		return nil
	}
	bundle := spec.Bundle() // not under the lock: it may read a file
	bundle.Script, bundle.Version = spec.Script, spec.Version
	f, err := message.Encode(message.Load, 0, 0, bundle)
	if err != nil {
		return fault.New(fault.Limit, "supervisor: load %s: %w", spec.Script, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	if w.loaded[key] {
		return nil
	}
	w.loaded[key] = true
	return w.send(f)
}

func (w *worker) unload(script, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := version{script, name}
	if w.dead || !w.loaded[key] {
		return
	}
	delete(w.loaded, key)
	if f, err := message.Encode(message.Unload, 0, 0, message.Bundle{Script: script, Version: name}); err == nil {
		_ = w.send(f) // a worker that takes no frames is being killed already
	}
}

// deliver sends a frame to an instance that is still running.
func (w *worker) deliver(vm *Instance, f message.Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.instances[vm.id] != vm || w.dead {
		return
	}
	if err := w.send(f); err != nil {
		w.sup.log.Warn("message lost", "worker", w.slot.name, "kind", f.Kind.String(), "error", err)
	}
}

// send passes a frame on, or keeps it while the process starts. A worker that
// does not read its frames is killed. The lock is held.
func (w *worker) send(f message.Frame) error {
	w.pulse.sent = true
	w.pulse.last = f.VM
	if w.conn == nil {
		if len(w.backlog) >= MaxBacklog {
			return fault.New(fault.Limit, "supervisor: %d messages wait for the worker to start (limit backlog)", MaxBacklog)
		}
		w.backlog = append(w.backlog, f)
		return nil
	}
	err := w.conn.Send(f)
	if err != nil && fault.CodeOf(err) == fault.Limit && len(f.Body) <= message.MaxBody {
		w.sup.counts.overflows.Add(1)
		w.kill(death{code: fault.Limit, message: "the worker does not read its messages (limit queue)"})
	}
	return err
}

// dispatch handles one frame of the worker. An error is a breach of the
// protocol and ends the worker.
func (w *worker) dispatch(f message.Frame) error {
	switch f.Kind {
	case message.Ready:
		w.mu.Lock()
		w.pulse.ready = true
		w.mu.Unlock()
		return nil
	case message.Pong:
		return w.pong(f)
	case message.Loaded:
		return w.loadedResult(f)
	}
	w.mu.Lock()
	vm := w.instances[f.VM]
	if f.Kind == message.Done {
		delete(w.instances, f.VM)
	}
	w.mu.Unlock()
	if vm == nil {
		return nil
	}
	return w.toHandler(vm, f)
}

func (w *worker) toHandler(vm *Instance, f message.Frame) error {
	switch f.Kind {
	case message.Call:
		r, err := message.ReadRequest(f)
		if err != nil {
			return err
		}
		w.sup.counts.requests.Add(1)
		vm.handler.Request(vm, f.Seq, r)
	case message.Update:
		var st message.State
		if err := f.Decode(&st); err != nil {
			return err
		}
		vm.handler.Update(st)
	case message.Done:
		var o message.Outcome
		if err := f.Decode(&o); err != nil {
			o.Error = &message.ScriptError{Code: string(fault.Internal), Name: "Error", Message: err.Error()}
		}
		vm.finish(o)
	default:
		return fault.New(fault.Internal, "supervisor: a worker sent %s", f.Kind)
	}
	return nil
}

// finish delivers the Done of an instance that was just taken off its worker.
func (i *Instance) finish(o message.Outcome) {
	i.handler.Done(o)
	i.sup.counts.ended.Add(1)
	i.sup.leave()
}

func (w *worker) loadedResult(f message.Frame) error {
	var r message.LoadResult
	if err := f.Decode(&r); err != nil {
		return err
	}
	if r.Error == nil {
		return nil
	}
	w.sup.log.Error("script does not compile", "script", r.Script, "version", r.Version, "error", r.Error.Error())
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.loaded, version{r.Script, r.Version})
	return nil
}

func (w *worker) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead || w.closing || w.verdict != nil
}

// kill ends the worker at once, for the reason given; the lock is held.
func (w *worker) kill(why death) {
	if w.verdict == nil {
		w.verdict = &why
	}
	w.hangUp()
	if w.process != nil {
		w.process.kill()
	}
}

// hangUp closes the connection, which is how a worker is told to end; the lock
// is held.
func (w *worker) hangUp() {
	if w.conn == nil {
		return
	}
	if err := w.conn.Close(); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		w.sup.log.Debug("closing a worker's pipes", "worker", w.slot.name, "error", err)
	}
}
