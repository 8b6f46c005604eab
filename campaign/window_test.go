package campaign

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

func zoneNamed(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func window(t testing.TB, text, quiet string, holidays ...string) Window {
	t.Helper()
	h, err := ParseHours(text)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseHours(quiet)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWindow(h, q, holidays)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWindowNext(t *testing.T) {
	for _, c := range []struct {
		name, hours, quiet, zone, at, want string
	}{
		{"inside", "09:00-21:00", "", "Europe/Moscow", "2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z"},
		{"before", "09:00-21:00", "", "Europe/Moscow", "2026-11-23T05:59:59Z", "2026-11-23T06:00:00Z"},
		{"the end is outside", "09:00-21:00", "", "Europe/Moscow", "2026-11-23T18:00:00Z", "2026-11-24T06:00:00Z"},
		{"none: always", "", "", "Europe/Moscow", "2026-11-23T23:00:00Z", "2026-11-23T23:00:00Z"},
		{"all day", "00:00-24:00", "", "Europe/Moscow", "2026-11-23T21:00:00Z", "2026-11-23T21:00:00Z"},
		{"weekend", "mon-fri 09:00-18:00", "", "Europe/Moscow", "2026-11-27T15:00:00Z", "2026-11-30T06:00:00Z"},
		{"over midnight", "22:00-06:00", "", "Europe/Moscow", "2026-11-23T02:59:00Z", "2026-11-23T02:59:00Z"},
		{"lunch", "09:00-13:00, 14:00-18:00", "", "Europe/Moscow", "2026-11-23T10:30:00Z", "2026-11-23T11:00:00Z"},
		{"quiet within", "09:00-21:00", "12:00-13:00", "Europe/Moscow", "2026-11-23T09:30:00Z", "2026-11-23T10:00:00Z"},
		{"end of a leap year", "sun 01:00-02:00", "", "Europe/Berlin", "2044-12-31T00:00:00Z", "2045-01-01T00:00:00Z"},
		{"quiet always", "09:00-10:00", "09:00-10:00", "Europe/Moscow", "2026-11-23T09:30:00Z", ""},
		// In Berlin on 2027-03-28 02:00 becomes 03:00.
		{"a gap begins later", "02:30-03:30", "", "Europe/Berlin", "2027-03-28T00:00:00Z", "2027-03-28T01:00:00Z"},
		{"a gap swallows", "02:15-02:45", "", "Europe/Berlin", "2027-03-28T00:00:00Z", "2027-03-29T00:15:00Z"},
		// On 2027-10-31 03:00 becomes 02:00: the hour from 02:00 comes twice.
		{"an overlap, first time", "02:15-02:45", "", "Europe/Berlin", "2027-10-31T00:00:00Z", "2027-10-31T00:15:00Z"},
		{"an overlap, second time", "02:15-02:45", "", "Europe/Berlin", "2027-10-31T00:45:00Z", "2027-10-31T01:15:00Z"},
		{"an end in an overlap", "00:00-02:30", "", "Europe/Berlin", "2027-10-31T00:30:00Z", "2027-10-31T01:00:00Z"},
		{"a half hour's change", "09:00-10:00", "", "Australia/Lord_Howe", "2026-10-03T23:00:00Z", "2026-10-04T22:00:00Z"},
		// Apia left out 2011-12-30 altogether.
		{"a day left out", "fri 09:00-10:00", "", "Pacific/Apia", "2011-12-29T21:00:00Z", "2012-01-05T19:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			w, got := window(t, c.hours, c.quiet), ""
			next, ok := w.Next(at, zoneNamed(t, c.zone))
			if ok {
				got = next.UTC().Format(time.RFC3339)
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestWindowByMinutes compares Next with a walk minute by minute around
// changes of the clocks.
func TestWindowByMinutes(t *testing.T) {
	loc := zoneNamed(t, "Europe/Berlin")
	w := window(t, "mon-sat 00:20-02:10,02:20-03:40; sun 01:50-02:50,05:00-05:01", "02:25-02:35", "2027-03-29")
	for _, start := range []string{"2027-03-27T20:00:00Z", "2027-10-30T20:00:00Z"} {
		at, _ := time.Parse(time.RFC3339, start)
		var open []time.Time
		for m := range 96 * 60 {
			if minute := at.Add(time.Duration(m) * time.Minute); w.IsOpen(minute, loc) {
				open = append(open, minute)
			}
		}
		if len(open) < 100 {
			t.Fatalf("%d minutes open", len(open))
		}
		for m := range 40 * 60 {
			minute := at.Add(time.Duration(m) * time.Minute)
			for open[0].Before(minute) {
				open = open[1:]
			}
			if next, ok := w.Next(minute, loc); !ok || !next.Equal(open[0]) {
				t.Fatalf("%s: %s %v, want %s", minute, next, ok, open[0])
			}
		}
	}
}

func TestParseHours(t *testing.T) {
	for _, bad := range []string{"9-21", "09:00", "21:00-", "09:00-09:00", "xyz 09:00-10:00", "mon 09:00-10:00; mon 11:00-12:00", "09:00-25:00", ";", "09:00-12:00,11:00-13:00"} {
		if h, err := ParseHours(bad); fault.CodeOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %v %v", bad, h, err)
		}
	}
	for raw, want := range map[string]string{
		`"09:00-21:00"`:                                 "09:00-21:00",
		`["09:00-13:00","14:00-18:00"]`:                 "09:00-13:00,14:00-18:00",
		`["mon-fri 09:00-13:00","sat 14:00-18:00"]`:     "mon-fri 09:00-13:00;sat 14:00-18:00",
		`{"mon-fri":["09:00-13:00","14:00-18:00"]}`:     "mon-fri 09:00-13:00,14:00-18:00",
		`{"sat":"10:00-11:00","mon-fri":"09:00-13:00"}`: "mon-fri 09:00-13:00; sat 10:00-11:00",
	} {
		var h Hours
		if err := json.Unmarshal([]byte(raw), &h); err != nil || h.String() != want {
			t.Errorf("%s: %q %v", raw, h, err)
		}
		again, err := ParseHours(h.String())
		if err != nil || again.String() != h.String() {
			t.Errorf("%q does not read back: %v", h, err)
		}
	}
	var h Hours
	for _, bad := range []string{`7`, `{"mon":7}`, `["x"]`} {
		if err := json.Unmarshal([]byte(bad), &h); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// FuzzWindow: what parses reads back, and Next tells an instant at which it is
// open and before which it is not.
func FuzzWindow(f *testing.F) {
	for _, s := range []string{"09:00-21:00", "mon-fri 09:00-13:00,14:00-18:00; sat 10:00-16:00", "22:00-06:00", "00:00-24:00", "sun,tue 1:00-2:00", ";;", "mon"} {
		f.Add(s, int64(1_800_000_000))
	}
	loc := zoneNamed(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		h, err := ParseHours(text)
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		if again, err := ParseHours(h.String()); err != nil || again.String() != h.String() {
			t.Fatalf("%q: %v", h, err)
		}
		w, err := NewWindow(h, Hours{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(unix%4_000_000_000, 0)
		next, ok := w.Next(at, loc)
		if !ok {
			t.Fatalf("%q never opens after %s", h, at)
		}
		if next.Before(at) || !w.IsOpen(next, loc) || next.After(at) && w.IsOpen(at, loc) || next.After(at) && w.IsOpen(next.Add(-time.Second), loc) {
			t.Fatalf("%q: %s after %s", h, next, at)
		}
	})
}

func TestZoneOf(t *testing.T) {
	for _, c := range []struct{ own, asked, number, want string }{
		{"", "", "+74951234567", "Europe/Moscow"},
		{"", ZoneCallee, "+73832123456", "Asia/Novosibirsk"},
		{"", "Asia/Omsk", "+74951234567", "Asia/Omsk"},
		{"Asia/Tokyo", "Asia/Omsk", "+74951234567", "Asia/Tokyo"},
		{ZoneCallee, "", "+442071234567", "Europe/London"},
		{"", "", "101", "Europe/Samara"},
	} {
		if got := ZoneOf(c.own, c.asked, c.number, "Europe/Samara"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if err := CheckZone("Europe/Moskau"); fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
}
