package call

import (
	"cmp"
	"encoding/json"
	"time"
)

// Record is what a call leaves behind: one row, the same in the store, the
// API, webhooks and afterCall. Times are RFC 3339, absent when they never came.
type Record struct {
	ID         string            `json:"id"`
	Order      string            `json:"order"`
	Key        string            `json:"key,omitempty"`
	Campaign   string            `json:"campaign,omitempty"`
	Script     string            `json:"script"`
	Version    string            `json:"version,omitempty"`
	Direction  string            `json:"direction"` // inbound, outbound
	From       string            `json:"from"`
	To         string            `json:"to"`
	Trunk      string            `json:"trunk,omitempty"`
	StartedAt  time.Time         `json:"started_at"`
	AnsweredAt *time.Time        `json:"answered_at,omitempty"`
	EndedAt    time.Time         `json:"ended_at,omitzero"`         // zero in a call's snapshot
	Estimated  bool              `json:"ended_estimated,omitempty"` // the process ended first: EndedAt is when it last lived
	RingMs     int64             `json:"ring_ms"`
	TalkMs     int64             `json:"talk_ms"`
	EndedBy    string            `json:"ended_by"` // caller, callee, script, system
	Code       int               `json:"code"`     // final SIP status
	Cause      string            `json:"cause"`
	Outcome    Outcome           `json:"outcome"`
	Final      bool              `json:"final"` // no further attempt follows
	Heard      Heard             `json:"heard"`
	Result     json.RawMessage   `json:"result,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Attempt    int               `json:"attempt"`
	Quality    Quality           `json:"quality"`
	SRTP       string            `json:"srtp,omitempty"`             // crypto suite of the first leg; absent: not encrypted
	Recording  string            `json:"recording,omitempty"`        // there is a file to be had
	Unrecorded string            `json:"recording_failed,omitempty"` // which recording is missing or cut short, and why
	EarlyMedia string            `json:"early_media,omitempty"`      // heard before the answer: ringback, busy, reorder, sit, voice, silence
	Data       json.RawMessage   `json:"data,omitempty"`
	Queue      *QueueFacts       `json:"queue,omitempty"` // the last line it stood in
	Keyed      bool              `json:"-"`               // a key was pressed
	Pause      time.Duration     `json:"-"`               // before the next attempt, as the refusal asks (Retry-After)
}

// Heard is how much of the prompts really left for the other party.
type Heard struct {
	Ms      int64 `json:"ms"`
	Percent int   `json:"percent"`
}

// QueueFacts are what a record says of a line.
type QueueFacts struct {
	Group      string `json:"group"`
	Status     string `json:"status"` // as queue.enter resolves; waiting in a call in progress
	WaitMs     int64  `json:"wait_ms"`
	AnsweredBy string `json:"answered_by,omitempty"`
}

// record computes the row of the call as it stands.
func (c *Call) record() Record {
	l := c.main
	f := c.facts
	f.refused = !f.outbound && !f.answered && c.endedBy == "script"
	f.heard = time.Duration(c.heardMs) * time.Millisecond
	if c.totalMs > 0 {
		f.percent = float64(c.heardMs) * 100 / float64(c.totalMs)
	}
	r := Record{
		ID: c.spec.ID, Order: c.spec.Order, Key: c.spec.Key, Script: c.spec.Script, Version: c.spec.Version,
		Direction: direction(c.spec.Outbound), From: c.caller().Number(), To: c.spec.To.Number(), Trunk: cmp.Or(c.trunk, c.spec.Trunk),
		StartedAt: c.started, EndedAt: c.clk.Now(), EndedBy: c.endedBy, Outcome: c.outcome, Final: true,
		Heard: Heard{Ms: c.heardMs, Percent: int(f.percent)}, Result: c.result, Tags: c.tags, Attempt: max(c.spec.Attempt.N, 1),
		Quality: c.quality.told(), SRTP: c.suite, Recording: c.fileID, Unrecorded: c.unrecorded, Data: c.spec.Data, Campaign: c.spec.Campaign, Keyed: c.facts.keyPressed, Queue: c.queue,
	}
	if l != nil {
		c.fillLeg(&r, l)
		f.code, f.reason = l.code, l.reason
	} else {
		r.Cause = c.undialled
	}
	if r.Outcome == "" {
		r.Outcome = f.outcome()
	}
	return r
}

func (c *Call) fillLeg(r *Record, l *Leg) {
	r.Code, r.EarlyMedia, r.Pause = l.code, l.preanswer.word(), l.pause
	if !l.endedAt.IsZero() {
		r.EndedAt = l.endedAt
	}
	if l.answeredAt.IsZero() {
		r.RingMs = r.EndedAt.Sub(c.started).Milliseconds()
	} else {
		at := l.answeredAt
		r.AnsweredAt = &at
		r.Code = 200
		r.RingMs, r.TalkMs = at.Sub(c.started).Milliseconds(), r.EndedAt.Sub(at).Milliseconds()
	}
	r.Cause = cause(l.code, l.reason, !l.answeredAt.IsZero())
}

func direction(outbound bool) string {
	if outbound {
		return "outbound"
	}
	return "inbound"
}
