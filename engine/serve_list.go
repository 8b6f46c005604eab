package engine

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// liveCursor begins the cursor of a page that ends among calls in progress; the
// id of its last call follows.
const liveCursor = "live."

// List implements api.Calls: whole records, newest first, calls in progress
// before those that are over. With a key the order that waits for its first
// call is there too.
func (a *surface) List(q api.Query) ([]json.RawMessage, string, error) {
	switch q.State {
	case stateQueued, stateWaiting, stateDialing, stateCancelled:
		return a.listOrders(q)
	case "", stateDone, stateRinging, stateTalking:
	default:
		return nil, "", fault.New(fault.Invalid, "state: there is no state %q", q.State).
			WithHint("states are queued, dialing, ringing, talking, waiting, done and cancelled")
	}
	if q.Outcome != "" && !call.KnownOutcome(call.Outcome(q.Outcome)) {
		return nil, "", fault.New(fault.Invalid, "outcome: there is no outcome %q", q.Outcome)
	}
	after, among := strings.CutPrefix(q.Cursor, liveCursor)
	var out []json.RawMessage
	if q.Cursor == "" || among {
		var next string
		if out, next = a.running(q, after); next != "" {
			return out, next, nil
		}
		q.Cursor = ""
	}
	if q.State == stateRinging || q.State == stateTalking {
		return out, "", nil
	}
	if q.Key != "" && q.Cursor == "" && !among {
		if out = append(out, a.uncalled(q)...); len(out) == q.Limit {
			return out, liveCursor + "0", nil // no id is before that
		}
	}
	sel := a.rows(q)
	sel.Limit -= len(out)
	rows, next, err := a.store.ListRecords(sel)
	for _, r := range rows {
		out = append(out, r.JSON)
	}
	return out, next, err
}

// uncalled is the open order with the key asked for while it has no call yet.
func (a *surface) uncalled(q api.Query) []json.RawMessage {
	row, ok, err := a.store.FindOpenKey(q.Key)
	if err != nil || !ok || q.State == stateDone || q.Outcome != "" || q.Script != "" && q.Script != row.Script {
		return nil
	}
	shown, err := a.Show(row.ID)
	if one, isMap := shown.(map[string]any); err != nil || !isMap || one["started_at"] != nil {
		return nil
	}
	raw, err := json.Marshal(shown)
	if err != nil {
		return nil
	}
	return []json.RawMessage{raw}
}

// rows is a query as the store takes it; the state of a record is always done.
func (a *surface) rows(q api.Query) store.Query {
	country := a.e().Config().Project.Country
	return store.Query{
		Fields: store.Fields{Outcome: q.Outcome, Script: q.Script, Campaign: q.Campaign, Trunk: q.Trunk, To: e164(country, q.To), From: e164(country, q.From), Key: q.Key, Tags: q.Tags},
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

// running is a page of the calls in progress that come after the one named
// after; next is its cursor when the page is full.
func (a *surface) running(q api.Query, after string) (out []json.RawMessage, next string) {
	lives := a.e().calls.list()
	slices.SortFunc(lives, func(x, y *live) int { return cmp.Compare(y.ID(), x.ID()) })
	for _, l := range lives {
		if after != "" && l.ID() >= after {
			continue
		}
		r, ok := l.Snapshot()
		if !ok || !a.fits(q, &r) {
			continue
		}
		if raw, err := withState(r, liveState(&r)); err == nil {
			out = append(out, raw)
		}
		if len(out) == q.Limit {
			return out, liveCursor + l.ID()
		}
	}
	return out, ""
}

// fits tells whether a call in progress is asked for.
func (a *surface) fits(q api.Query, r *call.Record) bool {
	country := a.e().Config().Project.Country
	same := func(want, have string) bool { return want == "" || want == have }
	return q.Outcome == "" && len(q.Tags) == 0 && same(q.State, liveState(r)) && same(q.Script, r.Script) && same(q.Campaign, r.Campaign) && same(q.Trunk, r.Trunk) &&
		same(q.Key, r.Key) && same(e164(country, q.To), r.To) && same(e164(country, q.From), r.From) &&
		(q.Since.IsZero() || !r.StartedAt.Before(q.Since)) && (q.Until.IsZero() || r.StartedAt.Before(q.Until))
}

// liveState is the state of a call in progress.
func liveState(r *call.Record) string {
	switch {
	case r.AnsweredAt != nil:
		return stateTalking
	case r.Direction == "outbound":
		return stateDialing
	}
	return stateRinging
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
