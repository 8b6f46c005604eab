package host

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// Kinds of jobs in the outbox.
const (
	jobUpload = "upload" // a finished call
	jobOrder  = "order"  // a change of an order
	jobSend   = "send"   // any request
)

// record is what a script's afterCall has got.
type record struct {
	ID        string    `json:"id"`
	Direction string    `json:"direction"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	StartedAt time.Time `json:"started_at"`
	RingMs    int64     `json:"ring_ms"`
	TalkMs    int64     `json:"talk_ms"`
	Outcome   string    `json:"outcome"`
	Recording string    `json:"recording"`
}

// results are `result` of an uploaded call by outcome. The spelling differs
// from that of events.
var results = map[string]string{
	"delivered": "answered", "answered_short": "answered", "machine": "answered", "talked": "answered", "served": "answered",
	"busy": "busy", "no_answer": "no answer", "missed": "no answer", "abandoned": "no answer", "rejected": "failed", "bad_number": "failed",
	"trunk_failed": "failed", "failed": "failed", "unknown": "unknown", "not_called": "not allowed",
}

// hangups are `hangupStatus` of events by outcome.
var hangups = map[string]string{
	"delivered": "answered", "answered_short": "answered", "machine": "answered", "talked": "answered", "served": "answered",
	"busy": "busy", "no_answer": "no answered", "missed": "no answered", "abandoned": "cancel", "rejected": "cancel", "bad_number": "failed",
	"trunk_failed": "failed", "failed": "failed", "unknown": "failed",
}

// eventTimeout is how long a call waits for its pop-up when nothing is said.
const eventTimeout = 2 * time.Second

// callEvent shows the managers that a call comes in, goes out or is over. An
// account that does not answer is no error.
func (c *Connector) callEvent(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Call struct {
			ID, Direction, Phone, Line string
		}
		Type, Outcome, Site string
		Codes               []string
		Users               []int
		TimeoutMs           int64
	}](module, args)
	if err != nil {
		return nil, err
	}
	if a.Call.Phone == "" {
		return map[string]any{"available": true}, nil // nobody to show
	}
	event := map[string]any{"phone": a.Call.Phone, "type": cmp.Or(a.Type, map[string]string{"inbound": "in", "outbound": "out"}[a.Call.Direction]), "callExternalId": a.Call.ID}
	if a.Call.Line != "" {
		event["externalPhone"] = a.Call.Line
	}
	if event["type"] == "hangup" {
		event["hangupStatus"] = cmp.Or(hangups[a.Outcome], "answered")
	}
	if len(a.Codes) > 0 {
		event["codes"] = a.Codes
	}
	if len(a.Users) > 0 {
		event["userIds"] = a.Users
	}
	if site := cmp.Or(a.Site, c.cfg.Site); site != "" {
		event["site"] = site
	}
	limit := eventTimeout
	if a.TimeoutMs > 0 {
		limit = time.Duration(a.TimeoutMs) * time.Millisecond
	}
	in, stop := connector.Within(ctx, c.serv.Clock, limit)
	defer stop()
	_, err = c.Call(in, http.MethodPost, "telephony/call/event", map[string]json.RawMessage{"event": raw(event)})
	switch fault.CodeOf(err) {
	case "":
		return map[string]any{"available": true}, nil
	case fault.Invalid:
		return nil, err
	}
	c.serv.Log.Warn("retailcrm: no pop-up for the call", "call", a.Call.ID, "err", err)
	return map[string]any{"available": false, "error": err.Error()}, nil
}

// uploadJob is a finished call, as the outbox keeps it.
type uploadJob struct {
	Record    record `json:"record"`
	Code      string `json:"code,omitempty"`
	User      int    `json:"user,omitempty"`
	Site      string `json:"site,omitempty"`
	Result    string `json:"result,omitempty"`
	Recording *bool  `json:"recording,omitempty"`
}

// finishCall puts a finished call into the outbox, once per call.
func (c *Connector) finishCall(_ context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[uploadJob](module, args)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Record.ID == "" || a.Record.Direction == "":
		return nil, fault.New(fault.Invalid, "retailcrm: finishCall: the record has no id").WithHint("give it the record of afterCall")
	case a.phone() == "":
		return map[string]any{"queued": false}, nil
	}
	payload, err := json.Marshal(a)
	if err != nil {
		return nil, fault.New(fault.Invalid, "retailcrm: finishCall: %w", err)
	}
	err = c.serv.Outbox.Put(connector.Job{
		ID: "retailcrm-call-" + a.Record.ID, Queue: "retailcrm:call:" + a.phone(), Kind: jobUpload, Destination: "retailcrm telephony", Payload: payload,
	})
	return map[string]any{"queued": err == nil}, err
}

// phone is the other party's number, "" when it is none.
func (a uploadJob) phone() string {
	n := a.Record.From
	if a.Record.Direction == "outbound" {
		n = a.Record.To
	}
	if !strings.HasPrefix(n, "+") {
		return ""
	}
	return n
}

// upload sends a call. The account knows repeats by externalId.
func (c *Connector) upload(ctx context.Context, a uploadJob) error {
	r := a.Record
	kind, line := "in", r.To
	if r.Direction == "outbound" {
		kind, line = "out", r.From
	}
	call := map[string]any{
		"date": r.StartedAt.In(c.cfg.Zone).Format("2006-01-02 15:04:05"), "type": kind, "phone": a.phone(), "externalId": r.ID,
		"result": cmp.Or(a.Result, results[r.Outcome], "unknown"), "duration": (r.TalkMs + 500) / 1000, "durationWaiting": (r.RingMs + 500) / 1000,
	}
	if line != "" {
		call["externalPhone"] = line
	}
	if code := cmp.Or(a.Code, c.cfg.Code); code != "" && a.User == 0 {
		call["code"] = code
	}
	if a.User != 0 {
		call["userId"] = a.User
	}
	if site := cmp.Or(a.Site, c.cfg.Site); site != "" {
		call["site"] = site
	}
	if r.Recording != "" && (a.Recording == nil || *a.Recording) {
		if link, err := c.serv.Recordings.Link(r.Recording, c.cfg.LinkFor); err == nil {
			call["recordUrl"] = link
		}
	}
	_, err := c.Call(ctx, http.MethodPost, "telephony/calls/upload", map[string]json.RawMessage{"calls": raw([]any{call})})
	return err
}

// send puts any request into the outbox, in order per key.
func (c *Connector) send(_ context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[restArgs](module, args)
	if err != nil {
		return nil, err
	}
	if !restPath.MatchString(a.Path) {
		return nil, fault.New(fault.Invalid, "retailcrm: %q is no path", a.Path)
	}
	id := c.serv.NewID()
	payload, err := json.Marshal(a)
	if err != nil {
		return nil, fault.New(fault.Invalid, "retailcrm: send: %w", err)
	}
	area, _, _ := strings.Cut(a.Path, "/")
	j := connector.Job{ID: "retailcrm-send-" + id, Kind: jobSend, Destination: "retailcrm " + area, Payload: payload}
	if a.Key != "" {
		j.Queue = "retailcrm:" + a.Key
	}
	return map[string]any{"id": id}, c.serv.Outbox.Put(j)
}

// Deliver makes one attempt at a job.
func (c *Connector) Deliver(ctx context.Context, kind string, payload json.RawMessage) connector.Result {
	var err error
	switch kind {
	case jobUpload:
		var a uploadJob
		if a, err = connector.Read[uploadJob](module, payload); err == nil {
			err = c.upload(ctx, a)
		}
	case jobOrder:
		var a orderJob
		if a, err = connector.Read[orderJob](module, payload); err == nil {
			err = c.change(ctx, a)
		}
	case jobSend:
		var a restArgs
		if a, err = connector.Read[restArgs](module, payload); err == nil {
			_, err = c.Call(ctx, a.Method, a.Path, a.Params)
		}
	default:
		err = fault.New(fault.Invalid, "retailcrm: unknown job %s", strconv.Quote(kind))
	}
	if err == nil {
		return connector.Result{}
	}
	return connector.Judge(err)
}
