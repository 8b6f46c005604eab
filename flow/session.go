package flow

import (
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/store"
)

// Session is one wake-up: what the host tells of the VM comes here.
type Session struct {
	l     *live
	vm    VM
	ask   int         // the call whose unless it was woken for, 0 for none
	alarm clock.Timer // when the code says nothing for too long
}

// wake starts the flow's code, if it can go on and does not run already.
func (l *live) wake() {
	if l.session != nil || l.book == nil || !l.book.ready(l.r.clk.Now()) && len(l.asking) == 0 || !l.r.admit(l) {
		return
	}
	b, s := l.book, &Session{l: l}
	if len(l.asking) > 0 {
		s.ask = l.asking[0].n
	}
	l.session = s
	l.r.counts.wakes.Add(1)
	s.alarm = l.r.clk.AfterFunc(MaxStep, func() { _ = l.post(s.overdue) })
	vm, err := l.r.opt.Host.Run(b.Flow, b.wake(l.r.clk.Now(), s.ask), s)
	s.vm = vm
	if err != nil {
		l.stop()
		l.notRun(err)
	}
}

// notRun decides what follows when the code cannot be started.
func (l *live) notRun(err error) {
	p := &journal.Problem{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}
	if fault.CodeOf(err) != fault.NotFound {
		l.crashed(p)
		return
	}
	p.Code = string(fault.Conflict)
	p.Message = "the version that the flow began with cannot be run: " + p.Message
	p.Hint = "`loopstart flow retry " + l.script + " " + l.key + " --latest` goes on with the present version, if it does the same so far"
	_ = l.end(Failed, nil, p)
}

// crashed puts the flow off: it was not its code that failed.
func (l *live) crashed(p *journal.Problem) {
	l.answer("", fault.New(fault.Unavailable, "%s", p.Message))
	l.book.Crashes++
	if l.book.Crashes >= MaxCrashes {
		_ = l.end(Failed, nil, p)
		return
	}
	pause := backoff(l.book.Crashes)
	l.r.log.Warn("flow: its code was cut off: "+p.Message, "flow", l.id, "script", l.script, "key", l.key, "again_in", pause.String())
	if l.commit(nil) == nil {
		l.arm(l.r.clk.Now().Add(pause))
	}
}

// admit takes one of MaxAwake places; without one the flow waits in line.
func (r *Runner) admit(l *live) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.started || r.paused || l.waiting:
		return false
	case r.awake >= MaxAwake:
		l.waiting = true
		r.queue = append(r.queue, l)
		return false
	}
	r.awake++
	return true
}

// leave gives the place to the next one.
func (r *Runner) leave() {
	r.mu.Lock()
	r.awake--
	var next *live
	if len(r.queue) > 0 && !r.paused {
		next, r.queue = r.queue[0], r.queue[1:]
	}
	r.mu.Unlock()
	if next != nil {
		_ = next.post(func() { next.waiting = false; next.step() })
	}
}

// stop ends the running code.
func (l *live) stop() {
	s := l.session
	if s == nil {
		return
	}
	l.session = nil
	s.alarm.Stop()
	if s.vm != nil {
		s.vm.Kill()
	}
	l.r.leave()
}

// overdue ends code that says nothing.
func (s *Session) overdue() {
	if s.l.session != s {
		return
	}
	s.l.stop()
	s.l.crashed(&journal.Problem{Code: string(fault.Limit), Message: "a step worked for more than " + MaxStep.String() + " (limit step)",
		Hint: "let a step begin the work, and an event tell its end"})
}

// Request is what the code asks for. It may be called from any goroutine.
func (s *Session) Request(seq uint32, method string, args json.RawMessage, at string) {
	err := s.l.post(func() { // a queue that is full: the alarm ends this run
		if s.l.session != s || s.l.r.ended() {
			return // its run is over
		}
		s.alarm.Reset(MaxStep)
		value, err := s.l.request(method, args, at)
		if s.l.session == s && s.vm != nil && seq != 0 {
			s.vm.Settle(seq, value, err)
		}
		if err != nil && s.l.session == s {
			s.l.stop() // what it asked for is not in the journal: it is asked again
			s.l.crashed(&journal.Problem{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err)})
		}
	})
	if err != nil {
		s.l.r.log.Error("flow: "+err.Error(), "flow", s.l.id, "request", method)
	}
}

// Done is the end of the code: what it returned, or why not. lost says that it
// was not the code's own fault.
func (s *Session) Done(result json.RawMessage, p *journal.Problem, lost bool) {
	_ = s.l.post(func() {
		l := s.l
		if l.session != s {
			return
		}
		l.stop()
		switch {
		case l.r.ended():
		case p == nil && len(result) > journal.MaxResult:
			_ = l.end(Failed, nil, &journal.Problem{Code: string(fault.Limit), Message: "the flow returned " + strconv.Itoa(len(result)) + " bytes of JSON (limit result)"})
		case p == nil:
			_ = l.end(Done, result, nil)
		case lost:
			l.crashed(p)
		default:
			if last := l.book.settled(); p.Place == "" && len(last) > 0 && last[len(last)-1].Error != nil {
				p.Place = cmp.Or(last[len(last)-1].Error.Place, last[len(last)-1].Place) // it was thrown there, days ago
			}
			_ = l.end(Failed, nil, p)
		}
	})
}

// request carries out one request of the code.
func (l *live) request(method string, args json.RawMessage, at string) (any, error) {
	switch method {
	case "flow.wait", "flow.done":
		var a journal.Asked
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", method, err)
		}
		return l.asked(a, at, method == "flow.done")
	case "flow.idle":
		var i journal.Idle
		if err := json.Unmarshal(args, &i); err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", method, err)
		}
		l.idle(i)
	case "flow.asked":
		var a journal.Answer
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", method, err)
		}
		l.unlessSaid(a)
	case "flow.changed":
		var c journal.Changed
		if err := json.Unmarshal(args, &c); err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", method, err)
		}
		l.changed(c, at)
	default:
		return nil, fault.New(fault.NotFound, "no service %s", method)
	}
	return nil, nil
}

// asked takes a new wait, or the end of a step. The answer is the entry once it
// has a result.
func (l *live) asked(a journal.Asked, at string, step bool) (any, error) {
	b, now := l.book, l.now()
	e := b.find(a.N)
	if e == nil {
		if a.N < 1 || a.N > journal.MaxEntries || len(a.Name) > journal.MaxName || len(a.Value) > journal.MaxResult || len(a.Ask) > journal.MaxResult {
			return nil, fault.New(fault.Limit, "flow: entry %d is too large", a.N)
		}
		e = b.add(journal.Entry{N: a.N, Kind: a.Kind, Name: a.Name, Place: cmp.Or(a.Place, at), Asked: now, Until: a.Until, Ask: a.Ask})
	}
	var ops []store.Op
	switch {
	case e.Done():
		return *e, nil
	case step && a.Error == nil:
		b.settle(e, now, a.Value, nil)
	case step:
		if !b.failed(e, a, now) {
			l.r.log.Warn("flow: step failed: "+a.Error.Message, "flow", l.id, "script", l.script, "key", l.key, "step", e.Name, "at", a.Error.Place,
				"tries", e.Tries, "again_in", e.Until.Sub(now).String())
		}
	case a.Kind == journal.Call:
		e.Order = l.id + "-" + strconv.Itoa(e.N)
	case a.Kind == journal.Event:
		if m, ok := b.collect(e, now); ok {
			ops = append(ops, store.Op{Key: mailKey(l.id, m.N)})
		}
	}
	if !e.Done() && (e.Kind == journal.Sleep || e.Kind == journal.Event) && !e.Until.IsZero() && !e.Until.After(now) {
		b.settle(e, now, nil, nil)
	}
	b.Crashes = 0
	if err := l.commit(ops, e); err != nil {
		return nil, err
	}
	if e.Kind == journal.Call && !e.Done() {
		l.order(e) // tells the code itself
		return nil, nil
	}
	if e.Done() {
		return *e, nil
	}
	return nil, nil
}

// idle ends a run whose code waits and has seen all there is.
func (l *live) idle(i journal.Idle) {
	b := l.book
	if i.Seen < b.Results {
		return // it is told of more
	}
	if i.Open == 0 {
		_ = l.end(Failed, nil, &journal.Problem{Code: string(fault.Script), Message: "the flow waits for something that never comes",
			Hint: "a flow waits for f.step, f.sleep, f.sleepUntil, f.event and f.call; is there a promise that nothing resolves?"})
		return
	}
	changed := b.Seen != i.Seen || b.Ran <= i.Seen
	b.Seen, b.Ran = i.Seen, max(b.Ran, i.Seen+1)
	ask := l.session.ask
	l.stop()
	if len(l.asking) > 0 && l.asking[0].n == ask {
		l.said("", fault.New(fault.Unavailable, "unless was not asked"))
	}
	if changed { // it costs a run after a crash, so that nobody waits for the disk
		l.r.table.space.ApplyLater(nil, b.headOps(l.r.clk.Now())...)
	}
	l.step()
}

// changed ends a flow whose code is not the one of its journal.
func (l *live) changed(c journal.Changed, at string) {
	_ = l.end(Failed, nil, &journal.Problem{
		Code: string(fault.Conflict), Name: "ChangedFlow", Place: at,
		Message: "the code does not go the way of the journal: entry " + strconv.Itoa(c.N) + " is " + c.Want + ", the code comes to " + c.Got,
		Hint:    "between steps a flow must do the same each time; if the script was changed, go on with the version it began with, or start the flow anew",
	})
}

// unless wakes the code to ask whether a call is still to be made.
func (l *live) unless(n int, done func(skip string, err error)) {
	if err := l.read(); err != nil {
		done("", err)
		return
	}
	e := l.book.find(n)
	switch {
	case l.book.State != Running || e == nil || e.Done():
		done("the flow has gone on", nil)
		return
	}
	l.asking = append(l.asking, question{n, done})
	l.wake()
	if l.session == nil && !l.waiting {
		l.answer("", fault.New(fault.Unavailable, "the flow cannot be woken now"))
	}
}

// unlessSaid takes the answer of unless.
func (l *live) unlessSaid(a journal.Answer) {
	switch {
	case len(l.asking) == 0 || l.asking[0].n != a.N:
	case a.Error != nil:
		l.said("", fault.New(fault.Code(a.Error.Code), "unless: %s", a.Error.Message))
	default:
		l.said(a.Skip, nil)
	}
}

// said answers the first question.
func (l *live) said(skip string, err error) {
	q := l.asking[0]
	l.asking = l.asking[1:]
	q.done(skip, err)
}

// answer answers all who ask.
func (l *live) answer(skip string, err error) {
	for len(l.asking) > 0 {
		l.said(skip, err)
	}
}
