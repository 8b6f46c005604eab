package store

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	partSize = 512 << 10 // larger values are cut, so that none meets the value log
	// maxStored is the longest value in bytes: a document with what it is listed
	// by. Badger's transactions, 15 % of memTableSize, take no longer one.
	maxStored = MaxDocument + 64<<10
	// cleanSlack is how much later than we Badger forgets an expired key: the
	// injected clock decides, Badger only sweeps up.
	cleanSlack = time.Hour

	envelopeSize = 9 // parts, then the expiry in Unix milliseconds, 0 for never
)

// view reads one snapshot.
type view struct {
	txn *badger.Txn
	now int64 // Unix milliseconds
}

// cell is a stored value and when it expires (Unix milliseconds, 0 never).
type cell struct {
	value   []byte
	expires int64
}

// get reads a live key; ok is false when there is none or it has expired.
func (v *view) get(key []byte) (c cell, ok bool, err error) {
	item, err := v.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return cell{}, false, nil
	}
	if err != nil {
		return cell{}, false, err
	}
	return v.open(key, item)
}

// open unwraps the stored form of key.
func (v *view) open(key []byte, item *badger.Item) (c cell, ok bool, err error) {
	raw, err := item.ValueCopy(nil)
	if err != nil {
		return cell{}, false, err
	}
	if len(raw) < envelopeSize {
		return cell{}, false, fault.New(fault.Internal, "store: key %q has no envelope", key)
	}
	c = cell{value: raw[envelopeSize:], expires: int64(binary.BigEndian.Uint64(raw[1:]))}
	if c.expires != 0 && c.expires <= v.now {
		return cell{}, false, nil
	}
	for i := range int(raw[0]) {
		part, err := v.txn.Get(partKey(key, i))
		if err != nil {
			return cell{}, false, fault.New(fault.Internal, "store: key %q lost part %d: %w", key, i, err)
		}
		if err := part.Value(func(b []byte) error { c.value = append(c.value, b...); return nil }); err != nil {
			return cell{}, false, err
		}
	}
	return c, true, nil
}

// scan calls f for live keys from the first one not before from, while they
// begin with prefix and f says more. The key is valid during the call only.
func (v *view) scan(prefix, from []byte, f func(key []byte, c cell) (more bool, err error)) error {
	opt := badger.DefaultIteratorOptions
	opt.Prefix, opt.PrefetchSize = prefix, 32
	it := v.txn.NewIterator(opt)
	defer it.Close()
	for it.Seek(from); it.ValidForPrefix(prefix); it.Next() {
		key := it.Item().Key()
		c, ok, err := v.open(key, it.Item())
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if more, err := f(key, c); err != nil || !more {
			return err
		}
	}
	return nil
}

// keys is scan without values, for indexes, which do not expire.
func (v *view) keys(prefix, from []byte, f func(key []byte) (more bool, err error)) error {
	opt := badger.DefaultIteratorOptions
	opt.Prefix, opt.PrefetchValues = prefix, false
	it := v.txn.NewIterator(opt)
	defer it.Close()
	for it.Seek(from); it.ValidForPrefix(prefix); it.Next() {
		if more, err := f(it.Item().Key()); err != nil || !more {
			return err
		}
	}
	return nil
}

// last is the largest key that begins with prefix.
func (v *view) last(prefix []byte) (key []byte, ok bool) {
	opt := badger.DefaultIteratorOptions
	opt.Prefix, opt.PrefetchValues, opt.Reverse = prefix, false, true
	it := v.txn.NewIterator(opt)
	defer it.Close()
	it.Seek(append(prefix[:len(prefix):len(prefix)], 0xff))
	if !it.ValidForPrefix(prefix) {
		return nil, false
	}
	return it.Item().KeyCopy(nil), true
}

// tx is the view of one job: its changes are kept aside until the job has
// succeeded, so that a job that fails half-way has changed nothing.
type tx struct {
	view
	staged map[string]*badger.Entry // nil entry: deleted
	order  []string
}

// get sees the job's own changes first.
func (t *tx) get(key []byte) (cell, bool, error) {
	e, ok := t.staged[string(key)]
	if !ok {
		return t.view.get(key)
	}
	if e == nil {
		return cell{}, false, nil
	}
	c := cell{value: e.Value[envelopeSize:], expires: int64(binary.BigEndian.Uint64(e.Value[1:]))}
	for i := range int(e.Value[0]) {
		c.value = append(c.value[:len(c.value):len(c.value)], t.staged[string(partKey(key, i))].Value...)
	}
	return c, c.expires == 0 || c.expires > t.now, nil
}

// put stores value until expires (Unix milliseconds, 0 for ever).
func (t *tx) put(key, value []byte, expires int64) error {
	if len(value) > maxStored {
		return fault.New(fault.Limit, "store: a value of %d bytes is too large", len(value))
	}
	if err := t.del(key); err != nil { // also the parts of a larger one before it
		return err
	}
	head, parts := value, 0
	if len(value) > partSize {
		head, value = value[:partSize], value[partSize:]
		for ; len(value) > 0; parts++ {
			n := min(len(value), partSize)
			t.stage(partKey(key, parts), t.entry(partKey(key, parts), value[:n], expires))
			value = value[n:]
		}
	}
	raw := make([]byte, envelopeSize, envelopeSize+len(head))
	raw[0] = byte(parts)
	binary.BigEndian.PutUint64(raw[1:], uint64(expires))
	t.stage(key, t.entry(key, append(raw, head...), expires))
	return nil
}

func (t *tx) entry(key, value []byte, expires int64) *badger.Entry {
	e := badger.NewEntry(key, value)
	if expires != 0 {
		e = e.WithTTL(time.Duration(max(expires-t.now, 0))*time.Millisecond + cleanSlack)
	}
	return e
}

// mark stores a key with nothing in it.
func (t *tx) mark(key []byte) { t.stage(key, badger.NewEntry(key, nil)) }

// del removes a key and its parts.
func (t *tx) del(key []byte) error {
	parts := 0
	if e, ok := t.staged[string(key)]; ok {
		if e != nil && len(e.Value) >= envelopeSize {
			parts = int(e.Value[0])
		}
	} else {
		item, err := t.txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := item.Value(func(b []byte) error {
			if len(b) >= envelopeSize {
				parts = int(b[0])
			}
			return nil
		}); err != nil {
			return err
		}
	}
	t.stage(key, nil)
	for i := range parts {
		t.stage(partKey(key, i), nil)
	}
	return nil
}

func (t *tx) stage(key []byte, e *badger.Entry) {
	if t.staged == nil {
		t.staged = make(map[string]*badger.Entry)
	}
	k := string(key)
	if _, ok := t.staged[k]; !ok {
		t.order = append(t.order, k)
	}
	t.staged[k] = e
}

// size is what the job adds to a transaction, in bytes.
func (t *tx) size() int {
	n := 0
	for k, e := range t.staged {
		n += len(k) + 64
		if e != nil {
			n += len(e.Value)
		}
	}
	return n
}

// apply moves the job's changes into the transaction of its group.
func (t *tx) apply(txn *badger.Txn) error {
	for _, k := range t.order {
		var err error
		if e := t.staged[k]; e == nil {
			err = txn.Delete([]byte(k))
		} else {
			err = txn.SetEntry(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
