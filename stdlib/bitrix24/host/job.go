package host

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// Kinds of jobs in the outbox.
const (
	jobFinish = "finish" // a call and its card
	jobAttach = "attach" // the recording, once the call is finished
	jobSend   = "send"   // any method
)

// record is what a script's afterCall has got.
type record struct {
	ID        string     `json:"id"`
	Direction string     `json:"direction"`
	From      string     `json:"from"`
	To        string     `json:"to"`
	StartedAt time.Time  `json:"started_at"`
	Answered  *time.Time `json:"answered_at"`
	TalkMs    int64      `json:"talk_ms"`
	Outcome   string     `json:"outcome"`
	Cause     string     `json:"cause"`
	Code      int        `json:"code"`
	Recording string     `json:"recording"`
}

// finishArgs are those of finishCall, and the payload of its job.
type finishArgs struct {
	Record    record  `json:"record"`
	Status    string  `json:"status,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Cost      float64 `json:"cost,omitempty"`
	Currency  string  `json:"currency,omitempty"`
	Vote      int     `json:"vote,omitempty"`
	Recording *bool   `json:"recording,omitempty"`
	cardOptions
}

// statusCodes are STATUS_CODE by outcome (contract §7).
var statusCodes = map[string]string{
	"delivered": "200", "answered_short": "200", "machine": "200", "talked": "200", "served": "200",
	"busy": "486", "no_answer": "304", "rejected": "603", "bad_number": "404", "trunk_failed": "503", "unknown": "OTHER", "failed": "OTHER",
	"missed": "304", "abandoned": "304",
}

// facts are the call's, from its record: the other party is who called in, or
// who was called.
func (r record) facts() callFacts {
	f := callFacts{ID: r.ID, Direction: r.Direction, Phone: r.From, Line: r.To, StartedAt: r.StartedAt}
	if r.Direction == "outbound" {
		f.Phone, f.Line = r.To, r.From
	}
	if !strings.HasPrefix(f.Phone, "+") {
		f.Phone = ""
	}
	return f
}

// finishCall puts the end of a call and its recording into the outbox: in that
// order, once per call, until the portal has them.
func (c *Connector) finishCall(_ context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[finishArgs](module, args)
	if err != nil {
		return nil, err
	}
	d, err := c.card(a.Record.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Record.ID == "" || a.Record.Direction == "":
		return nil, fault.New(fault.Invalid, "bitrix24: finishCall: the record has no id").WithHint("give it the record of afterCall")
	case a.Record.Outcome == "not_called", a.Record.facts().Phone == "":
		return map[string]any{"queued": false}, nil // nobody was rung, or nobody knows who called
	case c.employee(a.cardOptions, d).none():
		return nil, errNobody
	}
	queue := "bitrix24:call:" + a.Record.ID
	payload, err := json.Marshal(a)
	if err != nil {
		return nil, fault.New(fault.Invalid, "bitrix24: finishCall: %w", err)
	}
	if err := c.serv.Outbox.Put(connector.Job{ID: "bitrix24-finish-" + a.Record.ID, Queue: queue, Kind: jobFinish, Destination: "bitrix24 finish", Payload: payload}); err != nil {
		return nil, err
	}
	if a.Record.Recording != "" && (a.Recording == nil || *a.Recording) {
		if err := c.serv.Outbox.Put(connector.Job{ID: "bitrix24-attach-" + a.Record.ID, Queue: queue, Kind: jobAttach, Destination: "bitrix24 attachRecord", Payload: payload}); err != nil {
			return nil, err
		}
	}
	return map[string]any{"queued": true}, nil
}

// sendArgs are those of send, and the payload of its job.
type sendArgs struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
	Key    string          `json:"key,omitempty"`
}

// send puts any method into the outbox, in order per key.
func (c *Connector) send(_ context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[sendArgs](module, args)
	if err != nil {
		return nil, err
	}
	if !methodName.MatchString(a.Method) {
		return nil, fault.New(fault.Invalid, "bitrix24: %q is no method", a.Method)
	}
	if appOnly(a.Method) && !c.cfg.App() {
		_, _, err := c.address(context.Background(), a.Method)
		return nil, err
	}
	id := c.serv.NewID()
	payload, err := json.Marshal(a)
	if err != nil {
		return nil, fault.New(fault.Invalid, "bitrix24: send: %w", err)
	}
	j := connector.Job{ID: "bitrix24-send-" + id, Kind: jobSend, Destination: "bitrix24 " + a.Method, Payload: payload}
	if a.Key != "" {
		j.Queue = "bitrix24:" + a.Key
	}
	return map[string]any{"id": id}, c.serv.Outbox.Put(j)
}

// Deliver makes one attempt at a job.
func (c *Connector) Deliver(ctx context.Context, kind string, payload json.RawMessage) connector.Result {
	var err error
	switch kind {
	case jobFinish, jobAttach:
		var a finishArgs
		if a, err = connector.Read[finishArgs](module, payload); err == nil && kind == jobFinish {
			err = c.finish(ctx, a)
		} else if err == nil {
			err = c.attach(ctx, a.Record)
		}
	case jobSend:
		var a sendArgs
		if a, err = connector.Read[sendArgs](module, payload); err == nil {
			_, err = c.Call(ctx, a.Method, a.Params, false)
		}
	default:
		err = fault.New(fault.Invalid, "bitrix24: unknown job %q", kind)
	}
	if err == nil {
		return connector.Result{}
	}
	return connector.Judge(err)
}

// finish tells the portal how a call ended; without a card it makes one first,
// which is not shown any more.
func (c *Connector) finish(ctx context.Context, a finishArgs) error {
	d, err := c.card(a.Record.ID)
	if err != nil || d.Finished {
		return err
	}
	who := c.employee(a.cardOptions, d)
	if d.ID == "" {
		if d, err = c.late(ctx, a, &who); err != nil {
			return err
		}
	}
	again := d.Sent
	d.Sent = true
	if err := c.keepCard(a.Record.ID, d); err != nil {
		return err
	}
	_, err = c.Call(ctx, "telephony.externalCall.finish", a.params(d.ID, who), false)
	if unknownUser(err) && who.user != c.cfg.User && c.cfg.User != "" {
		who = employee{user: c.cfg.User}
		_, err = c.Call(ctx, "telephony.externalCall.finish", a.params(d.ID, who), false)
	}
	// The answer to an earlier attempt was lost: the portal has finished the call.
	if again && err != nil && strings.Contains(err.Error(), "Call is not found") {
		err = nil
	}
	if err != nil {
		return err
	}
	d.Finished = true
	return c.keepCard(a.Record.ID, d)
}

// late makes the card of a call that is over.
func (c *Connector) late(ctx context.Context, a finishArgs, who *employee) (card, error) {
	o, hidden := a.cardOptions, false
	o.Show = &hidden
	made, err := c.register(ctx, a.Record.facts(), o, *who, false)
	if unknownUser(err) && who.user != c.cfg.User && c.cfg.User != "" {
		*who = employee{user: c.cfg.User}
		made, err = c.register(ctx, a.Record.facts(), o, *who, false)
	}
	return card{ID: made.ID, User: who.user, Inner: who.inner}, err
}

// unknownUser tells that the employee is not in the portal any more.
func unknownUser(err error) bool {
	return err != nil && strings.Contains(err.Error(), "User is not found")
}

// params are those of telephony.externalCall.finish.
func (a finishArgs) params(call string, who employee) map[string]any {
	r := a.Record
	status := cmp.Or(a.Status, statusCodes[r.Outcome], "OTHER")
	p := map[string]any{"CALL_ID": call, "DURATION": (r.TalkMs + 500) / 1000, "STATUS_CODE": status}
	who.add(p)
	reason := a.Reason
	if reason == "" && (status != "200" || r.Outcome == "answered_short" || r.Outcome == "machine") {
		reason = strings.TrimSpace(r.Outcome + " " + r.Cause)
	}
	if reason != "" {
		p["FAILED_REASON"] = reason
	}
	if a.Cost != 0 {
		p["COST"], p["COST_CURRENCY"] = a.Cost, cmp.Or(a.Currency, "RUB")
	}
	if a.Vote != 0 {
		p["VOTE"] = a.Vote
	}
	if a.AddChat != nil && !*a.AddChat {
		p["ADD_TO_CHAT"] = 0
	}
	return p
}

// Sizes of recordings.
const (
	maxRecording  = 64 << 20 // bytes that are attached at all
	maxInline     = 4 << 20  // bytes that go inside of the request
	notYetFinish  = "not finished yet"
	finishedAfter = 30 * time.Second
)

// attach gives the finished call its recording; repeating it replaces the file.
func (c *Connector) attach(ctx context.Context, r record) error {
	d, err := c.card(r.ID)
	if err != nil {
		return err
	}
	if d.ID == "" {
		return fault.New(fault.NotFound, "bitrix24: the call %s was never registered", r.ID)
	}
	file, err := c.serv.Recordings.Read(r.Recording, maxRecording, ".wav", ".mp3") // the portal takes no others
	if err != nil {
		return err
	}
	data, params := file.Data, map[string]any{"CALL_ID": d.ID, "FILENAME": file.Name}
	if len(data) <= maxInline {
		params["FILE_CONTENT"] = base64.StdEncoding.EncodeToString(data)
	}
	res, err := c.Call(ctx, "telephony.externalCall.attachRecord", params, false)
	if err != nil && strings.Contains(err.Error(), notYetFinish) {
		return connector.Limited{Fault: fault.New(fault.Unavailable, "%w", err), After: finishedAfter}
	}
	if err != nil || len(data) <= maxInline {
		return err
	}
	return c.upload(ctx, res.Result, file.Name, data)
}
