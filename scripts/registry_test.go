package scripts

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// inProcess is the real bundler without the child process.
type inProcess struct{}

func (inProcess) Build(_ context.Context, r BuildRequest) (BuildResult, error) { return Bundle(r), nil }

// builds counts the builds of each script around another builder.
type builds struct {
	Builder
	mu    sync.Mutex
	count map[string]int
}

func (b *builds) Build(ctx context.Context, r BuildRequest) (BuildResult, error) {
	b.mu.Lock()
	b.count[r.Script]++
	b.mu.Unlock()
	return b.Builder.Build(ctx, r)
}

func (b *builds) of(script string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count[script]
}

// lab is a registry over a real folder, with everything it reported.
type lab struct {
	*Registry
	t       *testing.T
	dir     string
	builder *builds

	mu      sync.Mutex
	changes []Change
}

func openLab(t *testing.T, dir string, change func(*Options)) *lab {
	t.Helper()
	l := &lab{t: t, dir: dir, builder: &builds{Builder: inProcess{}, count: map[string]int{}}}
	o := Options{Dir: dir, Builder: l.builder, Modules: testModules, Clock: clock.System(), Watch: true,
		Log: slog.New(slog.DiscardHandler), OnChange: func(c Change) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.changes = append(l.changes, c)
		}}
	if change != nil {
		change(&o)
	}
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	l.Registry = r
	return l
}

// seen are the changes so far as "kind script", forgotten by the call.
func (l *lab) seen() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, c := range l.changes {
		list = append(list, string(c.Kind)+" "+c.Script)
	}
	l.changes = nil
	slices.Sort(list)
	return list
}

// until polls for a condition of the real file system with a deadline.
func (l *lab) until(what string, ok func() bool) {
	l.t.Helper()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			l.t.Fatalf("never: %s; %+v", what, l.List())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (l *lab) source(name string) string {
	v, err := l.Current(name)
	if err != nil {
		return ""
	}
	return v.Source
}

func (l *lab) says(name, text string) {
	l.t.Helper()
	l.until(name+" says "+text, func() bool { return strings.Contains(l.source(name), text) })
}

func (l *lab) write(files map[string]string) {
	l.t.Helper()
	write(l.t, l.dir, files)
}

func says(text string) string { return "export default () => " + fmt.Sprintf("%q", text) + ";\n" }

func TestOpenWithABrokenScriptServesTheOthers(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"good.ts": says("one"), "menu/main.js": says("two"), "menu/words.js": "", "bad.ts": "export default (",
		"_lib/x.ts": "", "good.test.ts": "", "notes.txt": "", "old.voxengine.js": "", "a b.ts": says("x"),
		"twice.ts": says("x"), "twice/main.ts": says("y"), "types.d.ts": "", "empty/other.ts": "",
	})
	l := openLab(t, dir, nil)
	var got []string
	for _, s := range l.List() {
		got = append(got, s.Name+" "+string(s.State))
		if (s.State == Broken) != (len(s.Errors) > 0) || (s.State == Active) != (s.Version != "") {
			t.Errorf("%+v", s)
		}
	}
	want := []string{"a b broken", "bad broken", "good active", "menu active", "old broken", "twice broken"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if v, err := l.Current("menu"); err != nil || v.Dir != filepath.Join(dir, "menu") {
		t.Errorf("menu: %+v, %v", v, err)
	}
	_, err := l.Current("bad")
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "bad.ts:1:17: ") {
		t.Errorf("bad: %v", err)
	}
	_, err = l.Current("god")
	if fault.CodeOf(err) != fault.NotFound || fault.HintOf(err) != "did you mean good?" {
		t.Errorf("god: %v, %s", err, fault.HintOf(err))
	}
	for name, text := range map[string]string{"old": "VoxEngine scenarios are not in this version",
		"twice": "twice.ts and twice/main.ts", "a b": "letters, digits"} {
		if _, err := l.Current(name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSaves(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1"), "b.ts": "import {x} from './_lib/x'; export default () => x;",
		"c.ts": "import {x} from './_lib/x'; export default () => x + 1;", "_lib/x.ts": "export const x = 'x1';"})
	l := openLab(t, dir, nil)
	l.seen()

	t.Run("in place", func(t *testing.T) {
		l.write(map[string]string{"a.ts": says("a2")})
		l.says("a", "a2")
	})
	t.Run("atomic", func(t *testing.T) {
		l.write(map[string]string{".a.ts.swp": says("a3")})
		if err := os.Rename(filepath.Join(dir, ".a.ts.swp"), filepath.Join(dir, "a.ts")); err != nil {
			t.Fatal(err)
		}
		l.says("a", "a3")
	})
	t.Run("shared module", func(t *testing.T) {
		before := l.builder.of("a")
		l.write(map[string]string{"_lib/x.ts": "export const x = 'x2';"})
		l.says("b", "x2")
		l.says("c", "x2")
		if n := l.builder.of("a"); n != before {
			t.Errorf("a was built %d times for a change elsewhere", n-before)
		}
	})
	t.Run("new folder", func(t *testing.T) {
		l.write(map[string]string{"deep/main.ts": "import './sub/y';" + says("d1"), "deep/sub/y.ts": "globalThis.y = 'y1'"})
		l.says("deep", "y1")
		l.write(map[string]string{"deep/sub/y.ts": "globalThis.y = 'y2'"})
		l.says("deep", "y2")
	})
	t.Run("renamed", func(t *testing.T) {
		if err := os.Rename(filepath.Join(dir, "a.ts"), filepath.Join(dir, "z.ts")); err != nil {
			t.Fatal(err)
		}
		l.says("z", "a3")
		l.until("a is gone", func() bool { _, err := l.Current("a"); return fault.CodeOf(err) == fault.NotFound })
	})
	t.Run("folder renamed and made anew", func(t *testing.T) {
		if err := os.Rename(filepath.Join(dir, "deep"), filepath.Join(dir, "deeper")); err != nil {
			t.Fatal(err)
		}
		l.says("deeper", "y2")
		l.write(map[string]string{"deep/main.ts": says("d3")})
		l.says("deep", "d3")
		l.write(map[string]string{"deep/main.ts": says("d4"), "deeper/sub/y.ts": "globalThis.y = 'y4'"})
		l.says("deep", "d4")
		l.says("deeper", "y4")
	})
	t.Run("deleted and made anew", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(dir, "deep")); err != nil {
			t.Fatal(err)
		}
		l.until("deep is gone", func() bool { return l.source("deep") == "" })
		l.write(map[string]string{"deep/main.ts": says("d5")})
		l.says("deep", "d5")
		l.write(map[string]string{"deep/main.ts": says("d6")})
		l.says("deep", "d6")
	})
}

func TestABrokenSaveKeepsTheLastGoodVersion(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1")})
	l := openLab(t, dir, nil)
	good, _ := l.Current("a")
	l.seen()
	l.write(map[string]string{"a.ts": "export default () => {\n  const x = ;\n}\n"})
	l.until("an error", func() bool { return len(l.List()[0].Errors) > 0 })
	s := l.List()[0]
	if s.State != Active || s.Version != good.ID || s.Errors[0].Place != "a.ts:2:13" || !strings.Contains(s.Errors[0].Frame, "> 2 |   const x = ;") {
		t.Errorf("%+v", s)
	}
	l.write(map[string]string{"_other.ts": ""}) // builds a again, with the same error
	l.until("a second build", func() bool { return l.builder.of("a") >= 3 })
	l.write(map[string]string{"a.ts": says("a1")})
	l.until("no error", func() bool { return len(l.List()[0].Errors) == 0 })
	if v, _ := l.Current("a"); v != good {
		t.Errorf("the same content became another version")
	}
	if got := l.seen(); !slices.Equal(got, []string{"failed a"}) {
		t.Errorf("changes %q", got)
	}
}

func TestAFileWrittenInPieces(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1")})
	l := openLab(t, dir, func(o *Options) { o.Debounce, o.MaxDelay = 300*time.Millisecond, 20*time.Second })
	l.seen()
	f, err := os.Create(filepath.Join(dir, "a.ts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range strings.SplitAfter("export default\n() => {\n return 'a2';\n}\n", "\n") {
		if _, err := f.WriteString(piece); err != nil {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
	_ = f.Close()
	l.says("a", "a2")
	if got := l.seen(); !slices.Equal(got, []string{"freed a", "swapped a"}) {
		t.Errorf("changes %q", got)
	}
}

func TestMaxDelayEndsAnEndlessBurst(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1")})
	l := openLab(t, dir, func(o *Options) { o.Debounce, o.MaxDelay = time.Hour, 100*time.Millisecond })
	l.write(map[string]string{"a.ts": says("a2")})
	l.says("a", "a2")
}

func TestSymlinkSwaps(t *testing.T) {
	link := func(t *testing.T, target, name string) {
		t.Helper()
		if err := os.Symlink(target, name+".tmp"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".tmp", name); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("mounted config folder", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"..1/a.ts": says("a1"), "..2/a.ts": says("a2"), "..1/_x.ts": "", "..2/_x.ts": ""})
		link(t, "..1", filepath.Join(dir, "..data"))
		link(t, "..data/a.ts", filepath.Join(dir, "a.ts"))
		l := openLab(t, dir, nil)
		l.says("a", "a1")
		link(t, "..2", filepath.Join(dir, "..data"))
		l.says("a", "a2")
		if v, _ := l.Current("a"); !strings.Contains(v.Map, `"a.ts"`) {
			t.Errorf("the map names another file: %.80s", v.Map)
		}
	})
	t.Run("release folder", func(t *testing.T) {
		root := t.TempDir()
		write(t, root, map[string]string{"r1/scripts/a.ts": says("a1"), "r2/scripts/a.ts": says("a2"), "r2/scripts/b.ts": says("b2")})
		link(t, "r1", filepath.Join(root, "current"))
		l := openLab(t, filepath.Join(root, "current", "scripts"), nil)
		l.says("a", "a1")
		link(t, "r2", filepath.Join(root, "current"))
		l.says("a", "a2")
		l.says("b", "b2")
		write(t, root, map[string]string{"r2/scripts/a.ts": says("a3")})
		l.says("a", "a3")
	})
	t.Run("linked subfolder", func(t *testing.T) {
		root := t.TempDir()
		write(t, root, map[string]string{"x1/main.ts": says("m1"), "x2/main.ts": says("m2"), "scripts/a.ts": says("a1")})
		link(t, "../x1", filepath.Join(root, "scripts", "menu"))
		l := openLab(t, filepath.Join(root, "scripts"), nil)
		l.says("menu", "m1")
		write(t, root, map[string]string{"x1/main.ts": says("m1b")})
		l.says("menu", "m1b")
		link(t, "../x2", filepath.Join(root, "scripts", "menu"))
		l.says("menu", "m2")
	})
	t.Run("folder in a circle", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a.ts": says("a1"), "_x/y.ts": ""})
		link(t, "..", filepath.Join(dir, "_x", "up"))
		l := openLab(t, dir, nil)
		l.says("a", "a1")
	})
}

func TestTheFolderComesAndGoes(t *testing.T) {
	root := t.TempDir()
	l := openLab(t, filepath.Join(root, "scripts"), nil)
	write(t, root, map[string]string{"scripts/a.ts": says("a1")})
	l.says("a", "a1")
	if err := os.RemoveAll(filepath.Join(root, "scripts")); err != nil {
		t.Fatal(err)
	}
	l.until("a is gone", func() bool { return len(l.List()) == 0 })
	write(t, root, map[string]string{"scripts/a.ts": says("a2")})
	l.says("a", "a2")
	write(t, root, map[string]string{"scripts/a.ts": says("a3")})
	l.says("a", "a3")
}

func TestPinsAndVersions(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1")})
	l := openLab(t, dir, func(o *Options) { o.Watch, o.Cache = false, cacheDir })
	first := must(t)(l.Acquire("a"))
	must(t)(l.Acquire("a"))
	l.write(map[string]string{"a.ts": says("a2")})
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := must(t)(l.Acquire("a"))
	if first.ID == second.ID || !strings.Contains(first.Source, "a1") || !strings.Contains(second.Source, "a2") {
		t.Fatalf("%s, %s", first.ID, second.ID)
	}
	list := l.List()
	if len(list) != 2 || list[0].State != Active || list[0].Calls != 1 || list[1].State != Draining || list[1].Calls != 2 || list[1].Version != first.ID {
		t.Fatalf("%+v", list)
	}
	l.seen()
	l.Release(first)
	if len(l.List()) != 2 {
		t.Fatal("freed while a call runs on it")
	}
	l.Release(first)
	if got := l.seen(); !slices.Equal(got, []string{"freed a"}) || len(l.List()) != 1 {
		t.Fatalf("changes %q, %+v", got, l.List())
	}
	// The bundle is still on disk: a late afterCall pins it again.
	again := must(t)(l.AcquireVersion("a", first.ID))
	if again.Source != first.Source || len(l.List()) != 2 {
		t.Fatalf("%+v", l.List())
	}
	l.Release(again)
	// A deleted script drains too, and is then forgotten.
	_ = os.Remove(filepath.Join(dir, "a.ts"))
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := l.List(); len(list) != 1 || list[0].State != Draining {
		t.Fatalf("%+v", list)
	}
	l.Release(second)
	if len(l.List()) != 0 {
		t.Fatalf("%+v", l.List())
	}
	_, err := l.Get("a", "../../etc")
	if fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a path as a version: %v", err)
	}
	// A restart still finds both versions, until they are older than Keep.
	reopened := openLab(t, dir, func(o *Options) { o.Cache = cacheDir })
	must(t)(reopened.Get("a", first.ID))
	past := time.Now().Add(-DefaultKeep - time.Hour)
	if err := os.Chtimes(filepath.Join(cacheDir, "a", first.ID+".json"), past, past); err != nil {
		t.Fatal(err)
	}
	pruned := openLab(t, dir, func(o *Options) { o.Cache = cacheDir })
	if _, err := pruned.Get("a", first.ID); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an old bundle: %v", err)
	}
	must(t)(pruned.Get("a", second.ID))
}

func must(t *testing.T) func(*Version, error) *Version {
	return func(v *Version, err error) *Version {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestATornBundleIsNotUsed(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1")})
	l := openLab(t, dir, func(o *Options) { o.Cache = cacheDir })
	v := must(t)(l.Current("a"))
	_ = os.Remove(filepath.Join(dir, "a.ts"))
	l.until("a is gone", func() bool { return len(l.List()) == 0 })
	body, err := os.ReadFile(filepath.Join(cacheDir, "a", v.ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, cacheDir, map[string]string{"a/" + v.ID + ".json": string(body[:len(body)/2])})
	if _, err := l.AcquireVersion("a", v.ID); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("half a bundle: %v", err)
	}
}

func TestVersionLimit(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, func(o *Options) { o.Watch = false })
	var held []*Version
	for i := range MaxVersions + 2 {
		l.write(map[string]string{"a.ts": says(fmt.Sprint("a", i))})
		if err := l.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		held = append(held, must(t)(l.Acquire("a")))
	}
	s := l.List()
	if len(s) != MaxVersions+1 || len(s[0].Errors) != 1 || !strings.Contains(s[0].Errors[0].Message, "too many old versions") {
		t.Fatalf("%d lines, first %+v", len(s), s[0])
	}
	l.Release(held[0])
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.source("a"), fmt.Sprint("a", MaxVersions+1)) {
		t.Error("a freed version made no room")
	}
	for _, v := range held[1:] {
		l.Release(v)
	}
}

func TestABuildChildThatDies(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1"), "b.ts": says("b1")})
	l := openLab(t, dir, func(o *Options) { o.Builder = dies{inProcess{}, "b"} })
	list := l.List()
	if list[0].State != Active || list[1].State != Broken || list[1].Errors[0].Message != "the build was killed" || list[1].Errors[0].Hint != "less nesting" {
		t.Errorf("%+v", list)
	}
}

type dies struct {
	Builder
	script string
}

func (d dies) Build(ctx context.Context, r BuildRequest) (BuildResult, error) {
	if r.Script == d.script {
		return BuildResult{}, fault.New(fault.Limit, "the build was killed").WithHint("less nesting")
	}
	return d.Builder.Build(ctx, r)
}

func TestReleaseTwicePanics(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1")})
	l := openLab(t, dir, nil)
	v := must(t)(l.Acquire("a"))
	l.Release(v)
	defer func() {
		if recover() == nil {
			t.Error("a pin was released twice in silence")
		}
	}()
	l.Release(v)
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a.ts": says("a1")})
		r, err := Open(t.Context(), Options{Dir: dir, Builder: inProcess{}, Clock: clock.System(), Watch: true})
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if err := r.Reload(t.Context()); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("reload after close: %v", err)
		}
	}
	deadline := time.After(5 * time.Second)
	for runtime.NumGoroutine() > before {
		select {
		case <-deadline:
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestAcquireDuringSwaps(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a0")})
	l := openLab(t, dir, func(o *Options) { o.Watch = false })
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v, err := l.Acquire("a")
				if err != nil {
					t.Error(err)
					return
				}
				l.List()
				l.Release(v)
			}
		})
	}
	for i := range 20 {
		l.write(map[string]string{"a.ts": says(fmt.Sprint("a", i+1))})
		if err := l.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if list := l.List(); len(list) != 1 || list[0].Calls != 0 {
		t.Errorf("%+v", list)
	}
}

func TestOverflowLooksAtEverything(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.ts": says("a1")})
	l := openLab(t, dir, nil)
	for _, watched := range l.watch.notify.WatchList() { // as if its events were lost
		if err := l.watch.notify.Remove(watched); err != nil {
			t.Fatal(err)
		}
	}
	passes := l.Stats().Passes
	l.write(map[string]string{"a.ts": says("a2")})
	l.watch.notify.Errors <- fsnotify.ErrEventOverflow
	l.says("a", "a2")
	if s := l.Stats(); s.Overflows != 1 || s.Passes <= passes {
		t.Errorf("%+v", s)
	}
	l.write(map[string]string{"a.ts": says("a3")}) // watched again
	l.says("a", "a3")
}
