package campaign

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

// DefaultRetry is the pause between attempts when no rule names the outcome.
const DefaultRetry = 15 * time.Minute

// retryDefault is the key of the rule for outcomes that have none.
const retryDefault = "default"

// never is the rule that closes a contact.
const never time.Duration = -1

// Retry is the pause before the next attempt by the outcome of the last one,
// with "default" for the others; "never" closes the contact. In JSON a pause
// is a duration or a number of milliseconds.
//
// Delivered, bad_number and unknown are not dialled again unless a rule of
// their own says so: "default" does not speak for them. A rule for unknown is
// the policy for attempts of which a crash has taken the result.
type Retry map[string]time.Duration

// ParseRetry reads rules as they come from a user.
func ParseRetry(rules map[string]string) (Retry, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	out := make(Retry, len(rules))
	for _, outcome := range slices.Sorted(maps.Keys(rules)) {
		if outcome != retryDefault && !slices.Contains(Outcomes(), Outcome(outcome)) {
			return nil, fault.New(fault.Invalid, "retry: no outcome %q", outcome).
				WithHint("outcomes are busy, no_answer, rejected, answered_short, machine, failed, trunk_failed, unknown, …, or default")
		}
		text := strings.TrimSpace(rules[outcome])
		if text == "never" {
			out[outcome] = never
			continue
		}
		d, err := duration.Parse(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "retry.%s: %q is no duration", outcome, text).WithHint(`write "5m", "1h30m", milliseconds or "never"`)
		}
		out[outcome] = d
	}
	return out, nil
}

// UnmarshalJSON reads {"busy": "5m", "no_answer": 900000}.
func (r *Retry) UnmarshalJSON(raw []byte) error {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(raw, &in); err != nil {
		return fault.New(fault.Invalid, "retry: an object of outcomes and pauses is wanted")
	}
	rules := make(map[string]string, len(in))
	for k, v := range in {
		text, err := textOrNumber(v)
		if err != nil {
			return fault.New(fault.Invalid, "retry.%s: a duration is wanted", k)
		}
		rules[k] = text
	}
	parsed, err := ParseRetry(rules)
	*r = parsed
	return err
}

// MarshalJSON writes what UnmarshalJSON reads.
func (r Retry) MarshalJSON() ([]byte, error) {
	out := make(map[string]string, len(r))
	for k, d := range r {
		if out[k] = "never"; d >= 0 {
			out[k] = duration.Format(d)
		}
	}
	return json.Marshal(out)
}

// After is the pause after an attempt of the outcome; again is false when the
// rules end the contact there.
func (r Retry) After(o Outcome) (pause time.Duration, again bool) {
	d, ok := r[string(o)]
	if !ok {
		switch o {
		case Delivered, BadNumber, Unknown, NotCalled:
			return 0, false
		}
		if d, ok = r[retryDefault]; !ok {
			d = DefaultRetry
		}
	}
	return max(d, 0), d >= 0
}

// Override is what a script asks for with call.retry: it stands in for the
// rule of the outcome, but the cap on attempts, the window and the stop-list
// hold all the same.
type Override struct {
	After time.Duration `json:"after,omitempty"`
	At    time.Time     `json:"at,omitzero"`
	Never bool          `json:"never,omitempty"`
}

// Next plans what follows an attempt that ended now: the earliest instant of
// the next one, before windows and caps of other kinds. again is false when
// none follows: the cap is used up, or a rule ends it. made counts all attempts
// so far, whatever their outcomes were.
func (r Retry) Next(o Outcome, made, attempts int, asked *Override, now time.Time) (at time.Time, again bool) {
	switch {
	case made >= attempts || asked != nil && asked.Never:
		return time.Time{}, false
	case asked != nil && !asked.At.IsZero():
		return later(asked.At, now), true
	case asked != nil:
		return now.Add(max(asked.After, 0)), true
	}
	pause, again := r.After(o)
	if !again {
		return time.Time{}, false
	}
	return now.Add(pause), true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// textOrNumber is a JSON string, or a number as written.
func textOrNumber(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var n float64
	if err := json.Unmarshal(raw, &n); err != nil {
		return "", err
	}
	return strconv.FormatFloat(n, 'f', -1, 64), nil
}
