package flow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/store"
)

// TestScanLimit: a page of a list that finds nothing ends, and says where to go
// on.
func TestScanLimit(t *testing.T) {
	st, err := store.Open(store.Options{InMemory: true, Clock: clock.NewVirtual(begin)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	tab := table{st.Space("flows")}
	const rows = maxScan + 2*page
	for from := 0; from < rows; from += 1000 {
		var ops []store.Op
		for i := from; i < min(from+1000, rows); i++ {
			ops = append(ops, store.Op{Key: fmt.Sprintf("%s%016dgone%d", keyList, i, i), Value: []byte("{}")}) // of flows that are deleted
		}
		if err := tab.space.Apply(ops...); err != nil {
			t.Fatal(err)
		}
	}
	out, next, err := tab.list(Query{Limit: page - 1})
	if want := fmt.Sprintf("%016dgone%d", maxScan-1, maxScan-1); err != nil || len(out) != 0 || next != want {
		t.Errorf("%d flows, next %q, %v", len(out), next, err)
	}
}

// TestJournalLimits: the worker's half refuses such entries itself; a worker that
// does not is refused here.
func TestJournalLimits(t *testing.T) {
	w := newWorld(t, event("go", 0))
	w.begin("77")
	if err := w.signal("77", strings.Repeat("n", journal.MaxName+1)); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("an event's name: %v", err)
	}
	for name, a := range map[string]journal.Asked{
		"entries": {N: journal.MaxEntries + 1, Kind: journal.Step, Name: "a"},
		"name":    {N: 5, Kind: journal.Step, Name: strings.Repeat("n", journal.MaxName+1)},
		"result":  {N: 5, Kind: journal.Step, Name: "a", Value: make([]byte, journal.MaxResult+1)},
	} {
		l := &live{r: w.r, book: &book{}}
		if _, err := l.asked(a, "", false); fault.CodeOf(err) != fault.Limit {
			t.Errorf("%s: %v", name, err)
		}
	}
}
