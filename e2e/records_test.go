package e2e

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

// record is a call's row as the API shows it, written out by hand from the
// contract: a field that is renamed there breaks here.
type record struct {
	ID         string                    `json:"id"`
	Order      string                    `json:"order"`
	Key        string                    `json:"key"`
	Script     string                    `json:"script"`
	Version    string                    `json:"version"`
	Direction  string                    `json:"direction"`
	From       string                    `json:"from"`
	To         string                    `json:"to"`
	Trunk      string                    `json:"trunk"`
	StartedAt  time.Time                 `json:"started_at"`
	AnsweredAt *time.Time                `json:"answered_at"`
	EndedAt    time.Time                 `json:"ended_at"`
	Estimated  bool                      `json:"ended_estimated"`
	RingMs     int                       `json:"ring_ms"`
	TalkMs     int                       `json:"talk_ms"`
	EndedBy    string                    `json:"ended_by"`
	Code       int                       `json:"code"`
	Cause      string                    `json:"cause"`
	Outcome    string                    `json:"outcome"`
	Final      bool                      `json:"final"`
	Heard      struct{ Ms, Percent int } `json:"heard"`
	Result     json.RawMessage           `json:"result"`
	Tags       map[string]string         `json:"tags"`
	Attempt    int                       `json:"attempt"`
	SRTP       string                    `json:"srtp"`
	Recording  string                    `json:"recording"`
	Quality    struct {
		Loss     float64 `json:"loss"`
		JitterMs float64 `json:"jitter_ms"`
	} `json:"quality"`
}

// order is GET /v1/calls/{id}.
type order struct {
	record
	State    string     `json:"state"`
	NextAt   *time.Time `json:"next_at"`
	Attempts []struct {
		ID      string    `json:"id"`
		At      time.Time `json:"at"`
		Outcome string    `json:"outcome"`
		Code    int       `json:"code"`
	} `json:"attempts"`
}

// list is GET /v1/calls with a query.
func (p *project) list(query string) []record {
	p.t.Helper()
	var out struct{ Calls []record }
	if code := p.api("GET", "/v1/calls?"+query, nil, &out); code != 200 {
		p.t.Fatalf("GET /v1/calls?%s: %d", query, code)
	}
	return out.Calls
}

// ended waits for the record of the only call of that caller.
func (p *project) ended(from string) record {
	p.t.Helper()
	var r record
	eventually(p.t, "the record of "+from, testLimit, func() bool {
		for _, one := range p.list("from=" + url.QueryEscape(from)) {
			if one.Final {
				r = one
				return true
			}
		}
		return false
	})
	return r
}

// show is an order or call.
func (p *project) show(id string) (o order) {
	p.t.Helper()
	if code := p.api("GET", "/v1/calls/"+id, nil, &o); code != 200 {
		p.t.Fatalf("GET /v1/calls/%s: %d", id, code)
	}
	return o
}

// done waits until an order is over.
func (p *project) done(id string) (o order) {
	p.t.Helper()
	eventually(p.t, "the end of order "+id, testLimit, func() bool {
		o = p.show(id)
		return o.State == "done" || o.State == "cancelled"
	})
	return o
}

// entry is one line of a timeline.
type entry struct {
	AtMs   float64 `json:"at_ms"`
	Kind   string  `json:"kind"`
	Leg    string  `json:"leg"`
	Detail string  `json:"detail"`
	Source string  `json:"source"`
}

func (p *project) timeline(id string) []entry {
	p.t.Helper()
	var out struct{ Events []entry }
	if code := p.api("GET", "/v1/calls/"+id+"/timeline", nil, &out); code != 200 {
		p.t.Fatalf("timeline of %s: %d", id, code)
	}
	return out.Events
}

// tells reports whether a call, which may not have begun yet, has a line with that
// text.
func (p *project) tells(id, text string) bool {
	var out struct{ Events []entry }
	return p.api("GET", "/v1/calls/"+id+"/timeline", nil, &out) == 200 && hasEvent(out.Events, text)
}

// find is the first line of a timeline with that kind and text.
func find(t testing.TB, line []entry, kind, text string) entry {
	t.Helper()
	for _, e := range line {
		if e.Kind == kind && strings.Contains(e.Detail, text) {
			return e
		}
	}
	t.Errorf("the timeline has no %s %q:\n%+v", kind, text, line)
	return entry{}
}

// kv is a value of the store, "" if there is none.
func (p *project) kv(key string) string {
	p.t.Helper()
	var out struct{ Value json.RawMessage }
	if p.api("GET", "/v1/kv/"+key, nil, &out) != 200 {
		return ""
	}
	return string(out.Value)
}

// hasEvent reports whether a timeline has a line with that text.
func hasEvent(line []entry, text string) bool {
	for _, e := range line {
		if strings.Contains(e.Detail, text) {
			return true
		}
	}
	return false
}
