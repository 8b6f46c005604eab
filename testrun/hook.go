package testrun

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

// hookArgs are a request to a script's onRequest.
type hookArgs struct {
	Script  string            `json:"script"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   map[string]any    `json:"query"`
	Headers map[string]string `json:"headers"`
	Body    *string           `json:"body"`
	Form    map[string]any    `json:"form"`
	JSON    json.RawMessage   `json:"json"`
}

// request is what arrives at the engine.
func (a hookArgs) request() engine.HookRequest {
	r := engine.HookRequest{Method: a.Method, Path: a.Path, Query: a.Query, IP: "203.0.113.9"}
	kind := ""
	switch {
	case a.Body != nil:
		r.Body = []byte(*a.Body)
	case len(a.Form) > 0:
		form := url.Values{}
		for name, v := range a.Form {
			form.Set(name, fmt.Sprint(v))
		}
		r.Body, kind = []byte(form.Encode()), "application/x-www-form-urlencoded"
	case len(a.JSON) > 0:
		r.Body, kind = a.JSON, "application/json"
	}
	if r.Method == "" {
		r.Method = "POST"
		if r.Body == nil {
			r.Method = "GET"
		}
	}
	if r.Path == "" {
		r.Path = "/"
	}
	if r.Query == nil {
		r.Query = map[string]any{}
	}
	for name, v := range r.Query {
		if _, list := v.([]any); !list {
			r.Query[name] = fmt.Sprint(v)
		}
	}
	if kind != "" {
		r.Headers = append(r.Headers, [2]string{"content-type", kind})
	}
	for name, value := range a.Headers {
		r.Headers = append(r.Headers, [2]string{strings.ToLower(name), value})
	}
	return r
}

// hook sends a request to a script, as the outside does to /v1/hooks/….
func (h *host) hook(args json.RawMessage, done func(any, error)) error {
	a, err := read[hookArgs]("hook", args)
	if err != nil {
		return err
	}
	if a.Script == "" {
		return fault.New(fault.Invalid, "hook: which script?")
	}
	// The script runs on the clock: neither on its goroutine nor under the lock.
	h.clk.AfterFunc(0, func() {
		h.clk.Busy(1)
		go func() {
			defer h.clk.Busy(-1)
			res, err := h.engine.HookBusy(context.Background(), a.Script, a.request())
			h.mu.Lock()
			defer h.mu.Unlock()
			h.last(func() { done(hookAnswer(res), err) })
		}()
	})
	return nil
}

// hookAnswer is an answer as tests see it.
func hookAnswer(a engine.HookAnswer) any {
	headers := map[string]string{}
	for _, p := range a.Headers {
		headers[strings.ToLower(p[0])] = p[1]
	}
	out := map[string]any{"status": a.Status, "headers": headers, "body": string(a.Body)}
	if !utf8.Valid(a.Body) {
		out["body"] = ""
	}
	if json.Valid(a.Body) && !bytes.Equal(a.Body, nil) {
		out["json"] = json.RawMessage(a.Body)
	}
	return out
}
