package host

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// Answer is what a method answered.
type Answer struct {
	Result json.RawMessage
	Next   int // where the next page begins; 0: there is none
	Total  int
}

// wire is the envelope of every answer.
type wire struct {
	Result json.RawMessage `json:"result"`
	Next   int             `json:"next"`
	Total  int             `json:"total"`
	Error  any             `json:"error"` // text, or 0
	Says   string          `json:"error_description"`
	Time   struct {
		Operating float64 `json:"operating"`
		ResetAt   float64 `json:"operating_reset_at"` // Unix
	} `json:"time"`
}

// requestTimeout is the longest that the portal works on one request.
const requestTimeout = 60 * time.Second

// Repeats within one request of a script.
const (
	maxTries = 4
	slowDown = time.Second // after QUERY_LIMIT_EXCEEDED, doubled each time
)

// methodName is what a method may be called; it becomes part of an address.
var methodName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._]{0,99}$`)

// Call calls a method and repeats it where the portal asks for that: with a new
// token, and after a pause. urgent is for calls in progress.
func (c *Connector) Call(ctx context.Context, method string, params any, urgent bool) (Answer, error) {
	if !methodName.MatchString(method) {
		return Answer{}, fault.New(fault.Invalid, "bitrix24: %q is no method", method).WithHint("methods are written like crm.item.list")
	}
	body, err := paramsOf(params)
	if err != nil {
		return Answer{}, err
	}
	for try := 1; ; try++ {
		if err := c.methods.rested(method, c.serv.Clock.Now()); err != nil {
			return Answer{}, err
		}
		ans, token, err := c.once(ctx, method, body, urgent)
		refusal, ok := err.(*Refusal) //nolint:errorlint // once returns it as it is
		if !ok || try == maxTries {
			return ans, c.explain(method, err)
		}
		switch refusal.Name {
		case "expired_token":
			if token == "" {
				return ans, c.explain(method, err)
			}
			if err := c.tokens.refresh(ctx, token); err != nil {
				return ans, err
			}
		case "QUERY_LIMIT_EXCEEDED":
			c.bucket.Pause(slowDown << (try - 1))
		default:
			return ans, c.explain(method, err)
		}
	}
}

// paramsOf makes the parameters an object, as which they are sent.
func paramsOf(params any) (map[string]json.RawMessage, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, fault.New(fault.Invalid, "bitrix24: the parameters: %w", err)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, fault.New(fault.Invalid, "bitrix24: the parameters are no object")
	}
	if body == nil {
		body = map[string]json.RawMessage{}
	}
	return body, nil
}

// appOnly are methods that refuse a webhook.
func appOnly(method string) bool {
	return method == "telephony.externalCall.register" || method == "telephony.externalCall.finish" || strings.HasPrefix(method, "event.") ||
		strings.HasPrefix(method, "telephony.externalLine.") || method == "app.info"
}

// address chooses the credentials: the application's when there is one that
// works, else the webhook's.
func (c *Connector) address(ctx context.Context, method string) (address, token string, err error) {
	if c.cfg.App() {
		token, err = c.tokens.access(ctx)
		if err == nil {
			return c.cfg.Portal + "/rest/" + method, token, nil
		}
		if c.cfg.Webhook == "" || appOnly(method) {
			return "", "", err
		}
	}
	if c.cfg.Webhook == "" {
		return "", "", fault.New(fault.Unavailable, "bitrix24: there are no credentials").WithHint("set bitrix24.webhook or bitrix24.app in loopstart.yaml")
	}
	if appOnly(method) {
		return "", "", fault.New(fault.Denied, "bitrix24: %s works for an application only, not by webhook", method).
			WithHint("make a local application and set bitrix24.app: see docs/bitrix24.md")
	}
	return c.cfg.Webhook + "/" + method, "", nil
}

// once sends one request.
func (c *Connector) once(ctx context.Context, method string, body map[string]json.RawMessage, urgent bool) (Answer, string, error) {
	address, token, err := c.address(ctx, method)
	if err != nil {
		return Answer{}, "", err
	}
	if err := c.bucket.Wait(ctx, urgent); err != nil {
		return Answer{}, "", err
	}
	sent := make(map[string]json.RawMessage, len(body)+1)
	for k, v := range body {
		sent[k] = v
	}
	if token != "" {
		sent["auth"], _ = json.Marshal(token)
	}
	raw, err := json.Marshal(sent)
	if err != nil {
		return Answer{}, "", err
	}
	res, err := c.serv.HTTP.Do(ctx, netx.Request{
		Method: http.MethodPost, URL: address, Body: raw, Timeout: connector.Left(ctx, c.serv.Clock, requestTimeout), Redirect: "error",
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
	})
	if err != nil {
		return Answer{}, token, networkFault(ctx, err)
	}
	ans, err := c.parse(method, res)
	return ans, token, err
}

// networkFault says why there was no answer; the address, which may hold a
// secret, is never part of it.
func networkFault(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && cause != context.Canceled { //nolint:errorlint // as it was given
		err = cause
	}
	if fault.CodeOf(err) == fault.Internal {
		return fault.New(fault.Network, "bitrix24: no answer")
	}
	return fault.New(fault.CodeOf(err), "bitrix24: %w", err)
}

// parse reads an answer.
func (c *Connector) parse(method string, res *netx.Response) (Answer, error) {
	var w wire
	if err := json.Unmarshal(res.Body, &w); err != nil {
		return Answer{}, &Refusal{Status: res.Status, Name: "", Says: "the answer is no JSON"}
	}
	if name, ok := w.Error.(string); ok && name != "" || res.Status/100 != 2 {
		r := &Refusal{Status: res.Status, Name: name, Says: w.Says}
		if name == "OPERATION_TIME_LIMIT" {
			c.methods.exhausted(method, c.serv.Clock.Now())
		}
		return Answer{}, r
	}
	c.methods.worked(method, w.Time.ResetAt)
	return Answer{w.Result, w.Next, w.Total}, nil
}
