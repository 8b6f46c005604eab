package scripts

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// deploy is a lab without watching, with a cache and a state file that outlive
// it.
type deploy struct {
	*lab
	cache, state string
}

func openDeploy(t *testing.T) *deploy {
	dir, more := t.TempDir(), t.TempDir()
	d := &deploy{cache: filepath.Join(more, "bundles"), state: filepath.Join(more, "scripts.json")}
	write(t, dir, map[string]string{"a.ts": says("one")})
	d.lab = openLab(t, dir, d.options)
	return d
}

func (d *deploy) options(o *Options) { o.Watch, o.Cache, o.State = false, d.cache, d.state }

// again is the next process over the same folders.
func (d *deploy) again() *deploy {
	d.Close()
	return &deploy{openLab(d.t, d.dir, d.options), d.cache, d.state}
}

// save writes a new content and returns its version.
func (d *deploy) save(text string) string {
	d.t.Helper()
	d.write(map[string]string{"a.ts": text})
	if err := d.Reload(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	p, err := d.Plan("a")
	if err != nil {
		d.t.Fatal(err)
	}
	return p.Latest
}

// call is what a new call runs: its text.
func (d *deploy) call() string {
	d.t.Helper()
	v := must(d.t)(d.Acquire("a"))
	defer d.Release(v)
	_, text, _ := strings.Cut(v.Source, `=> "`)
	text, _, _ = strings.Cut(text, `"`)
	return text
}

func (d *deploy) calls(n int) string {
	d.t.Helper()
	var list []string
	for range n {
		list = append(list, d.call())
	}
	return strings.Join(list, " ")
}

// states are the versions by the texts they say: "two kept, one active".
func (d *deploy) states() string {
	d.t.Helper()
	lines, err := d.Versions("a")
	if err != nil {
		d.t.Fatal(err)
	}
	var list []string
	for _, l := range lines {
		s := string(l.State)
		for word, on := range map[string]bool{" pinned": l.Pinned, " canary": l.Canary} {
			if on {
				s += word
			}
		}
		if l.Built.IsZero() || l.Author.IsZero() || l.Author.After(time.Now()) || l.Entry != "a.ts" {
			d.t.Errorf("%+v", l)
		}
		list = append(list, s)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func TestRollbackPinsAndSurvivesARestart(t *testing.T) {
	d := openDeploy(t)
	one := must(t)(d.Current("a")).ID
	busy := must(t)(d.Acquire("a"))
	d.save(says("two"))
	if got := d.states(); got != "active, draining" {
		t.Fatal(got)
	}
	d.Release(busy)
	d.seen()
	if _, err := d.Rollback("a", one); err != nil {
		t.Fatal(err)
	}
	if got := d.call() + " " + strings.Join(d.seen(), ", "); got != "one swapped a" {
		t.Fatal(got)
	}
	d.save(says("three"))
	if got := d.call() + " " + strings.Join(d.seen(), ", "); got != "one freed a, held a" || d.Stats().Held != 1 {
		t.Fatalf("%s, %+v", got, d.Stats())
	}
	d.save("export default (") // a broken save neither
	if got := d.call(); got != "one" {
		t.Fatal(got)
	}
	d = d.again() // the folder is broken still: what is pinned needs no folder
	if got := d.call() + ": " + d.states(); got != "one: active pinned, kept, kept" {
		t.Fatal(got)
	}
	if _, err := d.Unpin("a"); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("unpinned into nothing: %v", err)
	}
	d.save(says("four"))
	if got := d.call(); got != "one" {
		t.Fatal(got)
	}
	d = d.again()
	if _, err := d.Unpin("a"); err != nil || d.call() != "four" {
		t.Fatal(err, d.call())
	}
	d = d.again()
	if p, err := d.Rollback("a", ""); err != nil || p.Active != one || d.call() != "one" {
		t.Fatalf("%+v %v", p, err)
	}
}

func TestRollbackToWhatIsNotThere(t *testing.T) {
	d := openDeploy(t)
	for name, version := range map[string]string{"a": "0123456789ab", "b": "0123456789ab"} {
		if _, err := d.Rollback(name, version); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, version := range []string{"../b/x", ".", "..", "a/b", `a\b`} {
		if _, err := d.Rollback("a", version); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: %v", version, err)
		}
	}
	if _, err := d.Versions("../a"); fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
	if p, _ := d.Plan("a"); p.Held() {
		t.Errorf("%+v", p)
	}
}

// TestABrokenScriptCanBeRolledBack: a start-up with a broken file has no active
// version until somebody names one.
func TestABrokenScriptCanBeRolledBack(t *testing.T) {
	d := openDeploy(t)
	d.save(says("two"))
	d.write(map[string]string{"a.ts": "export default ("})
	d = d.again()
	if _, err := d.Acquire("a"); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	if _, err := d.Rollback("a", ""); err != nil || d.call() != "two" {
		t.Fatal(err)
	}
}

func TestCanary(t *testing.T) {
	d := openDeploy(t)
	one := must(t)(d.Current("a")).ID
	if _, err := d.Canary("a", "", 0, 2); err != nil {
		t.Fatal(err)
	}
	if got := d.calls(3); got != "one one one" { // it waits for the next save
		t.Fatal(got)
	}
	d.seen()
	d.save(says("two"))
	if got := d.call() + " " + strings.Join(d.seen(), ", "); got != "two tried a" {
		t.Fatal(got)
	}
	if got := d.states(); got != "active, active canary" {
		t.Fatal(got)
	}
	d = d.again() // one of its two calls is left
	if got := d.calls(3); got != "two one one" {
		t.Fatal(got)
	}
	if v := must(t)(d.AcquireActive("a")); v.ID != one {
		t.Error("work that is no call got the canary")
	} else {
		d.Release(v)
	}
	if _, err := d.Canary("a", "", 50, 0); err != nil {
		t.Fatal(err)
	}
	if got := d.calls(4); got != "one two one two" || d.Stats().Canaried != 3 {
		t.Fatalf("%s %+v", got, d.Stats())
	}
	if _, err := d.Promote("a"); err != nil || d.calls(2) != "two two" {
		t.Fatal(err)
	}
	d.save(says("three"))
	if got := d.call(); got != "three" { // it follows the folder again
		t.Fatal(got)
	}
	if _, err := d.Canary("a", one, 10, 0); err != nil {
		t.Fatal(err)
	}
	d.seen()
	if _, err := d.Drop("a"); err != nil || d.calls(10) != strings.TrimSpace(strings.Repeat("three ", 10)) {
		t.Fatal(err)
	}
	if got := d.seen(); !slices.Equal(got, []string{"freed a"}) {
		t.Errorf("the worker is not told that the canary has gone: %q", got)
	}
}

func TestACanaryThatDrains(t *testing.T) {
	d := openDeploy(t)
	if _, err := d.Canary("a", "", 0, 1); err != nil {
		t.Fatal(err)
	}
	d.save(says("two"))
	v := must(t)(d.Acquire("a"))
	if _, err := d.Drop("a"); err != nil {
		t.Fatal(err)
	}
	for _, l := range d.List() {
		if l.Version == v.ID && (l.State != Draining || l.Calls != 1 || l.Since.IsZero()) {
			t.Errorf("%+v", l)
		}
	}
	if got := d.states(); got != "active pinned, draining" {
		t.Fatal(got)
	}
	d.Release(v)
	if got := d.states(); got != "active pinned, kept" {
		t.Fatal(got)
	}
}

func TestMaxKept(t *testing.T) {
	d := openDeploy(t)
	one := must(t)(d.Current("a")).ID
	if _, err := d.Rollback("a", one); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour)
	for i := range MaxKept + 10 { // as saves of an earlier process
		id := fmt.Sprintf("%012x", i)
		v := Version{Script: "a", ID: id, Entry: "a.ts", Built: past, Author: past}
		if err := d.Registry.cache.write(&v); err != nil {
			t.Fatal(err)
		}
		at := past.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(filepath.Join(d.cache, "a", id+".json"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Join(d.cache, "a", one+".json"), past.Add(-time.Hour), past.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	d.save(says("two"))
	lines, err := d.Versions("a")
	if err != nil || len(lines) != MaxKept || d.Stats().Trimmed != 12 {
		t.Fatalf("%d lines, %+v, %v", len(lines), d.Stats(), err)
	}
	if d.call() != "one" {
		t.Error("the pinned version was deleted")
	}
	if _, err := d.Get("a", fmt.Sprintf("%012x", 0)); fault.CodeOf(err) != fault.NotFound {
		t.Error("the oldest is still there")
	}
}

func TestAStateFileThatIsTorn(t *testing.T) {
	d := openDeploy(t)
	two := d.save(says("two"))
	if _, err := d.Rollback("a", ""); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := os.WriteFile(d.state, []byte(`{"scripts":{"a":{"act`), 0o600); err != nil {
		t.Fatal(err)
	}
	d = d.again()
	if v := must(t)(d.Current("a")); v.ID != two {
		t.Error("not the folder's version")
	}
	if _, err := os.Stat(d.state + ".bad"); err != nil {
		t.Error(err)
	}
}

func TestAPinnedBundleThatIsGone(t *testing.T) {
	d := openDeploy(t)
	one := must(t)(d.Current("a")).ID
	d.save(says("two"))
	if _, err := d.Rollback("a", one); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := os.RemoveAll(d.cache); err != nil {
		t.Fatal(err)
	}
	d = d.again()
	if p, _ := d.Plan("a"); d.call() != "two" || p.Held() {
		t.Fatalf("%+v", p)
	}
}

// TestCountsAreWrittenSoon: the file follows a canary's calls without waiting
// for Close.
func TestCountsAreWrittenSoon(t *testing.T) {
	d := openDeploy(t)
	if _, err := d.Canary("a", "", 0, 9); err != nil {
		t.Fatal(err)
	}
	d.save(says("two"))
	d.calls(5)
	d.until("the count is on disk", func() bool {
		body, _ := os.ReadFile(d.state)
		return strings.Contains(string(body), `"given":5`)
	})
}

// TestAPinOutlivesItsFile: an editor that deletes and writes anew does not
// unpin.
func TestAPinOutlivesItsFile(t *testing.T) {
	d := openDeploy(t)
	one := must(t)(d.Current("a")).ID
	if _, err := d.Rollback("a", one); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(d.dir, "a.ts")); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Acquire("a"); fault.CodeOf(err) != fault.NotFound {
		t.Fatal(err)
	}
	d.save(says("two"))
	if got := d.call(); got != "one" {
		t.Fatal(got)
	}
}
