package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
	"github.com/loopstart/loopstart/store/outbox"
)

// Kinds of outbox items.
const (
	kindEvent     = "event"     // a webhook of contract §6
	kindAfterCall = "afterCall" // a run of a script's afterCall
	kindScript    = "script"    // webhook.deliver
)

// eventItem is an event on its way to one address.
type eventItem struct {
	URL    string          `json:"url"`
	Secret string          `json:"secret,omitempty"`
	Body   json.RawMessage `json:"body"`
}

// defaultEvents are sent when a webhook names none (contract §6).
var defaultEvents = []string{"order.done", "call.ended", "call.result"}

// queueWebhooks puts an event into the outbox for the order's callback and for
// the configured webhooks. In order per order.
func (e *Engine) queueWebhooks(cb *Callback, ev Event) {
	type target struct{ url, secret string }
	var to []target
	wants := func(events []string) bool {
		if len(events) == 0 {
			events = defaultEvents
		}
		return slices.Contains(events, ev.Type)
	}
	if cb != nil && wants(cb.Events) {
		to = append(to, target{cb.URL, cb.Secret})
	}
	for _, w := range e.Config().Webhooks {
		if wants(w.Events) {
			to = append(to, target{w.URL, w.Secret.Reveal()})
		}
	}
	if len(to) == 0 {
		return
	}
	body, err := json.Marshal(ev)
	if err != nil {
		e.log.Error("engine: event", "type", ev.Type, "err", err)
		return
	}
	for i, t := range to {
		payload, _ := json.Marshal(eventItem{URL: t.url, Secret: t.secret, Body: body})
		e.enqueue(outbox.Item{
			ID: ev.EventID + "-" + strconv.Itoa(i), Queue: "event:" + ev.Order + ":" + t.url, Kind: kindEvent,
			Destination: hostOf(t.url), Payload: payload,
		})
	}
}

func (e *Engine) enqueue(it outbox.Item) {
	if len(it.Queue) > outbox.MaxName {
		it.Queue = it.Queue[:outbox.MaxName]
	}
	e.unsaved.add(write{"delivery", it.ID, func(told func(error)) { e.outbox.EnqueueLater(it, told) }}, nil)
}

// afterCallItem is a run of afterCall.
type afterCallItem struct {
	Script  string          `json:"script"`
	Version string          `json:"version"`
	Record  json.RawMessage `json:"record"`
}

// queueAfterCall stores the run; it is in order per number of the other party.
func (e *Engine) queueAfterCall(script, version string, r call.Record) {
	record, err := json.Marshal(r)
	if err != nil {
		return
	}
	payload, _ := json.Marshal(afterCallItem{script, version, record})
	remote := r.From
	if r.Direction == "outbound" {
		remote = r.To
	}
	e.enqueue(outbox.Item{ID: "after-" + r.ID, Queue: "after:" + remote, Kind: kindAfterCall, Destination: "script " + script, Payload: payload})
}

// scriptOutbox implements corehost.Outbox for one script.
type scriptOutbox struct {
	e      *Engine
	script string
	hosts  []string // that its version may reach
}

// scriptItem is one webhook.deliver with what its script may reach.
type scriptItem struct {
	Script   string            `json:"script"`
	Hosts    []string          `json:"hosts,omitempty"`
	ID       string            `json:"id"`
	Delivery corehost.Delivery `json:"delivery"`
}

// Deliver implements corehost.Outbox. What could never be delivered is refused
// at once, while the script can still hear of it.
func (s scriptOutbox) Deliver(d corehost.Delivery) (string, error) {
	if err := (netx.Rules{Hosts: s.hosts}).Check(d.URL); err != nil {
		return "", err
	}
	if _, err := s.e.signingSecret(d.Sign); err != nil {
		return "", err
	}
	id := s.e.newID("delivery")
	it := outbox.Item{ID: "hook-" + id, Kind: kindScript, Destination: hostOf(d.URL)}
	if d.Key != "" {
		it.Queue = "hook:" + s.script + ":" + d.Key // two scripts may use the same key for different things
	}
	if d.ExpiresMs > 0 {
		it.Expires = s.e.clk.Now().Add(time.Duration(d.ExpiresMs) * time.Millisecond)
	}
	payload, err := json.Marshal(scriptItem{s.script, s.hosts, id, d})
	if err != nil {
		return "", fault.New(fault.Invalid, "webhook: %w", err)
	}
	it.Payload = payload
	return id, s.e.outbox.Enqueue(it)
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// deliver makes one attempt of an outbox item.
func (e *Engine) deliver(ctx context.Context, it outbox.Item) outbox.Result {
	var err error
	switch it.Kind {
	case kindEvent:
		err = e.deliverEvent(ctx, it)
	case kindAfterCall:
		err = e.deliverAfterCall(ctx, it)
	case kindScript:
		err = e.deliverScript(ctx, it)
	default:
		err = errStop{fmt.Errorf("unknown kind %q", it.Kind)}
		if isCRM(it.Kind) {
			err = e.deliverCRM(ctx, it)
		}
	}
	if err == nil {
		return outbox.Result{OK: true}
	}
	if _, stop := errors.AsType[errStop](err); stop {
		return outbox.Result{Stop: true, Retry: err}
	}
	r := outbox.Result{Retry: err}
	if busy, ok := errors.AsType[errBusy](err); ok {
		r.After = busy.after
	}
	return r
}

// errBusy is a receiver that names the time at which it wants to be asked again.
type errBusy struct {
	error
	after time.Duration
}

// errStop ends a delivery for good: 410, or something that can never work.
type errStop struct{ error }

func (e *Engine) deliverAfterCall(ctx context.Context, it outbox.Item) error {
	var a afterCallItem
	if err := json.Unmarshal(it.Payload, &a); err != nil {
		return errStop{err}
	}
	v, err := e.scripts.AcquireVersion(a.Script, a.Version)
	if err != nil {
		if v, err = e.scripts.AcquireActive(a.Script); err != nil {
			return err
		}
	}
	defer e.scripts.Release(v)
	var of struct{ ID string }
	_ = json.Unmarshal(a.Record, &of) // it is only said in the log
	_, err = e.run(ctx, v, "afterCall", of.ID, a.Record, e.Config().Limits.AfterCall)
	return err
}

func (e *Engine) deliverEvent(ctx context.Context, it outbox.Item) error {
	var ev eventItem
	if err := json.Unmarshal(it.Payload, &ev); err != nil {
		return errStop{err}
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if ev.Secret != "" {
		h.Set("Loopstart-Signature", Signature(ev.Secret, e.clk.Now(), ev.Body))
	}
	// An address of the configuration or of an API caller may be private: the
	// operator's own systems mostly are.
	return e.post(ctx, e.fetchers.of([]string{hostOf(ev.URL)}), netx.Request{Method: "POST", URL: ev.URL, Header: h, Body: ev.Body})
}

// Signature is the value of the Loopstart-Signature header: HMAC-SHA256 of the
// time, a dot and the raw body.
func Signature(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(t + "."))
	m.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(m.Sum(nil))
}

// post makes a request and reads the answer's meaning: 2xx accepts, 410 stops.
func (e *Engine) post(ctx context.Context, c HTTP, r netx.Request) error {
	if e.opts.Dev && !isLocal(hostOf(r.URL)) {
		e.log.Info("dev: would have delivered to "+hostOf(r.URL), "bytes", len(r.Body))
		return nil
	}
	res, err := c.Do(ctx, r)
	switch {
	case err != nil:
		return err
	case res.Status/100 == 2:
		return nil
	case res.Status == http.StatusGone:
		return errStop{fmt.Errorf("%s answered 410", hostOf(r.URL))}
	}
	err = fmt.Errorf("%s answered %d", hostOf(r.URL), res.Status)
	if after := retryAfterOf(res, e.clk.Now()); after > 0 {
		return errBusy{err, after}
	}
	return err
}

// retryAfterOf reads Retry-After: seconds or a date (RFC 9110 §10.2.3).
func retryAfterOf(res *netx.Response, now time.Time) time.Duration {
	text := res.Header.Get("Retry-After")
	if text == "" || res.Status != http.StatusTooManyRequests && res.Status != http.StatusServiceUnavailable {
		return 0
	}
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

// isLocal tells a host of this machine: dev delivers nowhere else.
func isLocal(host string) bool {
	name := host
	if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.HasSuffix(host, "]") {
		name = host[:i]
	}
	name = strings.Trim(name, "[]")
	if name == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.IsLoopback()
}

func (e *Engine) deliverScript(ctx context.Context, it outbox.Item) error {
	var s scriptItem
	if err := json.Unmarshal(it.Payload, &s); err != nil {
		return errStop{err}
	}
	body, contentType, err := e.scriptBody(s.Delivery)
	if err != nil {
		return errStop{err}
	}
	h := http.Header{}
	for _, p := range s.Delivery.Headers {
		h.Add(p[0], p[1])
	}
	if contentType != "" && h.Get("Content-Type") == "" {
		h.Set("Content-Type", contentType)
	}
	h.Set("Idempotency-Key", s.ID)
	secret, err := e.signingSecret(s.Delivery.Sign)
	if err != nil {
		return errStop{err}
	}
	if secret != "" {
		h.Set("Loopstart-Signature", Signature(secret, e.clk.Now(), body))
	}
	method := s.Delivery.Method
	if method == "" {
		method = "POST"
	}
	return e.post(ctx, e.fetchers.of(s.Hosts), netx.Request{Method: method, URL: s.Delivery.URL, Header: h, Body: body})
}

// hookSecret is the entry of secrets that signs what names no other.
const hookSecret = "HOOK_SECRET"

// signingSecret is the secret a delivery names; true means the project's:
// HOOK_SECRET, else that of the first webhook. "" when it is not to be signed.
func (e *Engine) signingSecret(sign json.RawMessage) (string, error) {
	cfg, name := e.Config(), ""
	if string(sign) == "true" {
		name = hookSecret
	} else if json.Unmarshal(sign, &name) != nil || name == "" {
		return "", nil
	}
	if s, ok := cfg.Secret(name); ok {
		return s.Reveal(), nil
	}
	for _, w := range cfg.Webhooks {
		if name == hookSecret && w.Secret.Reveal() != "" {
			return w.Secret.Reveal(), nil
		}
	}
	return "", fault.New(fault.NotFound, "webhook.deliver: there is no secret %q to sign with", name).WithHint("add it to secrets in loopstart.yaml")
}

func (e *Engine) scriptBody(d corehost.Delivery) (body []byte, contentType string, err error) {
	if len(d.Files) > 0 {
		return e.multipartBody(d)
	}
	switch d.Kind {
	case "json", "":
		return d.Body, "application/json", nil
	case "text":
		var s string
		err = json.Unmarshal(d.Body, &s)
		return []byte(s), "text/plain; charset=utf-8", err
	case "bytes":
		err = json.Unmarshal(d.Body, &body)
		return body, "application/octet-stream", err
	case "form":
		var pairs [][2]string
		err = json.Unmarshal(d.Body, &pairs)
		fields := make([]string, len(pairs)) // in the order of the script
		for i, p := range pairs {
			fields[i] = url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1])
		}
		return []byte(strings.Join(fields, "&")), "application/x-www-form-urlencoded", err
	}
	return nil, "", nil
}

func (e *Engine) multipartBody(d corehost.Delivery) ([]byte, string, error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	if err := writeFields(w, d); err != nil {
		return nil, "", err
	}
	for _, f := range d.Files {
		data := f.Data
		if f.Recording != "" {
			file, err := e.record.read(f.Recording, maxAttachment)
			if err != nil {
				return nil, "", err
			}
			data, f.Name, f.Type = file.Data, cmp.Or(f.Name, file.Name), cmp.Or(f.Type, file.Type)
		}
		kind := f.Type
		if kind == "" {
			kind = "application/octet-stream"
		}
		part, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf("form-data; name=%q; filename=%q", f.Field, f.Name)}, "Content-Type": {kind},
		})
		if err != nil {
			return nil, "", err
		}
		_, _ = part.Write(data)
	}
	err := w.Close()
	return buf.Bytes(), w.FormDataContentType(), err
}

const maxAttachment = 64 << 20

// writeFields writes the body of a multipart delivery: form pairs, or the JSON
// as the field "payload".
func writeFields(w *multipart.Writer, d corehost.Delivery) error {
	if d.Kind == "form" {
		var pairs [][2]string
		if err := json.Unmarshal(d.Body, &pairs); err != nil {
			return err
		}
		for _, p := range pairs {
			if err := w.WriteField(p[0], p[1]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(d.Body) == 0 || string(d.Body) == "null" {
		return nil
	}
	return w.WriteField("payload", string(d.Body))
}
