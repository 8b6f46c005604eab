package host

import (
	"encoding/json"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
)

// announcement is one of our own, or a prompt.
type announcement struct {
	what  call.Announcement
	parts []call.Part
}

func (a *announcement) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &a.what)
	}
	return json.Unmarshal(b, &a.parts)
}

// waiting are the options of queue.enter.
type waiting struct {
	Group     string              `json:"group"`
	Priority  int                 `json:"priority"`
	Skills    map[string]int      `json:"skills"`
	TimeoutMs int64               `json:"timeoutMs"`
	EveryMs   int64               `json:"everyMs"`
	Music     flexMusic           `json:"music"`
	Announce  announcement        `json:"announce"`
	Whisper   []call.Part         `json:"whisper"`
	Accept    *call.Accept        `json:"accept"`
	MaxMs     int64               `json:"maxDurationMs"`
	Record    bool                `json:"record"`
	Headers   [][2]string         `json:"headers"`
	From      string              `json:"from"`
	HangupOn  string              `json:"hangupOn"`
	Keys      map[string]function `json:"keys"`
	OnRing    function            `json:"onRing"`
	OnAnswer  function            `json:"onAnswer"`
}

func enterQueue(q *request) {
	var o waiting
	if !q.read(&o) {
		return
	}
	h, ok := q.headers(o.Headers)
	if !ok {
		return
	}
	spec := q.s.call.Spec()
	w := call.QueueOptions{
		Group: o.Group, Priority: o.Priority, Skills: o.Skills, Timeout: ms(o.TimeoutMs), Every: ms(o.EveryMs), Waiting: o.Music.Waiting,
		Announce: o.Announce.what, Words: o.Announce.parts, Keys: map[string]call.QueueKey{},
		Agent: spec.Dial(""),
		Connect: call.ConnectOptions{
			Whisper: o.Whisper, MaxDuration: ms(o.MaxMs), Record: o.Record, HangupOn: o.HangupOn, OnRing: o.OnRing.ID, OnAnswer: o.OnAnswer.ID,
		},
	}
	w.Agent.From, w.Agent.Headers = o.From, h
	if spec.Outbound { // the party is whom we have called
		w.Agent.Caller, w.Agent.Called = spec.To.Number(), spec.From.Number()
	}
	if w.Every <= 0 {
		w.Every = call.DefaultEvery
	}
	for key, f := range o.Keys {
		w.Keys[key] = call.QueueKey{Function: f.ID}
	}
	o.Accept.Ask(&w.Connect)
	if err := check(w.Waiting.Music, w.Words, w.Connect.Whisper, w.Connect.AcceptText); err != nil {
		q.verb.Reply(nil, err)
		return
	}
	if q.leg == nil {
		q.verb.Reply(nil, fault.New(fault.Conflict, "queue.enter needs a call"))
		return
	}
	q.onCancel(q.s.call.CancelConnect)
	q.leg.Queue(w, q.verb)
}

// leaveQueue ends the wait by a key whose function has returned a value.
func leaveQueue(q *request) {
	var o struct {
		Key string `json:"key"`
	}
	if q.read(&o) {
		q.leg.LeaveQueue(o.Key, nil, q.verb)
	}
}

func queuePriority(q *request) {
	var o struct {
		Priority int `json:"priority"`
	}
	if q.read(&o) {
		q.leg.QueuePriority(o.Priority, q.verb)
	}
}
