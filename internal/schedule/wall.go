package schedule

import "time"

// Shows reports whether the schedule is open by a wall clock of zone at the
// instant. Unlike IsOpen it takes what the clock shows at its word: an hour
// that comes twice counts twice, one that is jumped over not at all. The
// schedule's own zone does not matter.
func (s *Schedule) Shows(at time.Time, zone *time.Location) bool {
	if s == nil {
		return true
	}
	local := at.In(zone)
	today, minute := dateOf(local), local.Hour()*60+local.Minute()
	return s.covers(today, minute) || s.covers(today-1, minute+minutesOfDay)
}

// covers reports whether the hours that begin on day hold the minute, counted
// from that day's midnight.
func (s *Schedule) covers(day date, minute int) bool {
	for _, r := range s.extra[day] {
		if r.start <= minute && minute < r.end {
			return true
		}
	}
	if s.isClosed(day) || minute >= minutesOfDay && s.isClosed(day+1) {
		return false
	}
	for _, r := range s.week[day.weekday()] {
		if r.start <= minute && minute < r.end {
			return true
		}
	}
	return false
}

// Edge is an instant after at before which Shows does not change its answer
// for the zone: a start, an end, midnight, or a change of the clocks.
func (s *Schedule) Edge(at time.Time, zone *time.Location) time.Time {
	local := at.In(zone)
	minute := local.Hour()*60 + local.Minute()
	next := minutesOfDay
	if s != nil {
		today := dateOf(local)
		for _, r := range s.spansOf(today) {
			next = sooner(next, minute, r.start)
			next = sooner(next, minute, r.end)
		}
		for _, r := range s.spansOf(today - 1) {
			next = sooner(next, minute, r.end-minutesOfDay)
		}
	}
	into := time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	edge := local.Add(time.Duration(next-minute)*time.Minute - into)
	_, change := local.ZoneBounds()
	switch {
	case change.IsZero() || !change.Before(edge):
		return edge
	case change.After(local):
		return change
	}
	// On the last day of a leap year beyond the zone's table ZoneBounds answers
	// with an end that is past (Go 1.26): go on in small steps.
	if small := local.Add(smallStep); small.Before(edge) {
		return small
	}
	return edge
}

const smallStep = 15 * time.Minute

func (s *Schedule) spansOf(day date) []span {
	week, extra := s.week[day.weekday()], s.extra[day]
	return append(week[:len(week):len(week)], extra...)
}

// sooner is the earlier of next and a candidate that is after now.
func sooner(next, now, candidate int) int {
	if candidate > now && candidate < next {
		return candidate
	}
	return next
}
