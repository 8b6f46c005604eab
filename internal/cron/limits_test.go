package cron

import (
	"testing"
	"time"
)

// TestMaxYears: 29 February is eight years away where a century is no leap year,
// and no line may lie further ahead than is looked.
func TestMaxYears(t *testing.T) {
	after := time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC)
	l, err := Parse("0 0 29 2 *")
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := l.Next(after, time.UTC); !ok || at.Year() != 2104 || at.After(after.AddDate(MaxYears, 0, 0)) || !at.After(after.AddDate(MaxYears-2, 0, 0)) {
		t.Errorf("%s %t", at, ok)
	}
	if l, err = Parse("0 0 30 2 *"); err != nil {
		return // refused at once
	}
	if at, ok := l.Next(after, time.UTC); ok {
		t.Errorf("%s", at)
	}
}
