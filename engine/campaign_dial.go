package engine

import (
	"context"
	"encoding/json"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/phone"
	callhost "github.com/loopstart/loopstart/stdlib/call/host"
)

// campaigns implements campaign.Dialer, campaign.Preparer and campaign.Lines.

// Take implements campaign.Lines: a place among all calls, and a line of the
// first trunk that has one. An attempt that no trunk may dial takes none; it is
// told so when it is prepared.
func (s *campaigns) Take(a campaign.Attempt) bool {
	if s.halted.Load() {
		return false
	}
	f := &flight{}
	st, _, err := s.e.takeSeat(&order{Order: orderOfAttempt(a)})
	switch {
	case err != nil:
		return false
	case st.unplaced != nil: // no line is needed to say so
		st.giveBack()
		f.unplaced = st.unplaced
	case s.e.orders.lineup.holds(st.place.Routes[0].Trunk): // single orders wait for this line
		st.giveBack()
		return false
	default:
		f.seat = st
	}
	s.mu.Lock()
	s.flights[a.ID] = f
	s.mu.Unlock()
	return true
}

// Give implements campaign.Lines.
func (s *campaigns) Give(a campaign.Attempt) {
	s.mu.Lock()
	f := s.flights[a.ID]
	delete(s.flights, a.ID)
	s.mu.Unlock()
	if f != nil && f.seat != nil {
		f.seat.giveBack()
	}
}

// orderOfAttempt is the order that an attempt is one dial of.
func orderOfAttempt(a campaign.Attempt) Order {
	o := Order{
		ID: a.Order, Key: a.Key, Script: a.Script, To: a.To, From: a.From, Hide: a.Hide, Trunk: a.Trunk, Data: a.Data, Timeout: a.Timeout, Attempts: a.Of,
		After: a.After, Created: a.At, State: stateDialing, Campaign: a.Campaign, Priority: a.Priority, Seq: (a.N - 1) * eventsPerAttempt,
		Made: make([]OrderAttempt, a.N),
	}
	if len(o.Data) == 0 {
		o.Data = json.RawMessage("{}")
	}
	o.Made[a.N-1] = OrderAttempt{ID: a.ID, At: a.At}
	o.Callback, _ = parseCallback(a.Callback) // checked when the campaign was made
	return o
}

// eventsPerAttempt leaves room in the numbers of a contact's events, which
// count on from attempt to attempt.
const eventsPerAttempt = 1000

// Prepare implements campaign.Preparer: the script is there, the number may be
// dialled, and beforeAttempt agrees.
func (s *campaigns) Prepare(a campaign.Attempt) {
	s.background(func(ctx context.Context) { s.give(a, s.prepare(ctx, a)) })
}

// give hands a decision to the campaign.
func (s *campaigns) give(a campaign.Attempt, d campaign.Decision) {
	s.mu.Lock()
	o := s.open[a.Campaign]
	s.mu.Unlock()
	if o != nil {
		o.Prepared(a.ID, d)
	}
}

// background runs something that waits for scripts or the disk.
func (s *campaigns) background(f func(context.Context)) {
	s.e.wg.Add(1)
	s.e.clk.Busy(1)
	go func() {
		defer s.e.wg.Done()
		defer s.e.clk.Busy(-1)
		f(s.e.ctx)
	}()
}

func (s *campaigns) prepare(ctx context.Context, a campaign.Attempt) campaign.Decision {
	s.mu.Lock()
	f := s.flights[a.ID]
	s.mu.Unlock()
	if f != nil && f.unplaced != nil {
		return campaign.Decision{Skip: f.unplaced.Error()}
	}
	v, err := s.e.scripts.Acquire(a.Script)
	if err != nil {
		s.e.log.Warn("campaign: "+err.Error(), "campaign", a.Campaign, "script", a.Script)
		return campaign.Decision{Later: brokenScriptDelay}
	}
	defer s.e.scripts.Release(v)
	asked, err := s.e.askBefore(ctx, v, beforeFacts{To: a.To, Data: a.Data, N: a.N, Of: a.Of, Order: a.Order, Campaign: a.Campaign})
	if err != nil {
		s.e.log.Warn("campaign: beforeAttempt: "+err.Error(), "campaign", a.Campaign, "to", phone.Mask(a.To))
		return campaign.Decision{Later: brokenScriptDelay}
	}
	if asked.Skip == "" && asked.Later == 0 && len(asked.Prompts) > 0 {
		s.e.prerender(v, asked.Prompts)
	}
	return campaign.Decision{Skip: asked.Skip, Later: asked.Later, Data: asked.Data}
}

// Dial implements campaign.Dialer: the intent is on disk.
func (s *campaigns) Dial(a campaign.Attempt) {
	s.mu.Lock()
	f := s.flights[a.ID]
	if f == nil {
		f = &flight{}
		s.flights[a.ID] = f
	}
	s.mu.Unlock()
	s.background(func(context.Context) { s.dial(a, f) })
}

func (s *campaigns) dial(a campaign.Attempt, f *flight) {
	e := s.e
	ord := &order{Order: orderOfAttempt(a), attempt: &a}
	v, err := e.scripts.Acquire(a.Script)
	if err != nil {
		if f.seat != nil {
			f.seat.giveBack()
		}
		s.undialled(ord, err)
		return
	}
	if err := e.orders.track(ord); err != nil {
		e.log.Warn("campaign: "+err.Error(), "campaign", a.Campaign)
	}
	l := &live{version: v, order: ord, began: e.clk.Now(), unadmitted: f.seat == nil}
	if f.seat != nil {
		l.ticket, l.line = f.seat.ticket, f.seat.free
	}
	spec := e.outboundSpec(ord, v, a.ID, a.N)
	l.Call = call.New(spec, e.callDeps())
	e.calls.add(l)
	e.began(l.Call)
	if f.seat != nil {
		l.Originate(f.seat.place)
	} else if place, err := e.placeOf(ord, spec); err != nil {
		l.Undialled(err)
	} else {
		l.Originate(place)
	}
	s.mu.Lock()
	dropped := f.dropped
	s.mu.Unlock()
	if dropped {
		l.Hangup("system")
	}
}

// undialled ends an attempt whose script went away after the intent.
func (s *campaigns) undialled(ord *order, err error) {
	r := lostRecord(ord, *ord.attempt)
	r.Cause, r.Outcome = err.Error(), call.Failed
	s.finish(ord, &r, campaign.Result{Outcome: campaign.Failed}, func() func() { s.e.putRecord(r); return func() {} })
}

// Cancel implements campaign.Dialer.
func (s *campaigns) Cancel(id string) {
	s.mu.Lock()
	if f := s.flights[id]; f != nil {
		f.dropped = true
	}
	s.mu.Unlock()
	if l := s.e.calls.find(id); l != nil && l.AnsweredAt() == nil {
		l.Hangup("system")
	}
}

// over takes a call that has ended: record and events first, then the contact.
func (s *campaigns) over(l *live, r *call.Record, save func() (wait func())) {
	s.finish(l.order, r, s.result(l, r), save)
}

func (s *campaigns) finish(ord *order, r *call.Record, result campaign.Result, save func() (wait func())) {
	a := ord.attempt
	r.Final = a.Final(result)
	save()()
	s.e.orders.forget(ord.ID)
	s.mu.Lock()
	delete(s.flights, a.ID)
	o := s.open[a.Campaign]
	s.mu.Unlock()
	if o != nil {
		o.Result(a.ID, result)
	}
}

func (s *campaigns) result(l *live, r *call.Record) campaign.Result {
	out := resultOf(r)
	out.Keyed, out.Pause = r.Keyed, r.Pause
	l.order.mu.Lock()
	asked := l.order.retry
	l.order.mu.Unlock()
	if asked != nil {
		out.Retry = override(asked)
	}
	return out
}

func override(r *callhost.Retry) *campaign.Override {
	return &campaign.Override{After: r.After, At: r.At, Never: r.Never}
}

// resultOf is a record as the campaign counts it.
func resultOf(r *call.Record) campaign.Result {
	return campaign.Result{
		Outcome: campaign.Outcome(r.Outcome), Code: r.Code, Answered: r.AnsweredAt != nil, Keyed: r.Keyed, TalkMs: r.TalkMs,
		HeardMs: r.Heard.Ms, Percent: r.Heard.Percent, Result: r.Result,
	}
}

// lookup finds what an earlier process kept of an attempt that it could not
// finish. Of an attempt without a record nobody knows what became: that record
// is made here.
func (s *campaigns) lookup(id string) (campaign.Result, bool) {
	row, ok, err := s.e.store.GetRecord(id)
	var r call.Record
	if err == nil && ok && json.Unmarshal(row.JSON, &r) == nil {
		return resultOf(&r), true
	}
	camp, k, ok, err := s.contact(id)
	if err != nil || !ok || k.Last() == nil {
		return campaign.Result{}, false
	}
	ord := &order{Order: orderOfContact(camp, k)}
	r = lostRecord(ord, campaign.Attempt{ID: id, N: len(k.Attempts), At: k.Last().At, To: k.Last().Phone})
	var wish *campaign.Override
	if asked := s.e.live.take(&r); asked != nil {
		wish = override(asked)
	}
	_, again := camp.Spec.Retry.Next(campaign.Outcome(r.Outcome), len(k.Attempts), camp.Spec.Attempts, wish, s.e.clk.Now())
	r.Final = !again
	s.e.putRecord(r)
	s.e.afterRecord(ord, r)
	s.e.log.Warn("an attempt was cut off: the process ended during it", "call", id, "to", phone.Mask(r.To), "outcome", r.Outcome)
	out := resultOf(&r)
	out.Retry = wish
	return out, wish != nil || r.Outcome != call.Unknown
}

// lostRecord is the record of an attempt of which nothing else is known.
func lostRecord(ord *order, a campaign.Attempt) call.Record {
	return call.Record{
		ID: a.ID, Order: ord.ID, Key: ord.Key, Script: ord.Script, Campaign: ord.Campaign, Direction: "outbound", From: ord.From, To: a.To, StartedAt: a.At,
		EndedBy: "system", Cause: "the process ended during the attempt", Outcome: call.Unknown, Attempt: a.N, Data: ord.Data,
	}
}
