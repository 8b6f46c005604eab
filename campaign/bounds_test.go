package campaign

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestForecastRingIsBounded(t *testing.T) {
	for pause, want := range map[int]int{maxPause - 1: maxPause, maxPause: maxPause + 1, maxPause + 1: maxPause + 1} {
		if got := len(newFluid(1, 1, pause).pauses); got != want {
			t.Errorf("a pause of %d steps: a ring of %d", pause, got)
		}
	}
}

// TestColumnsLimit: a head with more is refused, a row with more is a bad row.
func TestColumnsLimit(t *testing.T) {
	head := func(n int) string {
		names := []string{"phone"}
		for i := range n - 1 {
			names = append(names, fmt.Sprint("x", i))
		}
		return strings.Join(names, ",")
	}
	for n, ok := range map[int]bool{MaxColumns: true, MaxColumns + 1: false} {
		if _, err := readColumns(strings.Split(head(n), ",")); (err == nil) != ok || err != nil && fault.CodeOf(err) != fault.Limit {
			t.Errorf("a head of %d columns: %v", n, err)
		}
		l := newLineReader(strings.NewReader(head(n) + "\n"))
		l.fill()
		if _, _, _, err := l.record(','); (err == nil) != ok || err != nil && fault.CodeOf(err) != fault.Limit {
			t.Errorf("a row of %d columns: %v", n, err)
		}
	}
}

// TestKnownZonesAreBounded: what beginnings of numbers tell is not remembered
// for all numbers of the world.
func TestKnownZonesAreBounded(t *testing.T) {
	c := &Campaign{deps: Deps{Zone: "UTC"}}
	c.known = map[string]string{}
	for i := range maxKnown {
		c.known[fmt.Sprintf("+%06d", i)] = "UTC"
	}
	delete(c.known, "+000000")
	c.zoneName("", "+79160000001")
	if len(c.known) != maxKnown {
		t.Fatalf("%d are known", len(c.known))
	}
	if zone := c.zoneName("", "+4930123456"); zone != "Europe/Berlin" || len(c.known) != maxKnown {
		t.Fatalf("%s, %d are known", zone, len(c.known))
	}
}

// TestQuietAlways: where the project is quiet whenever the campaign is open, the
// search for a time ends.
func TestQuietAlways(t *testing.T) {
	quiet, err := ParseHours("00:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	c := &Campaign{deps: Deps{Zone: "UTC", Quiet: quiet}}
	c.zones, c.window = map[string]*zone{}, window(t, "09:00-21:00", "")
	if next, ok := c.nextOpen(&Contact{Zone: "UTC"}, time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)); ok {
		t.Fatalf("it opens %s", next)
	}
}
