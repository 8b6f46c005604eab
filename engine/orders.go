package engine

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	callhost "github.com/loopstart/loopstart/stdlib/call/host"
	"github.com/loopstart/loopstart/store"
)

// MaxOpenOrders is how many ordered calls may be open at once.
const MaxOpenOrders = 100_000

// States of an order (contract §6).
const (
	stateQueued    = "queued"
	stateDialing   = "dialing"
	stateRinging   = "ringing" // of an inbound call before its answer
	stateTalking   = "talking"
	stateWaiting   = "waiting"
	stateDone      = "done"
	stateCancelled = "cancelled"
)

// Callback is whom an order's events are sent to.
type Callback struct {
	URL    string   `json:"url"`
	Events []string `json:"events,omitempty"`
	Secret string   `json:"secret,omitempty"`
}

// OrderAttempt is one dial of an order.
type OrderAttempt struct {
	ID      string       `json:"id"`
	At      time.Time    `json:"at"`
	Outcome call.Outcome `json:"outcome,omitempty"`
	Code    int          `json:"code,omitempty"`
}

// Order is one ordered call as it is stored: what was asked, and every attempt
// with the intent on disk before its INVITE.
type Order struct {
	ID        string            `json:"id"`
	Key       string            `json:"key,omitempty"`
	Script    string            `json:"script"`
	To        string            `json:"to"`
	From      string            `json:"from,omitempty"`
	Trunk     string            `json:"trunk,omitempty"`
	Hide      bool              `json:"hide,omitempty"` // the callee sees no number
	Data      json.RawMessage   `json:"data,omitempty"`
	Timeout   time.Duration     `json:"timeout,omitempty"`
	At        time.Time         `json:"at,omitzero"`
	Expires   time.Time         `json:"expires,omitzero"`
	Attempts  int               `json:"attempts"` // allowed
	Retry     map[string]string `json:"retry,omitempty"`
	After     string            `json:"delivered_after,omitempty"`
	Callback  *Callback         `json:"callback,omitempty"`
	Created   time.Time         `json:"created"`
	State     string            `json:"state"`
	Made      []OrderAttempt    `json:"made"`
	NextAt    time.Time         `json:"next_at,omitzero"`
	Seq       int               `json:"seq"`              // of the last event sent
	Reason    string            `json:"reason,omitempty"` // why it was not called
	Deferrals int               `json:"deferrals,omitempty"`
	Window    campaign.Hours    `json:"window,omitzero"`
	Zone      string            `json:"zone,omitempty"`     // of the window; "callee" or "": the number tells
	Priority  int               `json:"priority,omitempty"` // higher ones go first when lines are scarce
	Campaign  string            `json:"campaign,omitempty"` // whose contact's order it is; such orders are not stored
	Flow      *FlowCall         `json:"flow,omitempty"`     // whose f.call it is
}

// order is an open order in memory.
type order struct {
	mu sync.Mutex
	Order
	timer  clock.Timer
	dueAt  time.Time // since when it waits for a line
	seat   *seat     // taken while it waited
	cancel bool
	retry  *callhost.Retry
	// attempt is set while a contact of a campaign is called: it, not this
	// order, knows what follows.
	attempt *campaign.Attempt
}

// orders are the open orders by id.
type orders struct {
	e      *Engine
	mu     sync.Mutex
	open   map[string]*order
	paused bool
	places [placingLocks]sync.Mutex // of orders with dedupe, by number
	lineup lineups                  // for want of a line
}

func (o *orders) init(e *Engine) {
	o.e, o.open = e, map[string]*order{}
	o.lineup.o = o
}

func (o *orders) pause() {
	o.mu.Lock()
	o.paused = true
	o.mu.Unlock()
}

func (o *orders) close() {
	o.pause()
	o.lineup.close()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ord := range o.open {
		ord.mu.Lock()
		if ord.timer != nil {
			ord.timer.Stop()
		}
		ord.mu.Unlock()
	}
}

func (o *orders) find(id string) *order {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[id]
}

// count is how many orders are open.
func (o *orders) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open)
}

func (o *orders) track(ord *order) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.open) >= MaxOpenOrders {
		return fault.New(fault.Limit, "open orders: %d at once", MaxOpenOrders)
	}
	o.open[ord.ID] = ord
	return nil
}

func (o *orders) forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, id)
}

// isOpen reports whether a state may still change.
func isOpen(state string) bool { return state != stateDone && state != stateCancelled }

// row is an order as the store lists it. ord.mu is held.
func (ord *order) row() store.Order {
	body, _ := json.Marshal(ord.Order)
	return store.Order{
		ID: ord.ID, Created: ord.Created, Open: isOpen(ord.State), NextAt: ord.NextAt, JSON: body,
		Fields: store.Fields{State: ord.State, Script: ord.Script, Trunk: ord.Trunk, To: ord.To, From: ord.From, Key: ord.Key},
	}
}

// schedule starts the order's next attempt at its time.
func (o *orders) schedule(ord *order) {
	now := o.e.clk.Now()
	ord.mu.Lock()
	at := ord.NextAt
	if !ord.Expires.IsZero() && at.After(ord.Expires) {
		at = ord.Expires
	}
	ord.timer = o.e.clk.AfterFunc(max(at.Sub(now), 0), func() { o.due(ord) })
	ord.mu.Unlock()
}

// due begins an attempt on a goroutine of its own: it waits for the disk and
// maybe for the script.
func (o *orders) due(ord *order) {
	o.mu.Lock()
	paused := o.paused
	o.mu.Unlock()
	if paused || o.e.ctx.Err() != nil {
		return
	}
	o.e.wg.Add(1)
	o.e.clk.Busy(1)
	go func() {
		defer o.e.wg.Done()
		defer o.e.clk.Busy(-1)
		o.attempt(ord)
	}()
}

// brokenScriptDelay is when an order whose script is broken is looked at again.
const brokenScriptDelay = 5 * time.Minute

// later puts the order off without using up an attempt.
func (o *orders) later(ord *order, d time.Duration, why string) {
	ord.mu.Lock()
	ord.State, ord.NextAt, ord.Reason = stateWaiting, o.e.clk.Now().Add(d), why
	ord.Deferrals++
	row := ord.row()
	ord.mu.Unlock()
	o.save(row)
	o.e.log.Info("order put off", "order", ord.ID, "for", d.String(), "why", why)
	o.schedule(ord)
}

// until puts the order off to an instant that its rules name.
func (o *orders) until(ord *order, at time.Time, why string) {
	ord.mu.Lock()
	ord.NextAt, ord.Reason = at, why
	if ord.State != stateQueued {
		ord.State = stateWaiting
	}
	row := ord.row()
	ord.mu.Unlock()
	o.save(row)
	o.schedule(ord)
}

// save keeps the state of an order. Where the disk is full, the end of an order
// waits in memory; before that the next change writes all there is to know.
func (o *orders) save(row store.Order) {
	err := o.e.store.PutOrder(row)
	switch {
	case err == nil:
	case fault.CodeOf(err) == fault.Unavailable && !isOpen(row.State):
		o.e.unsaved.add(write{"order", row.ID, func(done func(error)) { o.e.store.PutOrderLater(row, done) }}, nil)
	default:
		o.e.log.Error("engine: keep the order", "order", row.ID, "err", err)
	}
}

// finish closes an order that is not dialled any more.
func (o *orders) finish(ord *order, state, why string) {
	ord.mu.Lock()
	if ord.timer != nil {
		ord.timer.Stop()
	}
	made := ord.Made
	ord.mu.Unlock()
	var last *call.Record
	if len(made) == 0 {
		last = o.recordNotCalled(ord, why) // whoever reads "done" finds the record
	} else {
		last = o.e.lastRecord(made[len(made)-1].ID)
	}
	ord.mu.Lock()
	ord.State, ord.Reason, ord.NextAt = state, why, time.Time{}
	row := ord.row()
	ord.mu.Unlock()
	o.save(row)
	o.forget(ord.ID)
	o.e.orderDone(ord, last)
	o.over(ord)
}

// recordNotCalled is the record of an order that never became a call.
func (o *orders) recordNotCalled(ord *order, why string) *call.Record {
	r := ord.notCalled(why, o.e.clk.Now())
	o.e.putRecord(*r)
	if o.e.opts.OnEnded != nil {
		o.e.opts.OnEnded(*r, nil)
	}
	return r
}

// notCalled is what there is to say of an order that nobody was dialled for.
func (ord *order) notCalled(why string, now time.Time) *call.Record {
	return &call.Record{
		ID: attemptID(ord.ID, 0), Order: ord.ID, Key: ord.Key, Script: ord.Script, Direction: "outbound", From: ord.From, To: ord.To, Campaign: ord.Campaign,
		StartedAt: ord.Created, EndedAt: now, EndedBy: "system", Cause: why, Outcome: call.NotCalled, Final: true, Data: ord.Data,
	}
}

// lastRecord is the record of the attempt that turned out to be the last; nil
// if it cannot be read.
func (e *Engine) lastRecord(id string) *call.Record {
	row, ok, err := e.store.GetRecord(id)
	var r call.Record
	if err != nil || !ok || json.Unmarshal(row.JSON, &r) != nil {
		return nil
	}
	r.Final = true
	return &r
}

// attemptOver takes the outcome of a dial and plans what follows. keep queues
// the record, with Final set, before the order, so that one sync takes both.
// The new state shows only then: whoever reads "done" finds the record.
func (o *orders) attemptOver(ord *order, r *call.Record, keep func()) {
	ord.mu.Lock()
	at, again := o.plan(ord, r.Outcome, r.Pause)
	next := order{Order: ord.Order}
	n := len(ord.Made) - 1
	next.Made = slices.Clone(ord.Made) // readers hold the old list
	next.Made[n].Outcome, next.Made[n].Code = r.Outcome, r.Code
	next.State, next.NextAt = stateDone, time.Time{}
	switch {
	case ord.cancel:
		next.State = stateCancelled
	case again:
		next.State, next.NextAt = stateWaiting, at
	}
	ord.mu.Unlock()
	r.Final = !again
	keep()
	ord.mu.Lock()
	next.Seq = ord.Seq // of the events that keep has sent
	ord.mu.Unlock()
	o.save(next.row())
	ord.mu.Lock()
	ord.Made, ord.State, ord.NextAt = next.Made, next.State, next.NextAt
	cancelled := ord.cancel && again // while the disk was written
	ord.mu.Unlock()
	switch {
	case cancelled:
		o.finish(ord, stateCancelled, "cancelled")
	case again:
		o.schedule(ord)
	default:
		o.forget(ord.ID)
		o.over(ord)
	}
}

// plan says whether and when another attempt follows, pause later at the
// earliest. ord.mu is held.
func (o *orders) plan(ord *order, outcome call.Outcome, pause time.Duration) (at time.Time, again bool) {
	asked := ord.retry
	ord.retry = nil
	if ord.cancel {
		return at, false
	}
	rules, err := campaign.ParseRetry(ord.Retry)
	if err != nil {
		return at, false // it was checked when the order was placed
	}
	var instead *campaign.Override
	if asked != nil {
		instead = override(asked)
	}
	at, again = rules.Next(campaign.Outcome(outcome), len(ord.Made), ord.Attempts, instead, o.e.clk.Now())
	if !again {
		return at, false
	}
	if earliest := o.e.clk.Now().Add(pause); at.Before(earliest) {
		at = earliest
	}
	at, open := o.e.opening(&ord.Order, at)
	return at, open && (ord.Expires.IsZero() || at.Before(ord.Expires))
}

// Retry implements callhost.Retries.
func (o *orders) Retry(c *call.Call, r callhost.Retry) error {
	ord := o.find(c.Spec().Order)
	if ord == nil {
		return fault.New(fault.Conflict, "retry: this call has no order").WithHint("only ordered calls can be tried again")
	}
	if r.StopList {
		// The disk is waited for on a goroutine of its own: this is the call's.
		o.e.campaigns.background(func(context.Context) {
			if _, err := (stopList{o.e}).Add(ord.To, "call.retry of "+c.ID(), time.Time{}); err != nil {
				o.e.log.Error("engine: stop-list", "call", c.ID(), "err", err)
			}
		})
	}
	ord.mu.Lock()
	ord.retry = &r
	ord.mu.Unlock()
	o.e.Said(c)
	return nil
}
