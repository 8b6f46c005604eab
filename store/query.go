package store

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// MaxScan is how many rows one page may look at; a page that stopped there may
// be short or empty and still have a cursor.
const MaxScan = 20_000

// Query selects rows. Fields that are empty select nothing; all others must
// match exactly.
type Query struct {
	Fields
	Order string    // records only: those of this order
	Open  bool      // orders only: those that are open
	Since time.Time // not before; zero is no bound
	Until time.Time // before; zero is no bound

	Limit  int    // 0 is DefaultList, at most MaxList
	Cursor string // of the page before, "" for the first
}

// ListRecords returns a page of records, newest first, and the cursor of the
// next page, "" at the end.
func (s *Store) ListRecords(q Query) (records []Record, next string, err error) {
	q.Open = false
	next, err = s.list(tableRecords, q, func(r row) { records = append(records, r.record()) })
	return records, next, err
}

// ListOrders returns a page of orders, newest first, and the cursor of the
// next page, "" at the end.
func (s *Store) ListOrders(q Query) (orders []Order, next string, err error) {
	q.Order = ""
	next, err = s.list(tableOrders, q, func(r row) { orders = append(orders, r.order()) })
	return orders, next, err
}

// list walks the index of the query's most telling term.
func (s *Store) list(t table, q Query, add func(row)) (next string, err error) {
	prefix := q.best().prefix(t)
	from, err := q.start(prefix)
	if err != nil {
		return "", err
	}
	limit, found, seen := pageSize(q.Limit), 0, 0
	var last []byte // position of the last row looked at
	err = s.view(func(v *view) error {
		return v.keys(prefix, from, func(key []byte) (bool, error) {
			pos := key[len(prefix):]
			if !q.Since.IsZero() && timeOf(pos).Before(q.Since) {
				return false, nil
			}
			if found == limit || seen == MaxScan {
				next = base64.RawURLEncoding.EncodeToString(last)
				return false, nil
			}
			r, ok, err := readRow(v.get, t, string(pos[8:]))
			if err != nil {
				return false, err
			}
			seen++
			last = append(last[:0], pos...)
			if ok && q.matches(r) {
				found++
				add(r)
			}
			return true, nil
		})
	})
	return next, err
}

// best is the term to scan by.
func (q Query) best() term {
	if q.Order != "" {
		return term{indexParent, q.Order}
	}
	if terms := q.Fields.terms(); len(terms) > 0 && (!q.Open || terms[0].field == indexKey) {
		return terms[0]
	}
	if q.Open {
		return term{indexOpen, ""}
	}
	return term{indexAll, ""}
}

// start is the first key of the page.
func (q Query) start(prefix []byte) ([]byte, error) {
	from := append([]byte{}, prefix...)
	if q.Cursor != "" {
		pos, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err != nil || len(pos) < 9 {
			return nil, fault.New(fault.Invalid, "store: cursor %q is not one of ours", clip([]byte(q.Cursor)))
		}
		return append(append(from, pos...), 0), nil
	}
	if !q.Until.IsZero() {
		// The entry of that very moment is left out: until is exclusive.
		return append(from, descending(q.Until.Add(-1))...), nil
	}
	return from, nil
}

// matches checks everything but the bounds of time.
func (q Query) matches(r row) bool {
	pairs := [...][2]string{
		{q.State, r.State}, {q.Outcome, r.Outcome}, {q.Script, r.Script}, {q.Campaign, r.Campaign},
		{q.Trunk, r.Trunk}, {q.To, r.To}, {q.From, r.From}, {q.Key, r.Key}, {q.Order, r.Parent},
	}
	for _, p := range pairs {
		if p[0] != "" && p[0] != p[1] {
			return false
		}
	}
	for name, value := range q.Tags {
		if got, ok := r.Tags[name]; !ok || got != value {
			return false
		}
	}
	return !q.Open || r.Open
}

// timeOf is the time in a position.
func timeOf(pos []byte) time.Time {
	return time.Unix(0, int64(^binary.BigEndian.Uint64(pos)))
}
