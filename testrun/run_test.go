package testrun

import (
	"context"
	"fmt"
	"os"
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
	r, err := Run(context.Background(), Options{Config: load(t, "../examples"), Pattern: os.Getenv("PATTERN"), All: os.Getenv("ALL") != ""})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + show(r))
	if r.Failed > 0 || r.Passed == 0 {
		t.Errorf("%d failed, %d passed", r.Failed, r.Passed)
	}
}
