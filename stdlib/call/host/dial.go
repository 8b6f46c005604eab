package host

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/call"
)

func connect(q *request) {
	var o struct {
		Targets []struct {
			To        string      `json:"to"`
			DelayMs   int64       `json:"delayMs"`
			TimeoutMs int64       `json:"timeoutMs"`
			From      string      `json:"from"`
			Trunk     string      `json:"trunk"`
			Hide      bool        `json:"hide"`
			Headers   [][2]string `json:"headers"`
		} `json:"targets"`
		Strategy  string              `json:"strategy"`
		TimeoutMs int64               `json:"timeoutMs"`
		From      string              `json:"from"`
		Trunk     string              `json:"trunk"`
		Hide      bool                `json:"hide"`
		Music     flexMusic           `json:"music"`
		Whisper   []call.Part         `json:"whisper"`
		Accept    *call.Accept        `json:"accept"`
		MaxMs     int64               `json:"maxDurationMs"`
		Record    bool                `json:"record"`
		Headers   [][2]string         `json:"headers"`
		HangupOn  string              `json:"hangupOn"`
		Keys      map[string]function `json:"keys"`
		OnRing    function            `json:"onRing"`
		OnAnswer  function            `json:"onAnswer"`
	}
	if !q.read(&o) {
		return
	}
	c := call.ConnectOptions{
		Serial: o.Strategy == "serial", Timeout: ms(o.TimeoutMs), Waiting: o.Music.Waiting, Whisper: o.Whisper,
		MaxDuration: ms(o.MaxMs), Record: o.Record, HangupOn: o.HangupOn, OnRing: o.OnRing.ID, OnAnswer: o.OnAnswer.ID,
		Keys: map[string]uint32{},
	}
	if c.Timeout <= 0 {
		c.Timeout = q.s.serv.Ring
	}
	for keys, f := range o.Keys {
		c.Keys[keys] = f.ID
	}
	o.Accept.Ask(&c)
	if err := check(c.Waiting.Music, c.Whisper, c.AcceptText); err != nil {
		q.verb.Reply(nil, err)
		return
	}
	for _, t := range o.Targets {
		h, err := headers(append(append([][2]string(nil), o.Headers...), t.Headers...))
		if err != nil {
			q.verb.Reply(nil, err)
			return
		}
		r := q.s.call.Spec().Dial(t.To)
		r.From, r.Trunk, r.Hide, r.Timeout, r.Headers = cmp.Or(t.From, o.From), cmp.Or(t.Trunk, o.Trunk), t.Hide || o.Hide, ms(t.TimeoutMs), h
		c.Targets = append(c.Targets, r)
		c.Delays = append(c.Delays, ms(t.DelayMs))
	}
	q.onCancel(q.s.call.CancelConnect)
	q.leg.Connect(c, q.verb)
}

// dial places another call of the same script.
func dial(q *request) {
	var o struct {
		To        string          `json:"to"`
		From      string          `json:"from"`
		Trunk     string          `json:"trunk"`
		Hide      bool            `json:"hide"`
		TimeoutMs int64           `json:"timeoutMs"`
		Headers   [][2]string     `json:"headers"`
		Data      json.RawMessage `json:"data"`
		Machine   *machine        `json:"detectMachine"`
	}
	if !q.read(&o) {
		return
	}
	who, err := o.Machine.asked()
	if err != nil {
		q.verb.Reply(nil, err)
		return
	}
	h, err := headers(o.Headers)
	if err != nil {
		q.verb.Reply(nil, err)
		return
	}
	v := q.verb
	v.Reply = func(value any, err error) {
		if d, ok := value.(call.DialResult); ok {
			answer := map[string]any{"status": d.Status, "code": d.Code}
			told(answer, d.Machine)
			if d.Early != "" {
				answer["early"] = d.Early
			}
			if d.Reason != "" {
				answer["reason"] = d.Reason
			}
			if d.Leg != nil {
				answer["call"] = LegFacts(q.s.call, d.Leg, o.Data)
			}
			value = answer
		}
		q.verb.Reply(value, err)
	}
	q.onCancel(func() { q.s.call.CancelDial(q.seq) })
	r := q.s.call.Spec().Dial(o.To)
	r.From, r.Trunk, r.Hide, r.Headers, r.Machine = o.From, o.Trunk, o.Hide, h, who
	if r.Timeout = ms(o.TimeoutMs); r.Timeout <= 0 {
		r.Timeout = q.s.serv.Ring
	}
	q.s.call.Dial(q.seq, r, v)
}

// Facts is the argument of the default export: what a script knows of its call.
type Facts struct {
	Handle     string          `json:"handle"`
	ID         string          `json:"id"`
	Direction  string          `json:"direction"`
	From       call.Party      `json:"from"`
	To         call.Party      `json:"to"`
	Remote     call.Party      `json:"remote"`
	Headers    [][2]string     `json:"headers"`
	Data       json.RawMessage `json:"data"`
	Script     string          `json:"script"`
	Campaign   string          `json:"campaign,omitempty"`
	Attempt    *call.Attempt   `json:"attempt,omitempty"`
	StartedAt  time.Time       `json:"startedAt"`
	AnsweredAt *time.Time      `json:"answeredAt,omitempty"`
	State      string          `json:"state"`
	Language   string          `json:"language"`
}

// CallFacts are the facts of a call before its first leg has an event.
func CallFacts(spec call.Spec, startedAt time.Time, answeredAt *time.Time) Facts {
	f := Facts{
		Handle: "a", ID: spec.ID, Direction: "inbound", From: spec.From, To: spec.To, Remote: spec.Remote(), Headers: spec.Headers,
		Data: spec.Data, Script: spec.Script, Campaign: spec.Campaign, StartedAt: startedAt, AnsweredAt: answeredAt, State: "ringing", Language: spec.Language,
	}
	if spec.Outbound {
		f.Direction = "outbound"
		attempt := spec.Attempt
		f.Attempt = &attempt
	}
	if answeredAt != nil {
		f.State = "answered"
	}
	if len(f.Data) == 0 {
		f.Data = json.RawMessage("{}")
	}
	if f.Headers == nil {
		f.Headers = [][2]string{}
	}
	return f
}

// LegFacts are the facts of a leg that dial has made.
func LegFacts(c *call.Call, l *call.Leg, data json.RawMessage) Facts {
	spec := c.Spec()
	party := l.Party()
	at := l.AnsweredAt()
	spec.Outbound, spec.To, spec.Data, spec.Headers = true, party, data, nil
	spec.ID += "/" + l.Name()
	f := CallFacts(spec, l.Began(), &at)
	f.Handle, f.Attempt = l.Name(), nil
	return f
}
