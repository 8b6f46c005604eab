package words

import (
	"fmt"
	"testing"
	"time"
)

// TestGoldenDates: dates with their year, in every case of the languages that
// have any, and one of each kind of year.
func TestGoldenDates(t *testing.T) {
	var lines []string
	for _, tag := range []string{"ru-RU", "en-US", "kk-KZ", "de-DE"} {
		for _, date := range []string{
			"1985-05-03", "1999-01-01", "2000-02-29", "2001-03-02", "2009-04-20", "2010-06-11", "2020-07-30", "2025-08-16", "2026-12-31", "2027-01-08",
			"2030-09-21", "2040-10-05", "2100-11-12", "31.12",
		} {
			line := tag + " " + date
			for c := range Case(6) {
				said, err := Date(tag, date, Form{Case: c, Year: true})
				if err != nil {
					t.Fatal(err)
				}
				if line += " | " + said; tag != "ru-RU" {
					break
				}
			}
			lines = append(lines, line)
		}
	}
	golden(t, "dates.txt", lines)
}

func TestNeedsYear(t *testing.T) {
	almaty, err := time.LoadLocation("Asia/Almaty")
	if err != nil {
		t.Fatal(err)
	}
	today := time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		text  string
		today time.Time
		want  bool
	}{
		{"22.11.2026", today, false},
		{"2026-12-31", today, false},
		{"2027-11-21", today, false},
		{"2027-11-22", today, true},
		{"2027-11-22", today.In(almaty), false}, // the next day there
		{"22.05.2026", today, false},
		{"21.05.2026", today, true},
		{"1985-05-03", today, true},
		{"31.12", today, false},
		{"2030-01-01T10:00:00Z", today, true},
		{"soon", today, false},
	} {
		if got := NeedsYear(c.text, c.today); got != c.want {
			t.Errorf("%s on %s: %v", c.text, fmt.Sprint(c.today), got)
		}
	}
}
