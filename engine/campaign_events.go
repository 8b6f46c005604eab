package engine

import (
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/clock"
)

// countsEvery is the shortest pause between two events of a campaign's live
// counters.
const countsEvery = time.Second

// counter sends the live counters of one campaign to the feed, not more often
// than countsEvery and never leaving out the last.
type counter struct {
	state campaign.State
	said  time.Time
	timer clock.Timer // set while a later event is due
}

// campaignNews is the data of a campaign's events.
type campaignNews struct {
	State  campaign.State  `json:"state"`
	Reason string          `json:"reason,omitempty"`
	Counts campaign.Counts `json:"counts"`
}

// changed implements campaign.Deps.Changed: it must return at once.
func (s *campaigns) changed(row campaign.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.shown[row.ID]
	if c == nil {
		c = &counter{state: row.State}
		s.shown[row.ID] = c
		if row.Started.IsZero() {
			return // it was made, or found at the start
		}
	}
	now := s.e.clk.Now()
	switch wait := countsEvery - now.Sub(c.said); {
	case c.state != row.State:
		c.state, c.said = row.State, now
		s.publish("campaign.state", row)
	case wait <= 0 || wait > countsEvery: // or the clock stepped back
		c.said = now
		s.publish("campaign.counts", row)
	case c.timer == nil:
		c.timer = s.e.clk.AfterFunc(wait, func() { s.catchUp(row.ID) })
	}
}

// catchUp sends the counters that came too soon after the last.
func (s *campaigns) catchUp(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, o := s.shown[id], s.open[id]
	if c == nil || o == nil {
		return
	}
	c.timer, c.said = nil, s.e.clk.Now()
	s.publish("campaign.counts", o.Row())
}

// publish shows an event in the feed. The counters are for who looks, so that
// no webhook is told of them.
func (s *campaigns) publish(kind string, row campaign.Row) {
	data, _ := json.Marshal(campaignNews{row.State, row.Reason, row.Counts})
	s.e.feed.publish(Event{EventID: s.e.newID("event"), Type: kind, At: s.e.clk.Now(), Seq: 1, Campaign: row.ID, Script: row.Spec.Script, Data: data})
}

// closed implements campaign.Deps.Closed: a contact is done. When a call has
// told so already, or the whole campaign was cancelled, nothing more is sent.
func (s *campaigns) closed(row campaign.Row, k campaign.Contact) {
	if row.State == campaign.Cancelled || k.Reason == "" {
		return
	}
	ord := &order{Order: orderOfContact(row, &k)}
	last := ord.notCalled(k.Reason, s.e.clk.Now())
	if n := len(k.Attempts); n > 0 {
		last = s.e.lastRecord(attemptID(ord.ID, n))
	}
	s.e.orderDone(ord, last)
}

// orderOfContact shows a contact as the order that its calls belong to.
func orderOfContact(row campaign.Row, k *campaign.Contact) Order {
	o := Order{
		ID: campaign.OrderID(row.ID, k.Seq), Key: k.Key, Script: row.Spec.Script, To: k.Phone(), From: row.Spec.From, Hide: row.Spec.Hide, Trunk: row.Spec.Trunk, Data: k.Data,
		Attempts: row.Spec.Attempts, After: row.Spec.DeliveredAfter, Created: row.Created, State: stateWaiting, NextAt: k.Next, Reason: k.Reason,
		Seq: len(k.Attempts) * eventsPerAttempt, Campaign: row.ID, Priority: k.Priority, Made: []OrderAttempt{},
	}
	switch k.State {
	case campaign.Dialing:
		o.State, o.NextAt = stateDialing, time.Time{}
	case campaign.Done:
		o.State, o.NextAt = stateDone, time.Time{}
		if k.Reason == campaign.ReasonCancelled {
			o.State = stateCancelled
		}
	}
	for _, a := range k.Attempts {
		o.Made, o.To = append(o.Made, OrderAttempt{ID: a.ID, At: a.At, Outcome: call.Outcome(a.Outcome), Code: a.Code}), a.Phone
	}
	o.Callback, _ = parseCallback(row.Spec.Callback) // checked when the campaign was made
	return o
}
