package engine

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/store"
)

// live is a call in progress with what the engine holds for it.
type live struct {
	*call.Call
	ticket  ticket
	version *scripts.Version // pinned; nil for calls without a script
	order   *order           // nil for inbound calls
	route   string
	began   time.Time
	steps   bool   // the caller asks for step tracing
	line    func() // gives the trunk's line back; nil without one
	// unadmitted calls have no place to give back: their number could not be
	// dialled, and no line was asked for.
	unadmitted bool
	seq        atomic.Int64           // of the last event of an inbound call
	back       *keptPlace             // whose call-back it is
	waits      atomic.Pointer[string] // the group in whose line it stands
	said       atomic.Pointer[said]   // what its row tells beside the spec
	rowWaits   atomic.Bool            // its row is in the store's queue
	rowKept    atomic.Bool            // there is or was a row
	kept       chan struct{}          // closed when its record is in the store
}

// calls is the registry of live calls by id.
type calls struct {
	began func() // one has
	mu    sync.Mutex
	byID  map[string]*live
	quiet []chan struct{} // closed when the last call has gone
}

func (s *calls) init() { s.byID = map[string]*live{} }

func (s *calls) add(l *live) {
	l.kept = make(chan struct{})
	s.mu.Lock()
	s.byID[l.ID()] = l
	s.mu.Unlock()
	s.began()
}

// find takes the id of a call, or of an order with one call in progress.
func (s *calls) find(id string) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byID[id]; l != nil {
		return l
	}
	for _, l := range s.byID {
		if l.Spec().Order == id {
			return l
		}
	}
	return nil
}

func (s *calls) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
	if len(s.byID) == 0 {
		for _, c := range s.quiet {
			close(c)
		}
		s.quiet = nil
	}
}

func (s *calls) list() []*live {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*live, 0, len(s.byID))
	for _, l := range s.byID {
		out = append(out, l)
	}
	return out
}

func (s *calls) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}

// idle is closed when no call is left.
func (s *calls) idle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	if len(s.byID) == 0 {
		close(c)
	} else {
		s.quiet = append(s.quiet, c)
	}
	return c
}

func (s *calls) hangupAll(by string) {
	for _, l := range s.list() {
		l.Hangup(by)
	}
}

// wait blocks until no call is left or d has passed.
func (s *calls) wait(clk clock.Clock, d time.Duration) {
	late := make(chan struct{})
	t := clk.AfterFunc(d, func() { close(late) })
	defer t.Stop()
	select {
	case <-s.idle():
	case <-late:
	}
}

// Ringing implements call.Observer.
func (e *Engine) Ringing(c *call.Call) { e.tell("call.ringing", c, nil) }

// Answered implements call.Observer: an outbound call's script starts now.
func (e *Engine) Answered(c *call.Call) {
	e.tell("call.answered", c, nil)
	l := e.calls.find(c.ID())
	if l == nil {
		return
	}
	e.live.say(l)
	if c.Spec().Outbound && l.version != nil && l.back == nil {
		e.startScript(l)
	}
}

// Result implements call.Observer. The last result outlives the process.
func (e *Engine) Result(c *call.Call, result json.RawMessage) {
	e.tell("call.result", c, result)
	if l := e.calls.find(c.ID()); l != nil {
		e.live.say(l)
	}
}

// Said implements call.Observer: what a script has set outlives the process.
func (e *Engine) Said(c *call.Call) {
	if l := e.calls.find(c.ID()); l != nil {
		e.live.say(l)
	}
}

// DeadAir implements call.Observer: an alarm, for the feed and for the log.
func (e *Engine) DeadAir(c *call.Call, silent time.Duration) {
	e.log.Warn("dead air: nobody hears anything", "call", c.ID(), "script", c.Spec().Script, "for", silent.Round(time.Second).String())
	data, _ := json.Marshal(map[string]int64{"silent_ms": silent.Milliseconds()}) // a number
	e.tell("call.dead_air", c, data)
}

// Ended implements call.Observer: the call is over, its record is kept.
func (e *Engine) Ended(c *call.Call, r call.Record) {
	l := e.calls.find(c.ID())
	if l == nil {
		return
	}
	e.clk.Busy(1)
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		defer e.clk.Busy(-1)
		e.keep(l, r)
	}()
}

// keep writes the record and the timeline, tells whom it concerns, and lets
// the call go. It waits for the disk, never on the call's goroutine.
//
// Record, deliveries and order are queued one after another without a wait
// between them, so that the store's next sync takes them together: a crash
// leaves all of them or none.
func (e *Engine) keep(l *live, r call.Record) {
	wait := func() {}
	save := func() {
		wait = e.saveRecord(l, r)
		e.afterwards(l, r)
	}
	switch {
	case l.back != nil:
		l.back.ended(&r)
		save()
		wait()
	case l.order == nil:
		save()
		wait()
	case l.order.attempt != nil:
		e.campaigns.over(l, &r, func() func() { save(); return wait })
	default:
		e.orders.attemptOver(l.order, &r, save)
		wait()
	}
	if e.opts.OnEnded != nil {
		e.opts.OnEnded(r, l.Timeline().Entries())
	}
	if l.version != nil {
		e.scripts.Release(l.version)
	}
	if !l.unadmitted {
		e.admission.release(l.ticket)
	}
	if l.line != nil {
		l.line()
	}
	e.orders.lineup.look()
	e.campaigns.freed()
	close(l.kept)
	e.calls.remove(l.ID())
}

// saveRecord queues the record and the timeline; wait returns when both are
// durable, or wait for the disk.
func (e *Engine) saveRecord(l *live, r call.Record) (wait func()) {
	body, err := json.Marshal(r)
	if err != nil {
		e.log.Error("engine: record", "call", r.ID, "err", err)
		return func() {}
	}
	state := "done"
	row := store.Record{ID: r.ID, Order: r.Order, Started: r.StartedAt, JSON: body, Fields: store.Fields{
		State: state, Outcome: string(r.Outcome), Script: r.Script, Campaign: r.Campaign, Trunk: r.Trunk, To: r.To, From: r.From, Key: r.Key, Tags: r.Tags,
	}}
	lines, err := json.Marshal(e.withLadder(l.Timeline()))
	if err != nil {
		lines = []byte("[]")
	}
	done := make(chan struct{}, 2)
	e.unsaved.add(write{"timeline", r.ID, func(told func(error)) { e.store.PutTimelineLater(r.ID, r.StartedAt, lines, told) }}, func() { done <- struct{}{} })
	e.unsaved.add(write{"record", r.ID, func(told func(error)) { e.store.PutRecordLater(row, told) }}, func() { done <- struct{}{} })
	e.live.remove(l)
	e.log.Info("call ended", "call", r.ID, "script", r.Script, "version", r.Version, "direction", r.Direction,
		"outcome", r.Outcome, "code", r.Code, "ended_by", r.EndedBy, "talk_ms", r.TalkMs)
	return func() {
		for range 2 {
			<-done
		}
	}
}

// orderOf is the order's part of a call id.
func orderOf(id string) string {
	order, _, _ := strings.Cut(id, ".")
	return order
}

// withUser counts the live calls that a registered user takes part in. Who has
// hung up is free, though the call's script and record may take a while.
func (s *calls) withUser(name string) int {
	n := 0
	for _, l := range s.list() {
		if l.Spec().User == name && !l.Left() || l.Rings(name) {
			n++
		}
	}
	return n
}
