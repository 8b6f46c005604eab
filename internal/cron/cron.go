// Package cron reads cron lines and tells when they are due.
//
// A line has five fields: minute, hour, day of the month, month, day of the
// week, each "*", a number, a name (jan, mon), a range, a list, or any of
// them with a step: "0 9 * * 1-5", "*/15 8-20 * * mon,wed". Sunday is 0 or 7.
// When both day fields are restricted, a day that fits either is taken. The
// words @hourly, @daily, @weekly, @monthly and @yearly stand for lines.
//
// Where clocks are changed, a line whose hour is restricted is due once a day
// for each of its times: at the first of two equal times, and at the moment of
// the jump for a time that does not exist. A line whose hour begins with "*"
// follows the hours that pass: both equal ones, and none that does not exist.
//
// # Limits
//
//	line   MaxLine  200 bytes
//	search MaxYears 9: a line that is not due for so long never is (29 February)
//
// # Errors
//
// Parse answers INVALID and names the field.
package cron

import (
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// MaxLine is the longest line in bytes.
	MaxLine = 200
	// MaxYears is how far ahead Next looks.
	MaxYears = 9
)

// Line is a cron line.
type Line struct {
	minutes, hours, days, months, weekdays uint64 // bit n: n is in the field
	everyHour                              bool   // the hour field begins with *
	anyDay, anyWeekday                     bool
}

// words are lines with names.
var words = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// field is one of the five.
type field struct {
	name     string
	from, to int
	names    []string // of from, from+1, …
}

var fields = [5]field{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// Parse reads a line.
func Parse(text string) (l Line, err error) {
	if len(text) > MaxLine {
		return l, fault.New(fault.Invalid, "a schedule has at most %d characters", MaxLine)
	}
	line := strings.ToLower(strings.TrimSpace(text))
	if full, ok := words[line]; ok {
		line = full
	}
	parts := strings.Fields(line)
	if len(parts) != len(fields) {
		return l, fault.New(fault.Invalid, "%q has %d fields, a schedule has 5", text, len(parts)).
			WithHint(`write minute, hour, day, month, weekday: "0 9 * * 1-5" is 9:00 from Monday to Friday`)
	}
	for i, into := range []*uint64{&l.minutes, &l.hours, &l.days, &l.months, &l.weekdays} {
		if *into, err = fields[i].parse(parts[i]); err != nil {
			return Line{}, err
		}
	}
	if l.weekdays&(1<<7) != 0 {
		l.weekdays |= 1
	}
	l.everyHour, l.anyDay, l.anyWeekday = parts[1][0] == '*', parts[2][0] == '*', parts[4][0] == '*'
	return l, nil
}

func (f field) parse(text string) (set uint64, err error) {
	for one := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(one, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > f.to {
				return 0, f.wrong(one)
			}
		}
		from, to, ok := f.span(span, stepped)
		if !ok {
			return 0, f.wrong(one)
		}
		for n := from; n <= to; n += step {
			set |= 1 << n
		}
	}
	return set, nil
}

// span is "*", a value, or a range; a value with a step goes up to the end.
func (f field) span(text string, stepped bool) (from, to int, ok bool) {
	if text == "*" {
		return f.from, f.to, true
	}
	low, high, ranged := strings.Cut(text, "-")
	from, ok = f.value(low)
	switch {
	case !ok:
		return 0, 0, false
	case ranged:
		to, ok = f.value(high)
		return from, to, ok && from <= to
	case stepped:
		return from, f.to, true
	}
	return from, from, true
}

func (f field) value(text string) (int, bool) {
	for i, name := range f.names {
		if name == text {
			return f.from + i, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.from && n <= f.to && text[0] != '+'
}

func (f field) wrong(text string) error {
	e := fault.New(fault.Invalid, "%q is no %s", text, f.name)
	if f.names != nil {
		return e.WithHint("write %d to %d, or %s", f.from, f.to, strings.Join(f.names, ", "))
	}
	return e.WithHint("write %d to %d, a range 1-5, a list 1,3,5, or a step */10", f.from, f.to)
}

// fits reports whether the line is due at some time of the day.
func (l Line) fits(day time.Time) bool {
	if l.months&(1<<day.Month()) == 0 {
		return false
	}
	dayFits, weekdayFits := l.days&(1<<day.Day()) != 0, l.weekdays&(1<<day.Weekday()) != 0
	if l.anyDay || l.anyWeekday {
		return dayFits && weekdayFits
	}
	return dayFits || weekdayFits
}

// Next is the first instant after a time at which the line is due; ok is false
// when there is none within MaxYears.
func (l Line) Next(after time.Time, zone *time.Location) (at time.Time, ok bool) {
	y, m, d := after.In(zone).Date()
	// One day before: a jump across midnight may have moved a time of it.
	for i := -1; i < MaxYears*366; i++ {
		day := time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC)
		if !l.fits(day) {
			continue
		}
		if at, ok := l.within(day, after, zone); ok {
			return at.In(zone), true
		}
	}
	return time.Time{}, false
}

// within is the first instant of one day.
func (l Line) within(day, after time.Time, zone *time.Location) (first time.Time, ok bool) {
	for hour := range 24 {
		if l.hours&(1<<hour) == 0 {
			continue
		}
		for minute := range 60 {
			if l.minutes&(1<<minute) == 0 {
				continue
			}
			for _, at := range l.instants(day.Add(time.Duration(hour*60+minute)*time.Minute), zone) {
				if at.After(after) && (!ok || at.Before(first)) {
					first, ok = at, true
				}
			}
		}
	}
	return first, ok
}

// instants are the moments at which the zone's clock shows a time (given in
// UTC) and the line is due; see the package comment for changed clocks.
func (l Line) instants(shown time.Time, zone *time.Location) []time.Time {
	before, after := offset(shown.Add(-24*time.Hour), zone), offset(shown.Add(24*time.Hour), zone)
	early, late := shown.Add(-max(before, after)), shown.Add(-min(before, after))
	if early.Equal(late) {
		return []time.Time{early}
	}
	isEarly, isLate := shows(early, shown, zone), shows(late, shown, zone)
	switch {
	case isEarly && isLate && l.everyHour:
		return []time.Time{early, late}
	case isEarly:
		return []time.Time{early}
	case isLate:
		return []time.Time{late}
	case l.everyHour:
		return nil
	}
	jump, _ := late.In(zone).ZoneBounds()
	return []time.Time{jump}
}

// offset is the zone's distance from UTC at about t.
func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

func shows(t, shown time.Time, zone *time.Location) bool {
	return t.Add(offset(t, zone)).Equal(shown)
}
