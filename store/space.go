package store

import (
	"github.com/loopstart/loopstart/internal/fault"
)

// MaxOps is how many changes one Apply of a space may hold.
const MaxOps = 1024

// Space is a private ordered space of keys for a package built on the store,
// such as the outbox. Keys are at most MaxKey, values at most MaxDocument bytes.
type Space struct {
	store  *Store
	name   string
	prefix []byte
}

// Op is one change in a space: Value is stored under Key, or, when it is nil,
// Key is removed. With New the key must not exist, else the whole Apply is
// CONFLICT.
type Op struct {
	Key   string
	Value []byte
	New   bool
}

// Entry is one key of a space.
type Entry struct {
	Key   string
	Value []byte
}

// Space returns the space of that name; it needs no making.
func (s *Store) Space(name string) *Space {
	prefix := append([]byte{classSpace}, name...)
	return &Space{store: s, name: name, prefix: append(prefix, 0)}
}

// Apply makes all changes or none, and returns when they are durable.
func (p *Space) Apply(ops ...Op) error {
	if err := p.check(ops); err != nil {
		return err
	}
	return p.store.update(func(t *tx) error { return p.apply(t, ops) })
}

// ApplyLater is Apply without waiting; done hears when it is durable.
func (p *Space) ApplyLater(done func(error), ops ...Op) {
	p.store.updateLater(p.checked(ops), done)
}

// ApplyIdle is ApplyLater for what nobody waits for: it may be held back by a
// few milliseconds to share an fsync with others.
func (p *Space) ApplyIdle(done func(error), ops ...Op) {
	p.store.updateIdle(p.checked(ops), done)
}

// PutIdle stores what value makes, like ApplyIdle. value runs when the write is
// made, on the committer: changes until then need no write of their own. It must
// not block; nil stores nothing.
func (p *Space) PutIdle(done func(error), key string, value func() []byte) {
	p.store.updateIdle(func(t *tx) error {
		raw := value()
		if raw == nil {
			return nil
		}
		ops := []Op{{Key: key, Value: raw}}
		if err := p.check(ops); err != nil {
			return err
		}
		return p.apply(t, ops)
	}, done)
}

func (p *Space) checked(ops []Op) func(*tx) error {
	err := p.check(ops)
	return func(t *tx) error {
		if err != nil {
			return err
		}
		return p.apply(t, ops)
	}
}

// Get reads one key.
func (p *Space) Get(key string) (value []byte, ok bool, err error) {
	err = p.store.view(func(v *view) error {
		c, found, err := v.get(p.key(key))
		value, ok = c.value, found
		return err
	})
	return value, ok, err
}

// Scan returns at most limit entries whose key begins with prefix and is
// larger than after, in byte order.
func (p *Space) Scan(prefix, after string, limit int) (entries []Entry, err error) {
	from := p.key(max(prefix, after))
	if after != "" && after >= prefix {
		from = append(from, 0)
	}
	err = p.store.view(func(v *view) error {
		return v.scan(p.key(prefix), from, func(key []byte, c cell) (bool, error) {
			if len(entries) == limit {
				return false, nil
			}
			entries = append(entries, Entry{Key: string(key[len(p.prefix):]), Value: c.value})
			return true, nil
		})
	})
	return entries, err
}

// Last returns the largest key that begins with prefix.
func (p *Space) Last(prefix string) (key string, ok bool, err error) {
	err = p.store.view(func(v *view) error {
		k, found := v.last(p.key(prefix))
		if found {
			key, ok = string(k[len(p.prefix):]), true
		}
		return nil
	})
	return key, ok, err
}

// Count counts the keys that begin with prefix.
func (p *Space) Count(prefix string) (n int, err error) {
	err = p.store.view(func(v *view) error {
		return v.keys(p.key(prefix), p.key(prefix), func([]byte) (bool, error) {
			n++
			return true, nil
		})
	})
	return n, err
}

func (p *Space) check(ops []Op) error {
	if len(ops) > MaxOps {
		return fault.New(fault.Limit, "store: %s: %d changes at once, the most is %d", p.name, len(ops), MaxOps)
	}
	total := 0
	for _, op := range ops {
		total += len(op.Value)
		if op.Key == "" || len(op.Key) > MaxKey || total > MaxDocument {
			return fault.New(fault.Limit, "store: %s: a key has 1 to %d bytes and one change %d in all", p.name, MaxKey, MaxDocument)
		}
	}
	return nil
}

func (p *Space) apply(t *tx, ops []Op) error {
	for _, op := range ops {
		if err := p.step(t, op); err != nil {
			return err
		}
	}
	return nil
}

func (p *Space) step(t *tx, op Op) error {
	key := p.key(op.Key)
	if op.New {
		_, exists, err := t.get(key)
		if err != nil {
			return err
		}
		if exists {
			return fault.New(fault.Conflict, "store: %s: %q exists", p.name, op.Key)
		}
	}
	if op.Value == nil {
		return t.del(key)
	}
	return t.put(key, op.Value, 0)
}

func (p *Space) key(key string) []byte {
	return append(p.prefix[:len(p.prefix):len(p.prefix)], key...)
}
