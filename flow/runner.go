package flow

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/store"
)

// Host is what flows need of the house.
type Host interface {
	// Code is the version of a script that a new flow gets, and the export that
	// is its flow.
	Code(script string, data json.RawMessage) (version, export string, err error)
	// Run starts the flow's code. The session hears of all it asks for.
	Run(f Flow, w journal.Wake, s *Session) (VM, error)
	Calls
}

// Calls are the orders of flows.
type Calls interface {
	// Place orders the call of an entry under the name e.Order, unless there is
	// such an order already.
	Place(f Flow, e journal.Entry) error
	// Called is what became of an order; done is false while it is open, found
	// when there is none.
	Called(order string) (result json.RawMessage, done, found bool, err error)
	// Release ends what a flow does not wait for any more: nobody is dialled
	// again, and with hangup a call in progress ends.
	Release(order string, hangup bool)
}

// VM is the running code of a flow.
type VM interface {
	Settle(seq uint32, value any, err error)
	// Tell gives the code a result that it has not asked for just now.
	Tell(e journal.Entry)
	Kill()
}

// Options wire a Runner.
type Options struct {
	Space *store.Space
	Clock clock.Clock
	Log   *slog.Logger
	Host  Host
	NewID func() string
	Seed  func(id string) []byte // 32 bytes for a new flow
	// Begin runs work on a goroutine of its own, which counts as busy; nil is
	// the ordinary way. In virtual time what belongs to one moment begins one
	// after the other.
	Begin func(func())
	// OnEnd hears of every flow that has ended, on the flow's goroutine.
	OnEnd func(Flow)
}

// Stats are the figures of a Runner.
type Stats struct {
	Running, Awake                                int
	Started, Done, Failed, Cancelled, Wakes, Mail uint64
	Refused                                       uint64 // by a limit
}

type counters struct{ started, done, failed, cancelled, wakes, mail, refused atomic.Uint64 }

// Runner runs all flows of a store.
type Runner struct {
	opt    Options
	clk    clock.Clock
	log    *slog.Logger
	table  table
	counts counters
	wg     sync.WaitGroup
	closed atomic.Bool

	mu      sync.Mutex
	lives   map[string]*live  // running flows by id
	keys    map[string]string // script 0 key: id of the running flow
	started bool
	paused  bool
	awake   int
	queue   []*live // wait for one of MaxAwake to end
}

// Open reads which flows are running. Nothing is run before Start.
func Open(o Options) (*Runner, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Runner{opt: o, clk: o.Clock, log: o.Log, table: table{o.Space}, lives: map[string]*live{}, keys: map[string]string{}}
	err := r.table.running(func(id string, i index) {
		l := &live{r: r, id: id, script: i.Script, key: i.Key, version: i.Version, index: i}
		r.lives[id], r.keys[l.name()] = l, id
	})
	return r, err
}

// Start lets the flows go on, once everything they need is there.
func (r *Runner) Start() {
	r.mu.Lock()
	r.started = true
	r.mu.Unlock()
	list := r.all()
	for _, l := range list {
		switch {
		case l.index.Ready || l.index.Calls:
			_ = l.post(l.resume) // nothing else is in its queue
		case !l.index.Wake.IsZero():
			l.arm(l.index.Wake)
		}
	}
	if len(list) > 0 {
		r.log.Info("flows go on", "running", len(list))
	}
}

// all are the running flows, the oldest first.
func (r *Runner) all() []*live {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*live, 0, len(r.lives))
	for _, l := range r.lives {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *live) int { return strings.Compare(a.id, b.id) })
	return out
}

// Pause wakes no flow any more; what is on its way is still written down.
func (r *Runner) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
}

// Close ends all that runs and waits for it. Flows go on with the next Open.
func (r *Runner) Close() {
	r.closed.Store(true)
	r.Pause()
	for _, l := range r.all() {
		l.arm(time.Time{})
	}
	r.wg.Wait()
}

// Needs reports whether a running flow needs a version of a script.
func (r *Runner) Needs(script, version string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lives {
		if l.script == script && l.version == version {
			return true
		}
	}
	return false
}

// Stats returns the present figures.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.counts
	return Stats{
		Running: len(r.lives), Awake: r.awake, Started: c.started.Load(), Done: c.done.Load(), Failed: c.failed.Load(),
		Cancelled: c.cancelled.Load(), Wakes: c.wakes.Load(), Mail: c.mail.Load(), Refused: c.refused.Load(),
	}
}

// Started is what a start is answered with.
type Started struct {
	ID      string `json:"id"`
	Key     string `json:"key"`
	Script  string `json:"script"`
	State   State  `json:"state"`
	Created bool   `json:"created"`
}

// Begin starts a flow and tells done when it is on disk, or which one with the
// key is running.
func (r *Runner) Begin(s journal.Start, done func(Started, error)) {
	standing, err := r.create(s, done)
	if err == nil && standing != nil {
		answer := Started{ID: standing.id, Key: standing.key, Script: standing.script, State: Running}
		err = standing.post(func() { done(answer, standing.read()) })
	}
	if err != nil {
		done(Started{}, err)
	}
}

// first is the first task of a new flow.
func (l *live) first(b *book, done func(Started, error)) {
	r := l.r
	l.book = b
	ops := append(b.headOps(r.clk.Now()), put(timeKey(keyList, b.Started, b.ID, true), mark), store.Op{Key: latestKey(b.Script, b.Key), Value: []byte(b.ID)})
	if err := r.table.space.Apply(ops...); err != nil {
		r.forget(l)
		l.book = nil
		done(Started{}, err)
		return
	}
	r.counts.started.Add(1)
	r.log.Info("flow started", "flow", l.id, "script", l.script, "key", l.key, "version", b.Version)
	done(Started{ID: l.id, Key: l.key, Script: l.script, State: Running, Created: true}, nil)
	l.step()
}

// create makes a new flow, or finds the one that runs.
func (r *Runner) create(s journal.Start, done func(Started, error)) (standing *live, err error) {
	if len(s.Key) > MaxKey || len(s.Data) > journal.MaxResult {
		return nil, fault.New(fault.Limit, "flow: a key has at most %d bytes and data %d", MaxKey, journal.MaxResult)
	}
	if len(s.Data) == 0 || string(s.Data) == "null" {
		s.Data = json.RawMessage("{}")
	}
	version, export, err := r.opt.Host.Code(s.Script, s.Data)
	if err != nil {
		return nil, err
	}
	id := r.opt.NewID()
	if s.Key == "" {
		s.Key = id
	}
	l := &live{r: r, id: id, script: s.Script, key: s.Key, version: version}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch standing := r.lives[r.keys[l.name()]]; {
	case r.paused:
		return nil, fault.New(fault.Unavailable, "the program is ending")
	case standing != nil:
		return standing, nil
	case len(r.lives) >= MaxRunning:
		r.counts.refused.Add(1)
		return nil, fault.New(fault.Limit, "flows: %d are running (limit running)", MaxRunning)
	}
	r.lives[id], r.keys[l.name()] = l, id
	b := &book{Flow: Flow{
		ID: id, Script: s.Script, Key: s.Key, State: Running, Version: version, Export: export, Data: s.Data,
		Started: r.clk.Now().UTC().Truncate(time.Millisecond), Seed: r.opt.Seed(id),
	}}
	return nil, l.queue(func() { l.first(b, done) }) // nothing can come before it
}

// forget takes a flow off the running ones.
func (r *Runner) forget(l *live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lives, l.id)
	if r.keys[l.name()] == l.id {
		delete(r.keys, l.name())
	}
}

// find is the running flow with a key.
func (r *Runner) find(script, key string) (*live, error) {
	r.mu.Lock()
	l := r.lives[r.keys[script+"\x00"+key]]
	r.mu.Unlock()
	if l != nil {
		return l, nil
	}
	f, err := r.table.latest(script, key)
	if err != nil {
		return nil, err
	}
	return nil, fault.New(fault.NotFound, "no flow of %s with the key %q is running: the last one is %s", script, key, f.State)
}

// Signal sends a running flow an event; done hears when it is on disk.
func (r *Runner) Signal(s journal.Signal, done func(error)) {
	l, err := r.find(s.Script, s.Key)
	switch {
	case err != nil:
	case s.Event == "" || len(s.Event) > journal.MaxName:
		err = fault.New(fault.Invalid, "event: its name has 1 to %d bytes", journal.MaxName)
	case len(s.Data) > journal.MaxResult:
		err = fault.New(fault.Limit, "event %s: data of %d bytes, the most is %d", s.Event, len(s.Data), journal.MaxResult)
	default:
		err = l.post(func() { done(l.signal(s.Event, s.Data)) })
	}
	if err != nil {
		done(err)
	}
}

// Cancel ends a running flow and what it waits for.
func (r *Runner) Cancel(script, key string, done func(error)) {
	l, err := r.find(script, key)
	if err == nil {
		err = l.post(func() { done(l.cancel()) })
	}
	if err != nil {
		done(err)
	}
}

// Retry lets a flow that has failed go on from there, and one that runs try its
// steps at once. With a version it goes on with that one.
func (r *Runner) Retry(script, key, version, export string, done func(error)) {
	f, err := r.table.latest(script, key)
	if err != nil {
		done(err)
		return
	}
	if f.State == Done || f.State == Cancelled {
		done(fault.New(fault.Conflict, "flow %s of %s is %s", key, script, f.State).WithHint("start it anew"))
		return
	}
	l, err := r.revive(f)
	if err == nil {
		err = l.post(func() { done(l.retry(version, export)) })
	}
	if err != nil {
		done(err)
	}
}

// revive is the running flow, or the failed one among the running again.
func (r *Runner) revive(f Flow) (*live, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lives[f.ID]; l != nil {
		return l, nil
	}
	l := &live{r: r, id: f.ID, script: f.Script, key: f.Key, version: f.Version}
	if other := r.keys[l.name()]; other != "" {
		return nil, fault.New(fault.Conflict, "another flow of %s with the key %s is running", f.Script, f.Key)
	}
	if len(r.lives) >= MaxRunning || r.paused {
		return nil, fault.New(fault.Limit, "flows: %d are running (limit running)", len(r.lives))
	}
	r.lives[f.ID], r.keys[l.name()] = l, f.ID
	return l, nil
}

// Over tells that the order of a flow's call is done.
func (r *Runner) Over(flow string, n int) {
	r.mu.Lock()
	l := r.lives[flow]
	r.mu.Unlock()
	if l != nil {
		_ = l.post(func() { l.called(n) }) // a queue that is full: recovered at the next start
	}
}

// Unless asks the code of a flow whether a call is still to be made; done gets
// why not, or "".
func (r *Runner) Unless(flow string, n int, done func(skip string, err error)) {
	r.mu.Lock()
	l := r.lives[flow]
	r.mu.Unlock()
	if l == nil {
		done("the flow has ended", nil)
		return
	}
	if err := l.post(func() { l.unless(n, done) }); err != nil {
		done("", err)
	}
}

// Shown is a flow with its journal.
type Shown struct {
	Flow
	Journal []journal.Entry `json:"journal"` // in the order of the results; what is waited for at the end
	Mail    []Mail          `json:"events"`  // that nobody has waited for yet
}

// Show is the last flow with a key.
func (r *Runner) Show(script, key string) (Shown, error) {
	f, err := r.table.latest(script, key)
	if err != nil {
		return Shown{}, err
	}
	b, err := r.table.load(f.ID)
	if err != nil {
		return Shown{}, err
	}
	out := Shown{Flow: b.shown(), Journal: b.settled(), Mail: b.mail}
	for _, e := range b.waiting() {
		out.Journal = append(out.Journal, *e)
	}
	if out.Mail == nil {
		out.Mail = []Mail{}
	}
	return out, nil
}

// List is a page of flows, newest first.
func (r *Runner) List(q Query) ([]Flow, string, error) { return r.table.list(q) }

// Sweep removes flows that ended longer than keep ago.
func (r *Runner) Sweep(ctx context.Context, now time.Time, keep time.Duration) (n int, err error) {
	end := timeKey(keyEnded, now.Add(-keep), "", false)
	for ctx.Err() == nil {
		rows, err := r.table.space.Scan(keyEnded, "", page)
		if err != nil || len(rows) == 0 || rows[0].Key >= end {
			return n, err
		}
		for _, row := range rows {
			if row.Key >= end {
				return n, nil
			}
			b, err := r.table.load(row.Key[len(keyEnded)+16:])
			if err == nil {
				err = r.table.drop(b)
			}
			if err != nil {
				return n, err
			}
			n++
		}
	}
	return n, ctx.Err()
}
