package testrun

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Repeats of a test file: as many as fit into repeatTime, at least repeatLeast;
// all of repeatAll with LOOPSTART_SOAK.
const (
	repeatTime  = 10 * time.Second
	repeatLeast = 100
	repeatAll   = 1000
)

// TestRepeatsAreEqual runs one file with much at once again and again: the
// timelines are the same to the byte.
func TestRepeatsAreEqual(t *testing.T) {
	r, err := newRunner(Options{Config: load(t, "testdata/project"), All: true})
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(r.dir)
	runs, soak := repeatAll, os.Getenv("LOOPSTART_SOAK") != ""
	least := repeatLeast
	if testing.Short() {
		least = 20
	}
	first := ""
	began := time.Now()
	for i := range runs {
		if !soak && i >= least && time.Since(began) > repeatTime {
			runs = i
			break
		}
		if testing.Short() && i >= least {
			runs = i
			break
		}
		got := timelines(t, r)
		if i == 0 {
			first = got
		} else if got != first {
			dir := t.TempDir()
			_ = os.WriteFile(filepath.Join(dir, "first"), []byte(first), 0o600)
			_ = os.WriteFile(filepath.Join(dir, "other"), []byte(got), 0o600)
			t.Fatalf("run %d is another one:\n%s", i+1, difference(first, got))
		}
	}
	t.Logf("%d runs in %s", runs, time.Since(began).Round(time.Millisecond))
}

// timelines is everything that the calls of the file have left behind.
func timelines(t *testing.T, r *runner) string {
	t.Helper()
	f, ok := r.file(context.Background(), "everything.test.ts")
	if !ok || f.Error != nil {
		t.Fatalf("%+v", f.Error)
	}
	out := ""
	for _, res := range f.Tests {
		if res.State != "passed" {
			t.Fatal(show(&Report{Files: []File{f}}))
		}
		for _, c := range res.Calls {
			raw, err := json.Marshal(c.Record)
			if err != nil {
				t.Fatal(err)
			}
			out += res.Name + " " + c.ID + "\n" + Text(c.Timeline) + string(raw) + "\n"
		}
		for _, l := range append(res.Log, res.Printed...) {
			out += "log " + l + "\n"
		}
	}
	return out
}
