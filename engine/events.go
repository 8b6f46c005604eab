package engine

import (
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/call"
)

// Event is one line of the live feed and the body of a webhook.
type Event struct {
	EventID string    `json:"event_id"`
	Type    string    `json:"type"`
	At      time.Time `json:"at"`
	Seq     int       `json:"seq"`
	Order   string    `json:"order,omitempty"`
	Key     string    `json:"key,omitempty"`
	// Campaign of its own events, and of its contacts' calls.
	Campaign string          `json:"campaign,omitempty"`
	Script   string          `json:"-"` // of events without an order
	Call     string          `json:"call,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Record   *call.Record    `json:"record,omitempty"`
}

// Limits of the live feed.
const (
	MaxListeners = 64  // listeners at once
	feedBacklog  = 256 // events kept for those who resume
	feedQueue    = 128 // events waiting for one listener; the slow one is dropped
)

// feed hands live events to listeners of GET /v1/events.
type feed struct {
	mu      sync.Mutex
	last    uint64
	recent  []FeedItem
	listen  map[chan FeedItem]struct{}
	Dropped atomic.Int64 // listeners that were too slow
}

// FeedItem is an event with its place in the feed.
type FeedItem struct {
	ID    uint64
	Event Event
}

// init begins to number where no earlier process has come to, so that a client
// that resumes after a restart is seen to have missed something.
func (f *feed) init(now time.Time) {
	f.last, f.listen = uint64(max(now.UnixMilli(), 0)), map[chan FeedItem]struct{}{}
}

func (f *feed) publish(ev Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	item := FeedItem{f.last, ev}
	if f.recent = append(f.recent, item); len(f.recent) > feedBacklog {
		f.recent = f.recent[1:]
	}
	for c := range f.listen {
		select {
		case c <- item:
		default:
			delete(f.listen, c)
			close(c)
			f.Dropped.Add(1)
		}
	}
}

// Listen returns the events after the given one and a channel of what follows.
// The channel is closed when the listener is too slow. stop ends it.
func (f *feed) Listen(after uint64) (past []FeedItem, next <-chan FeedItem, stop func(), ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.listen) >= MaxListeners {
		return nil, nil, nil, false
	}
	for _, it := range f.recent {
		if after > 0 && it.ID > after {
			past = append(past, it)
		}
	}
	c := make(chan FeedItem, feedQueue)
	f.listen[c] = struct{}{}
	return past, c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, on := f.listen[c]; on {
			delete(f.listen, c)
			close(c)
		}
	}, true
}

// tell sends an event of a running call to the feed and to whoever asked for
// it. It never blocks: what must be stored is stored on another goroutine.
func (e *Engine) tell(kind string, c *call.Call, data json.RawMessage) {
	spec := c.Spec()
	ev := Event{Type: kind, At: e.clk.Now(), Order: spec.Order, Key: spec.Key, Campaign: spec.Campaign, Call: c.ID(), Data: data}
	l := e.calls.find(c.ID())
	var ord *order
	if l != nil {
		ord = l.order
	}
	if kind == "call.answered" && ord != nil {
		ord.mu.Lock()
		ord.State = stateTalking
		ord.mu.Unlock()
	}
	e.emit(ord, ev)
}

// emit numbers an event, shows it in the feed and queues its webhooks.
func (e *Engine) emit(ord *order, ev Event) {
	if ev.EventID == "" {
		ev.EventID = e.eventID(ev)
	}
	var callback *Callback
	if ord != nil {
		ord.mu.Lock()
		ord.Seq++
		ev.Seq, callback = ord.Seq, ord.Callback
		ord.mu.Unlock()
	} else {
		ev.Seq = e.inboundSeq(ev)
	}
	ev.Seq = e.numbers.number(ev)
	e.feed.publish(ev)
	e.queueWebhooks(callback, ev)
}

// eventID names an event. What ends a call or an order comes once for each and
// is named after it, so that a restart which tells it again is recognised.
func (e *Engine) eventID(ev Event) string {
	switch ev.Type {
	case "call.ended":
		return "ended-" + ev.Call
	case "order.done":
		return "done-" + ev.Order
	}
	return e.newID("event")
}

// inboundSeq numbers the events of inbound calls, which are orders of one.
func (e *Engine) inboundSeq(ev Event) int {
	l := e.calls.find(ev.Call)
	if l == nil {
		return 1
	}
	return int(l.seq.Add(1))
}

// afterwards sends what follows a finished call: its events and afterCall.
func (e *Engine) afterwards(l *live, r call.Record) {
	rec := r
	e.emit(l.order, Event{Type: "call.ended", At: e.clk.Now(), Order: r.Order, Key: r.Key, Campaign: r.Campaign, Call: r.ID, Record: &rec})
	if r.Final {
		e.emit(l.order, Event{Type: "order.done", At: e.clk.Now(), Order: r.Order, Key: r.Key, Campaign: r.Campaign, Call: r.ID, Record: &rec})
	}
	if l.version != nil && l.version.Has("afterCall") {
		e.queueAfterCall(l.version.Script, l.version.ID, r)
	}
	if r.Direction == "outbound" && r.TalkMs > 0 {
		e.groups.talked(r.To, r.EndedAt)
	}
}

// afterRecord is afterwards for a call that an earlier process began.
func (e *Engine) afterRecord(ord *order, r call.Record) {
	rec := r
	e.emit(ord, Event{Type: "call.ended", At: e.clk.Now(), Order: r.Order, Key: r.Key, Campaign: r.Campaign, Call: r.ID, Record: &rec})
	if r.Final {
		e.emit(ord, Event{Type: "order.done", At: e.clk.Now(), Order: r.Order, Key: r.Key, Campaign: r.Campaign, Call: r.ID, Record: &rec})
	}
	if v, err := e.scripts.Current(r.Script); err == nil && v.Has("afterCall") {
		e.queueAfterCall(v.Script, v.ID, r)
	}
}

// orderDone tells that an order is closed without a further dial. last is its
// record: that of the last attempt, or one that says why there was none.
func (e *Engine) orderDone(ord *order, last *call.Record) {
	ord.mu.Lock()
	data, _ := json.Marshal(map[string]any{"state": ord.State, "reason": ord.Reason, "attempts": len(ord.Made)})
	id, key, campaignID := ord.ID, ord.Key, ord.Campaign
	ord.mu.Unlock()
	e.emit(ord, Event{Type: "order.done", At: e.clk.Now(), Order: id, Key: key, Campaign: campaignID, Data: data, Record: last})
}

// talked remembers when a member's talk ended, a user or a number, for groups that ring the longest
// idle first.
func (g *groups) talked(member string, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended[member] = at
}

func seqName(order string, seq int) string { return order + "#" + strconv.Itoa(seq) }
