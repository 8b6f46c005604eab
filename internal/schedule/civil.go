package schedule

import "time"

const minutesOfDay = 24 * 60

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func (d date) weekday() time.Weekday { return time.Weekday(((int(d)+4)%7 + 7) % 7) } // 1970-01-01 was a Thursday

func midnight(day date, zone *time.Location) time.Time { return wall(day, 0, zone) }

// wall is the first instant at which the wall clock of the zone shows the
// minute of the day, or, if the clocks jump over it, the instant of the jump.
// time.Date does not say which instant it picks in either case.
func wall(day date, minute int, zone *time.Location) time.Time {
	naive := time.Unix(int64(day)*86400+int64(minute)*60, 0).UTC()
	before, after := offset(naive.Add(-24*time.Hour), zone), offset(naive.Add(24*time.Hour), zone)
	early, late := naive.Add(-max(before, after)), naive.Add(-min(before, after))
	if shows(early, naive, zone) {
		return early
	}
	if shows(late, naive, zone) {
		return late
	}
	jump, _ := late.In(zone).ZoneBounds()
	return jump
}

// offset is the zone's distance from UTC at about t; the 24 hours' margin on
// each side makes it independent of reading t as local or as UTC.
func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

func shows(t, naive time.Time, zone *time.Location) bool {
	return t.Add(offset(t, zone)).Equal(naive)
}
