package engine

import (
	"cmp"
	"encoding/json"

	"github.com/loopstart/loopstart/call"
	callhost "github.com/loopstart/loopstart/stdlib/call/host"
	"github.com/loopstart/loopstart/store"
)

// liveCalls keeps a row of every call in progress, so that a crash leaves a
// record of it. An ordered call has its intent for that, and a row from the
// answer on: when it was answered and what its script has said. The rows
// share the store's next sync: neither the answer nor anything else of a call
// waits for the disk, so a crash within the first moments may leave none.
type liveCalls struct {
	e     *Engine
	space *store.Space
}

// cutOff is the cause in the record of a call during which the process ended.
const cutOff = "the process ended during the call"

// put writes what is known of a call by the time the store makes the write. What
// happens until then, mostly the answer, goes with it.
func (s liveCalls) put(l *live) {
	if l.back != nil || !l.rowWaits.CompareAndSwap(false, true) {
		return
	}
	l.rowKept.Store(true)
	s.space.PutIdle(func(err error) {
		l.rowWaits.Store(false) // also when the store has never asked for it
		s.kept(err)
	}, l.ID(), func() []byte {
		l.rowWaits.Store(false) // before it is read: who changes more writes again
		return s.row(l)
	})
}

// said is what only the call's goroutine knows of a call in progress.
type said struct {
	from, trunk string
	result      json.RawMessage
	tags        map[string]string
	outcome     call.Outcome // set by the script, or ""
	keyed       bool
	retry       *callhost.Retry
}

// say writes what is known of a call at the answer, with each result, outcome
// or tag, with a wish to try again and with the first key. It is called on the
// call's goroutine.
func (s liveCalls) say(l *live) {
	r := l.SoFar()
	now := said{r.From, r.Trunk, r.Result, r.Tags, r.Outcome, r.Keyed, nil}
	if l.order != nil {
		l.order.mu.Lock()
		now.retry = l.order.retry
		l.order.mu.Unlock()
	}
	l.said.Store(&now)
	s.put(l)
}

// liveRow is the record of a call so far.
type liveRow struct {
	call.Record
	Keyed bool            `json:"keyed,omitempty"`
	Retry *callhost.Retry `json:"retry,omitempty"`
}

// row is a call in progress as its record so far.
func (s liveCalls) row(l *live) []byte {
	spec := l.Spec()
	r := liveRow{Record: call.Record{
		ID: spec.ID, Order: spec.Order, Key: spec.Key, Script: spec.Script, Version: spec.Version, Direction: "inbound",
		From: spec.From.Number(), To: spec.To.Number(), Trunk: spec.Trunk, StartedAt: l.began, Attempt: 1, Data: spec.Data,
		AnsweredAt: l.AnsweredAt(),
	}}
	if spec.Outbound {
		r.Direction = "outbound"
	}
	if last := l.said.Load(); last != nil {
		r.From, r.Trunk, r.Result, r.Tags, r.Outcome = last.from, last.trunk, last.result, last.tags, last.outcome
		r.Keyed, r.Retry = last.keyed, last.retry
	}
	if group := l.waits.Load(); group != nil && *group != "" {
		r.Queue = &call.QueueFacts{Group: *group, Status: "waiting"}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return raw
}

// remove follows the call's record into the same queue of the store.
func (s liveCalls) remove(l *live) {
	if l.rowKept.Load() {
		s.space.ApplyIdle(s.kept, store.Op{Key: l.ID()})
	}
}

func (s liveCalls) kept(err error) {
	if err != nil {
		s.e.log.Debug("engine: keep a call in progress", "err", err)
	}
}

// recover turns what an earlier process left into records: the outcome is the
// one that the script has set, else failed, since nobody knows what the caller
// heard. Whoever wants to know of
// ended calls hears of them.
func (s liveCalls) recover() {
	for after := ""; ; {
		page, err := s.space.Scan("", after, 200)
		if err != nil {
			s.e.log.Error("engine: read the calls that were in progress", "err", err)
			return
		}
		if len(page) == 0 {
			return
		}
		for _, en := range page {
			after = en.Key
			s.close(en)
		}
	}
}

// close makes a record of a row, unless the record was kept before the end. The
// events are named after the call: those that were queued then are not doubled.
func (s liveCalls) close(en store.Entry) {
	var r call.Record
	row, known, err := s.e.store.GetRecord(en.Key)
	if err != nil {
		return // the next start tries again
	}
	damaged := json.Unmarshal(en.Value, &r) != nil
	switch {
	case !damaged && r.Direction == "outbound":
		if !known {
			return // whoever takes up its order or its campaign asks for it
		}
	case known && json.Unmarshal(row.JSON, &r) == nil:
		s.e.afterRecord(nil, r)
	case !known && !damaged:
		s.finish(&r)
		s.e.afterRecord(nil, r)
	}
	s.forget(en.Key)
}

func (s liveCalls) forget(id string) { s.space.ApplyIdle(s.kept, store.Op{Key: id}) }

// take completes the record of an ordered call that was cut off by what its
// row tells: the answer, and what its script has said. The outcome is the one
// that the script has set. Else who pressed a key has been reached; of anybody
// else nobody knows what was heard. What follows is the script's wish, or nil.
func (s liveCalls) take(r *call.Record) *callhost.Retry {
	raw, ok, err := s.space.Get(r.ID)
	var row liveRow
	if err != nil || !ok || json.Unmarshal(raw, &row) != nil {
		s.e.pulse.end(r)
		return nil
	}
	r.Version, r.Trunk, r.From, r.StartedAt = row.Version, row.Trunk, row.From, row.StartedAt
	r.AnsweredAt, r.Result, r.Tags = row.AnsweredAt, row.Result, row.Tags
	if row.Keyed {
		r.Outcome, r.Keyed = call.Delivered, true
	}
	r.Outcome = cmp.Or(row.Outcome, r.Outcome)
	line := []call.Entry{{Kind: "state", Leg: "a", Detail: "dialling " + r.To}}
	s.answered(r, line)
	s.forget(r.ID)
	return row.Retry
}

// finish completes the record of a call that was cut off and keeps it.
func (s liveCalls) finish(r *call.Record) {
	r.EndedBy, r.Cause, r.Outcome, r.Final = "system", cutOff, cmp.Or(r.Outcome, call.Failed), true
	if _, err := s.e.record.stored(r.ID); err == nil {
		r.Recording = r.ID
	}
	line := []call.Entry{{Kind: "state", Leg: "a", Detail: "incoming call"}}
	if r.Queue != nil {
		r.Cause = cutOff + ", which waited in the queue " + r.Queue.Group
		s.e.queues.lost(r.Queue.Group)
	}
	s.answered(r, line)
	s.e.putRecord(*r)
	s.e.log.Warn("a call was cut off: "+cutOff, "call", r.ID, "script", r.Script)
}

// answered adds the times of a call that was cut off, and keeps what there is
// of its timeline, which has begun with line.
func (s liveCalls) answered(r *call.Record, line []call.Entry) {
	if r.AnsweredAt != nil {
		r.Code = 200
		r.RingMs = r.AnsweredAt.Sub(r.StartedAt).Milliseconds()
		line = append(line, call.Entry{AtMs: r.RingMs, Kind: "state", Leg: "a", Detail: "answered"})
	}
	s.e.pulse.end(r)
	if len(r.Result) > 0 {
		line = append(line, call.Entry{AtMs: r.EndedAt.Sub(r.StartedAt).Milliseconds(), Kind: "result", Detail: string(r.Result)})
	}
	line = append(line, call.Entry{AtMs: r.EndedAt.Sub(r.StartedAt).Milliseconds(), Kind: "state", Detail: r.Cause})
	if raw, err := json.Marshal(line); err == nil {
		s.e.store.PutTimelineLater(r.ID, r.StartedAt, raw, s.kept)
	}
}
