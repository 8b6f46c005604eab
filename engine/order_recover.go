package engine

import (
	"encoding/json"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// recoverOrders takes up what an earlier process left: an attempt with an
// intent and no result is unknown and never dialled again by itself.
func (e *Engine) recoverOrders() {
	cursor := ""
	for {
		page, next, err := e.store.ListOrders(store.Query{Open: true, Limit: store.MaxList, Cursor: cursor})
		if err != nil {
			e.log.Error("engine: read the open orders", "err", err)
			return
		}
		for _, row := range page {
			e.recoverOrder(row)
		}
		if cursor = next; cursor == "" {
			return
		}
	}
}

func (e *Engine) recoverOrder(row store.Order) {
	ord := &order{}
	if err := json.Unmarshal(row.JSON, &ord.Order); err != nil {
		e.log.Error("engine: an order cannot be read", "order", row.ID, "err", err)
		return
	}
	ord.Seq += eventsPerAttempt // what an attempt has told meanwhile is not on disk
	if err := e.orders.track(ord); err != nil {
		e.log.Error("engine: an order is left alone", "order", row.ID, "err", err)
		return
	}
	n := len(ord.Made)
	if n > 0 && ord.Made[n-1].Outcome == "" {
		e.lost(ord, ord.Made[n-1])
		return
	}
	e.orders.schedule(ord)
}

// lost closes an attempt that was cut off by a crash. If its record had been
// kept by then, that counts; else it is unknown.
func (e *Engine) lost(ord *order, a OrderAttempt) {
	r := call.Record{
		ID: a.ID, Order: ord.ID, Key: ord.Key, Script: ord.Script, Direction: "outbound", From: ord.From, To: ord.To, StartedAt: a.At,
		EndedBy: "system", Cause: "the process ended during the attempt", Outcome: call.Unknown, Attempt: len(ord.Made), Data: ord.Data,
	}
	if row, ok, err := e.store.GetRecord(a.ID); err == nil && ok && json.Unmarshal(row.JSON, &r) == nil {
		e.orders.attemptOver(ord, &r, func() {})
		e.afterRecord(ord, r)
		return
	}
	ord.retry = e.live.take(&r)
	if _, err := e.record.stored(a.ID); err == nil {
		r.Recording = a.ID
	}
	if _, named := ord.Retry[string(call.Unknown)]; !named && r.Outcome == call.Unknown && ord.retry == nil {
		ord.Attempts = len(ord.Made) // the policy: an unknown attempt is shown, not repeated
	}
	e.orders.attemptOver(ord, &r, func() { e.putRecord(r) })
	e.log.Warn("an attempt was cut off: the process ended during it", "call", a.ID, "to", phone.Mask(ord.To), "outcome", r.Outcome)
	e.afterRecord(ord, r)
}

// putRecord keeps the record of something that was no call of this process.
func (e *Engine) putRecord(r call.Record) {
	body, _ := json.Marshal(r)
	err := e.store.PutRecord(store.Record{ID: r.ID, Order: r.Order, Started: r.StartedAt, JSON: body, Fields: store.Fields{
		State: "done", Outcome: string(r.Outcome), Script: r.Script, Campaign: r.Campaign, To: r.To, From: r.From, Key: r.Key,
	}})
	if err != nil {
		e.log.Error("engine: keep the record", "call", r.ID, "err", err)
	}
}
