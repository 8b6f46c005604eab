// Package supervisor is the host's side of the script workers: it starts worker
// processes, runs entries in them, passes messages, and replaces a worker that
// is dead, stuck or over its memory.
//
// # Concurrency
//
// All methods may be called from any goroutine and do not block on a worker. A
// Handler is called on the reader goroutine of its worker's connection and must
// not block; its calls come one after the other, Done last and exactly once.
//
// # Limits
//
// [MaxInstances] in all, message.MaxQueue bytes waiting for one worker,
// [Limits] for memory and time. A worker that is over one is killed, and the
// Done of its instances says which limit it was.
//
// # Errors
//
// Start fails with UNAVAILABLE while a worker that keeps crashing is backing
// off or after Close, and with LIMIT over MaxInstances. Everything later comes
// through Done.
package supervisor

import (
	"hash/fnv"
	"log/slog"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// MaxInstances is how many entries may run at the same time.
const MaxInstances = 20000

// Isolation says which scripts share a worker process.
type Isolation string

// The two kinds of isolation, as in the configuration.
const (
	PerScript Isolation = "script" // a worker for each script
	PerCore   Isolation = "core"   // a few workers for all scripts
)

// Options say how workers are made and watched.
type Options struct {
	// Command makes the command line of a worker for a script ("" when it is
	// shared). Its stdin, stdout, stderr and process group are set here.
	Command func(script string) *exec.Cmd
	// Dial replaces Command by a connection that is there already, such as
	// one in memory. Such workers are not watched.
	Dial      func(script string) (message.Conn, error)
	Clock     clock.Clock  // nil means the system's
	Log       *slog.Logger // nil means slog.Default
	Isolation Isolation    // "" means PerScript
	Workers   int          // of PerCore; 0 means one per core
	Limits    Limits
}

// Limits are those of a worker process; zero means the default.
type Limits struct {
	Stuck   time.Duration // one slice inside a native after its interrupt, in CPU time: 500 ms; four times that without an answer
	Memory  int64         // resident bytes of a worker without its VMs: 384 MB
	PerVM   int64         // resident bytes allowed for each VM: 1 MB
	Ready   time.Duration // from the start of the process to its first frame: 10 s
	Closing time.Duration // how long Close waits for scripts to end: 6 s
}

// Spec says what to run.
type Spec struct {
	Script  string
	Version string
	Bundle  func() message.Bundle // asked for once per worker and version
	Entry   message.Entry         // Script and Version are filled in
}

// Handler gets what a script sends. See the package comment for the rules.
type Handler interface {
	// Request is a Call of the script; it is answered by Instance.Settle with
	// the same seq, or not at all when seq is 0.
	Request(vm *Instance, seq uint32, r message.Request)
	// Update is the result, the outcome and the tags so far.
	Update(message.State)
	// Done says that the script has ended, or that its worker has.
	Done(message.Outcome)
}

// Supervisor runs scripts in worker processes.
type Supervisor struct {
	options Options
	clock   clock.Clock
	log     *slog.Logger
	ids     atomic.Uint64
	counts  counters

	mu        sync.Mutex
	changed   sync.Cond // instances or workers went away
	slots     map[string]*slot
	lonely    map[string]string // script → its version that killed a shared worker
	closed    bool
	instances int
	running   int         // workers that are not reaped yet
	watch     clock.Timer // nil while there is nothing to watch
}

// slot is a place for one worker at a time; it outlives its workers.
type slot struct {
	name     string
	script   string // "" for a shared worker
	worker   *worker
	failures int       // crashes in a row
	until    time.Time // no new worker before
}

// New returns a Supervisor; no worker runs until the first Start.
func New(o Options) (*Supervisor, error) {
	if (o.Command == nil) == (o.Dial == nil) {
		return nil, fault.New(fault.Internal, "supervisor: exactly one of Command and Dial is needed")
	}
	o = o.withDefaults()
	s := &Supervisor{options: o, clock: o.Clock, log: o.Log, slots: map[string]*slot{}, lonely: map[string]string{}}
	s.changed.L = &s.mu
	return s, nil
}

// Start runs spec's entry in a new VM and returns at once; a worker that is
// not there yet is started on the way.
func (s *Supervisor) Start(spec Spec, h Handler) (*Instance, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	vm := &Instance{id: s.ids.Add(1), script: spec.Script, version: spec.Version, handler: h, sup: s}
	spec.Entry.Script, spec.Entry.Version = spec.Script, spec.Version
	err := s.onWorker(spec.Script, spec.Version, func(w *worker) error { return w.start(vm, spec) })
	if err != nil {
		s.leave()
		return nil, err
	}
	s.counts.started.Add(1)
	return vm, nil
}

// Prestart starts the worker of a script, so that its first call need not wait
// for it.
func (s *Supervisor) Prestart(script string) error {
	return s.onWorker(script, "", func(*worker) error { return nil })
}

// Preload starts the worker of a script and has it compile a version.
func (s *Supervisor) Preload(spec Spec) error {
	return s.onWorker(spec.Script, spec.Version, func(w *worker) error { return w.load(spec) })
}

// Retire says that no new instance of a version will be started; the worker
// forgets it with its last VM.
func (s *Supervisor) Retire(script, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		if sl.worker != nil {
			sl.worker.unload(script, version)
		}
	}
}

// enter counts a new instance in.
func (s *Supervisor) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instances >= MaxInstances {
		s.counts.refused.Add(1)
		return fault.New(fault.Limit, "supervisor: %d scripts are running already (limit instances)", MaxInstances)
	}
	s.instances++
	return nil
}

// leave counts an instance out.
func (s *Supervisor) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances--
	s.changed.Broadcast()
}

// onWorker calls use with the worker for a script, a second time with its
// successor if the first one has just died.
func (s *Supervisor) onWorker(script, version string, use func(*worker) error) error {
	for range 2 {
		w, err := s.worker(script, version)
		if err != nil {
			return err
		}
		if err := use(w); err != errDead {
			return err
		}
	}
	s.counts.refused.Add(1)
	return fault.New(fault.Unavailable, "supervisor: the worker of script %s died while it was used", script)
}

// worker returns the worker for a script, a new one if there is none.
func (s *Supervisor) worker(script, version string) (*worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.Unavailable, "supervisor: closed")
	}
	sl := s.slot(script, version)
	if sl.worker != nil && !sl.worker.isDead() {
		return sl.worker, nil
	}
	if wait := sl.until.Sub(s.clock.Now()); wait > 0 {
		s.counts.refused.Add(1)
		return nil, fault.New(fault.Unavailable, "supervisor: the worker of script %s crashed %d times in a row; the next try is in %s",
			script, sl.failures, wait.Round(100*time.Millisecond)).WithHint("the log has what the worker printed before it died")
	}
	sl.worker = s.newWorker(sl)
	return sl.worker, nil
}

// slot is where a script runs; the lock is held.
func (s *Supervisor) slot(script, version string) *slot {
	name, owner := "script "+script, script
	if s.options.Isolation == PerCore && !s.isLonely(script, version) {
		name, owner = "core "+strconv.Itoa(int(hash(script)%uint32(s.options.Workers))), ""
	}
	sl := s.slots[name]
	if sl == nil {
		sl = &slot{name: name, script: owner}
		s.slots[name] = sl
	}
	return sl
}

// isLonely reports whether a script has to run alone, because this version of
// it has killed a shared worker. A new version gets a new chance.
func (s *Supervisor) isLonely(script, version string) bool {
	bad, found := s.lonely[script]
	if found && version != "" && version != bad {
		delete(s.lonely, script)
		return false
	}
	return found
}

func hash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum32()
}
