package connector

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// Module is what scripts ask of a connector C, by name; Prefix stands before
// each name on the wire ("bitrix24.").
type Module[C any] struct {
	Prefix   string
	Handlers map[string]func(c C, ctx context.Context, args json.RawMessage) (any, error)
}

// Methods are the names on the wire.
func (m Module[C]) Methods() []string {
	var out []string
	for name := range m.Handlers {
		out = append(out, m.Prefix+name)
	}
	return out
}

// Serve answers a request; a method that there is not is NOT_FOUND. Its caller
// counts as busy.
func (m Module[C]) Serve(ctx context.Context, c C, method string, args json.RawMessage) (any, error) {
	h, ok := m.Handlers[strings.TrimPrefix(method, m.Prefix)]
	if !ok {
		return nil, fault.New(fault.NotFound, "no service %s", method)
	}
	return h(c, ctx, args)
}

// Read decodes the arguments of a request to the named connector.
func Read[T any](name string, args json.RawMessage) (o T, err error) {
	if err := json.Unmarshal(args, &o); err != nil {
		return o, fault.New(fault.Invalid, "%s: %w", name, err)
	}
	return o, nil
}

// Text is text that another system may write as a number, null or false.
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case string(b) == "null" || string(b) == "false":
		*t = ""
	case json.Unmarshal(b, &s) == nil:
		*t = Text(s)
	default:
		*t = Text(b)
	}
	return nil
}

// Times of looking a caller up.
const (
	callerTimeout = 2 * time.Second     // how long a call waits when nothing is said
	callerKept    = 30 * 24 * time.Hour // how long the last answer stands in for an absent system
)

// LookingUp is Within for the look-up of a caller: a call must go on, so that
// the time has a default.
func LookingUp(ctx context.Context, clk clock.Clock, ms int64) (context.Context, func()) {
	limit := callerTimeout
	if ms > 0 {
		limit = time.Duration(ms) * time.Millisecond
	}
	return Within(ctx, clk, limit)
}

// Remember keeps who a number belongs to. A look-up is worth something without
// it: what cannot be kept is not.
func Remember(kv KV, key string, who any) {
	if raw, err := json.Marshal(who); err == nil {
		_ = kv.Set(key, raw, callerKept)
	}
}

// Recall is what Remember has kept, T's zero value if there is nothing.
func Recall[T any](kv KV, key string) (who T) {
	if raw, ok, err := kv.Get(key); err == nil && ok {
		_ = json.Unmarshal(raw, &who)
	}
	return who
}
