package call

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// MaxLegs is how many legs a call may have at once.
const MaxLegs = 32

// Counters count what happened over all calls of an engine.
type Counters struct {
	Started, Ended    atomic.Int64
	Overflows, Panics atomic.Int64
	Fallbacks         atomic.Int64
	DeadAir           atomic.Int64 // calls in which nobody heard anything
	Refused           atomic.Int64 // verbs refused with LIMIT
	Quality           Qualities
}

// Call is one call: its legs, its script and what it leaves behind.
type Call struct {
	spec Spec
	deps Deps
	clk  clock.Clock
	log  *slog.Logger
	box  *mailbox
	line *Timeline

	started    time.Time
	targets    atomic.Pointer[[]string] // names of the places rung, for Rings
	dialogs    atomic.Pointer[[]shared] // the legs' dialogs, for Holds and With
	answeredAt atomic.Pointer[time.Time]
	left       atomic.Bool            // the first leg is over
	presented  atomic.Pointer[string] // the caller number that the route of an outbound call shows
	attaching  atomic.Pointer[Script] // on its way to the call's goroutine
	gone       chan struct{}          // closed when that goroutine has ended

	// Below: owned by the call's goroutine.
	clips      int  // of answers that were kept
	dead       bool // nobody hears anything, and that was told
	main       *Leg
	legs       map[string]*Leg
	made       int    // legs made so far, for their names
	made32     uint32 // dials of transfers so far, for theirs
	script     Script
	scripted   bool   // a script was attached
	done       bool   // the script has ended
	trunk      string // the one an outbound call went through
	result     json.RawMessage
	outcome    Outcome
	tags       map[string]string
	undialled  string // why its party was not dialled at all
	facts      facts
	connect    *connecting
	fallback   *falling
	endedBy    string
	ending     bool // the main leg is gone or going
	finished   bool
	timers     []*timer // that have neither come nor been stopped
	duration   *timer
	grace      *timer
	heardMs    int64
	totalMs    int64
	fileID     string // the first recording
	unrecorded string // the first that failed, and why
	talkRec    *recording
	recordings int
	streams    int // made so far, for their names
	dials      map[uint32]*dialling
	watched    *supervision // by supervisors
	rung       uint32       // supervisors so far
	quality    Quality
	suite      string // that encrypts the first leg

	inLine // what it has to do with queues
}

// New makes a call. It does nothing until Answerable or Originate.
func New(spec Spec, deps Deps) *Call {
	now := deps.Clock.Now()
	c := &Call{
		spec: spec, deps: deps, clk: deps.Clock, box: newMailbox(deps.Clock), line: newTimeline(now, deps.Veil), started: now,
		log: deps.Log.With("call", spec.ID, "script", spec.Script), legs: map[string]*Leg{}, dials: map[uint32]*dialling{}, tags: map[string]string{},
		gone: make(chan struct{}),
	}
	c.facts = facts{outbound: spec.Outbound, after: spec.After}
	deps.Counters.Started.Add(1)
	go c.run()
	return c
}

// ID is the call's name, unique over the life of a store.
func (c *Call) ID() string { return c.spec.ID }

// Spec is what the call began with; the caller of an outbound call is the
// number that its trunk presents.
func (c *Call) Spec() Spec {
	s := c.spec
	s.From = c.caller()
	return s
}

// Left tells that the first party is gone, though the script may still work.
// It is safe from any goroutine.
func (c *Call) Left() bool { return c.left.Load() }

// caller is the calling party as the other side sees it.
func (c *Call) caller() Party {
	number := c.presented.Load()
	if number == nil {
		return c.spec.From
	}
	p := Party{User: *number}
	if strings.HasPrefix(*number, "+") {
		p.E164 = *number
	}
	return p
}

// Timeline is what happened so far.
func (c *Call) Timeline() *Timeline { return c.line }

// Do runs f on the call's goroutine; after the end it does nothing and returns
// false.
func (c *Call) Do(f func()) bool { return c.post(f) }

// Note adds a line to the timeline, for services outside the call.
func (c *Call) Note(kind, detail, source string) {
	c.line.Add(c.clk.Now(), kind, "", detail, source)
}

// Leg finds a leg by its handle; "" is the first one. Call goroutine only.
func (c *Call) Leg(handle string) (*Leg, error) {
	if handle == "" {
		return c.main, nil
	}
	if l := c.legs[handle]; l != nil {
		return l, nil
	}
	return nil, errHangup()
}

func (c *Call) post(f func()) bool {
	if c.box.post(f) {
		return true
	}
	c.box.mu.Lock()
	closed := c.box.closed
	c.box.mu.Unlock()
	if !closed {
		c.overflow()
	}
	return false
}

// overflow ends a call whose mailbox is full; it runs on a foreign goroutine.
func (c *Call) overflow() {
	if c.deps.Counters.Overflows.Add(1); c.box.overflowed.CompareAndSwap(false, true) {
		c.log.Error("call: mailbox overflow, the call ends", "capacity", MailboxCapacity)
	}
}

func (c *Call) run() {
	defer c.close()
	for range c.box.wake {
		if !c.box.drain(c.handle) {
			return
		}
		if c.box.overflowed.Load() && !c.ending {
			c.handle(func() { c.hangup("error", 500) })
		}
	}
}

// close tells those whose posts are dropped that they wait in vain.
func (c *Call) close() {
	c.box.close()
	for len(c.timers) > 0 { // a timer that is pending keeps its call, and all that it has
		c.timers[0].stop()
	}
	close(c.gone)
	if s := c.attaching.Swap(nil); s != nil {
		(*s).End("hangup")
	}
}

// handle runs one function and survives its panic.
func (c *Call) handle(f func()) (more bool) {
	defer func() {
		if p := recover(); p != nil {
			c.deps.Counters.Panics.Add(1)
			c.log.Error("call: panic", "panic", p, "stack", string(debug.Stack()))
			c.facts.scriptFailed = true
			c.safeEnd()
			more = !c.finished
		}
	}()
	f()
	return !c.finished
}

func (c *Call) safeEnd() {
	defer func() {
		if recover() != nil {
			c.finished = true
			c.deps.Counters.Ended.Add(1)
		}
	}()
	c.hangup("error", 500)
}

func (c *Call) note(kind, leg, detail, source string) {
	c.line.Add(c.clk.Now(), kind, leg, detail, source)
}

func (c *Call) notify(name string, data any) {
	if c.script != nil && !c.done {
		c.script.Notify(name, data)
	}
}

// callback runs a function of the script; id 0 means there is none.
func (c *Call) callback(id uint32, args ...any) {
	if id != 0 && c.script != nil && !c.done {
		c.script.Callback(id, args...)
	}
}

// timer is a timer whose function runs on the call's goroutine, and never
// after stop.
type timer struct {
	c    *Call
	t    clock.Timer
	dead bool
}

func (c *Call) after(d time.Duration, f func()) *timer {
	tm := &timer{c: c}
	tm.t = c.clk.AfterFunc(d, func() {
		c.post(func() {
			if !tm.dead {
				tm.forget()
				f()
			}
		})
	})
	c.timers = append(c.timers, tm)
	return tm
}

func (t *timer) stop() {
	if t != nil && !t.dead {
		t.forget()
		t.t.Stop()
	}
}

func (t *timer) forget() {
	t.dead = true
	list := t.c.timers
	if i := slices.Index(list, t); i >= 0 {
		t.c.timers = slices.Delete(list, i, i+1)
	}
}

// Verb is one command of a script or the API on its way: where it stands in
// the source, and where its answer goes. Reply is called exactly once.
type Verb struct {
	At    string
	Reply func(value any, err error)
}

func (v Verb) ok(value any)     { v.Reply(value, nil) }
func (v Verb) fail(err error)   { v.Reply(nil, err) }
func (v Verb) source() string   { return v.At }
func errHangup() *fault.Error   { return fault.New(fault.Hangup, "the call is over") }
func quoted(name string) string { return fmt.Sprintf("%q", name) }

// Update takes the values a script has set, after each of its slices.
func (c *Call) Update(result json.RawMessage, outcome string, tags map[string]string) {
	c.post(func() {
		news := false
		if o := Outcome(outcome); outcome != "" && KnownOutcome(o) && o != c.outcome {
			c.outcome, news = o, true
		}
		for name, value := range tags {
			if old, ok := c.tags[name]; !ok || old != value {
				c.tags[name], news = value, true
			}
		}
		switch {
		case len(result) > 0 && string(result) != string(c.result):
			c.result = result
			c.note("result", "", string(result), "")
			c.deps.Observer.Result(c, result)
		case news:
			c.deps.Observer.Said(c)
		}
	})
}

// Started is when the call began.
func (c *Call) Started() time.Time { return c.started }

// AnsweredAt is when the first leg was answered; nil before. It is safe from
// any goroutine.
func (c *Call) AnsweredAt() *time.Time { return c.answeredAt.Load() }

// SoFar is the record as it stands; its outcome is the one that was set, ""
// while the call itself would tell. It is for the observer, on the call's
// goroutine.
func (c *Call) SoFar() Record {
	r := c.record()
	r.Tags, r.Outcome = maps.Clone(c.tags), c.outcome
	return r
}

// Tell sends the script an event from outside: call.on("command").
func (l *Leg) Tell(name string, body json.RawMessage, v Verb) {
	if len(body) == 0 {
		body = json.RawMessage("null")
	}
	l.note("command", name, v.At)
	l.call.notify(name, map[string]any{"call": l.name, "body": body})
	v.ok(nil)
}
