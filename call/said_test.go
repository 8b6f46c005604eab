package call

import (
	"testing"
	"time"
)

// TestSaid: who keeps what a script has said is told of each change once, and
// sees the outcome only when it was set.
func TestSaid(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	check := func(step string, said, results int, outcome Outcome) {
		t.Helper()
		w.pass(time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.said != said || len(w.results) != results {
			t.Errorf("%s: told %d times, %d results, want %d and %d", step, w.said, len(w.results), said, results)
		}
		so := make(chan Record, 1)
		w.call.post(func() { so <- w.call.SoFar() })
		if r := <-so; r.Outcome != outcome {
			t.Errorf("%s: outcome %q, want %q", step, r.Outcome, outcome)
		}
	}
	check("at first", 0, 0, "")
	w.call.Update(nil, "served", nil)
	check("an outcome", 1, 0, Served)
	w.call.Update(nil, "served", map[string]string{"shop": ""})
	check("a tag", 2, 0, Served)
	w.call.Update(nil, "served", map[string]string{"shop": ""})
	w.call.Update(nil, "nonsense", nil)
	check("nothing new", 2, 0, Served)
	w.call.Update([]byte("1"), "missed", map[string]string{"shop": "spb"})
	check("all at once", 2, 1, Missed)
	caller.press("1")
	check("a key", 3, 1, Missed)
	caller.press("2")
	check("another", 3, 1, Missed)
}
