package store

import (
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// MaxDocument is the longest record, order or timeline in bytes of JSON.
	MaxDocument = 2 << 20
	// MaxTags is how many tags of one row are found by lists.
	MaxTags = 32
)

// Fields are what lists can select by. Empty ones select nothing.
type Fields struct {
	State    string            `json:"state,omitempty"`
	Outcome  string            `json:"outcome,omitempty"`
	Script   string            `json:"script,omitempty"`
	Campaign string            `json:"campaign,omitempty"`
	Trunk    string            `json:"trunk,omitempty"`
	To       string            `json:"to,omitempty"`
	From     string            `json:"from,omitempty"`
	Key      string            `json:"key,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// Record is the record of one call (contract section 7) as JSON, with what it
// is listed by.
type Record struct {
	ID      string // of the call, "order.n"
	Order   string
	Started time.Time
	Fields
	JSON json.RawMessage
}

// Order is one ordered call with its attempts, as JSON of the caller's shape.
type Order struct {
	ID      string
	Created time.Time
	Open    bool      // not done and not cancelled: its Key is taken
	NextAt  time.Time // next attempt; zero when none is planned
	Fields
	JSON json.RawMessage
}

// table is one of the two kinds of row; both are stored and listed alike.
type table byte

const (
	tableRecords table = 'c'
	tableOrders  table = 'o'
)

// row is the stored form of a record or an order.
type row struct {
	ID     string    `json:"id"`
	Parent string    `json:"parent,omitempty"`
	At     time.Time `json:"at"`
	Open   bool      `json:"open,omitempty"`
	NextAt time.Time `json:"next_at,omitzero"`
	Fields
	JSON json.RawMessage `json:"json"`
}

func (r Record) row() row {
	return row{ID: r.ID, Parent: r.Order, At: r.Started, Fields: r.Fields, JSON: r.JSON}
}

func (r row) record() Record {
	return Record{ID: r.ID, Order: r.Parent, Started: r.At, Fields: r.Fields, JSON: r.JSON}
}

func (o Order) row() row {
	return row{ID: o.ID, At: o.Created, Open: o.Open, NextAt: o.NextAt, Fields: o.Fields, JSON: o.JSON}
}

func (r row) order() Order {
	return Order{ID: r.ID, Created: r.At, Open: r.Open, NextAt: r.NextAt, Fields: r.Fields, JSON: r.JSON}
}

// PutRecord stores r in place of the record of the same ID.
func (s *Store) PutRecord(r Record) error { return s.putRow(tableRecords, r.row()) }

// PutRecordLater is PutRecord without waiting; done hears when it is durable.
func (s *Store) PutRecordLater(r Record, done func(error)) {
	s.putRowLater(tableRecords, r.row(), done)
}

// GetRecord reads the record of a call.
func (s *Store) GetRecord(id string) (Record, bool, error) {
	r, ok, err := s.getRow(tableRecords, id)
	return r.record(), ok, err
}

// PutOrder stores o in place of the order of the same ID. It does not look
// whether another open order has its key: CreateOrder does.
func (s *Store) PutOrder(o Order) error { return s.putRow(tableOrders, o.row()) }

// PutOrderLater is PutOrder without waiting; done hears when it is durable.
func (s *Store) PutOrderLater(o Order, done func(error)) { s.putRowLater(tableOrders, o.row(), done) }

// GetOrder reads an order.
func (s *Store) GetOrder(id string) (Order, bool, error) {
	r, ok, err := s.getRow(tableOrders, id)
	return r.order(), ok, err
}

// FindOpenKey returns the open order that has key.
func (s *Store) FindOpenKey(key string) (o Order, ok bool, err error) {
	err = s.view(func(v *view) error {
		var r row
		r, ok, err = findOpen(v.get, key)
		o = r.order()
		return err
	})
	return o, ok, err
}

// getter is view.get or tx.get.
type getter func(key []byte) (cell, bool, error)

func findOpen(get getter, key string) (row, bool, error) {
	if key == "" {
		return row{}, false, nil
	}
	c, ok, err := get(openKey(key))
	if err != nil || !ok {
		return row{}, false, err
	}
	return readRow(get, tableOrders, string(c.value))
}

func (s *Store) getRow(t table, id string) (r row, ok bool, err error) {
	err = s.view(func(v *view) error {
		r, ok, err = readRow(v.get, t, id)
		return err
	})
	return r, ok, err
}

func readRow(get getter, t table, id string) (r row, ok bool, err error) {
	c, ok, err := get(rowKey(t, id))
	if err != nil || !ok {
		return row{}, false, err
	}
	if err := json.Unmarshal(c.value, &r); err != nil {
		return row{}, false, fault.New(fault.Internal, "store: row %s: %w", id, err)
	}
	return r, true, nil
}

func (s *Store) putRow(t table, r row) error {
	raw, err := r.encode()
	if err != nil {
		return err
	}
	return s.update(func(x *tx) error { return writeRow(x, t, r, raw) })
}

func (s *Store) putRowLater(t table, r row, done func(error)) {
	raw, err := r.encode()
	s.updateIdle(func(x *tx) error {
		if err != nil {
			return err
		}
		return writeRow(x, t, r, raw)
	}, done)
}

// encode checks the row and makes its stored form.
func (r row) encode() ([]byte, error) {
	switch {
	case r.ID == "" || len(r.ID) > MaxKey/2:
		return nil, fault.New(fault.Invalid, "store: a row has an id of at most %d bytes", MaxKey/2)
	case r.At.UnixNano() <= 0:
		return nil, fault.New(fault.Invalid, "store: row %s has no time", r.ID)
	case len(r.Key) > MaxKey:
		return nil, fault.New(fault.Limit, "store: a key has at most %d bytes, this one has %d", MaxKey, len(r.Key))
	case len(r.JSON) > MaxDocument:
		return nil, fault.New(fault.Limit, "store: row %s has %d bytes, the most is %d", r.ID, len(r.JSON), MaxDocument)
	case !json.Valid(r.JSON):
		return nil, fault.New(fault.Invalid, "store: row %s is not JSON", r.ID)
	}
	body := r.JSON
	r.JSON = json.RawMessage("0") // the last member: encoding would read the body once more
	raw, err := encode(r)
	if err != nil {
		return nil, fault.New(fault.Invalid, "store: row %s: %w", r.ID, err)
	}
	return append(append(raw[:len(raw)-len("0}")], body...), '}'), nil
}

// writeRow replaces a row and brings its indexes up to date.
func writeRow(x *tx, t table, r row, raw []byte) error {
	old, had, err := readRow(x.get, t, r.ID)
	if err != nil {
		return err
	}
	keep, was := make(map[string]bool), make(map[string]bool)
	if had {
		for _, k := range indexKeys(t, old) {
			was[string(k)] = true
		}
	}
	for _, k := range indexKeys(t, r) {
		keep[string(k)] = true
		if !was[string(k)] {
			x.mark(k)
		}
	}
	if had {
		if err := dropIndexes(x, t, old, keep); err != nil {
			return err
		}
	}
	if r.Open && r.Key != "" {
		if err := x.put(openKey(r.Key), []byte(r.ID), 0); err != nil {
			return err
		}
	}
	return x.put(rowKey(t, r.ID), raw, 0)
}

// dropIndexes removes what finds r, but not the keys that are to stay.
func dropIndexes(x *tx, t table, r row, keep map[string]bool) error {
	for _, k := range indexKeys(t, r) {
		if !keep[string(k)] {
			x.stage(k, nil)
		}
	}
	if !r.Open || r.Key == "" {
		return nil
	}
	c, ok, err := x.get(openKey(r.Key))
	if err != nil || !ok || string(c.value) != r.ID {
		return err
	}
	return x.del(openKey(r.Key))
}

func rowKey(t table, id string) []byte { return append([]byte{classRow, byte(t)}, id...) }

func openKey(key string) []byte { return append([]byte{classOpenKey}, key...) }
