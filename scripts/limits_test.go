package scripts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestScriptsLimit(t *testing.T) {
	dir := t.TempDir()
	add := func(i int) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("s%d.ts", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range MaxScripts {
		add(i)
	}
	if list, err := Discover(dir); err != nil || len(list) != MaxScripts {
		t.Fatalf("%d scripts, %v", len(list), err)
	}
	add(MaxScripts)
	if _, err := Discover(dir); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	s := &state{plans: map[string]Plan{}} // also of scripts that are gone
	for i := range 2*MaxScripts + 1 {
		s.note(fmt.Sprint(i), Plan{Pinned: true})
	}
	if len(s.plans) != 2*MaxScripts {
		t.Fatalf("%d plans", len(s.plans))
	}
}

// TestWatchesLimit: with more folders all of them are looked at by the clock.
func TestWatchesLimit(t *testing.T) {
	for n, whole := range map[int]bool{MaxWatches: true, MaxWatches + 1: false} {
		if watched, all := watchable(make([]string, n)); len(watched) != MaxWatches || all != whole {
			t.Errorf("%d folders: %d watched, all %t", n, len(watched), all)
		}
	}
}

func TestTreeFilesLimit(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.ts", "b.ts"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for before, ok := range map[int]bool{MaxTreeFiles - 2: true, MaxTreeFiles - 1: false} {
		w := &walker{folders: map[string]bool{}, files: make([]string, before)}
		w.walk(dir, "")
		if (w.err == nil) != ok || w.err != nil && fault.CodeOf(w.err) != fault.Limit {
			t.Errorf("two behind %d others: %v", before, w.err)
		}
	}
}

func TestDiagnosticsLimit(t *testing.T) {
	var wrong, odd strings.Builder
	for i := range MaxDiagnostics + 5 {
		fmt.Fprintf(&wrong, "import './nope%d';\n", i)
		fmt.Fprintf(&odd, "export const o%d = { a: 1, a: 2 };\n", i)
	}
	if n := len(bundle(t, "x.ts", map[string]string{"x.ts": wrong.String() + good}).Errors); n != MaxDiagnostics {
		t.Errorf("%d errors", n)
	}
	if n := len(bundle(t, "x.ts", map[string]string{"x.ts": odd.String() + good}).Warnings); n != MaxDiagnostics {
		t.Errorf("%d warnings", n)
	}
}

// TestLinksLimit: a chain of links, each in a folder of its own, is watched so
// far; one in a circle is given up as well.
func TestLinksLimit(t *testing.T) {
	dir := realPath(t.TempDir())
	for i := range maxLinks + 2 {
		sub := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(dir, fmt.Sprint(i+1), "link"), filepath.Join(sub, "link")); err != nil {
			t.Fatal(err)
		}
	}
	w := &walker{folders: map[string]bool{}}
	if w.links(filepath.Join(dir, "0", "link")); len(w.folders) != maxLinks {
		t.Errorf("%d folders of links", len(w.folders))
	}
}
