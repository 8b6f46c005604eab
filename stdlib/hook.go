package stdlib

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Answer is an HTTP answer.
type Answer struct {
	Status  int
	Headers [][2]string
	Body    []byte
}

// HookAnswer reads what onRequest returned (message.Outcome.Value). An object
// with a numeric status is {status, headers: {name: value or values}, body},
// where body is text, bytes or JSON; a Response is the same. Anything else is
// the JSON body of a 200, and nothing is 204.
func HookAnswer(value json.RawMessage) (Answer, error) {
	if len(value) == 0 || string(value) == "null" {
		return Answer{Status: 204}, nil
	}
	var o struct {
		Status  *int                       `json:"status"`
		Headers map[string]json.RawMessage `json:"headers"`
		Body    json.RawMessage            `json:"body"`
	}
	if value[0] != '{' || json.Unmarshal(value, &o) != nil || o.Status == nil {
		return Answer{200, [][2]string{{"Content-Type", "application/json"}}, value}, nil
	}
	if *o.Status < 200 || *o.Status > 599 {
		return Answer{}, fault.New(fault.Script, "onRequest returned the status %d; 200 to 599 are possible", *o.Status)
	}
	a := Answer{Status: *o.Status}
	kind := ""
	a.Body, kind = hookBody(o.Body)
	typed := false
	for name, raw := range o.Headers {
		values, ok := hookHeader(raw)
		if !ok {
			return Answer{}, fault.New(fault.Script, "onRequest returned a header %q that is no text", name)
		}
		typed = typed || strings.EqualFold(name, "Content-Type")
		for _, v := range values {
			a.Headers = append(a.Headers, [2]string{name, v})
		}
	}
	slices.SortStableFunc(a.Headers, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
	if !typed && kind != "" {
		a.Headers = append(a.Headers, [2]string{"Content-Type", kind})
	}
	return a, nil
}

// hookBody is the bytes of a body and the type that they have unless the
// script says another.
func hookBody(raw json.RawMessage) (body []byte, kind string) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), "text/plain; charset=utf-8"
	}
	var wrapped map[string]string
	if json.Unmarshal(raw, &wrapped) == nil && len(wrapped) == 1 && wrapped["$bytes"] != "" {
		if data, err := base64.StdEncoding.DecodeString(wrapped["$bytes"]); err == nil {
			return data, "application/octet-stream"
		}
	}
	return raw, "application/json"
}

// hookHeader is one value or several; numbers and booleans count as text.
func hookHeader(raw json.RawMessage) ([]string, bool) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var out []string
	for _, item := range list {
		var text string
		if json.Unmarshal(item, &text) != nil {
			if item[0] == '{' || item[0] == '[' {
				return nil, false
			}
			text = string(item)
		}
		out = append(out, text)
	}
	return out, true
}
