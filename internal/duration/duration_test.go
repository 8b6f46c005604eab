package duration

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "1m30s": 90 * time.Second, "80ms": 80 * time.Millisecond, "90d": 90 * Day, "1y": Year,
		"2w": 2 * Week, "1.5h": 90 * time.Minute, "0.5s": 500 * time.Millisecond, "0": 0, "0s": 0, " 7s ": 7 * time.Second,
		"250": 250 * time.Millisecond, "1500.5": 1500500 * time.Microsecond, "1y2d3h4m5s6ms": Year + 2*Day + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond,
		"100y": Max,
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "s", "5", "5 s", "-5s", "-5", "+5s", "5S", "1s1m", "1s1s", "5x", "1e3", "0x10", "inf", "nan", "5s,", "1..5s", "101y", "99999999999999999999y", "1m30",
		strings.Repeat("1", 65),
	} {
		if text == "5" {
			continue // a number of milliseconds
		}
		got, err := Parse(text)
		var e *Error
		if err == nil || !errors.As(err, &e) || got != 0 {
			t.Errorf("Parse(%q) = %v, %v; want an error", text, got, err)
		}
	}
	if _, err := FromMillis(-1); err == nil {
		t.Error("a negative number of milliseconds was accepted")
	}
}

func TestFormat(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "5s": 5 * time.Second, "1m30s": 90 * time.Second, "90d": 90 * Day, "1y": Year, "2y": 2 * Year, "400d": 400 * Day,
		"2h": 2 * time.Hour, "1ms": 600 * time.Microsecond, "200ms": 200 * time.Millisecond, "1d1h": 25 * time.Hour,
	} {
		if got := Format(d); got != want {
			t.Errorf("Format(%v) = %q, want %q", d, got, want)
		}
	}
	if got := Format(-time.Second); got != "0s" {
		t.Errorf("Format(-1s) = %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"5s", "1m30s", "80ms", "90d", "1y", "250", "1..5s", "∞"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		if d < 0 || d > Max {
			t.Fatalf("Parse(%q) = %v is out of range", text, d)
		}
		back, err := Parse(Format(d))
		if err != nil || back != d.Round(time.Millisecond) {
			t.Fatalf("%q → %v → %q → %v, %v", text, d, Format(d), back, err)
		}
	})
}
