package engine

import "sync"

// MaxToldOrders is how many orders and calls that are over are remembered for
// the number of their last event. Of one that is forgotten, a recording that is
// stored later still may repeat a number.
const MaxToldOrders = 4096

// told keeps the numbers of events rising for what comes when the order or the
// call is not there any more: recordings are converted at leisure.
type told struct {
	mu    sync.Mutex
	last  map[string]int
	queue []string // oldest first
}

// number is the event's number, or the next one if a later event had it.
func (t *told) number(ev Event) int {
	if ev.Order == "" {
		return ev.Seq
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.last[ev.Order]
	seq := max(ev.Seq, last+1)
	switch ev.Type {
	case "call.ended", "order.done", "recording.stored", "recording.failed":
	default:
		if !known {
			return seq
		}
	}
	if !known {
		t.remember(ev.Order)
	}
	t.last[ev.Order] = seq
	return seq
}

func (t *told) remember(order string) {
	if t.last == nil {
		t.last = map[string]int{}
	}
	if len(t.queue) >= MaxToldOrders {
		delete(t.last, t.queue[0])
		t.queue = append(t.queue[:0], t.queue[1:]...)
	}
	t.queue = append(t.queue, order)
}
