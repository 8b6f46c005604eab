package engine

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// text is a JSON text, or a number as it is written: durations may be given in
// milliseconds, and not every CRM sends numbers of its own in quotes.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	if c := raw[0]; c == '-' || c >= '0' && c <= '9' {
		*t = text(raw)
		return nil
	}
	return json.Unmarshal(raw, (*string)(t))
}

// readOrder reads the body of POST /v1/calls.
func readOrder(body []byte) (OrderRequest, error) {
	type plain OrderRequest
	var in struct {
		plain
		Key            text            `json:"key"`
		Timeout        text            `json:"timeout"`
		At             text            `json:"at"`
		Expires        text            `json:"expires"`
		DeliveredAfter text            `json:"delivered_after"`
		Dedupe         text            `json:"dedupe"`
		Retry          map[string]text `json:"retry"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return OrderRequest{}, fault.BadJSON(err, orderFields)
	}
	if err := noZero(body, "attempts", "timeout"); err != nil {
		return OrderRequest{}, err
	}
	r := OrderRequest(in.plain)
	r.Key, r.Timeout, r.At, r.Expires, r.DeliveredAfter = string(in.Key), string(in.Timeout), string(in.At), string(in.Expires), string(in.DeliveredAfter)
	r.Dedupe = string(in.Dedupe)
	for outcome, pause := range in.Retry {
		if r.Retry == nil {
			r.Retry = map[string]string{}
		}
		r.Retry[outcome] = string(pause)
	}
	return r, oneLine("script", r.Script, "to", r.To, "from", r.From, "trunk", r.Trunk)
}

// noZero refuses a 0 where it would silently be the default.
func noZero(body []byte, names ...string) error {
	var given map[string]json.RawMessage
	if json.Unmarshal(body, &given) != nil {
		return nil // whoever reads it says so
	}
	for _, name := range names {
		text := strings.Trim(string(given[name]), `"`)
		if d, err := parseSpan(text); text != "" && err == nil && d == 0 {
			return fault.New(fault.Invalid, "%s: %s is less than 1", name, text).WithHint("leave it out for the default")
		}
	}
	return nil
}

// orderFields are the fields of an order, for hints.
const orderFields = "script, to, key, from, trunk, hide, data, timeout, at, attempts, retry, expires, delivered_after, callback, window, zone, priority, dedupe"
