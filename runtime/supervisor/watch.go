package supervisor

import (
	"cmp"
	"fmt"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// watchEvery is how often workers that have something to do are looked at.
const watchEvery = 100 * time.Millisecond

// askIdle is how often a worker whose scripts all wait is asked all the same: a
// timer of its own, or a bundle that has compiled, may have set one off.
const askIdle = 500 * time.Millisecond

// silence is how many times the limit a worker may leave a ping unanswered: a
// collection of garbage delays the answer, too.
const silence = 4

// starvation is how much longer a worker may be silent while it gets no CPU: on
// a machine that is too busy, a worker that waits its turn is not stuck.
const starvation = 5

// pulse is what the host knows of a worker's life; it belongs to worker.mu.
type pulse struct {
	ready   bool
	sent    bool   // something was sent since the last ping
	last    uint64 // the VM of the last frame sent
	pinged  time.Time
	waiting bool          // a ping is not answered yet
	cpu     time.Duration // of the process when pinged
	health  message.Health
	memory  int64 // resident bytes
}

// armWatch starts the watch if it is not running.
func (s *Supervisor) armWatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch == nil && !s.closed {
		s.watch = s.clock.AfterFunc(watchEvery, s.look)
	}
}

// look examines all workers; it stops when no process is left.
func (s *Supervisor) look() {
	for _, w := range s.alive() {
		w.examine(s.clock.Now())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.watch == nil: // closed meanwhile
	case !s.anyAlive(): // asked again: one may have been started meanwhile
		s.watch = nil
	default:
		s.watch.Reset(watchEvery)
	}
}

// anyAlive reports whether there is a worker; the lock is held.
func (s *Supervisor) anyAlive() bool {
	for _, sl := range s.slots {
		if sl.worker != nil {
			return true
		}
	}
	return false
}

func (s *Supervisor) alive() []*worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*worker
	for _, sl := range s.slots {
		if sl.worker != nil {
			all = append(all, sl.worker)
		}
	}
	return all
}

// examine pings a worker that has work, and kills one that is stuck or too
// large. A worker without calls costs nothing.
func (w *worker) examine(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process == nil || w.dead || w.verdict != nil {
		return
	}
	limits := w.sup.options.Limits
	if !w.pulse.ready {
		if now.Sub(w.born) > limits.Ready {
			w.kill(death{code: fault.Unavailable, message: fmt.Sprintf("the worker was not ready after %s", limits.Ready)})
		}
		return
	}
	if w.pulse.waiting {
		w.checkSilence(now)
	} else if w.pulse.sent || w.pulse.health.Queued > 0 || len(w.instances) > 0 && now.Sub(w.pulse.pinged) >= askIdle {
		w.ping(now)
	} else {
		return
	}
	w.checkMemory()
}

func (w *worker) ping(now time.Time) {
	w.pulse.sent = false
	w.pulse.waiting, w.pulse.pinged, w.pulse.cpu = true, now, w.process.cpu()
	if err := w.conn.Send(message.Frame{Kind: message.Ping}); err != nil {
		w.sup.log.Debug("ping", "worker", w.slot.name, "error", err)
	}
}

// checkSilence kills a worker that has used the CPU for as long as the limit,
// or has been silent for much longer, without answering.
func (w *worker) checkSilence(now time.Time) {
	limit := silence * w.sup.options.Limits.Stuck
	silent, used := now.Sub(w.pulse.pinged), w.process.cpu()-w.pulse.cpu
	if silent < limit || used < limit/2 && silent < starvation*limit {
		return
	}
	w.sup.counts.stuck.Add(1)
	culprit := w.process.suspect()
	w.suspectVM(cmp.Or(culprit, w.pulse.last))
	w.kill(death{code: fault.Limit, culprit: culprit, message: fmt.Sprintf("the worker has not answered for %s (limit stuck)", silent.Round(time.Millisecond))})
}

func (w *worker) checkMemory() {
	limits := w.sup.options.Limits
	w.pulse.memory = w.process.memory()
	allowed := limits.Memory + int64(len(w.instances))*limits.PerVM
	if w.pulse.memory <= allowed {
		return
	}
	w.sup.counts.oversize.Add(1)
	culprit := w.process.suspect()
	w.suspectVM(cmp.Or(culprit, w.pulse.last))
	w.kill(death{code: fault.Limit, culprit: culprit, message: fmt.Sprintf("the worker uses %d MB of memory, %d MB are allowed (limit memory)", w.pulse.memory>>20, allowed>>20)})
}

// pong takes a worker's answer, and kills it if one of its VMs is inside a
// native function that does not end.
func (w *worker) pong(f message.Frame) error {
	var h message.Health
	if err := f.Decode(&h); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pulse.waiting, w.pulse.health = false, h
	if h.Stuck == 0 || h.StuckFor < w.sup.options.Limits.Stuck {
		return nil
	}
	w.sup.counts.stuck.Add(1)
	w.suspectVM(h.Stuck)
	w.kill(death{
		code: fault.Limit, culprit: h.Stuck,
		message: fmt.Sprintf("the script has been inside one built-in function for %s (limit stuck)", h.StuckFor.Round(time.Millisecond)),
	})
	return nil
}

// suspectVM notes whose script is to blame if this worker dies; the lock is
// held.
func (w *worker) suspectVM(id uint64) {
	if vm := w.instances[id]; vm != nil {
		w.suspect = &version{vm.script, vm.version}
	}
}
