// Package host is the main process's half of loopstart:retailcrm: it speaks API
// v5 of one RetailCRM account for all scripts, with the account's key, which
// scripts never see.
//
// Bodies are forms whose fields hold JSON; the key is the header X-API-KEY
// (retailcrm/api-client-php and api-client-go, 2026).
//
// # Concurrency
//
// A Connector is shared by all VMs; everything may be called from any
// goroutine.
//
// # Limits
//
// 10 requests a second, and 40 for telephony/…, as the vendor's own clients
// keep; 503 and 429 slow everybody down.
//
// # Errors
//
// DENIED for the key and its rights, INVALID and NOT_FOUND for what is asked,
// LIMIT for too many requests, UNAVAILABLE and NETWORK for the rest. [Caller]
// and callEvent have no errors: a call goes on without its CRM.
package host

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/internal/ratelimit"
)

// Config is one account and how we appear there.
type Config struct {
	URL       string // "https://demo.retailcrm.ru"
	Key       string
	Site      string // code of the shop
	Code      string // manager's code for calls that nobody took, "" for none
	PerSecond float64
	Telephony float64        // requests a second of telephony/…
	Zone      *time.Location // of dates, which have none
	LinkFor   time.Duration  // how long links to recordings work
}

// Services are what the connector needs of the house.
type Services struct {
	HTTP       connector.HTTP
	KV         connector.KV
	Outbox     connector.Outbox
	Recordings connector.Recordings
	Clock      clock.Clock
	Log        *slog.Logger
	NewID      func() string
	// Target is whom to ring for a manager's code: a user of ours; "" for nobody.
	Target  func(code string) string
	Country string
}

// Connector is an account.
type Connector struct {
	cfg       Config
	serv      Services
	regular   *ratelimit.Bucket
	telephony *ratelimit.Bucket
}

// New makes the connector of an account; Config's figures have their defaults.
func New(cfg Config, s Services) *Connector {
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	if cfg.PerSecond <= 0 {
		cfg.PerSecond = 10
	}
	if cfg.Telephony <= 0 {
		cfg.Telephony = 40
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	bucket := func(rate float64) *ratelimit.Bucket {
		return ratelimit.New(s.Clock, ratelimit.Options{PerSecond: rate, Burst: 1})
	}
	return &Connector{cfg: cfg, serv: s, regular: bucket(cfg.PerSecond), telephony: bucket(cfg.Telephony)}
}

// Hosts are what the connector may reach, as rules name them.
func (c Config) Hosts() []string {
	if u, err := url.Parse(c.URL); err == nil && u.Host != "" {
		return []string{u.Host}
	}
	return nil
}

const module = "retailcrm"

// Module is what scripts can ask.
var Module = connector.Module[*Connector]{Prefix: module + ".", Handlers: map[string]func(*Connector, context.Context, json.RawMessage) (any, error){
	"rest":        (*Connector).rest,
	"send":        (*Connector).send,
	"caller":      (*Connector).caller,
	"order":       (*Connector).order,
	"updateOrder": (*Connector).updateOrder,
	"callEvent":   (*Connector).callEvent,
	"finishCall":  (*Connector).finishCall,
}}

// restPath is a path below /api/v5/; no segment leads out of it.
var restPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_.:@-]*[A-Za-z0-9_:@-])*$`)

// restArgs are one request, as scripts and the outbox name it.
type restArgs struct {
	Method    string                     `json:"method"` // GET or POST
	Path      string                     `json:"path"`
	Params    map[string]json.RawMessage `json:"params,omitempty"`
	Key       string                     `json:"key,omitempty"`
	TimeoutMs int64                      `json:"timeoutMs,omitempty"`
}

func (c *Connector) rest(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[restArgs](module, args)
	if err != nil {
		return nil, err
	}
	if a.TimeoutMs > 0 {
		var stop func()
		ctx, stop = connector.Within(ctx, c.serv.Clock, time.Duration(a.TimeoutMs)*time.Millisecond)
		defer stop()
	}
	return c.Call(ctx, a.Method, a.Path, a.Params)
}

// Times of requests.
const (
	requestTimeout = 30 * time.Second
	slowDown       = time.Second // after 503 or 429, doubled each time
	maxTries       = 3
)

// Call makes a request below /api/v5/ and repeats it when the account asks us
// to slow down. Values that are no text go as JSON.
func (c *Connector) Call(ctx context.Context, method, path string, params map[string]json.RawMessage) (json.RawMessage, error) {
	if !restPath.MatchString(path) {
		return nil, fault.New(fault.Invalid, "retailcrm: %q is no path", path).WithHint("paths are written like orders/7/edit, without /api/v5/")
	}
	form := url.Values{}
	for name, value := range params {
		fill(form, name, value, method == http.MethodGet)
	}
	bucket := c.regular
	if strings.HasPrefix(path, "telephony/") {
		bucket = c.telephony
	}
	for try := 1; ; try++ {
		if err := bucket.Wait(ctx, true); err != nil {
			return nil, err
		}
		body, err := c.once(ctx, method, path, form)
		r, ok := err.(*Refusal) //nolint:errorlint // once returns it as it is
		if !ok {
			return body, err
		}
		if !r.slow() || try == maxTries {
			return nil, explain(path, r)
		}
		bucket.Pause(slowDown << (try - 1))
	}
}

// fill writes a parameter: text as it is, in a query objects as fields
// (filter[ids][]=1), else JSON.
func fill(form url.Values, name string, value json.RawMessage, query bool) {
	var text string
	var list []json.RawMessage
	var fields map[string]json.RawMessage
	switch {
	case json.Unmarshal(value, &text) == nil:
		form.Add(name, text)
	case query && json.Unmarshal(value, &list) == nil:
		for _, item := range list {
			fill(form, name+"[]", item, query)
		}
	case query && json.Unmarshal(value, &fields) == nil:
		for key, inner := range fields {
			fill(form, name+"["+key+"]", inner, query)
		}
	default:
		form.Add(name, string(value))
	}
}

// once sends one request.
func (c *Connector) once(ctx context.Context, method, path string, form url.Values) (json.RawMessage, error) {
	r := netx.Request{
		Method: method, URL: c.cfg.URL + "/api/v5/" + path, Timeout: connector.Left(ctx, c.serv.Clock, requestTimeout), Redirect: "error",
		Header: http.Header{"X-Api-Key": {c.cfg.Key}, "Accept": {"application/json"}},
	}
	if method == http.MethodGet {
		r.URL += "?" + form.Encode()
	} else {
		r.Body = []byte(form.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.serv.HTTP.Do(ctx, r)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if code := fault.CodeOf(err); code != fault.Internal {
			return nil, fault.New(code, "retailcrm: %w", err)
		}
		return nil, fault.New(fault.Network, "retailcrm: no answer")
	}
	return parse(res)
}

// Refusal is an error as the account says it.
type Refusal struct {
	Status int
	Says   string
	Fields map[string]any // by field, when the input was wrong
}

// Error implements error.
func (r *Refusal) Error() string {
	out := r.Says
	if out == "" {
		out = "HTTP status " + http.StatusText(r.Status)
	}
	names := []string{}
	for name, says := range r.Fields {
		names = append(names, fmt.Sprintf("%s: %v", name, says))
	}
	slices.Sort(names)
	if len(names) > 0 {
		out += " (" + strings.Join(names, "; ") + ")"
	}
	return out
}

func (r *Refusal) slow() bool {
	return r.Status == http.StatusServiceUnavailable || r.Status == http.StatusTooManyRequests
}

// parse reads an answer; success: false is an error whatever the status is.
func parse(res *netx.Response) (json.RawMessage, error) {
	var w struct {
		Success *bool           `json:"success"`
		Says    string          `json:"errorMsg"`
		Errors  json.RawMessage `json:"errors"`
	}
	bad := json.Unmarshal(res.Body, &w) != nil
	if !bad && res.Status/100 == 2 && (w.Success == nil || *w.Success) {
		return res.Body, nil
	}
	r := &Refusal{Status: res.Status, Says: w.Says}
	if bad && res.Status/100 == 2 {
		r.Status, r.Says = http.StatusBadGateway, "the answer is no JSON"
	}
	_ = json.Unmarshal(w.Errors, &r.Fields) // sometimes it is a list
	var list []string
	if json.Unmarshal(w.Errors, &list) == nil && len(list) > 0 {
		r.Fields = map[string]any{"errors": strings.Join(list, ", ")}
	}
	return nil, r
}

// limitPause is how long a job waits when the account goes on refusing.
const limitPause = 10 * time.Second

// explain turns a refusal into an error for people.
func explain(path string, r *Refusal) error {
	f := func(code fault.Code, hint string) *fault.Error {
		e := fault.New(code, "retailcrm: %s: %w", path, r)
		if hint != "" {
			e = e.WithHint("%s", hint)
		}
		return e
	}
	switch {
	case r.slow():
		return connector.Limited{After: limitPause, Fault: f(fault.Limit, "something else uses the key; lower retailcrm.rate")}
	case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		return f(fault.Denied, "check retailcrm.key: the key must be active and allow this method and this shop")
	case r.Status == http.StatusNotFound:
		return f(fault.NotFound, "")
	case r.Status/100 == 5:
		return f(fault.Unavailable, "")
	case strings.Contains(r.Says, "Account does not exist"):
		return f(fault.Denied, "check retailcrm.url")
	case strings.Contains(strings.ToLower(r.Says), "apikey"):
		return f(fault.Denied, "check retailcrm.key")
	}
	return f(fault.Invalid, "")
}

// Probe asks what the key may do, for doctor. It changes nothing.
func (c *Connector) Probe(ctx context.Context) (string, error) {
	body, err := c.Call(ctx, http.MethodGet, "credentials", nil)
	if err != nil {
		return "", err
	}
	var w struct {
		Scopes []string `json:"scopes"`
		Sites  []string `json:"sitesAvailable"`
	}
	_ = json.Unmarshal(body, &w) // what it may do is worth knowing, not having
	return fmt.Sprintf("the key has %d scopes, shops %s", len(w.Scopes), strings.Join(w.Sites, ", ")), nil
}
