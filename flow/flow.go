package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
)

// State is where a flow stands.
type State string

// The states. A flow that has failed can be retried.
const (
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// States are all of them.
func States() []State { return []State{Running, Done, Failed, Cancelled} }

// Flow is one run of a script's flow, without its journal.
type Flow struct {
	ID      string           `json:"id"`
	Script  string           `json:"script"`
	Key     string           `json:"key"`
	State   State            `json:"state"`
	Version string           `json:"version"` // of the script, kept until the end
	Export  string           `json:"export"`  // default or onFlow
	Data    json.RawMessage  `json:"data,omitempty"`
	Started time.Time        `json:"started_at"`
	Ended   time.Time        `json:"ended_at,omitzero"`
	Wake    time.Time        `json:"wake_at,omitzero"` // when it goes on by itself
	Waits   []string         `json:"waits,omitempty"`  // for what: `event "paid"`
	Result  json.RawMessage  `json:"result,omitempty"` // what the code returned
	Error   *journal.Problem `json:"error,omitempty"`
	Results int              `json:"results"` // entries of the journal with a result
	Bytes   int              `json:"bytes"`   // of all results

	Seed    []byte `json:"seed,omitempty"`
	Seen    int    `json:"seen"` // results that the code has gone on from
	Ran     int    `json:"ran"`  // pieces of the code that have run to their end
	Crashes int    `json:"crashes,omitempty"`
}

// Mail is an event that nobody waits for yet.
type Mail struct {
	N    int             `json:"n"`
	Name string          `json:"name"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data,omitempty"`
}

// facts are what the code is told of the flow.
func (f Flow) facts() journal.Facts {
	return journal.Facts{ID: f.ID, Key: f.Key, Script: f.Script, Data: f.Data, Started: f.Started, Seed: f.Seed}
}

// book is a flow with all that belongs to it. It decides; it does nothing.
type book struct {
	Flow
	entries []journal.Entry // by number, with gaps
	mail    []Mail
	mailed  int // number of the last mail
}

// find is the entry of a number.
func (b *book) find(n int) *journal.Entry {
	for i := range b.entries {
		if b.entries[i].N == n {
			return &b.entries[i]
		}
	}
	return nil
}

// add keeps a new entry.
func (b *book) add(e journal.Entry) *journal.Entry {
	i, _ := slices.BinarySearchFunc(b.entries, e.N, func(x journal.Entry, n int) int { return x.N - n })
	b.entries = slices.Insert(b.entries, i, e)
	return &b.entries[i]
}

// settle gives an entry its result, the next one of the journal.
func (b *book) settle(e *journal.Entry, now time.Time, value json.RawMessage, p *journal.Problem) {
	if b.Bytes += len(value); b.Bytes > MaxJournal {
		b.Bytes -= len(value)
		p = &journal.Problem{Code: string(fault.Limit), Message: fmt.Sprintf("%s: the results of a flow have at most %d bytes in all (limit journal)", e.What(), MaxJournal),
			Hint: "keep what is large elsewhere and return where"}
		value = nil
	}
	b.Results++
	e.Seq, e.At, e.Until, e.Value, e.Error = b.Results, now, time.Time{}, value, p
}

// waiting are the entries without a result, in the order of asking.
func (b *book) waiting() []*journal.Entry {
	var out []*journal.Entry
	for i := range b.entries {
		if !b.entries[i].Done() {
			out = append(out, &b.entries[i])
		}
	}
	return out
}

// settled are the entries with a result, in the order of the results.
func (b *book) settled() []journal.Entry {
	out := slices.DeleteFunc(slices.Clone(b.entries), func(e journal.Entry) bool { return !e.Done() })
	slices.SortFunc(out, func(x, y journal.Entry) int { return x.Seq - y.Seq })
	return out
}

// plan notes what the flow waits for and when it goes on by itself.
func (b *book) plan() {
	b.Wake, b.Waits = time.Time{}, nil
	if b.State != Running {
		return
	}
	for _, e := range b.waiting() {
		b.Waits = append(b.Waits, e.What())
		if !e.Until.IsZero() && (b.Wake.IsZero() || e.Until.Before(b.Wake)) {
			b.Wake = e.Until
		}
	}
}

// due settles the sleeps and events whose time is over. They come in the order
// of their times, so that a late start changes nothing.
func (b *book) due(now time.Time) (changed []*journal.Entry) {
	for _, e := range b.waiting() {
		if (e.Kind == journal.Sleep || e.Kind == journal.Event) && !e.Until.IsZero() && !e.Until.After(now) {
			changed = append(changed, e)
		}
	}
	slices.SortStableFunc(changed, func(x, y *journal.Entry) int { return x.Until.Compare(y.Until) })
	for _, e := range changed {
		b.settle(e, now, nil, nil)
	}
	return changed
}

// receive takes an event: the entry that has waited for it, or a new mail.
func (b *book) receive(name string, data json.RawMessage, now time.Time) *journal.Entry {
	if len(data) == 0 {
		data = json.RawMessage("true")
	}
	for _, e := range b.waiting() {
		if e.Kind == journal.Event && e.Name == name {
			b.settle(e, now, data, nil)
			return e
		}
	}
	b.mailed++
	b.mail = append(b.mail, Mail{N: b.mailed, Name: name, At: now, Data: data})
	return nil
}

// collect gives an event that came early to the entry that asks for it.
func (b *book) collect(e *journal.Entry, now time.Time) (taken Mail, ok bool) {
	i := slices.IndexFunc(b.mail, func(m Mail) bool { return m.Name == e.Name })
	if i < 0 {
		return taken, false
	}
	taken = b.mail[i]
	b.mail = slices.Delete(b.mail, i, i+1)
	b.settle(e, now, taken.Data, nil)
	return taken, true
}

// failed notes that a step has thrown; it is over when it is not tried again.
func (b *book) failed(e *journal.Entry, a journal.Asked, now time.Time) (over bool) {
	e.Tries++
	limit, pause := stepTries, backoff(e.Tries)
	if a.Tries > 0 {
		limit = a.Tries
	}
	if a.EveryMs > 0 {
		pause = time.Duration(a.EveryMs) * time.Millisecond
	}
	if a.Final || e.Tries >= limit {
		b.settle(e, now, nil, a.Error)
		return true
	}
	e.Error, e.Until = a.Error, now.Add(pause)
	return false
}

// held are the steps that are not to be run yet.
func (b *book) held(now time.Time) (out []int) {
	for _, e := range b.waiting() {
		if e.Kind == journal.Step && e.Until.After(now) {
			out = append(out, e.N)
		}
	}
	return out
}

// ready reports whether the code can go on.
func (b *book) ready(now time.Time) bool {
	if b.State != Running {
		return false
	}
	for _, e := range b.waiting() {
		if e.Kind == journal.Step && !e.Until.After(now) {
			return true
		}
	}
	return b.Ran == 0 || b.Seen < b.Results
}

// wake is what a VM begins with.
func (b *book) wake(now time.Time, ask int) journal.Wake {
	w := journal.Wake{Flow: b.facts(), Settled: b.settled(), Held: b.held(now), Ran: b.Ran, Ask: ask}
	for _, e := range b.waiting() {
		w.Open = append(w.Open, *e)
	}
	return w
}

// again prepares a retry: the last result, if it is an error, is forgotten, so
// that what has failed is done once more; steps that are put off are due now.
func (b *book) again(now time.Time) (dropped, changed []journal.Entry) {
	for i, e := range b.entries {
		switch {
		case e.Done() && e.Seq == b.Results && e.Error != nil:
			dropped = append(dropped, e)
		case !e.Done() && e.Kind == journal.Step && e.Until.After(now):
			b.entries[i].Until = now
			changed = append(changed, b.entries[i])
		}
	}
	for _, d := range dropped {
		b.entries = slices.DeleteFunc(b.entries, func(e journal.Entry) bool { return e.N == d.N })
		b.Results--
	}
	b.Seen, b.Crashes = min(b.Seen, b.Results), 0
	return dropped, changed
}
