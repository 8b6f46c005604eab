package flow

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/store"
)

// live is a running flow: an actor.
type live struct {
	r                        *Runner
	id, script, key, version string
	index                    index // as it was found on disk

	mu      sync.Mutex
	tasks   []func()
	running bool // a goroutine is at the tasks
	timer   clock.Timer

	// The rest belongs to the tasks.
	book    *book // nil while nothing is known but what is above
	session *Session
	waiting bool // for one of MaxAwake
	asking  []question
}

// question is a call that waits for what unless says.
type question struct {
	n    int
	done func(skip string, err error)
}

func (l *live) name() string { return l.script + "\x00" + l.key }

// post queues a task.
func (l *live) post(task func()) error {
	if l.r.ended() {
		return fault.New(fault.Unavailable, "the program is ending")
	}
	return l.queue(task)
}

func (l *live) queue(task func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tasks) >= MaxQueue {
		l.r.counts.refused.Add(1)
		return fault.New(fault.Limit, "flow %s: %d messages wait for it (limit queue)", l.key, MaxQueue)
	}
	l.tasks = append(l.tasks, task)
	if !l.running {
		l.running = true
		l.r.begin(l.drain)
	}
	return nil
}

// begin runs work on a goroutine of its own.
func (r *Runner) begin(run func()) {
	r.wg.Add(1)
	work := func() {
		defer r.wg.Done()
		run()
	}
	if r.opt.Begin != nil {
		r.opt.Begin(work)
		return
	}
	r.clk.Busy(1)
	go func() {
		defer r.clk.Busy(-1)
		work()
	}()
}

// drain runs the tasks until there are none.
func (l *live) drain() {
	for {
		l.mu.Lock()
		if len(l.tasks) == 0 {
			l.running = false
			l.tasks = nil
			if l.session == nil {
				l.book = nil // it is on disk
			}
			l.mu.Unlock()
			return
		}
		task := l.tasks[0]
		l.tasks = l.tasks[1:]
		l.mu.Unlock()
		task()
	}
}

// read makes sure that the flow is in memory.
func (l *live) read() error {
	if l.book != nil {
		return nil
	}
	b, err := l.r.table.load(l.id)
	if err == nil {
		l.book = b
	}
	return err
}

// commit writes the flow and some of its entries, and sets the next wake-up. A
// flow that cannot be written is read again: what is on disk counts.
func (l *live) commit(ops []store.Op, changed ...*journal.Entry) error {
	now := l.r.clk.Now()
	for _, e := range changed {
		ops = append(ops, put(entryKey(l.id, e.N), e))
	}
	if err := l.r.table.space.Apply(append(ops, l.book.headOps(now)...)...); err != nil {
		l.r.log.Error("flow: the journal cannot be written", "flow", l.id, "err", err)
		l.stop()
		l.book = nil
		l.arm(now.Add(placeAgain))
		return err
	}
	l.version = l.book.Version
	l.arm(l.book.Wake)
	return nil
}

// arm sets the next wake-up; the zero time takes it away.
func (l *live) arm(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if at.IsZero() || l.r.ended() {
		return
	}
	l.timer = l.r.clk.AfterFunc(max(at.Sub(l.r.clk.Now()), 0), func() { _ = l.post(l.step) })
}

func (r *Runner) ended() bool { return r.closed.Load() }

// step takes what is due and lets the code go on with it.
func (l *live) step() {
	if l.r.ended() {
		return
	}
	if err := l.read(); err != nil {
		l.r.log.Error("flow: it cannot be read", "flow", l.id, "err", err)
		l.arm(l.r.clk.Now().Add(placeAgain))
		return
	}
	if l.book.State != Running {
		return
	}
	now := l.now()
	if due := l.book.due(now); len(due) > 0 {
		if l.commit(nil, due...) != nil {
			return
		}
		for _, e := range due {
			l.tell(e)
		}
	}
	l.place(now)
	l.wake()
	if l.session == nil && l.book != nil && !l.waiting && !l.r.resting() {
		l.arm(l.book.Wake)
	}
}

// resting reports whether no flow is woken now.
func (r *Runner) resting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.started || r.paused
}

// now is the time as the journal keeps it.
func (l *live) now() time.Time { return l.r.clk.Now().UTC().Truncate(time.Millisecond) }

// tell gives the running code a result.
func (l *live) tell(e *journal.Entry) {
	if l.session != nil && l.session.vm != nil {
		l.session.vm.Tell(*e)
	}
}

// resume is the first step after a start of the program: orders may have been
// lost or done meanwhile.
func (l *live) resume() {
	if err := l.read(); err != nil {
		l.step() // tells it and tries again
		return
	}
	for _, e := range l.book.waiting() {
		if e.Kind == journal.Call && e.Order != "" {
			l.called(e.N)
		}
	}
	l.step()
}

// place orders the calls that could not be ordered before.
func (l *live) place(now time.Time) {
	for _, e := range l.book.waiting() {
		if e.Kind == journal.Call && !e.Until.IsZero() && !e.Until.After(now) {
			l.order(e)
		}
		if l.book == nil {
			return
		}
	}
}

// order places the call of an entry that is on disk. A crash before or behind
// it does it once more, and the order stands then.
func (l *live) order(e *journal.Entry) (settled bool) {
	err := l.r.opt.Host.Place(l.book.Flow, *e)
	switch fault.CodeOf(err) {
	case "":
		if e.Until.IsZero() {
			return false
		}
		e.Until = time.Time{}
	case fault.Unavailable, fault.Limit, fault.Rate:
		l.r.log.Warn("flow: the call cannot be ordered now: "+err.Error(), "flow", l.id)
		e.Until = l.r.clk.Now().Add(placeAgain)
	default:
		l.book.settle(e, l.now(), nil, &journal.Problem{Code: string(fault.CodeOf(err)), Message: "f.call: " + err.Error(), Hint: fault.HintOf(err), Place: e.Place})
		settled = true
	}
	if l.commit(nil, e) == nil && settled {
		l.tell(e)
	}
	return settled
}

// called takes what became of a call.
func (l *live) called(n int) {
	if l.read() != nil || l.book.State != Running {
		return
	}
	e := l.book.find(n)
	if e == nil || e.Done() || e.Kind != journal.Call {
		return
	}
	result, done, found, err := l.r.opt.Host.Called(e.Order)
	switch {
	case err != nil:
		l.r.log.Error("flow: the order of a call", "flow", l.id, "order", e.Order, "err", err)
		e.Until = l.r.clk.Now().Add(placeAgain)
		_ = l.commit(nil, e)
	case !found:
		l.order(e)
	case done:
		l.book.settle(e, l.now(), result, nil)
		if l.commit(nil, e) == nil {
			l.tell(e)
			l.wake()
		}
	}
}

// signal takes an event.
func (l *live) signal(name string, data json.RawMessage) error {
	if err := l.read(); err != nil {
		return err
	}
	if l.book.State != Running {
		return noFlow(l.script, l.key)
	}
	if len(l.book.mail) >= MaxMail {
		l.r.counts.refused.Add(1)
		return fault.New(fault.Limit, "flow %s: %d events are kept that it does not wait for (limit mail)", l.key, MaxMail)
	}
	l.r.counts.mail.Add(1)
	e := l.book.receive(name, data, l.now())
	if e == nil {
		m := l.book.mail[len(l.book.mail)-1]
		return l.commit([]store.Op{put(mailKey(l.id, m.N), m)})
	}
	if err := l.commit(nil, e); err != nil {
		return err
	}
	l.tell(e)
	l.wake()
	return nil
}

// cancel ends the flow by request.
func (l *live) cancel() error {
	if err := l.read(); err != nil {
		return err
	}
	if l.book.State != Running {
		return noFlow(l.script, l.key)
	}
	return l.end(Cancelled, nil, nil)
}

// retry lets the flow go on.
func (l *live) retry(version, export string) error {
	if err := l.read(); err != nil {
		return err
	}
	b, now := l.book, l.now()
	if l.session != nil {
		return fault.New(fault.Conflict, "flow %s is at work", l.key)
	}
	was := b.State
	dropped, changed := b.again(now)
	if was == Running && len(changed) == 0 && version == "" {
		return fault.New(fault.Conflict, "flow %s is running and no step of it has failed", l.key).WithHint("`loopstart flow show` says what it waits for")
	}
	ops := []store.Op{{Key: timeKey(keyEnded, b.Ended, b.ID, false)}, put(timeKey(keyList, b.Started, b.ID, true), mark)}
	if b.Ended.IsZero() {
		ops = nil
	}
	b.State, b.Error, b.Ended, b.Ran = Running, nil, time.Time{}, min(b.Ran, b.Results)
	if version != "" {
		b.Version, b.Export = version, export
	}
	for _, e := range dropped {
		ops = append(ops, store.Op{Key: entryKey(l.id, e.N)})
	}
	for _, e := range changed {
		ops = append(ops, put(entryKey(l.id, e.N), e))
	}
	b.Seen = min(b.Seen, b.Results) - 1 // it has to go on, whatever it had seen
	if err := l.commit(ops); err != nil {
		return err
	}
	l.r.log.Info("flow retried", "flow", l.id, "script", l.script, "key", l.key, "version", b.Version)
	l.resume()
	return nil
}

// end closes the flow and lets go of what it still waits for.
func (l *live) end(s State, result json.RawMessage, p *journal.Problem) error {
	b := l.book
	b.State, b.Result, b.Error, b.Ended = s, result, p, l.now()
	ops := []store.Op{put(timeKey(keyEnded, b.Ended, b.ID, false), mark)}
	for _, m := range b.mail {
		ops = append(ops, store.Op{Key: mailKey(l.id, m.N)})
	}
	var orders []string
	for _, e := range b.waiting() {
		if e.Order != "" {
			orders = append(orders, e.Order)
		}
	}
	if err := l.commit(ops); err != nil {
		return err
	}
	l.stop()
	l.answer("the flow has ended", nil)
	l.r.forget(l)
	l.report(s, p)
	if l.r.opt.OnEnd != nil {
		l.r.opt.OnEnd(b.shown())
	}
	if s != Failed { // one that has failed may be retried: its calls go on
		for _, order := range orders {
			l.r.opt.Host.Release(order, s == Cancelled)
		}
	}
	return nil
}

// report logs and counts the end of a flow.
func (l *live) report(s State, p *journal.Problem) {
	attrs := []any{"flow", l.id, "script", l.script, "key", l.key, "results", l.book.Results}
	switch s {
	case Done:
		l.r.counts.done.Add(1)
	case Cancelled:
		l.r.counts.cancelled.Add(1)
	case Failed:
		l.r.counts.failed.Add(1)
		attrs = append(attrs, "code", p.Code, "at", p.Place)
		if p.Hint != "" {
			attrs = append(attrs, "hint", p.Hint)
		}
		l.r.log.Error("flow failed: "+p.Message, attrs...)
		return
	}
	l.r.log.Info("flow "+string(s), attrs...)
}
