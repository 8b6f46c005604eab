package engine

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// vmLimits are config.limits of a script: the project's limits.script_… under
// shorter names. A script can only ask for less than the project gives.
type vmLimits struct {
	CPU      span  `json:"cpu"`
	Heap     size  `json:"heap"`
	Stack    count `json:"stack"`
	Timers   count `json:"timers"`
	Requests count `json:"requests"`
	Log      size  `json:"log"`
	Grace    span  `json:"grace"`
}

func parseVMLimits(raw json.RawMessage) (message.Limits, error) {
	var l vmLimits
	if len(raw) == 0 {
		return message.Limits{}, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return message.Limits{}, fault.New(fault.Invalid, "%s", strings.TrimPrefix(err.Error(), "json: ")).
			WithHint(`limits has cpu ("100ms"), heap ("32MB"), stack, timers, requests, log ("16KB"), grace ("2s")`)
	}
	return message.Limits{
		SliceCPU: time.Duration(l.CPU), Heap: int64(l.Heap), Stack: int(l.Stack), Timers: int(l.Timers), Requests: int(l.Requests),
		LogBytes: int(l.Log), Grace: time.Duration(l.Grace),
	}, nil
}

type span time.Duration

func (s *span) UnmarshalJSON(b []byte) error {
	text, err := strconv.Unquote(string(b))
	if err != nil {
		return fault.New(fault.Invalid, "%s is no duration", b)
	}
	d, err := parseSpan(text)
	if err == nil && d <= 0 {
		err = fault.New(fault.Invalid, "%s is not more than nothing", text)
	}
	*s = span(d)
	return err
}

type size int64

func (s *size) UnmarshalJSON(b []byte) error {
	text := string(b)
	if plain, err := strconv.Unquote(text); err == nil {
		text = plain
	}
	n, err := config.ParseBytes(text)
	if err != nil {
		return fault.New(fault.Invalid, "%s is no size", text)
	}
	if n <= 0 {
		return fault.New(fault.Invalid, "%s is not more than nothing", text)
	}
	*s = size(n)
	return nil
}

type count int

func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n <= 0 {
		return fault.New(fault.Invalid, "%s is no whole number above 0", b)
	}
	*c = count(n)
	return nil
}

// stricter is a with what b asks for, where that is less.
func stricter(a, b message.Limits) message.Limits {
	lower(&a.SliceCPU, b.SliceCPU)
	lower(&a.Heap, b.Heap)
	lower(&a.Stack, b.Stack)
	lower(&a.Timers, b.Timers)
	lower(&a.Requests, b.Requests)
	lower(&a.LogBytes, b.LogBytes)
	lower(&a.Grace, b.Grace)
	return a
}

func lower[T int | int64 | time.Duration](v *T, to T) {
	if to > 0 && (*v <= 0 || to < *v) {
		*v = to
	}
}
