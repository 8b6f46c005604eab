package cron

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestNext(t *testing.T) {
	cases := []struct {
		line, zone, after string
		want              []string
	}{
		{"0 9 * * 1-5", "Europe/Moscow", "2026-11-20T09:00:00+03:00", []string{"2026-11-23T09:00:00+03:00", "2026-11-24T09:00:00+03:00"}},
		{"0 9 * * mon-fri", "Europe/Moscow", "2026-11-20T08:59:59+03:00", []string{"2026-11-20T09:00:00+03:00"}},
		{"*/20 8-9 * * *", "Asia/Almaty", "2026-11-20T08:30:00+05:00", []string{"2026-11-20T08:40:00+05:00", "2026-11-20T09:00:00+05:00",
			"2026-11-20T09:20:00+05:00", "2026-11-20T09:40:00+05:00", "2026-11-21T08:00:00+05:00"}},
		{"5,10/25 0 * * *", "UTC", "2026-11-20T00:00:00Z", []string{"2026-11-20T00:05:00Z", "2026-11-20T00:10:00Z", "2026-11-20T00:35:00Z"}},
		{"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", []string{"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"}},
		{"0 0 29 feb *", "UTC", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		{"0 0 13 * 5", "UTC", "2026-11-01T00:00:00Z", []string{"2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"}},
		{"0 0 */2 * 1", "UTC", "2026-11-01T00:00:00Z", []string{"2026-11-09T00:00:00Z", "2026-11-23T00:00:00Z"}},
		{"0 12 * * 7", "UTC", "2026-11-20T00:00:00Z", []string{"2026-11-22T12:00:00Z"}},
		{"@hourly", "UTC", "2026-11-20T00:00:00Z", []string{"2026-11-20T01:00:00Z"}},
		// Berlin puts its clocks forward at 2:00 on 29 March 2026: 2:30 is the jump, 3:30 is itself.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T03:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"0,30 2 * * *", "Europe/Berlin", "2026-03-28T03:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:45:00+01:00", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"}},
		// And back at 3:00 on 25 October: 2:30 comes twice, but is meant once.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"30 */1 * * *", "Europe/Berlin", "2026-10-25T01:45:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
		// Midnight does not exist in Beirut on 29 March 2026.
		{"0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00+02:00", []string{"2026-03-29T01:00:00+03:00", "2026-03-30T00:00:00+03:00"}},
	}
	for _, c := range cases {
		l, err := Parse(c.line)
		if err != nil {
			t.Fatal(c.line, err)
		}
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			next, ok := l.Next(at, zone(t, c.zone))
			if got := next.Format(time.RFC3339); !ok || got != want {
				t.Fatalf("%s in %s after %s: %s, want %s", c.line, c.zone, at.Format(time.RFC3339), got, want)
			}
			at = next
		}
	}
}

func TestNever(t *testing.T) {
	l, err := Parse("0 0 31 2 *")
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := l.Next(time.Unix(0, 0), time.UTC); ok {
		t.Fatal(at)
	}
}

func TestParseErrors(t *testing.T) {
	for _, bad := range []string{"", "0 9 * *", "0 9 * * 1-5 2026", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8",
		"5-1 * * * *", "*/0 * * * *", "*/x * * * *", "a * * * *", "1,,2 * * * *", "-1 * * * *", "+1 * * * *", "@never", "1- * * * *", "* * * * mon-sun"} {
		if _, err := Parse(bad); fault.CodeOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	long := make([]byte, MaxLine+1)
	if _, err := Parse(string(long)); fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// TestYear checks that every line is due in order and never twice over a year
// with both changes of the clock.
func TestYear(t *testing.T) {
	loc := zone(t, "Europe/Berlin")
	for _, text := range []string{"0 9 * * *", "30 2 * * *", "0 0 * * *", "15 */6 * * *"} {
		l, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		at, n := time.Date(2026, 1, 1, 0, 0, 0, 0, loc).Add(-time.Second), 0
		for end := at.AddDate(1, 0, 0); ; n++ {
			next, ok := l.Next(at, loc)
			if !ok || !next.After(at) {
				t.Fatalf("%s: %s after %s", text, next, at)
			}
			if at = next; at.After(end) {
				break
			}
		}
		if want := map[bool]int{true: 4 * 365, false: 365}[l.everyHour]; n != want {
			t.Errorf("%s: %d times, want %d", text, n, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0 9 * * 1-5", "*/5,7 1-2/3 * jan sun", "@daily"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			return
		}
		now := time.Unix(1_800_000_000, 0)
		if at, ok := l.Next(now, time.UTC); ok && !at.After(now) {
			t.Fatalf("%q: %s is not after %s", text, at, now)
		}
	})
}
