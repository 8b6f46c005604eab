// Package duration reads and writes the durations of the public surface:
// "5s", "1m30s", "80ms", "90d", "1y", or a plain number of milliseconds. They
// are the same in YAML, HTTP and JavaScript.
//
// # Limits
//
// A duration is at most Max and never negative.
//
// # Errors
//
// Parse fails with an *Error that quotes the text.
package duration

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Lengths of the units that package time has not. A day is always 24 hours.
const (
	Day  = 24 * time.Hour
	Week = 7 * Day
	Year = 365 * Day
)

// Max is the longest duration that Parse accepts.
const Max = 100 * Year

// maxText bounds what an error quotes and what Parse reads.
const maxText = 64

// units in the order in which Format writes them.
var units = []struct {
	name string
	size time.Duration
}{{"y", Year}, {"d", Day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// Error says why a text is no duration.
type Error struct{ Text, Reason string }

func (e *Error) Error() string {
	return fmt.Sprintf("duration: %q %s", e.Text, e.Reason)
}

// Parse reads a duration: numbers with units y, w, d, h, m, s, ms, each unit
// at most once and the longest first; or a plain number of milliseconds.
func Parse(text string) (time.Duration, error) {
	rest := strings.TrimSpace(text)
	if len(rest) > maxText {
		return 0, &Error{rest[:maxText], "is too long for a duration"}
	}
	if ms, err := strconv.ParseFloat(rest, 64); err == nil && plain(rest) {
		return fromFloat(text, ms, time.Millisecond)
	}
	var total time.Duration
	last := Max + 1
	for rest != "" {
		value, unit, tail, ok := next(rest)
		if !ok || unit >= last {
			return 0, &Error{text, `is no duration such as "5s", "1m30s", "80ms" or "90d"`}
		}
		part, err := fromFloat(text, value, unit)
		if err != nil {
			return 0, err
		}
		if total += part; total > Max {
			return 0, &Error{text, "is longer than 100 years"}
		}
		last, rest = unit, tail
	}
	if last > Max {
		return 0, &Error{text, "is empty, a duration is wanted"}
	}
	return total, nil
}

// FromMillis is a duration given as a number of milliseconds.
func FromMillis(ms float64) (time.Duration, error) {
	return fromFloat(strconv.FormatFloat(ms, 'g', -1, 64), ms, time.Millisecond)
}

// plain tells decimal numbers from what else ParseFloat takes ("0x10", "inf").
func plain(s string) bool { return strings.Trim(s, "0123456789.") == "" }

func fromFloat(text string, value float64, unit time.Duration) (time.Duration, error) {
	ns := math.Round(value * float64(unit))
	switch {
	case math.IsNaN(ns) || ns < 0:
		return 0, &Error{text, "is negative, a duration is not"}
	case ns > float64(Max):
		return 0, &Error{text, "is longer than 100 years"}
	}
	return time.Duration(ns), nil
}

// next cuts one number with its unit from s.
func next(s string) (value float64, unit time.Duration, rest string, ok bool) {
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
		n++
	}
	value, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return 0, 0, "", false
	}
	end := n
	for end < len(s) && s[end] >= 'a' && s[end] <= 'z' {
		end++
	}
	unit, ok = unitOf(s[n:end])
	return value, unit, s[end:], ok
}

func unitOf(name string) (time.Duration, bool) {
	if name == "w" {
		return Week, true
	}
	for _, u := range units {
		if u.name == name {
			return u.size, true
		}
	}
	return 0, false
}

// Format writes d as Parse reads it, rounded to milliseconds: "1m30s", "90d",
// "1y", "0s". Whole days below a year stay days.
func Format(d time.Duration) string {
	d = d.Round(time.Millisecond)
	if d <= 0 {
		return "0s"
	}
	if d > Year && d%Year != 0 && d%Day == 0 {
		return strconv.FormatInt(int64(d/Day), 10) + "d"
	}
	var b strings.Builder
	for _, u := range units {
		if n := d / u.size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10))
			b.WriteString(u.name)
			d -= n * u.size
		}
	}
	return b.String()
}
