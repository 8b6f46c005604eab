package supervisor

import (
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Stats are counters since the start and the present workers.
type Stats struct {
	Started   uint64 // entries
	Ended     uint64 // entries that got their Done
	Refused   uint64 // entries that were not started: limit, back-off, closed
	Requests  uint64 // from scripts
	Processes uint64 // workers started
	Crashes   uint64 // workers that ended unasked, for whatever reason
	Stuck     uint64 // of them, killed because they did not answer
	Oversize  uint64 // of them, killed for their memory
	Overflows uint64 // of them, killed because they did not read
	Running   int    // entries
	Workers   []WorkerStats
}

// WorkerStats is one worker.
type WorkerStats struct {
	Name   string // "script hello" or "core 0"
	PID    int    // 0 in memory
	VMs    int
	Memory int64 // resident bytes when last looked at
}

type counters struct {
	started, ended, refused, requests, workers, crashes, stuck, oversize, overflows atomic.Uint64
}

// Stats returns the present state.
func (s *Supervisor) Stats() Stats {
	c := &s.counts
	st := Stats{
		Started: c.started.Load(), Ended: c.ended.Load(), Refused: c.refused.Load(), Requests: c.requests.Load(),
		Processes: c.workers.Load(), Crashes: c.crashes.Load(), Stuck: c.stuck.Load(), Oversize: c.oversize.Load(),
		Overflows: c.overflows.Load(),
	}
	for _, w := range s.alive() {
		st.Workers = append(st.Workers, w.stats())
	}
	slices.SortFunc(st.Workers, func(a, b WorkerStats) int { return strings.Compare(a.Name, b.Name) })
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Running = s.instances
	return st
}

func (w *worker) stats() WorkerStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := WorkerStats{Name: w.slot.name, VMs: len(w.instances), Memory: w.pulse.memory}
	if w.process != nil {
		st.PID = w.process.cmd.Process.Pid
	}
	return st
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Isolation == "" {
		o.Isolation = PerScript
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Limits = o.Limits.withDefaults()
	return o
}

func (l Limits) withDefaults() Limits {
	fill(&l.Stuck, 500*time.Millisecond)
	fill(&l.Memory, 384<<20)
	fill(&l.PerVM, 1<<20)
	fill(&l.Ready, 10*time.Second)
	fill(&l.Closing, 6*time.Second)
	return l
}

func fill[T int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
