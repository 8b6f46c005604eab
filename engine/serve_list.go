package engine

import (
	"encoding/json"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// List implements api.Calls: whole records, newest first. Calls in progress
// come first on the first page.
func (a *surface) List(q api.Query) ([]json.RawMessage, string, error) {
	e := a.e()
	var out []json.RawMessage
	if q.Cursor == "" {
		out = a.running(q)
	}
	switch q.State {
	case "", stateDone:
	case stateQueued, stateWaiting, stateDialing, stateCancelled:
		return a.listOrders(q)
	default:
		return out, "", nil
	}
	rows, next, err := e.store.ListRecords(a.rows(q))
	for _, r := range rows {
		out = append(out, r.JSON)
	}
	return out, next, err
}

// rows is a query as the store takes it; the state of a record is always done.
func (a *surface) rows(q api.Query) store.Query {
	country := a.e().Config().Project.Country
	return store.Query{
		Fields: store.Fields{Outcome: q.Outcome, Script: q.Script, Trunk: q.Trunk, To: e164(country, q.To), From: e164(country, q.From), Key: q.Key, Tags: q.Tags},
		Since:  q.Since, Until: q.Until, Limit: q.Limit, Cursor: q.Cursor,
	}
}

// listOrders lists orders that are not calls yet, or never became one.
func (a *surface) listOrders(q api.Query) ([]json.RawMessage, string, error) {
	sel := a.rows(q)
	sel.State, sel.Outcome, sel.Tags = q.State, "", nil
	orders, next, err := a.store.ListOrders(sel)
	var out []json.RawMessage
	for _, o := range orders {
		shown, serr := a.Show(o.ID)
		if serr != nil {
			continue
		}
		if raw, merr := json.Marshal(shown); merr == nil {
			out = append(out, raw)
		}
	}
	return out, next, err
}

func (a *surface) running(q api.Query) []json.RawMessage {
	cfg := a.e().Config()
	var out []json.RawMessage
	for _, l := range a.e().calls.list() {
		r, ok := l.Snapshot()
		state := stateTalking
		if r.AnsweredAt == nil {
			state = "ringing"
		}
		fits := ok && q.Outcome == "" && (q.State == "" || q.State == state) && (q.Script == "" || q.Script == r.Script) &&
			(q.Trunk == "" || q.Trunk == r.Trunk) && (q.Key == "" || q.Key == r.Key) &&
			(q.To == "" || e164(cfg.Project.Country, q.To) == r.To) && (q.From == "" || e164(cfg.Project.Country, q.From) == r.From) && len(q.Tags) == 0
		if !fits {
			continue
		}
		if raw, err := withState(r, state); err == nil {
			out = append(out, raw)
		}
	}
	return out
}

// withState is a record with the state of its call beside its fields.
func withState(r call.Record, state string) (json.RawMessage, error) {
	return json.Marshal(struct {
		call.Record
		State string `json:"state"`
	}{r, state})
}

// e164 is a filter's number as records have it.
func e164(country, number string) string {
	if number == "" {
		return ""
	}
	return phone.Normalize(number, country)
}
