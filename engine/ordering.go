package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// OrderRequest is the body of POST /v1/calls. Times and durations are texts,
// so that JSON, forms and queries are read alike.
type OrderRequest struct {
	Script         string            `json:"script"`
	To             string            `json:"to"`
	Key            string            `json:"key,omitempty"`
	From           string            `json:"from,omitempty"`
	Trunk          string            `json:"trunk,omitempty"`
	Hide           bool              `json:"hide,omitempty"`
	Data           json.RawMessage   `json:"data,omitempty"`
	Timeout        string            `json:"timeout,omitempty"`
	At             string            `json:"at,omitempty"`
	Attempts       int               `json:"attempts,omitempty"`
	Retry          map[string]string `json:"retry,omitempty"`
	Expires        string            `json:"expires,omitempty"`
	DeliveredAfter string            `json:"delivered_after,omitempty"`
	Callback       json.RawMessage   `json:"callback,omitempty"`
	Window         json.RawMessage   `json:"window,omitempty"`
	Zone           string            `json:"zone,omitempty"`
	Priority       int               `json:"priority,omitempty"`
	Dedupe         string            `json:"dedupe,omitempty"`
}

// OrderAnswer is what an order is answered with.
type OrderAnswer struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// MaxAttempts bounds the attempts of one order.
const MaxAttempts = 100

// PlaceOrder checks an order, stores it, and starts its first attempt. created
// is false when an open order has the same key. A request that was sent before
// under its idempotency key is answered as it was the first time.
func (e *Engine) PlaceOrder(r OrderRequest, idempotency string) (a OrderAnswer, created bool, err error) {
	ord, err := e.newOrder(r)
	if err != nil {
		return a, false, err
	}
	if err := e.admission.ready(); err != nil {
		return a, false, err
	}
	if r.Dedupe != "" {
		unlock := e.orders.placing(ord)
		defer unlock()
		if same, ok, err := e.orders.same(ord, r.Dedupe); err != nil || ok {
			return OrderAnswer{ID: same.ID, State: same.State}, false, err
		}
	}
	answer := OrderAnswer{ID: ord.ID, State: ord.State}
	var once *store.Once
	if idempotency != "" {
		body, _ := json.Marshal(r)
		hash := sha256.Sum256(body)
		raw, _ := json.Marshal(answer)
		once = &store.Once{Name: "POST /v1/calls " + idempotency, BodyHash: hex.EncodeToString(hash[:]), Answer: raw, Key: idempotency}
	}
	standing, created, err := e.store.CreateOrder(ord.row(), once)
	if err != nil {
		return a, false, err
	}
	if !created {
		if once != nil {
			created, _, err = e.store.FirstCreated(*once)
		}
		return OrderAnswer{ID: standing.ID, State: standing.State}, created, err
	}
	if err := e.orders.track(ord); err != nil {
		e.orders.finish(ord, stateCancelled, err.Error())
		return a, false, err
	}
	e.orders.schedule(ord)
	e.warnOrder(ord)
	return answer, true, nil
}

// newOrder checks everything that can be known before the dial.
func (e *Engine) newOrder(r OrderRequest) (*order, error) {
	cfg, now := e.Config(), e.clk.Now()
	if r.Script == "" || r.To == "" {
		missing := map[bool]string{true: "script", false: "to"}[r.Script == ""]
		return nil, fault.New(fault.Invalid, "an order needs script and to; %s is missing", missing).
			WithHint(`{"script": "reminder", "to": "+79161234567"}`)
	}
	if len(r.Key) > store.MaxKey {
		return nil, fault.New(fault.Invalid, "key: %d bytes are more than %d", len(r.Key), store.MaxKey)
	}
	v, err := e.scripts.Current(r.Script)
	if err != nil {
		return nil, err
	}
	if v.Flow == "default" {
		return nil, fault.New(fault.Invalid, "script %s is a flow and takes no calls", r.Script).WithHint("start it: POST /v1/flows/%s; its f.call names the script that talks", r.Script)
	}
	ord := &order{Order: Order{
		ID: e.newID("call"), Key: r.Key, Script: r.Script, To: r.To, Trunk: r.Trunk, Hide: r.Hide, Data: r.Data, Created: now, State: stateQueued,
		Attempts: max(r.Attempts, 1), Retry: r.Retry, After: r.DeliveredAfter, NextAt: now, Made: []OrderAttempt{},
	}}
	if len(ord.Data) == 0 {
		ord.Data = json.RawMessage("{}")
	}
	if err := e.settings.of(v).CheckData(ord.Data, e.Config().Project.Country); err != nil {
		return nil, err
	}
	if r.From != "" {
		ord.From = phone.Normalize(r.From, cfg.Project.Country)
	}
	if err := e.checkTarget(ord); err != nil {
		return nil, err
	}
	if err := e.orderTimes(ord, r, now); err != nil {
		return nil, err
	}
	return ord, e.orderWindow(ord, r)
}

// orderWindow reads when and in which order it is dialled.
func (e *Engine) orderWindow(ord *order, r OrderRequest) error {
	if len(r.Window) > 0 && string(r.Window) != "null" {
		if err := json.Unmarshal(r.Window, &ord.Window); err != nil {
			return err
		}
	}
	if err := campaign.CheckZone(r.Zone); err != nil {
		return err
	}
	if r.Priority < -campaign.MaxPriority || r.Priority > campaign.MaxPriority {
		return fault.New(fault.Invalid, "priority: %d is not %d to %d", r.Priority, -campaign.MaxPriority, campaign.MaxPriority)
	}
	ord.Zone, ord.Priority = r.Zone, r.Priority
	opens, ok := e.opening(&ord.Order, ord.NextAt)
	if !ok {
		return fault.New(fault.Invalid, "window: %s never opens", ord.Window)
	}
	ord.NextAt = opens
	return nil
}

// checkTarget refuses at once what no trunk may dial.
func (e *Engine) checkTarget(ord *order) error {
	cfg := e.Config()
	_, isUser := cfg.User(ord.To)
	_, isGroup := cfg.Group(ord.To)
	if !isUser && !isGroup && !strings.HasPrefix(ord.To, "sip:") {
		ord.To = phone.Normalize(ord.To, cfg.Project.Country)
	}
	_, err := dialer{e}.Resolve(call.DialRequest{Target: ord.To, From: ord.From, Trunk: ord.Trunk, Script: ord.Script})
	return err
}

func (e *Engine) orderTimes(ord *order, r OrderRequest, now time.Time) (err error) {
	span := func(name, text string) time.Duration {
		if text == "" || err != nil {
			return 0
		}
		d, bad := parseSpan(text)
		if bad != nil {
			err = fault.New(fault.Invalid, "%s: %q is no duration", name, text).WithHint(`write "30s", "15m" or milliseconds`)
		}
		return d
	}
	ord.Timeout = span("timeout", r.Timeout)
	if _, bad := campaign.ParseRetry(r.Retry); bad != nil {
		return bad
	}
	if err != nil {
		return err
	}
	if r.Attempts < 0 || r.Attempts > MaxAttempts {
		return fault.New(fault.Invalid, "attempts: %d is not 1 to %d", r.Attempts, MaxAttempts)
	}
	if ord.At, err = instant("at", r.At, now); err != nil {
		return err
	}
	if ord.Expires, err = instant("expires", r.Expires, now); err != nil {
		return err
	}
	if !ord.At.IsZero() {
		ord.NextAt = ord.At
	}
	if _, err = call.ParseDeliveredAfter(r.DeliveredAfter); err != nil {
		return err
	}
	ord.Callback, err = parseCallback(r.Callback)
	return err
}

// instant reads an RFC 3339 time or a duration from now.
func instant(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if d, err := parseSpan(text); err == nil && d >= 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fault.New(fault.Invalid, "%s: %q is no time", name, text).WithHint(`write RFC 3339, "2026-11-21T10:00:00+03:00", or a duration from now`)
}

var knownEvents = []string{"call.ringing", "call.answered", "call.dead_air", "call.result", "call.ended", "recording.stored", "recording.failed", "order.done"}

// parseCallback reads a URL or {url, events, secret}.
func parseCallback(raw json.RawMessage) (*Callback, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	cb := &Callback{}
	if json.Unmarshal(raw, &cb.URL) != nil {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(cb); err != nil {
			bad := fault.BadJSON(err, "url, events, secret")
			return nil, fault.New(fault.Invalid, "callback: %s", bad.Message).WithHint("give an address, or {url, events, secret}; %s", bad.Hint)
		}
	}
	u, err := url.Parse(cb.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fault.New(fault.Invalid, "callback: %q is no http or https address", cb.URL)
	}
	for _, ev := range cb.Events {
		if !slices.Contains(knownEvents, ev) {
			return nil, fault.New(fault.Invalid, "callback: no event %q", ev).WithHint("events are %s", strings.Join(knownEvents, ", "))
		}
	}
	return cb, nil
}

// CancelOrder hangs up what is in progress and cancels what is left.
func (e *Engine) CancelOrder(id string) error {
	id = orderOf(id)
	if camp, k, ok, err := e.campaigns.contact(id); err != nil || ok {
		if err == nil {
			err = (*surface)(e).DeleteContact(camp.ID, k.Key)
		}
		return err
	}
	if err := e.queues.cancelBack(id); fault.CodeOf(err) != fault.NotFound {
		return err
	}
	ord := e.orders.find(id)
	l := e.calls.find(id)
	if ord == nil && l == nil {
		if _, ok, err := e.store.GetOrder(id); err != nil || ok {
			return err
		}
		if rows, _, err := e.store.ListRecords(store.Query{Order: id, Limit: 1}); err != nil || len(rows) > 0 {
			return err
		}
		return fault.New(fault.NotFound, "no call %q", id)
	}
	if ord != nil {
		ord.mu.Lock()
		ord.cancel = true
		idle := ord.State == stateQueued || ord.State == stateWaiting
		if idle && ord.timer != nil {
			ord.timer.Stop()
		}
		ord.mu.Unlock()
		if idle {
			e.orders.finish(ord, stateCancelled, "cancelled")
		}
	}
	if l != nil {
		l.Hangup("system")
	}
	return nil
}
