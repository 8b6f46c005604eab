// Package schedule is opening hours: weekdays with ranges of wall-clock time,
// closed dates, extra hours and a zone; is it open at an instant, and when
// does that change next. Everything is pure: no clock is read.
//
// Open is what the weekdays say, less the closed dates (whole days of the
// zone), plus the extra hours, which count on closed dates too. A range may
// span midnight ("22:00-06:00"); its tail belongs to the day on which it
// began, but a closed date cuts it at midnight.
//
// Over a change of the clocks a range begins at the first instant at which
// the wall clock shows its start or has jumped past it, and ends likewise.
//
// # Limits
//
// MaxEntries of each kind, MaxRanges a day; Next looks Horizon ahead.
//
// # Errors
//
// Parse fails with an *Error that names the field and quotes the text.
package schedule

import (
	"slices"
	"time"
)

// Limits of one schedule.
const (
	MaxEntries = 1000                 // texts in closed and in extra
	MaxRanges  = 16                   // ranges of one weekday or extra date
	Horizon    = 400 * 24 * time.Hour // how far Next looks
)

// Schedule is parsed opening hours, immutable. A nil one is always open.
type Schedule struct {
	zone   *time.Location
	week   [7][]span // by time.Weekday
	closed []dates   // sorted by first
	extra  map[date][]span
}

// span is minutes of wall clock after midnight; an end beyond 1440 is on the
// next day.
type span struct{ start, end int }

// date is a civil date as days since 1970-01-01.
type date int

// dates is a range of dates, both ends included.
type dates struct{ first, last date }

// interval is a span of one day as instants, end excluded.
type interval struct{ start, end time.Time }

// Zone is the zone of the hours.
func (s *Schedule) Zone() *time.Location {
	if s == nil {
		return time.UTC
	}
	return s.zone
}

// IsOpen reports whether it is open at the instant.
func (s *Schedule) IsOpen(at time.Time) bool {
	if s == nil {
		return true
	}
	today := dateOf(at.In(s.zone))
	for day := today - 1; day <= today; day++ {
		for _, v := range s.intervals(day) {
			if !at.Before(v.start) && at.Before(v.end) {
				return true
			}
		}
	}
	return false
}

// Next returns the first instant after at when it opens (opens true) or
// closes; ok is false when nothing changes within Horizon.
func (s *Schedule) Next(at time.Time) (change time.Time, opens, ok bool) {
	if s == nil {
		return time.Time{}, false, false
	}
	open, edge := s.IsOpen(at), at
	first := dateOf(at.In(s.zone)) - 1
	last := first + date(Horizon/(24*time.Hour))
	for day := first; day <= last; day++ {
		for _, v := range s.intervals(day) {
			switch {
			case !v.end.After(edge):
				continue
			case !open && v.start.After(edge):
				return v.start.In(s.zone), true, true
			case open && v.start.After(edge):
				return edge.In(s.zone), false, true
			}
			edge = v.end // open at edge: the hours go on until here at least
		}
	}
	if open && edge.Before(midnight(last, s.zone)) && edge.After(at) {
		return edge.In(s.zone), false, true
	}
	return time.Time{}, false, false
}

// NextOpen returns the first instant after at when it opens.
func (s *Schedule) NextOpen(at time.Time) (time.Time, bool) { return s.nextEdge(at, true) }

// NextClose returns the first instant after at when it closes.
func (s *Schedule) NextClose(at time.Time) (time.Time, bool) { return s.nextEdge(at, false) }

func (s *Schedule) nextEdge(at time.Time, wantOpen bool) (time.Time, bool) {
	change, opens, ok := s.Next(at)
	if ok && opens != wantOpen {
		change, opens, ok = s.Next(change)
	}
	return change, ok && opens == wantOpen
}

// intervals are the hours that begin on day, sorted by start.
func (s *Schedule) intervals(day date) []interval {
	var out []interval
	if !s.isClosed(day) {
		for _, r := range s.week[day.weekday()] {
			v := interval{wall(day, r.start, s.zone), wall(day, r.end, s.zone)}
			if r.end > minutesOfDay && s.isClosed(day+1) {
				v.end = midnight(day+1, s.zone)
			}
			out = append(out, v)
		}
	}
	for _, r := range s.extra[day] {
		out = append(out, interval{wall(day, r.start, s.zone), wall(day, r.end, s.zone)})
	}
	slices.SortFunc(out, func(a, b interval) int { return a.start.Compare(b.start) })
	return out
}

func (s *Schedule) isClosed(day date) bool {
	for _, c := range s.closed {
		if c.first <= day && day <= c.last {
			return true
		}
	}
	return false
}
