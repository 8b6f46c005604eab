package flow

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/store"
)

// Keys of the space, by their first letter.
const (
	keyFlow    = "f/" // f/id: Flow
	keyEntry   = "j/" // j/id/n: journal.Entry
	keyMail    = "m/" // m/id/n: Mail
	keyRunning = "r/" // r/id: index
	keyLatest  = "k/" // k/script 0 key: id of the last flow with the key
	keyList    = "l/" // l/time id: nothing much; newest first
	keyEnded   = "e/" // e/time id: nothing much; oldest first
)

// mark is the value of keys that say all.
var mark = []byte{1}

// index is what is known of a running flow without reading it.
type index struct {
	Script  string    `json:"script"`
	Key     string    `json:"key"`
	Version string    `json:"version"`
	Wake    time.Time `json:"wake,omitzero"`
	Ready   bool      `json:"ready,omitempty"` // it can go on at once
	Calls   bool      `json:"calls,omitempty"` // it waits for calls
}

// table is the flows on disk.
type table struct{ space *store.Space }

func put(key string, v any) store.Op {
	raw, err := json.Marshal(v)
	if err != nil { // values of ours, with JSON that was checked
		panic(err)
	}
	return store.Op{Key: key, Value: raw}
}

func entryKey(id string, n int) string { return fmt.Sprintf("%s%s/%06d", keyEntry, id, n) }

func mailKey(id string, n int) string { return fmt.Sprintf("%s%s/%06d", keyMail, id, n) }

func latestKey(script, key string) string { return keyLatest + script + "\x00" + key }

func timeKey(prefix string, t time.Time, id string, newestFirst bool) string {
	n := uint64(t.UnixMilli())
	if newestFirst {
		n = ^n
	}
	return prefix + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, n)) + id
}

// headOps store a flow and what finds it.
func (b *book) headOps(now time.Time) []store.Op {
	b.plan()
	ops := []store.Op{put(keyFlow+b.ID, b.Flow)}
	if b.State != Running {
		return append(ops, store.Op{Key: keyRunning + b.ID})
	}
	i := index{Script: b.Script, Key: b.Key, Version: b.Version, Wake: b.Wake, Ready: b.ready(now)}
	for _, e := range b.waiting() {
		i.Calls = i.Calls || e.Kind == journal.Call
	}
	return append(ops, put(keyRunning+b.ID, i))
}

func (t table) get(id string) (f Flow, ok bool, err error) {
	raw, ok, err := t.space.Get(keyFlow + id)
	if err != nil || !ok {
		return f, false, err
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, false, fault.New(fault.Internal, "flow %s: %w", id, err)
	}
	return f, true, nil
}

// latest is the last flow with a key.
func (t table) latest(script, key string) (f Flow, err error) {
	id, ok, err := t.space.Get(latestKey(script, key))
	if err == nil && ok {
		f, ok, err = t.get(string(id))
	}
	if err == nil && !ok {
		err = noFlow(script, key)
	}
	return f, err
}

func noFlow(script, key string) error {
	return fault.New(fault.NotFound, "no flow of %s with the key %q", script, key).WithHint("`loopstart flow ls` lists them")
}

// load reads a flow with its journal and its mail.
func (t table) load(id string) (*book, error) {
	f, ok, err := t.get(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.Internal, "flow %s is not on disk", id)
	}
	b := &book{Flow: f}
	if b.entries, err = read[journal.Entry](t, keyEntry+id+"/"); err != nil {
		return nil, err
	}
	if b.mail, err = read[Mail](t, keyMail+id+"/"); err != nil {
		return nil, err
	}
	if n := len(b.mail); n > 0 {
		b.mailed = b.mail[n-1].N
	}
	return b, nil
}

// read is all values below a prefix.
func read[T any](t table, prefix string) ([]T, error) {
	rows, err := t.space.Scan(prefix, "", journal.MaxEntries+MaxMail)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row.Value, &out[i]); err != nil {
			return nil, fault.New(fault.Internal, "flow: %s: %w", row.Key, err)
		}
	}
	return out, nil
}

// page is how many rows are read at once.
const page = 500

// running calls f for each running flow.
func (t table) running(f func(id string, i index)) error {
	after := ""
	for {
		rows, err := t.space.Scan(keyRunning, after, page)
		if err != nil {
			return err
		}
		for _, row := range rows {
			var i index
			if err := json.Unmarshal(row.Value, &i); err != nil {
				return fault.New(fault.Internal, "flow: %s: %w", row.Key, err)
			}
			f(strings.TrimPrefix(row.Key, keyRunning), i)
			after = row.Key
		}
		if len(rows) < page {
			return nil
		}
	}
}

// Query selects flows; empty fields select nothing.
type Query struct {
	State  State
	Key    string
	Script string
	Limit  int
	Cursor string
}

// maxScan bounds the rows that one page of a list looks at.
const maxScan = 20_000

// list is a page of flows, newest first; next is "" on the last one.
func (t table) list(q Query) (out []Flow, next string, err error) {
	after := ""
	if q.Cursor != "" {
		after = keyList + q.Cursor
	}
	for looked := 0; looked < maxScan; {
		rows, err := t.space.Scan(keyList, after, min(page, q.Limit+1))
		if err != nil {
			return nil, "", err
		}
		for _, row := range rows {
			f, ok, err := t.get(row.Key[len(keyList)+16:])
			switch {
			case err != nil:
				return nil, "", err
			case ok && q.takes(f) && len(out) == q.Limit:
				return out, strings.TrimPrefix(after, keyList), nil
			case ok && q.takes(f):
				out = append(out, f.shown())
			}
			after = row.Key
			looked++
		}
		if len(rows) < min(page, q.Limit+1) {
			return out, "", nil
		}
	}
	return out, strings.TrimPrefix(after, keyList), nil
}

func (q Query) takes(f Flow) bool {
	return (q.State == "" || q.State == f.State) && (q.Key == "" || q.Key == f.Key) && (q.Script == "" || q.Script == f.Script)
}

// shown is a flow without what is not for its readers.
func (f Flow) shown() Flow {
	f.Seed = nil
	return f
}

// drop removes an ended flow with all that belongs to it, itself last.
func (t table) drop(b *book) error {
	var ops []store.Op
	for _, e := range b.entries {
		ops = append(ops, store.Op{Key: entryKey(b.ID, e.N)})
	}
	ops = append(ops, store.Op{Key: timeKey(keyList, b.Started, b.ID, true)}, store.Op{Key: timeKey(keyEnded, b.Ended, b.ID, false)})
	if last, err := t.latest(b.Script, b.Key); err == nil && last.ID == b.ID {
		ops = append(ops, store.Op{Key: latestKey(b.Script, b.Key)})
	}
	ops = append(ops, store.Op{Key: keyFlow + b.ID})
	for len(ops) > 0 {
		n := min(len(ops), store.MaxOps)
		if err := t.space.Apply(ops[:n]...); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}
