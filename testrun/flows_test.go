package testrun

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/flow"
)

// flowRun runs the tests of the project flows whose name holds a text, and gives
// their log lines and the timelines of their calls.
func flowRun(t testing.TB, r *runner, name string) string {
	t.Helper()
	r.choices = choose(r.root, []string{name})
	f, _ := r.file(context.Background(), "parcel.test.ts")
	if f.Error != nil {
		t.Fatalf("%+v", f.Error)
	}
	out := ""
	for _, res := range f.Tests {
		if res.State != "passed" {
			t.Fatal(show(&Report{Files: []File{f}}))
		}
		out += strings.Join(res.Log, "\n") + strings.Join(res.Printed, "\n") + "\n"
		for _, c := range res.Calls {
			raw, err := json.Marshal(c.Record)
			if err != nil {
				t.Fatal(err)
			}
			out += Text(c.Timeline) + string(raw) + "\n"
		}
	}
	return out
}

func flowRunner(t testing.TB) *runner {
	t.Helper()
	r, err := newRunner(Options{Config: load(t, "testdata/flows"), All: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(r.dir) })
	return r
}

// TestFlows runs the project's tests.
func TestFlows(t *testing.T) {
	r := flowRunner(t)
	if f, _ := r.file(context.Background(), "night.test.ts"); f.Error != nil || slices.ContainsFunc(f.Tests, func(x Result) bool { return x.State != "passed" }) {
		t.Error(show(&Report{Files: []File{f}}), f.Error)
	}
	if out := flowRun(t, r, ""); !strings.Contains(out, `"state":"done"`) {
		t.Error(out)
	}
}

// TestFlowRepeats: the journal of two days and the timelines of its calls are
// the same to the byte, 1,000 times, or as often as half of repeatTime allows.
func TestFlowRepeats(t *testing.T) {
	r, first := flowRunner(t), ""
	began := time.Now()
	for i := range repeatAll {
		if i >= 20 && (testing.Short() || os.Getenv("LOOPSTART_SOAK") == "" && time.Since(began) > repeatTime/4) {
			t.Logf("%d runs", i)
			return
		}
		got := flowRun(t, r, "two days")
		if first == "" {
			first = got
		}
		if got != first {
			t.Fatalf("run %d is another one:\n%s", i+1, difference(first, got))
		}
	}
}

// TestFlowRestarts ends the program whenever the journal has grown and nobody is
// on the phone, and starts it again over the same store: all comes out the same.
func TestFlowRestarts(t *testing.T) {
	r := flowRunner(t)
	want := flowRun(t, r, "two days")
	restarts, last := 0, ""
	r.between = func(s *stage) {
		now := journals(t, s)
		if now == last || !s.allEnded() {
			return
		}
		restarts, last = restarts+1, now
		s.engine.Close()
		if err := s.boot(r.setting); err != nil {
			t.Fatal(err)
		}
		s.clk.Settle()
	}
	got := flowRun(t, r, "two days")
	if restarts < 5 {
		t.Errorf("only %d restarts", restarts)
	}
	if got != want {
		t.Errorf("after %d restarts:\n%s", restarts, difference(want, got))
	}
}

// journals tells where the flows stand.
func journals(t *testing.T, s *stage) string {
	rows, _, err := s.engine.Flows().List(flow.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, f := range rows {
		out += fmt.Sprintln(f.ID, f.State, f.Results, f.Waits, f.Wake)
	}
	return out
}

// BenchmarkFlow is a flow of two days, with its calls and their audio.
func BenchmarkFlow(b *testing.B) {
	r := flowRunner(b)
	for b.Loop() {
		flowRun(b, r, "two days")
	}
}
