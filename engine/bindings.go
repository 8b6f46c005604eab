package engine

import (
	"encoding/json"

	"github.com/loopstart/loopstart/sip"
	"github.com/loopstart/loopstart/store"
)

// bindings keeps where users can be reached, so that phones ring after a
// restart without registering anew. One row a user; writes share the store's
// next sync and nobody waits for them.
type bindings struct {
	e     *Engine
	space *store.Space
}

// load reads what an earlier process knew; the location service leaves out
// what has expired.
func (b bindings) load() (list []sip.Binding) {
	for after := ""; ; {
		page, err := b.space.Scan("", after, 500)
		if err != nil {
			b.e.log.Error("engine: read the registrations", "err", err)
			return list
		}
		if len(page) == 0 {
			return list
		}
		list = append(list, b.read(page)...)
		after = page[len(page)-1].Key
	}
}

func (b bindings) read(page []store.Entry) (list []sip.Binding) {
	now := b.e.clk.Now()
	for _, en := range page {
		var of []sip.Binding
		alive := false
		if json.Unmarshal(en.Value, &of) == nil {
			for _, one := range of {
				alive = alive || one.Expires.After(now)
			}
		}
		if !alive {
			b.space.ApplyLater(b.kept, store.Op{Key: en.Key})
			continue
		}
		list = append(list, of...)
	}
	return list
}

// changed implements sip.Deps.Bound.
func (b bindings) changed(user string, list []sip.Binding) {
	b.e.queues.registered()
	if len(user) == 0 || len(user) > store.MaxKey/2 {
		return
	}
	op := store.Op{Key: user}
	if len(list) > 0 {
		raw, err := json.Marshal(list)
		if err != nil {
			return
		}
		op.Value = raw
	}
	b.space.ApplyLater(b.kept, op)
}

// kept hears how a write went: a registration that is not on disk is one that
// a restart forgets, no more.
func (b bindings) kept(err error) {
	if err != nil {
		b.e.log.Debug("engine: keep a registration", "err", err)
	}
}
