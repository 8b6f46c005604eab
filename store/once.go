package store

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// KeepOnce is how long an idempotency key is remembered.
const KeepOnce = 7 * 24 * time.Hour

// Once is a request that may be sent twice and must work once.
type Once struct {
	Name     string          // the Idempotency-Key, with whatever makes it unique (token, path)
	BodyHash string          // of the request; another one under the same name is CONFLICT
	Answer   json.RawMessage // what the first request was answered
	TTL      time.Duration   // 0 is KeepOnce
	Key      string          // Name as its sender knows it, for messages; "" is Name
}

// once is the stored form.
type once struct {
	Hash   string          `json:"hash"`
	Order  string          `json:"order,omitempty"`
	Stood  bool            `json:"stood,omitempty"` // the order was there before this request
	Answer json.RawMessage `json:"answer,omitempty"`
}

// Idempotency remembers o. It returns first = true when nothing was stored
// under o.Name, else the stored answer of the first request. Another body under
// the same name is CONFLICT.
func (s *Store) Idempotency(o Once) (answer json.RawMessage, first bool, err error) {
	if err := o.check(); err != nil {
		return nil, false, err
	}
	err = s.update(func(t *tx) error {
		answer, first = o.Answer, false
		old, ok, err := o.find(t.get)
		if err != nil {
			return err
		}
		if ok {
			answer = old.Answer
			return nil
		}
		first = true
		return o.put(t, "", false)
	})
	return answer, first && err == nil, err
}

// FirstCreated reports whether the first request of that name has created the
// order that CreateOrder answers with; ok is false when o is new or created none.
func (s *Store) FirstCreated(o Once) (created, ok bool, err error) {
	if err := o.check(); err != nil {
		return false, false, err
	}
	err = s.view(func(v *view) error {
		old, found, err := o.find(v.get)
		ok, created = found && old.Order != "", !old.Stood
		return err
	})
	return created && ok, ok, err
}

// Remembered looks o up without storing it; ok is false when it is new.
func (s *Store) Remembered(o Once) (answer json.RawMessage, ok bool, err error) {
	if err := o.check(); err != nil {
		return nil, false, err
	}
	err = s.view(func(v *view) error {
		var old once
		old, ok, err = o.find(v.get)
		answer = old.Answer
		return err
	})
	return answer, ok, err
}

// CreateOrder stores a new order in one step with everything that may forbid
// it. It returns the order that stands and whether it is this one: not when
// another open order has the same key, nor when o, if not nil, was used before
// with the same body. o with another body, and an ID that exists, are CONFLICT.
func (s *Store) CreateOrder(order Order, o *Once) (standing Order, created bool, err error) {
	raw, err := order.row().encode()
	if err != nil {
		return Order{}, false, err
	}
	if o != nil {
		if err := o.check(); err != nil {
			return Order{}, false, err
		}
	}
	err = s.update(func(t *tx) error {
		standing, created = order, false
		old, found, err := standingOrder(t, order, o)
		if err != nil {
			return err
		}
		if found {
			standing = old.order()
		}
		if o != nil {
			if err := o.keep(t, standing.ID, found); err != nil {
				return err
			}
		}
		if found {
			return nil
		}
		created = true
		return writeRow(t, tableOrders, order.row(), raw)
	})
	if err != nil {
		return Order{}, false, err
	}
	return standing, created, nil
}

// standingOrder is the order that takes the place of a new one.
func standingOrder(t *tx, order Order, o *Once) (row, bool, error) {
	if o != nil {
		old, ok, err := o.find(t.get)
		if err != nil {
			return row{}, false, err
		}
		if ok {
			r, ok, err := readRow(t.get, tableOrders, old.Order)
			if err != nil || ok {
				return r, ok, err
			}
		}
	}
	if r, ok, err := findOpen(t.get, order.Key); err != nil || ok {
		return r, ok, err
	}
	_, taken, err := readRow(t.get, tableOrders, order.ID)
	if err == nil && taken {
		err = fault.New(fault.Conflict, "store: order %s exists", order.ID)
	}
	return row{}, false, err
}

func (o Once) check() error {
	if o.Name == "" || len(o.Name) > MaxKey {
		return fault.New(fault.Invalid, "store: an idempotency key has 1 to %d bytes", MaxKey)
	}
	if len(o.Answer) > MaxValue || o.Answer != nil && !json.Valid(o.Answer) {
		return fault.New(fault.Invalid, "store: the answer to %q is not JSON of at most %d bytes", o.Name, MaxValue)
	}
	return nil
}

// find returns what is stored under the name, CONFLICT if for another body.
func (o Once) find(get getter) (old once, ok bool, err error) {
	c, ok, err := get(onceKey(o.Name))
	if err != nil || !ok {
		return once{}, false, err
	}
	if err := json.Unmarshal(c.value, &old); err != nil {
		return once{}, false, fault.New(fault.Internal, "store: idempotency key %q: %w", o.Name, err)
	}
	if old.Hash != o.BodyHash {
		return once{}, false, fault.New(fault.Conflict, "Idempotency-Key %q was used for another request", cmp.Or(o.Key, o.Name)).
			WithHint("send a new key with a new request")
	}
	return old, true, nil
}

// keep is put unless the first request of that name is kept already with this
// order.
func (o Once) keep(t *tx, order string, stood bool) error {
	old, ok, err := o.find(t.get)
	if err != nil || ok && old.Order == order {
		return err
	}
	return o.put(t, order, stood)
}

func (o Once) put(t *tx, order string, stood bool) error {
	raw, err := encode(once{Hash: o.BodyHash, Order: order, Stood: stood, Answer: o.Answer})
	if err != nil {
		return fault.New(fault.Invalid, "store: idempotency key %q: %w", o.Name, err)
	}
	ttl := o.TTL
	if ttl <= 0 {
		ttl = KeepOnce
	}
	return t.put(onceKey(o.Name), raw, t.until(ttl))
}

func onceKey(name string) []byte { return append([]byte{classOnce}, name...) }
