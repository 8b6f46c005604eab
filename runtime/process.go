package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"time"
	_ "time/tzdata" // a worker can open no file

	"github.com/dlclark/regexp2/v2"
	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/runtime/lockdown"
	"github.com/loopstart/loopstart/runtime/message"
)

// How a worker process is set up.
const (
	// niceness keeps scripts behind the process that paces audio.
	niceness = 19
	// baseData and dataPerVM bound the memory of the process, so that one
	// native that asks for terabytes ends this worker and not the machine.
	baseData  = 1 << 30
	dataPerVM = 1 << 20
	dataStep  = 256 // VMs at a time
	// maxGoStack ends a native that recurses without end before it has used
	// the machine's memory.
	maxGoStack = 64 << 20
	// regexpTime is how long one backtracking match may take; goja then
	// reports no match.
	regexpTime = 100 * time.Millisecond
	// gcPercent makes a worker smaller at the price of some CPU.
	gcPercent = 50
	// ballast is heap that is never touched and so takes no memory. It lets a
	// small worker collect once in 16 MB of garbage instead of once in two;
	// short calls take about half the CPU with it.
	ballast = 32 << 20
	// drainTime is how long a worker whose pipe has ended waits for its lanes
	// before it exits all the same.
	drainTime = time.Second
)

// Serve is the main function of a worker process: it tunes the process and
// runs scripts for the host at the other end of in and out until in ends. The
// process should exit when it returns, also while a native is still running.
// in and out are closed if they are io.Closers.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	o = o.withDefaults()
	tune(o.Log)
	unused := make([]byte, ballast)
	defer goruntime.KeepAlive(unused)
	board, err := message.OpenBoard()
	if err != nil {
		o.Log.Warn("a crash of this worker cannot be told to a script", "error", err)
	}
	o.adoptZone, o.board, o.grow = adoptZone(), board, growData(o.Log)
	conn := message.NewStream(in, out, message.Wait)
	if missing := lockdown.Apply(lockdown.Worker()); !missing.Whole() {
		o.Log.Warn("this script worker is locked down only in part", "missing", missing.String())
	}
	served := make(chan error, 1)
	gone := make(chan struct{})
	go func() { served <- serveConn(ctx, conn, o, func() { close(gone) }) }()
	select {
	case err := <-served:
		return err
	case <-gone:
	}
	late := make(chan struct{})
	timer := o.Clock.AfterFunc(drainTime, func() { close(late) })
	defer timer.Stop()
	select {
	case err := <-served:
		return err
	case <-late:
		return errors.New("runtime: a script does not stop")
	}
}

// Stdio returns the standard input and output of a worker process as pipes
// that the scheduler can wait for, and points the output that is left at
// standard error, so that a stray print cannot damage the protocol.
func Stdio() (in, out *os.File, err error) {
	if in, err = takeOver(unix.Stdin, "worker-in"); err != nil {
		return nil, nil, err
	}
	if out, err = takeOver(unix.Stdout, "worker-out"); err != nil {
		return nil, nil, err
	}
	if err = unix.Dup3(unix.Stderr, unix.Stdout, 0); err != nil {
		return nil, nil, fmt.Errorf("runtime: redirect the standard output: %w", err)
	}
	return in, out, nil
}

func takeOver(fd int, name string) (*os.File, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("runtime: take over %s: %w", name, err)
	}
	if err := unix.SetNonblock(own, true); err != nil {
		return nil, fmt.Errorf("runtime: take over %s: %w", name, err)
	}
	return os.NewFile(uintptr(own), name), nil
}

// tune sets the process up. What is not allowed is logged and left.
func tune(log *slog.Logger) {
	try := func(what string, err error) {
		if err != nil {
			log.Debug("worker set-up", "step", what, "error", err)
		}
	}
	// A process group of our own, but not a session: the kernel's autogroups
	// would undo the niceness.
	try("process group", unix.Setpgid(0, 0))
	try("niceness", setNiceness())
	try("memory limit", unix.Setrlimit(unix.RLIMIT_DATA, dataLimit(0)))
	debug.SetGCPercent(gcPercent)
	debug.SetMaxStack(maxGoStack)
	limitMatches()
}

// dataLimit is the memory that a worker with so many VMs may have.
func dataLimit(vms int) *unix.Rlimit {
	steps := uint64(vms/dataStep) * dataStep
	return &unix.Rlimit{Cur: baseData + steps*dataPerVM, Max: baseData + MaxVMs*dataPerVM}
}

// growData raises the limit with the number of VMs.
func growData(log *slog.Logger) func(vms int) {
	granted := 0
	return func(vms int) {
		if vms/dataStep <= granted/dataStep {
			return
		}
		granted = vms
		if err := unix.Setrlimit(unix.RLIMIT_DATA, dataLimit(vms)); err != nil {
			log.Warn("memory limit of the worker", "vms", vms, "error", err)
		}
	}
}

// goroutineNumber is the number that a crash dump gives this goroutine.
func goroutineNumber() uint64 {
	head := make([]byte, 64)
	var number uint64
	_, _ = fmt.Sscanf(string(head[:goruntime.Stack(head, false)]), "goroutine %d ", &number) // 0 means unknown
	return number
}

// limitMatches bounds a backtracking match, for the whole process and before
// the first one.
func limitMatches() {
	regexp2.SetTimeoutCheckPeriod(regexpTime / 5)
	regexp2.DefaultMatchTimeout = regexpTime
}

// setNiceness lowers all threads that are there; new ones inherit it.
func setNiceness() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		var id int
		if _, err := fmt.Sscan(t.Name(), &id); err != nil {
			return err
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, niceness); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// adoptZone returns a function that makes the project's zone the process's,
// once and before the first VM: goja's dates know no other zone.
func adoptZone() func(zone string) error {
	var once sync.Once
	return func(zone string) (err error) {
		once.Do(func() {
			var location *time.Location
			if location, err = time.LoadLocation(zone); err == nil {
				time.Local = location
			}
		})
		return err
	}
}
