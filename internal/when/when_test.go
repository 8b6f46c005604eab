package when

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	zone := time.FixedZone("MSK", 3*3600)
	now := time.Date(2026, 1, 12, 10, 0, 0, 0, zone) // a Monday
	for text, want := range map[string]string{
		"18:30": "2026-01-12T18:30:00+03:00", "9:00": "2026-01-13T09:00:00+03:00", "10:00": "2026-01-12T10:00:00+03:00", "today 9:00": "2026-01-12T09:00:00+03:00",
		"Tomorrow  10:00": "2026-01-13T10:00:00+03:00", "monday 9:00": "2026-01-19T09:00:00+03:00", "sun 23:59:59": "2026-01-18T23:59:59+03:00",
		"2026-03-01 10:00": "2026-03-01T10:00:00+03:00", "2026-03-01": "2026-03-01T00:00:00+03:00", "2026-01-12T09:00:00Z": "2026-01-12T09:00:00Z",
	} {
		if at, ok := Parse(text, now, zone); !ok || at.Format(time.RFC3339) != want {
			t.Errorf("%q: %s %v, want %s", text, at.Format(time.RFC3339), ok, want)
		}
	}
	for _, text := range []string{"", "soon", "25:00", "yesterday 10:00", "tomorrow", strings.Repeat("1", maxText+1)} {
		if at, ok := Parse(text, now, zone); ok {
			t.Errorf("%q is %s", text, at)
		}
	}
}
