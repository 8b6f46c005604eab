package campaign

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/schedule"
)

// MaxWindowText is the longest text of a window in bytes.
const MaxWindowText = 1024

// windowHint shows how a window is written.
const windowHint = `write "09:00-21:00", "09:00-13:00,14:00-18:00" or "mon-fri 09:00-21:00; sat 10:00-16:00"`

// Hours are times of day on weekdays, read off a wall clock. The zero value
// holds no instant. In JSON they are a text, a list of texts or an object of
// weekdays.
type Hours struct {
	text string
	week *schedule.Schedule
}

// ParseHours reads "09:00-21:00", several ranges joined by commas, and groups
// with weekdays joined by semicolons: "mon-fri 09:00-21:00; sat 10:00-16:00".
// "00:00-24:00" is always; a range may span midnight. "" is the zero value.
func ParseHours(text string) (Hours, error) {
	h := Hours{text: strings.TrimSpace(text)}
	if h.text == "" {
		return Hours{}, nil
	}
	if len(h.text) > MaxWindowText {
		return Hours{}, fault.New(fault.Invalid, "window: more than %d characters", MaxWindowText)
	}
	spec := schedule.Spec{Zone: "UTC"}
	for group := range strings.SplitSeq(h.text, ";") {
		if group = strings.TrimSpace(group); group != "" {
			days, ranges := splitGroup(group)
			spec.Open = append(spec.Open, schedule.Days{Days: days, Hours: []string{ranges}})
		}
	}
	week, err := schedule.Parse(spec)
	if bad, ok := errors.AsType[*schedule.Error](err); ok {
		return Hours{}, fault.New(fault.Invalid, "window: %q %s", bad.Text, bad.Reason).WithHint(windowHint)
	}
	if err != nil || len(spec.Open) == 0 {
		return Hours{}, fault.New(fault.Invalid, "window: %q is no hours", text).WithHint(windowHint)
	}
	h.week = week
	return h, nil
}

// splitGroup parts "mon-fri 09:00-21:00" into days and ranges.
func splitGroup(group string) (days, ranges string) {
	first := strings.IndexAny(group, "0123456789")
	if first <= 0 {
		return "daily", group
	}
	return strings.TrimRight(group[:first], " ,:"), group[first:]
}

func (h Hours) String() string { return h.text }

// IsZero reports whether there are no hours.
func (h Hours) IsZero() bool { return h.week == nil }

// MarshalJSON writes the text.
func (h Hours) MarshalJSON() ([]byte, error) { return json.Marshal(h.text) }

// UnmarshalJSON reads "…", ["…", "…"] or {"mon-fri": "…", "sat": "…"}.
func (h *Hours) UnmarshalJSON(raw []byte) error {
	text, err := hoursText(raw)
	if err != nil {
		return err
	}
	*h, err = ParseHours(text)
	return err
}

func hoursText(raw []byte) (string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		// Each entry is a whole group when one names weekdays, else a range.
		sep := ","
		for _, s := range list {
			if days, _ := splitGroup(strings.TrimSpace(s)); days != "daily" {
				sep = ";"
			}
		}
		return strings.Join(list, sep), nil
	}
	var byDay map[string]any
	if json.Unmarshal(raw, &byDay) != nil {
		return "", fault.New(fault.Invalid, "window: hours are wanted").WithHint(windowHint)
	}
	var groups []string
	for _, day := range sortedKeys(byDay) {
		switch v := byDay[day].(type) {
		case string:
			groups = append(groups, day+" "+v)
		case []any:
			var ranges []string
			for _, r := range v {
				text, _ := r.(string)
				ranges = append(ranges, text)
			}
			groups = append(groups, day+" "+strings.Join(ranges, ","))
		default:
			return "", fault.New(fault.Invalid, "window: %s: hours are wanted", strconv.Quote(day)).WithHint(windowHint)
		}
	}
	return strings.Join(groups, "; "), nil
}

// Window is when people may be called, by the wall clock where they are: in
// the open hours (none given: always), not in the quiet hours, not on
// holidays. It holds no zone; the zone comes with each question. An hour that
// the clocks repeat is in the window twice, one they jump over never, so that
// what the callee's clock shows is always inside.
type Window struct {
	hours, quiet Hours
	holidays     []string
	open         *schedule.Schedule // hours less holidays; nil: always
}

// NewWindow joins hours, quiet hours and holidays ("2026-12-31",
// "2026-12-31..2027-01-08", also 31.12.2026).
func NewWindow(hours, quiet Hours, holidays []string) (Window, error) {
	w := Window{hours: hours, quiet: quiet, holidays: holidays, open: hours.week}
	if len(holidays) == 0 {
		return w, nil
	}
	spec := schedule.Spec{Zone: "UTC", Closed: holidays}
	text := hours.text
	if text == "" {
		text = "00:00-24:00"
	}
	for group := range strings.SplitSeq(text, ";") {
		if group = strings.TrimSpace(group); group != "" {
			days, ranges := splitGroup(group)
			spec.Open = append(spec.Open, schedule.Days{Days: days, Hours: []string{ranges}})
		}
	}
	open, err := schedule.Parse(spec)
	if err != nil {
		return Window{}, fault.New(fault.Invalid, "holidays: %w", err).WithHint(`write "2026-12-31" or "2026-12-31..2027-01-08"`)
	}
	w.open = open
	return w, nil
}

// ParseWindow is a window of hours alone.
func ParseWindow(text string) (Window, error) {
	h, err := ParseHours(text)
	if err != nil {
		return Window{}, err
	}
	return NewWindow(h, Hours{}, nil)
}

// String is the window as people read it.
func (w Window) String() string {
	text := w.hours.text
	if text == "" {
		text = "always"
	}
	if !w.quiet.IsZero() {
		text += ", not " + w.quiet.text
	}
	if len(w.holidays) > 0 {
		text += ", not on holidays"
	}
	return text
}

// IsOpen reports whether a person in the zone may be called at the instant.
func (w Window) IsOpen(at time.Time, zone *time.Location) bool {
	return w.open.Shows(at, zone) && (w.quiet.week == nil || !w.quiet.week.Shows(at, zone))
}

// edge is an instant after at before which IsOpen does not change.
func (w Window) edge(at time.Time, zone *time.Location) time.Time {
	e := w.open.Edge(at, zone)
	if w.quiet.week != nil {
		if q := w.quiet.week.Edge(at, zone); q.Before(e) {
			return q
		}
	}
	return e
}

// Next is the first instant not before at when a person in the zone may be
// called; ok is false when there is none within schedule.Horizon.
func (w Window) Next(at time.Time, zone *time.Location) (next time.Time, ok bool) {
	for limit := at.Add(schedule.Horizon); !at.After(limit); at = w.edge(at, zone) {
		if w.IsOpen(at, zone) {
			return at, true
		}
	}
	return time.Time{}, false
}
