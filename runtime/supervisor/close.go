package supervisor

import "github.com/loopstart/loopstart/runtime/message"

// Close ends all scripts with the reason "shutdown", waits for their grace
// period at most Limits.Closing, and ends the workers. Connections in memory
// get no grace, since their clock may stand still. When it returns, every Done
// has been delivered and no process or goroutine is left.
func (s *Supervisor) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if s.watch != nil {
		s.watch.Stop()
		s.watch = nil
	}
	s.mu.Unlock()
	if first {
		s.endInstances()
	}
	for _, w := range s.alive() {
		w.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running > 0 {
		s.changed.Wait()
	}
}

// Abandon ends all workers with no word to their scripts. Close follows.
func (s *Supervisor) Abandon() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, w := range s.alive() {
		w.close()
	}
}

// endInstances asks all scripts to end and waits until they have, or the
// deadline.
func (s *Supervisor) endInstances() {
	ending := message.Ending{Reason: "shutdown", Now: s.options.Dial != nil}
	for _, w := range s.alive() {
		w.endAll(ending)
	}
	late := false
	deadline := s.clock.AfterFunc(s.options.Limits.Closing, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.changed.Broadcast()
	})
	defer deadline.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.instances > 0 && !late {
		s.changed.Wait()
	}
}

func (w *worker) endAll(e message.Ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.instances {
		f, err := message.Encode(message.End, id, 0, e)
		if err == nil {
			err = w.send(f)
		}
		if err != nil {
			w.sup.log.Debug("ending a script", "script", w.instances[id].script, "error", err)
		}
	}
}

// close ends the worker; that is no crash.
func (w *worker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = true
	w.hangUp()
}
