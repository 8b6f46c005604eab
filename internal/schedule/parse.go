package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec is a schedule as written.
type Spec struct {
	Open   []Days   // hours by weekdays
	Closed []string // "2026-12-31", "2026-12-31..2027-01-08", also 31.12.2026
	Extra  []string // "2026-11-07 10:00-14:00"
	Zone   string   // IANA name
}

// Days is the hours of some weekdays.
type Days struct {
	Days  string   // "mon", "mon-fri", "fri-mon", "mon,wed", "daily"
	Hours []string // "09:00-18:00", "22:00-06:00", "00:00-24:00"; commas join several
}

// Error says which text of a Spec is wrong.
type Error struct {
	Field  string // open.mon-fri, closed[1], extra[0], zone
	Text   string
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("schedule: %s: %q %s", e.Field, e.Text, e.Reason)
}

// Parse reads a schedule.
func Parse(spec Spec) (*Schedule, error) {
	zone, err := time.LoadLocation(spec.Zone)
	if err != nil || spec.Zone == "Local" {
		return nil, &Error{"zone", spec.Zone, "is no time zone such as Europe/Moscow"}
	}
	s := &Schedule{zone: zone, extra: map[date][]span{}}
	if err := s.parseWeek(spec.Open); err != nil {
		return nil, err
	}
	if err := s.parseClosed(spec.Closed); err != nil {
		return nil, err
	}
	return s, s.parseExtra(spec.Extra)
}

func (s *Schedule) parseWeek(open []Days) error {
	var taken [7]bool
	for _, entry := range open {
		field := "open." + entry.Days
		days, ok := weekdays(entry.Days)
		if !ok {
			return &Error{field, entry.Days, "is no weekdays such as mon, mon-fri or daily"}
		}
		spans, err := parseHours(field, entry.Hours)
		if err != nil {
			return err
		}
		for _, d := range days {
			if taken[d] {
				return &Error{field, entry.Days, "holds " + strings.ToLower(d.String()) + " a second time"}
			}
			taken[d], s.week[d] = true, spans
		}
	}
	return nil
}

func (s *Schedule) parseClosed(texts []string) error {
	if len(texts) > MaxEntries {
		return &Error{"closed", strconv.Itoa(len(texts)), "entries are too many"}
	}
	for i, text := range texts {
		field := fmt.Sprintf("closed[%d]", i)
		from, to, isRange := strings.Cut(text, "..")
		first, ok1 := parseDate(from)
		last, ok2 := first, true
		if isRange {
			last, ok2 = parseDate(to)
		}
		if !ok1 || !ok2 {
			return &Error{field, text, "is no date such as 2026-12-31, nor a range such as 2026-12-31..2027-01-08"}
		}
		if last < first {
			return &Error{field, text, "ends before it begins"}
		}
		s.closed = append(s.closed, dates{first, last})
	}
	return nil
}

func (s *Schedule) parseExtra(texts []string) error {
	if len(texts) > MaxEntries {
		return &Error{"extra", strconv.Itoa(len(texts)), "entries are too many"}
	}
	for i, text := range texts {
		field := fmt.Sprintf("extra[%d]", i)
		day, hours, _ := strings.Cut(strings.TrimSpace(text), " ")
		d, ok := parseDate(day)
		if !ok {
			return &Error{field, text, `is no date with hours such as "2026-11-07 10:00-14:00"`}
		}
		spans, err := parseHours(field, []string{hours})
		if err != nil {
			return err
		}
		if s.extra[d] = append(s.extra[d], spans...); len(s.extra[d]) > MaxRanges {
			return &Error{field, text, "is one range too many for its date"}
		}
	}
	return nil
}

// parseHours reads the ranges of a day, sorted by start.
func parseHours(field string, texts []string) ([]span, error) {
	var spans []span
	for _, text := range texts {
		for part := range strings.SplitSeq(text, ",") {
			from, to, ok := strings.Cut(strings.TrimSpace(part), "-")
			start, ok1 := parseMinute(from)
			end, ok2 := parseMinute(to)
			if !ok || !ok1 || !ok2 || start == minutesOfDay || start == end {
				return nil, &Error{field, part, `is no hours such as "09:00-18:00"`}
			}
			if end < start {
				end += minutesOfDay
			}
			if spans = append(spans, span{start, end}); len(spans) > MaxRanges {
				return nil, &Error{field, text, "has too many ranges"}
			}
		}
	}
	if len(spans) == 0 {
		return nil, &Error{field, "", `has no hours; "09:00-18:00" is wanted`}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	for i := 1; i < len(spans); i++ {
		if spans[i].start < spans[i-1].end {
			return nil, &Error{field, strings.Join(texts, ", "), "has ranges that overlap"}
		}
	}
	return spans, nil
}

// parseMinute reads 09:00, 9:00 or 24:00.
func parseMinute(text string) (int, bool) {
	h, m, ok := strings.Cut(strings.TrimSpace(text), ":")
	if !ok || len(h) < 1 || len(h) > 2 || len(m) != 2 {
		return 0, false
	}
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	total := int(hour)*60 + int(minute)
	return total, err1 == nil && err2 == nil && minute < 60 && total <= minutesOfDay
}

// parseDate reads 2026-12-31 or 31.12.2026.
func parseDate(text string) (date, bool) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{"2006-01-02", "02.01.2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return dateOf(t), true
		}
	}
	return 0, false
}

// weekdays reads mon, mon-fri, fri-mon, lists of these, daily.
func weekdays(text string) ([]time.Weekday, bool) {
	var out []time.Weekday
	for part := range strings.SplitSeq(strings.ToLower(text), ",") {
		part = strings.TrimSpace(part)
		if part == "daily" {
			part = "mon-sun"
		}
		from, to, isRange := strings.Cut(part, "-")
		first, ok := weekday(from)
		last := first
		if isRange && ok {
			last, ok = weekday(to)
		}
		if !ok {
			return nil, false
		}
		for d := first; ; d = (d + 1) % 7 {
			out = append(out, d)
			if d == last {
				break
			}
		}
		if len(out) > 7 {
			return nil, false
		}
	}
	return out, true
}

func weekday(text string) (time.Weekday, bool) {
	text = strings.TrimSpace(text)
	for d := time.Sunday; d <= time.Saturday; d++ {
		name := strings.ToLower(d.String())
		if text == name || text == name[:3] {
			return d, true
		}
	}
	return 0, false
}
