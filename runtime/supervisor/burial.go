package supervisor

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// Back-off of a worker that keeps crashing: the second crash in a row waits
// firstBackoff, each further one twice as long. A worker that lived for
// soundAfter starts the count again.
const (
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second
	soundAfter   = time.Minute
)

// bury reaps the process, frees the slot and ends the instances. cause is what
// ended the reading.
func (w *worker) bury(cause error) {
	w.mu.Lock()
	w.dead = true
	w.hangUp()
	p := w.process
	w.mu.Unlock()
	exit, culprit := "", uint64(0)
	if p != nil {
		exit = p.reap()
		culprit = p.suspect()
	}
	w.mu.Lock()
	orphans, verdict, closing := w.instances, w.verdict, w.closing
	w.instances, w.backlog = nil, nil
	w.mu.Unlock()

	why := w.judge(verdict, closing, cause, exit)
	if verdict == nil && !closing && outOfBounds(exit) {
		why.code, why.culprit = fault.Limit, culprit
		why.message += " (limit process)"
	}
	w.forgetBoard()
	w.sup.workerGone(w, why, closing)
	for _, vm := range orphans {
		vm.finish(message.Outcome{Error: why.forVM(vm)})
	}
	w.sup.reaped()
}

// judge puts the reason of the end into words.
func (w *worker) judge(verdict *death, closing bool, cause error, exit string) death {
	switch {
	case verdict != nil:
		return *verdict
	case closing:
		return death{code: fault.Unavailable, message: "the program is ending"}
	case isBreach(cause):
		return death{code: fault.Unavailable, message: "the script's worker failed: " + cause.Error()}
	case exit != "":
		return death{code: fault.Unavailable, message: "the script's worker process died: " + exit}
	case cause == nil || errors.Is(cause, io.EOF):
		return death{code: fault.Unavailable, message: "the script's worker is gone"}
	}
	return death{code: fault.Unavailable, message: "the script's worker failed: " + cause.Error()}
}

// outOfBounds reports whether a process died of something that one script can
// do: endless recursion in a native, or more memory than there may be.
func outOfBounds(exit string) bool {
	for _, sign := range []string{"stack overflow", "stack exceeds", "out of memory", "cannot allocate memory"} {
		if strings.Contains(exit, sign) {
			return true
		}
	}
	return false
}

func (w *worker) forgetBoard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process == nil || w.process.board == nil {
		return
	}
	if err := w.process.board.Close(); err != nil {
		w.sup.log.Debug("closing a worker's board", "worker", w.slot.name, "error", err)
	}
	w.process.board = nil
}

// isBreach reports whether the worker has sent what it must not.
func isBreach(cause error) bool {
	_, ours := errors.AsType[*fault.Error](cause)
	return ours
}

// forVM is the error of one instance: only the culprit, if there is one, hears
// of a limit; the others lost their worker through no fault of theirs.
func (d death) forVM(vm *Instance) *message.ScriptError {
	e := &message.ScriptError{Code: string(d.code), Name: "WorkerError", Message: d.message}
	if d.culprit != 0 && d.culprit != vm.id {
		e.Code = string(fault.Unavailable)
		e.Message = "the script's worker was killed because of another call: " + d.message
		e.Hint = "the other call's error says where its script was stuck"
	}
	return e
}

// workerGone frees the slot and sets its back-off.
func (s *Supervisor) workerGone(w *worker, why death, planned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.slot.worker == w {
		w.slot.worker = nil
	}
	if planned {
		return
	}
	s.counts.crashes.Add(1)
	now := s.clock.Now()
	if now.Sub(w.born) >= soundAfter {
		w.slot.failures = 0
	}
	w.slot.failures++
	wait := backoff(w.slot.failures)
	w.slot.until = now.Add(wait)
	if w.slot.script == "" {
		s.isolate(w)
	}
	s.log.Error("script worker ended", "worker", w.slot.name, "reason", why.message, "in_a_row", w.slot.failures, "backoff", wait)
}

// isolate makes the scripts that may have killed a shared worker run alone:
// the culprit if it is known, else the one that was given work last. The
// supervisor's lock is held.
func (s *Supervisor) isolate(w *worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.suspect != nil {
		s.lonely[w.suspect.script] = w.suspect.name
	}
}

// backoff is how long to wait after so many crashes in a row.
func backoff(failures int) time.Duration {
	if failures < 2 {
		return 0
	}
	wait := firstBackoff
	for i := 2; i < failures && wait < maxBackoff; i++ {
		wait *= 2
	}
	return min(wait, maxBackoff)
}

// reaped counts a worker out.
func (s *Supervisor) reaped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.changed.Broadcast()
}
