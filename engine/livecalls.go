package engine

import (
	"encoding/json"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/store"
)

// liveCalls keeps a row of every inbound call in progress, so that a crash
// leaves a record of it; an ordered call has its intent for that. The rows
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
	if l.order != nil || l.back != nil || !l.rowWaits.CompareAndSwap(false, true) {
		return
	}
	s.space.PutIdle(func(err error) {
		l.rowWaits.Store(false) // also when the store has never asked for it
		s.kept(err)
	}, l.ID(), func() []byte {
		l.rowWaits.Store(false) // before it is read: who changes more writes again
		return s.row(l)
	})
}

// row is a call in progress as its record so far.
func (s liveCalls) row(l *live) []byte {
	spec := l.Spec()
	r := call.Record{
		ID: spec.ID, Order: spec.Order, Key: spec.Key, Script: spec.Script, Version: spec.Version, Direction: "inbound",
		From: spec.From.Number(), To: spec.To.Number(), Trunk: spec.Trunk, StartedAt: l.began, Attempt: 1, Data: spec.Data,
		AnsweredAt: l.AnsweredAt(),
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
	if l.order == nil && l.back == nil {
		s.space.ApplyIdle(s.kept, store.Op{Key: l.ID()})
	}
}

func (s liveCalls) kept(err error) {
	if err != nil {
		s.e.log.Debug("engine: keep a call in progress", "err", err)
	}
}

// recover turns what an earlier process left into records: the outcome is
// failed, since nobody knows what the caller heard. Whoever wants to know of
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
	switch {
	case err != nil:
		return // the next start tries again
	case known:
		err = json.Unmarshal(row.JSON, &r)
	default:
		if err = json.Unmarshal(en.Value, &r); err == nil {
			s.finish(&r)
		}
	}
	if err == nil {
		s.e.afterRecord(nil, r)
	}
	s.space.ApplyIdle(s.kept, store.Op{Key: en.Key})
}

// finish completes the record of a call that was cut off and keeps it.
func (s liveCalls) finish(r *call.Record) {
	r.EndedBy, r.Cause, r.Outcome, r.Final = "system", cutOff, call.Failed, true
	if _, err := s.e.record.stored(r.ID); err == nil {
		r.Recording = r.ID
	}
	line := []call.Entry{{Kind: "state", Leg: "a", Detail: "incoming call"}}
	if r.Queue != nil {
		r.Cause = cutOff + ", which waited in the queue " + r.Queue.Group
		s.e.queues.lost(r.Queue.Group)
	}
	if r.AnsweredAt != nil {
		r.Code = 200
		r.RingMs = r.AnsweredAt.Sub(r.StartedAt).Milliseconds()
		line = append(line, call.Entry{AtMs: r.RingMs, Kind: "state", Leg: "a", Detail: "answered"})
	}
	s.e.pulse.end(r)
	line = append(line, call.Entry{AtMs: r.EndedAt.Sub(r.StartedAt).Milliseconds(), Kind: "state", Detail: r.Cause})
	if raw, err := json.Marshal(line); err == nil {
		s.e.store.PutTimelineLater(r.ID, r.StartedAt, raw, s.kept)
	}
	s.e.putRecord(*r)
	s.e.log.Warn("a call was cut off: "+cutOff, "call", r.ID, "script", r.Script)
}
