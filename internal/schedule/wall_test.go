package schedule

import (
	"testing"
	"time"
)

// TestShows compares the two readings of a schedule: they differ only in the
// hours that a change of the clocks repeats or leaves out.
func TestShows(t *testing.T) {
	s, err := Parse(Spec{
		Zone: "Europe/Berlin", Open: []Days{{"mon-sat", []string{"09:00-18:00"}}, {"sun", []string{"01:30-02:30", "22:00-06:00"}}},
		Closed: []string{"2027-03-30"}, Extra: []string{"2027-03-30 10:00-11:00"},
	})
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	for m := range 7 * 24 * 60 {
		at := time.Date(2027, 3, 26, 0, m, 0, 0, time.UTC)
		if s.Shows(at, s.Zone()) != s.IsOpen(at) {
			differ++
		}
		if e := s.Edge(at, s.Zone()); !e.After(at) || e.Sub(at) > 25*time.Hour {
			t.Fatalf("%s: edge %s", at, e)
		} else if last := e.Add(-time.Second); s.Shows(last, s.Zone()) != s.Shows(at, s.Zone()) {
			t.Fatalf("%s: changes before %s", at, e)
		}
	}
	// On 2027-03-28 02:00 becomes 03:00: IsOpen ends 01:30-02:30 at the jump,
	// as the wall clock does.
	if differ != 0 {
		t.Errorf("%d minutes differ", differ)
	}
	twice := time.Date(2027, 10, 31, 1, 10, 0, 0, time.UTC) // 02:10 for the second time
	if !s.Shows(twice, s.Zone()) {
		t.Error("the clock shows 02:10")
	}
	var always *Schedule
	if !always.Shows(twice, s.Zone()) || !always.Edge(twice, s.Zone()).After(twice) {
		t.Error("a nil schedule is always open")
	}
}
