package outbox

import (
	"encoding/json"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// Erased counts what Erase has removed, and what it had to leave.
type Erased struct {
	Removed int
	Running int // being delivered at this moment
}

// Erase removes the items that match says, whatever their state; one that is
// being delivered right now stays. match gets the item as it is on disk. An ID
// that was removed may be enqueued again.
func (b *Outbox) Erase(match func(Item) bool) (n Erased, err error) {
	for _, class := range []string{classWaiting, classDead, classFinished} {
		for after := ""; ; {
			page, err := b.opt.Space.Scan(class, after, store.MaxOps/2)
			if err != nil {
				return n, err
			}
			var ops []store.Op
			for _, en := range page {
				after = en.Key
				var it Item
				if err := json.Unmarshal(en.Value, &it); err != nil {
					return n, fault.New(fault.Internal, "outbox: %s: %w", en.Key, err)
				}
				switch {
				case !match(it):
				case class == classWaiting && !b.withdraw(it.ID):
					n.Running++
				default:
					ops = append(ops, store.Op{Key: en.Key}, store.Op{Key: classID + it.ID})
				}
			}
			if len(ops) > 0 {
				if err := b.opt.Space.Apply(ops...); err != nil {
					return n, err
				}
				n.Removed += len(ops) / 2
				b.forgetDead(class, len(ops)/2)
			}
			if len(page) < store.MaxOps/2 {
				break
			}
		}
	}
	return n, nil
}

// withdraw takes an undelivered item out of the plan, unless it is on its way.
func (b *Outbox) withdraw(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.plan.byID[id]
	if e == nil {
		return true
	}
	if e.phase != waiting || e.queue.busy && e.queue.items[0] == e {
		return false
	}
	q := e.queue
	q.stop()
	b.remove(e)
	b.plan.ready(q, b)
	b.dispatch()
	return true
}

func (b *Outbox) forgetDead(class string, n int) {
	if class != classDead {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Dead -= n
}
