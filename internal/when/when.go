// Package when reads moments as people write them: "18:30", "tomorrow 10:00",
// "monday 9:00", "2026-03-01 10:00", or RFC 3339. It reads no clock.
package when

import (
	"strings"
	"time"
)

// Hint says what can be written.
const Hint = `write "18:30", "tomorrow 10:00", "monday 9:00", "2026-03-01 10:00" or an ISO time`

// maxText is how long a moment may be written.
const maxText = 100

// layouts are the ways to write a date in a zone.
var layouts = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"}

// weekdays by their English names and abbreviations.
var weekdays = map[string]time.Weekday{
	"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6,
	"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6,
}

// Parse reads a moment in a zone, seen from now: "18:30" is the next time it is
// that late, "monday 9:00" the next Monday but never today. It may be past; ok
// is false for what is no moment.
func Parse(text string, now time.Time, zone *time.Location) (at time.Time, ok bool) {
	if len(text) > maxText {
		return at, false
	}
	words := strings.ToLower(strings.Join(strings.Fields(text), " "))
	now = now.In(zone)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, true
	}
	for _, l := range layouts {
		if at, err := time.ParseInLocation(l, strings.TrimSpace(text), zone); err == nil {
			return at, true
		}
	}
	day, rest, two := strings.Cut(words, " ")
	if !two {
		at, ok := onDay(now, 0, words)
		if ok && at.Before(now) {
			at, ok = onDay(now, 1, words)
		}
		return at, ok
	}
	switch day {
	case "today":
		return onDay(now, 0, rest)
	case "tomorrow":
		return onDay(now, 1, rest)
	}
	want, ok := weekdays[day]
	if !ok {
		return now, false
	}
	ahead := (int(want) - int(now.Weekday()) + 7) % 7
	if ahead == 0 {
		ahead = 7
	}
	return onDay(now, ahead, rest)
}

// onDay is a time of day so many days from now.
func onDay(now time.Time, days int, clock string) (time.Time, bool) {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		if t, err = time.Parse("15:04:05", clock); err != nil {
			return now, false
		}
	}
	return time.Date(now.Year(), now.Month(), now.Day()+days, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), true
}
