package store

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// MaxKey is the longest key in bytes.
	MaxKey = 1 << 10
	// MaxValue is the longest value in bytes of JSON; Options may ask for less.
	MaxValue = 1 << 20
	// MaxCount bounds what Increment may reach, so that every count is exact
	// in JavaScript (2^53 − 1).
	MaxCount = 1<<53 - 1
	// MaxList is the largest page of a list; DefaultList is what limit 0 means.
	MaxList, DefaultList = 1000, 100
)

// Item is one key of a list.
type Item struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// Get reads key; ok is false when it does not exist or has expired.
func (s *Store) Get(key string) (value json.RawMessage, ok bool, err error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	err = s.view(func(v *view) error {
		c, found, err := v.get(kvKey(key))
		value, ok = c.value, found
		return err
	})
	return value, ok, err
}

// Set stores value, which must be JSON. A ttl of 0 means for ever and also
// takes away the expiry the key had.
func (s *Store) Set(key string, value json.RawMessage, ttl time.Duration) error {
	if err := s.checkPair(key, value, ttl); err != nil {
		return err
	}
	value = compact(value)
	return s.update(func(t *tx) error { return t.put(kvKey(key), value, t.until(ttl)) })
}

// SetLater is Set without waiting; done hears when it is durable.
func (s *Store) SetLater(key string, value json.RawMessage, ttl time.Duration, done func(error)) {
	err := s.checkPair(key, value, ttl)
	value = compact(value)
	s.updateLater(func(t *tx) error {
		if err != nil {
			return err
		}
		return t.put(kvKey(key), value, t.until(ttl))
	}, done)
}

// Delete removes key and reports whether it was there.
func (s *Store) Delete(key string) (was bool, err error) {
	if err := checkKey(key); err != nil {
		return false, err
	}
	err = s.update(func(t *tx) error {
		var err error
		if _, was, err = t.get(kvKey(key)); err != nil || !was {
			return err
		}
		return t.del(kvKey(key))
	})
	return was, err
}

// Increment adds by to the whole number at key, 0 when there is none, and
// returns the sum. A ttl counts from the increment that creates the key; later
// ones leave the expiry alone, so that a counter is a window of fixed length.
// A value that is no whole number is INVALID, a sum beyond ±MaxCount is LIMIT.
func (s *Store) Increment(key string, by int64, ttl time.Duration) (sum int64, err error) {
	if err := s.checkPair(key, json.RawMessage("0"), ttl); err != nil {
		return 0, err
	}
	err = s.update(func(t *tx) error {
		c, ok, err := t.get(kvKey(key))
		if err != nil {
			return err
		}
		expires := t.until(ttl)
		if ok {
			expires = c.expires
		} else {
			c.value = []byte("0")
		}
		if sum, err = add(key, c.value, by); err != nil {
			return err
		}
		return t.put(kvKey(key), json.RawMessage(itoa(sum)), expires)
	})
	if err != nil {
		return 0, err
	}
	return sum, nil
}

// CompareAndSet stores next if the value at key equals old, and reports whether
// it did. A nil old means the key must not exist; a nil next deletes it. Values
// are equal when they are the same JSON value, whatever the spelling. A ttl
// counts from now; with 0 the expiry of an existing key stays.
func (s *Store) CompareAndSet(key string, old, next json.RawMessage, ttl time.Duration) (swapped bool, err error) {
	for _, v := range []json.RawMessage{old, next} {
		if v == nil {
			v = json.RawMessage("null")
		}
		if err := s.checkPair(key, v, ttl); err != nil {
			return false, err
		}
	}
	next = compact(next)
	err = s.update(func(t *tx) error {
		swapped = false
		c, ok, err := t.get(kvKey(key))
		if err != nil || ok != (old != nil) || ok && !equalJSON(c.value, old) {
			return err
		}
		swapped = true
		if next == nil {
			return t.del(kvKey(key))
		}
		expires := c.expires
		if ttl > 0 {
			expires = t.until(ttl)
		}
		return t.put(kvKey(key), next, expires)
	})
	return swapped && err == nil, err
}

// List returns the live keys that begin with prefix, in byte order, after the
// key after. next is the after of the following page, "" at the end.
func (s *Store) List(prefix string, limit int, after string) (items []Item, next string, err error) {
	if len(prefix) > MaxKey || len(after) > MaxKey {
		return nil, "", fault.New(fault.Limit, "store: a key has at most %d bytes", MaxKey)
	}
	limit = pageSize(limit)
	from := kvKey(max(prefix, after))
	if after != "" && after >= prefix {
		from = append(from, 0) // the first key that is larger
	}
	err = s.view(func(v *view) error {
		return v.scan(kvKey(prefix), from, func(key []byte, c cell) (bool, error) {
			if len(items) == limit {
				next = items[limit-1].Key
				return false, nil
			}
			items = append(items, Item{Key: string(key[1:]), Value: c.value})
			return true, nil
		})
	})
	return items, next, err
}

func pageSize(limit int) int {
	if limit <= 0 {
		return DefaultList
	}
	return min(limit, MaxList)
}

// until is the expiry of something written now that lives for ttl.
func (t *tx) until(ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return t.now + max(ttl.Milliseconds(), 1)
}

func checkKey(key string) error {
	switch {
	case key == "":
		return fault.New(fault.Invalid, "store: a key is not empty")
	case len(key) > MaxKey:
		return fault.New(fault.Limit, "store: a key has at most %d bytes, this one has %d", MaxKey, len(key))
	case !utf8.ValidString(key):
		return fault.New(fault.Invalid, "store: key %q is not UTF-8", key)
	}
	return nil
}

func (s *Store) checkPair(key string, value json.RawMessage, ttl time.Duration) error {
	if err := checkKey(key); err != nil {
		return err
	}
	switch {
	case ttl < 0:
		return fault.New(fault.Invalid, "store: a ttl is not negative")
	case len(value) > s.opt.maxValue():
		return fault.New(fault.Limit, "store: a value has at most %d bytes, that of %q has %d (limit kv_value)", s.opt.maxValue(), key, len(value)).
			WithHint("limits.kv_value may be raised to %d; keep large data in a file or split it over several keys", MaxValue)
	case !json.Valid(value):
		return fault.New(fault.Invalid, "store: the value of %q is not JSON", key)
	}
	return nil
}
