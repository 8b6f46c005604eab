package schedule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const layout = "2006-01-02 15:04"

func parse(t testing.TB, s Spec) *Schedule {
	t.Helper()
	got, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// office is the example of the contract.
func office(t testing.TB) *Schedule {
	return parse(t, Spec{
		Open:   []Days{{"mon-fri", []string{"09:00-18:00"}}, {"sat", []string{"10:00-16:00"}}},
		Closed: []string{"2026-12-31..2027-01-08"}, Extra: []string{"2026-11-08 10:00-14:00", "2027-01-05 12:00-13:00"}, Zone: "Europe/Moscow",
	})
}

func at(t testing.TB, s *Schedule, text string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation(layout, text, s.Zone())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestIsOpenAndNext(t *testing.T) {
	s := office(t)
	for _, c := range []struct {
		at   string
		open bool
		next string
	}{
		{"2026-11-02 08:59", false, "2026-11-02 09:00"}, // a Monday
		{"2026-11-02 09:00", true, "2026-11-02 18:00"},
		{"2026-11-02 17:59", true, "2026-11-02 18:00"},
		{"2026-11-02 18:00", false, "2026-11-03 09:00"},
		{"2026-11-06 18:30", false, "2026-11-07 10:00"},
		{"2026-11-07 16:00", false, "2026-11-08 10:00"}, // the extra Sunday
		{"2026-11-08 10:30", true, "2026-11-08 14:00"},
		{"2026-11-08 14:00", false, "2026-11-09 09:00"},
		{"2026-12-30 18:00", false, "2027-01-05 12:00"}, // extra hours count on a closed date
		{"2026-12-31 12:00", false, "2027-01-05 12:00"},
		{"2027-01-05 13:00", false, "2027-01-09 10:00"},
	} {
		moment := at(t, s, c.at)
		if got := s.IsOpen(moment); got != c.open {
			t.Errorf("%s: open %v, want %v", c.at, got, c.open)
		}
		change, opens, ok := s.Next(moment)
		if got := change.Format(layout); !ok || got != c.next || opens == c.open {
			t.Errorf("%s: next %s (opens %v, %v), want %s", c.at, got, opens, ok, c.next)
		}
	}
	if got, ok := s.NextOpen(at(t, s, "2026-11-02 10:00")); !ok || got.Format(layout) != "2026-11-03 09:00" {
		t.Errorf("NextOpen while open: %v %v", got, ok)
	}
	if got, ok := s.NextClose(at(t, s, "2026-11-02 20:00")); !ok || got.Format(layout) != "2026-11-03 18:00" {
		t.Errorf("NextClose while closed: %v %v", got, ok)
	}
}

func TestAcrossMidnight(t *testing.T) {
	s := parse(t, Spec{Open: []Days{{"fri", []string{"22:00-06:00"}}, {"mon", []string{"08:00-12:00, 13:00-24:00"}}, {"tue", []string{"00:00-02:00"}}}, Closed: []string{"2026-11-14"}, Zone: "Europe/Moscow"})
	for text, want := range map[string]bool{
		"2026-11-06 21:59": false, "2026-11-06 22:00": true, "2026-11-07 05:59": true, "2026-11-07 06:00": false,
		"2026-11-13 23:59": true, "2026-11-14 00:00": false, "2026-11-14 03:00": false, // the closed date cuts the night
		"2026-11-09 12:30": false, "2026-11-09 23:59": true, "2026-11-10 00:00": true, "2026-11-10 02:00": false,
	} {
		if got := s.IsOpen(at(t, s, text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if got, ok := s.NextClose(at(t, s, "2026-11-09 14:00")); !ok || got.Format(layout) != "2026-11-10 02:00" {
		t.Errorf("hours that touch at midnight are one: %v %v", got, ok)
	}
}

func TestAlwaysAndNever(t *testing.T) {
	always := parse(t, Spec{Open: []Days{{"daily", []string{"00:00-24:00"}}}, Zone: "UTC"})
	never := parse(t, Spec{Zone: "UTC"})
	var none *Schedule
	moment := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if !always.IsOpen(moment) || never.IsOpen(moment) || !none.IsOpen(moment) {
		t.Error("always, never or nil is wrong")
	}
	for name, s := range map[string]*Schedule{"always": always, "never": never, "nil": none} {
		if change, _, ok := s.Next(moment); ok {
			t.Errorf("%s changes at %v", name, change)
		}
	}
}

// Berlin skips 02:00 to 03:00 on 2026-03-29 and has it twice on 2026-10-25.
func TestClockChanges(t *testing.T) {
	s := parse(t, Spec{Open: []Days{{"sun", []string{"02:30-04:00"}}, {"sat", []string{"22:00-02:15"}}}, Zone: "Europe/Berlin"})
	utc := func(text string) time.Time {
		v, err := time.ParseInLocation(layout, text, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		from, opens, closes string // UTC
	}{
		{"2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 02:00"}, // 02:30 is jumped over: it opens at the jump, still inside Saturday's night
		{"2026-10-25 00:20", "2026-10-25 00:30", "2026-10-25 03:00"}, // the first 02:30
		{"2026-06-07 00:20", "2026-06-07 00:30", "2026-06-07 02:00"},
	} {
		from := utc(c.from)
		closes, ok := s.NextClose(from)
		if !ok || closes.UTC().Format(layout) != c.closes {
			t.Errorf("from %s: closes %v, want %s", c.from, closes.UTC(), c.closes)
		}
		if !s.IsOpen(utc(c.opens)) {
			t.Errorf("at %s it is closed", c.opens)
		}
	}
	if got, _ := s.NextOpen(utc("2026-10-25 00:20")); got.UTC().Format(layout) != "2026-10-25 00:30" {
		t.Errorf("opens %v", got.UTC())
	}
	if s.IsOpen(utc("2026-10-25 00:20")) {
		t.Error("between the night and the morning it is open")
	}
}

// TestNextAgreesWithIsOpen walks a year of minutes around every change.
func TestNextAgreesWithIsOpen(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "Asia/Beirut", "America/Asuncion", "Australia/Lord_Howe"} {
		s := parse(t, Spec{Open: []Days{{"mon-fri", []string{"09:00-13:00", "14:00-18:00"}}, {"sat", []string{"23:00-03:00"}}, {"sun", []string{"03:00-05:00"}}}, Closed: []string{"2026-05-01"}, Zone: zone})
		moment := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 1000 {
			change, opens, ok := s.Next(moment)
			if !ok || !change.After(moment) || s.IsOpen(change) != opens || s.IsOpen(change.Add(-time.Second)) == opens {
				t.Fatalf("%s: after %v comes %v (opens %v, %v)", zone, moment, change, opens, ok)
			}
			moment = change
		}
	}
}

func TestParseRefuses(t *testing.T) {
	long := make([]string, MaxEntries+1)
	for i := range long {
		long[i] = "2026-01-01"
	}
	for want, s := range map[string]Spec{
		`schedule: zone: "Mars/Base" is no time zone such as Europe/Moscow`:                                           {Zone: "Mars/Base"},
		`schedule: open.mon-fry: "mon-fry" is no weekdays such as mon, mon-fri or daily`:                              {Open: []Days{{"mon-fry", []string{"09:00-18:00"}}}},
		`schedule: open.mon: "9-18" is no hours such as "09:00-18:00"`:                                                {Open: []Days{{"mon", []string{"9-18"}}}},
		`schedule: open.mon: "09:00-25:00" is no hours such as "09:00-18:00"`:                                         {Open: []Days{{"mon", []string{"09:00-25:00"}}}},
		`schedule: open.mon: "09:00-09:00" is no hours such as "09:00-18:00"`:                                         {Open: []Days{{"mon", []string{"09:00-09:00"}}}},
		`schedule: open.mon: "09:00-18:00, 17:00-19:00" has ranges that overlap`:                                      {Open: []Days{{"mon", []string{"09:00-18:00", "17:00-19:00"}}}},
		`schedule: open.mon: "" has no hours; "09:00-18:00" is wanted`:                                                {Open: []Days{{"mon", nil}}},
		`schedule: open.fri: "fri" holds friday a second time`:                                                        {Open: []Days{{"mon-fri", []string{"09:00-18:00"}}, {"fri", []string{"10:00-11:00"}}}},
		`schedule: closed[1]: "31 декабря" is no date such as 2026-12-31, nor a range such as 2026-12-31..2027-01-08`: {Closed: []string{"2026-01-01", "31 декабря"}},
		`schedule: closed[0]: "2026-12-31..2026-12-01" ends before it begins`:                                         {Closed: []string{"2026-12-31..2026-12-01"}},
		`schedule: closed: "1001" entries are too many`:                                                               {Closed: long},
		`schedule: extra[0]: "завтра" is no date with hours such as "2026-11-07 10:00-14:00"`:                         {Extra: []string{"завтра"}},
		`schedule: extra[0]: "" is no hours such as "09:00-18:00"`:                                                    {Extra: []string{"2026-11-07"}},
		`schedule: open.mon: "` + strings.Repeat("00:00-00:01,", MaxRanges) + `00:00-00:01" has too many ranges`:      {Open: []Days{{"mon", []string{strings.Repeat("00:00-00:01,", MaxRanges) + "00:00-00:01"}}}},
	} {
		if s.Zone == "" {
			s.Zone = "UTC"
		}
		_, err := Parse(s)
		var e *Error
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if got := parse(t, Spec{Open: []Days{{"Fri-mon", []string{"9:00-10:00"}}}, Closed: []string{"01.05.2026..02.05.2026"}, Zone: "UTC"}); !got.IsOpen(time.Date(2026, 5, 3, 9, 30, 0, 0, time.UTC)) {
		t.Error("weekdays that wrap the week, or German dates, were not read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("mon-fri", "09:00-18:00", "2026-12-31..2027-01-08", "2026-11-07 10:00-14:00")
	f.Add("daily", "22:00-06:00,07:00-24:00", "01.05.2026", "")
	f.Add("sun,tue", "0:00-24:00", "", "29.02.2028 00:00-00:01")
	f.Fuzz(func(t *testing.T, days, hours, closed, extra string) {
		spec := Spec{Open: []Days{{days, []string{hours}}}, Zone: "Europe/Berlin"}
		if closed != "" {
			spec.Closed = []string{closed}
		}
		if extra != "" {
			spec.Extra = []string{extra}
		}
		s, err := Parse(spec)
		if err != nil {
			return
		}
		moment := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
		for range 5 {
			change, opens, ok := s.Next(moment)
			if !ok {
				return
			}
			if !change.After(moment) || s.IsOpen(change) != opens || s.IsOpen(change.Add(-time.Nanosecond)) == opens {
				t.Fatal(fmt.Sprint(spec, moment, change, opens))
			}
			moment = change
		}
	})
}

func BenchmarkIsOpen(b *testing.B) {
	s := office(b)
	moment := at(b, s, "2026-11-02 12:00")
	for b.Loop() {
		s.IsOpen(moment)
	}
}
