package testrun

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/loopstart/loopstart/config"
)

func TestMain(m *testing.M) {
	zone, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		panic(err)
	}
	time.Local = zone // as `loopstart test` does: goja's dates know no other
	os.Exit(m.Run())
}

func load(t testing.TB, dir string) *config.Config {
	t.Helper()
	cfg, err := config.Load(dir+"/loopstart.yaml", config.Options{Dev: true, Env: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func show(r *Report) string {
	out := ""
	for _, f := range r.Files {
		if f.Error != nil {
			out += fmt.Sprintf("%s: %s %s\n%s\n%s\n", f.Name, f.Error.Place, f.Error.Message, f.Error.Frame, f.Error.Hint)
		}
		for _, t := range f.Tests {
			out += fmt.Sprintf("%s %s: %s (%d virtual ms, %d ms)\n", f.Name, t.Name, t.State, t.VirtualMs, t.RealMs)
			if t.Error != nil {
				out += fmt.Sprintf("%s %s: %s\n%s\n%s\n", t.Error.Code, t.Error.Place, t.Error.Message, t.Error.Frame, t.Error.Hint)
			}
			for _, l := range t.Log {
				out += "  log: " + l + "\n"
			}
			for _, c := range t.Calls {
				out += c.ID + "\n" + Text(c.Timeline)
			}
		}
	}
	return out
}

func TestExamples(t *testing.T) {
	r, err := Run(context.Background(), Options{Config: load(t, "../examples")})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed > 0 || r.Passed < 20 {
		t.Errorf("%d failed, %d passed\n%s", r.Failed, r.Passed, show(r))
	}
}

// TestNothingIsLeft looks for goroutines and files of tests that are over.
func TestNothingIsLeft(t *testing.T) {
	r, err := newRunner(Options{Config: load(t, "testdata/project")})
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(r.dir)
	run := func() {
		if f, ok := r.file(context.Background(), "mocks.test.ts"); !ok || f.Error != nil {
			t.Fatalf("%+v", f.Error)
		}
	}
	run()
	before := runtime.NumGoroutine()
	for range 3 {
		run()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+2 && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if left, _ := os.ReadDir(r.dir); len(left) > 0 {
		t.Errorf("%d folders are left in the temporary folder", len(left))
	}
}

// TestPackages runs a script with five packages as npm installs them: their
// licences lie beside them.
func TestPackages(t *testing.T) {
	const dir = "testdata/npm"
	r, err := Run(context.Background(), Options{Config: load(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed > 0 || r.Passed != 1 {
		t.Error(show(r))
	}
	folders, err := os.ReadDir(dir + "/node_modules")
	if err != nil || len(folders) < 5 {
		t.Fatalf("%d packages, %v", len(folders), err)
	}
	for _, f := range folders {
		if texts, _ := filepath.Glob(dir + "/node_modules/" + f.Name() + "/[Ll][Ii][Cc][Ee][Nn][SsCc]*"); len(texts) == 0 {
			t.Errorf("%s has no licence beside it", f.Name())
		}
	}
}

// TestOutbound: orders and campaigns join the virtual clock.
func TestOutbound(t *testing.T) {
	r, err := Run(context.Background(), Options{Config: load(t, "testdata/outbound")})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed > 0 || r.Passed < 16 {
		t.Errorf("%d failed, %d passed\n%s", r.Failed, r.Passed, show(r))
	}
}

// hourOfSilence runs the tests in which a caller says nothing for an hour.
func hourOfSilence(t testing.TB) (steps []int) {
	r, err := Run(context.Background(), Options{Config: load(t, "testdata/project"), Patterns: []string{"an hour of silence"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed > 0 || r.Passed != 2 || r.VirtualMs < 2*3_600_000 {
		t.Fatal(show(r))
	}
	for _, f := range r.Files {
		for _, res := range f.Tests {
			steps = append(steps, res.steps)
		}
	}
	return steps
}

// TestAnHourIsFewSteps: nothing happens in an hour of silence, recorded or not,
// so that it costs next to nothing.
func TestAnHourIsFewSteps(t *testing.T) {
	const frames, most = 3600 * 50, 1000
	for i, n := range hourOfSilence(t) {
		if n > most {
			t.Errorf("test %d: %d steps of %d frames", i+1, n, frames)
		}
	}
}

// BenchmarkHourOfSilence is two tests of an hour each, with their engines.
func BenchmarkHourOfSilence(b *testing.B) {
	for b.Loop() {
		hourOfSilence(b)
	}
}
