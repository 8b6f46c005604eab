package engine

import (
	"encoding/json"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/flow"
	"github.com/loopstart/loopstart/internal/fault"
	flowlog "github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/store"
)

// FlowCall says which f.call an order is of.
type FlowCall struct {
	ID     string `json:"id"` // of the flow
	N      int    `json:"n"`  // of the journal's entry
	Unless bool   `json:"unless,omitempty"`
}

// flowAsk are the options of f.call.
type flowAsk struct {
	Script, To, From, Trunk, Window, Zone, Timeout, Every, DeliveredAfter, Expires string
	Data                                                                           json.RawMessage
	Tries                                                                          int
	Retry                                                                          map[string]string
	Unless, Hide                                                                   bool
}

// Place implements flow.Calls. The order's name is the entry's: a second time
// it finds the first.
func (h flowHost) Place(f flow.Flow, en flowlog.Entry) error {
	e := h.e
	if _, ok, err := e.store.GetOrder(en.Order); err != nil || ok {
		return err
	}
	var a flowAsk
	if err := json.Unmarshal(en.Ask, &a); err != nil {
		return fault.New(fault.Invalid, "f.call: %w", err)
	}
	if len(a.Data) == 0 {
		a.Data = f.Data
	}
	r := OrderRequest{
		Script: a.Script, To: a.To, From: a.From, Trunk: a.Trunk, Hide: a.Hide, Data: a.Data, Timeout: a.Timeout, Attempts: a.Tries,
		Retry: a.Retry, Expires: a.Expires, DeliveredAfter: a.DeliveredAfter, Zone: a.Zone,
	}
	if a.Window != "" {
		r.Window, _ = json.Marshal(a.Window) // a text
	}
	if a.Every != "" {
		r.Retry = map[string]string{"default": a.Every}
		for outcome, pause := range a.Retry {
			r.Retry[outcome] = pause
		}
	}
	return e.placeFlow(r, en.Order, FlowCall{ID: f.ID, N: en.N, Unless: a.Unless})
}

// placeFlow is PlaceOrder for the call of a flow.
func (e *Engine) placeFlow(r OrderRequest, id string, of FlowCall) error {
	ord, err := e.newOrder(r)
	if err != nil {
		return err
	}
	if err := e.admission.ready(); err != nil {
		return err
	}
	ord.ID, ord.Flow = id, &of
	if _, _, err := e.store.CreateOrder(ord.row(), nil); err != nil {
		return err
	}
	if err := e.orders.track(ord); err != nil {
		e.orders.finish(ord, stateCancelled, err.Error())
		return nil // the flow hears of it as of any order that is done
	}
	e.orders.schedule(ord)
	return nil
}

// flowResult is what f.call resolves with.
type flowResult struct {
	Outcome  call.Outcome    `json:"outcome"`
	Result   json.RawMessage `json:"result,omitempty"`
	Attempts int             `json:"attempts"`
	Reason   string          `json:"reason,omitempty"` // why it was not called
}

// Called implements flow.Calls.
func (h flowHost) Called(id string) (result json.RawMessage, done, found bool, err error) {
	ord, found, err := h.e.orderNow(id)
	if err != nil || !found || isOpen(ord.State) {
		return nil, false, found, err
	}
	out := flowResult{Outcome: call.NotCalled, Attempts: len(ord.Made), Reason: ord.Reason}
	rows, _, err := h.e.store.ListRecords(store.Query{Order: id, Limit: 1})
	if err != nil {
		return nil, false, true, err
	}
	if len(rows) > 0 {
		var r call.Record
		if err := json.Unmarshal(rows[0].JSON, &r); err != nil {
			return nil, false, true, fault.New(fault.Internal, "record %s: %w", rows[0].ID, err)
		}
		if out.Result = r.Result; ord.State == stateCancelled || ord.Reason == "" {
			out.Outcome = r.Outcome // else unless, beforeAttempt or the time has ended it
		}
	}
	if len(out.Result) > flowlog.MaxResult {
		out.Result = nil
	}
	result, err = json.Marshal(out)
	return result, true, true, err
}

// Release implements flow.Calls.
func (h flowHost) Release(id string, hangup bool) {
	if hangup {
		if err := h.e.CancelOrder(id); err != nil && fault.CodeOf(err) != fault.NotFound {
			h.e.log.Error("engine: cancel the call of a flow", "order", id, "err", err)
		}
		return
	}
	if ord := h.e.orders.find(id); ord != nil {
		h.e.orders.noMore(ord)
	}
}

// noMore lets a call in progress end and makes no other.
func (o *orders) noMore(ord *order) {
	ord.mu.Lock()
	ord.cancel = true
	idle := ord.State == stateQueued || ord.State == stateWaiting
	if idle && ord.timer != nil {
		ord.timer.Stop()
	}
	ord.mu.Unlock()
	if idle {
		o.finish(ord, stateCancelled, "the flow has ended")
	}
}

// over tells the flow of an order that it is done.
func (o *orders) over(ord *order) {
	if ord.Flow != nil {
		o.e.flows.Over(ord.Flow.ID, ord.Flow.N)
	}
}

// unless asks the flow of an order whether to dial, and reports the answer. Who
// asks counts as busy, but not while he waits.
func (o *orders) unless(ord *order) bool {
	if ord.Flow == nil || !ord.Flow.Unless {
		return true
	}
	type answer struct {
		skip string
		err  error
	}
	got := make(chan answer, 1)
	o.e.flows.Unless(ord.Flow.ID, ord.Flow.N, func(skip string, err error) {
		o.e.clk.Busy(1) // the work goes on with who waits
		got <- answer{skip, err}
	})
	o.e.clk.Busy(-1)
	var a answer
	select {
	case a = <-got:
	case <-o.e.ctx.Done():
		o.e.clk.Busy(1)
		return false
	}
	switch {
	case a.err != nil:
		o.later(ord, brokenScriptDelay, a.err.Error())
	case a.skip != "":
		o.finish(ord, stateDone, a.skip)
	default:
		return true
	}
	return false
}
