package scripts

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestNeeded: a bundle that a flow needs stays on disk, whatever its age and
// though its script is gone.
func TestNeeded(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"b.ts": "export default () => {};\n"})
	past := time.Now().Add(-DefaultKeep - time.Hour)
	for _, id := range []string{"0000000000aa", "0000000000bb"} {
		if err := (cache{cacheDir}).write(&Version{Script: "a", ID: id, Entry: "a.ts", Built: past, Author: past}); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(cacheDir, "a", id+".json"), past, past); err != nil {
			t.Fatal(err)
		}
	}
	l := openLab(t, dir, func(o *Options) {
		o.Cache, o.Needed = cacheDir, func(name, id string) bool { return name == "a" && id == "0000000000bb" }
	})
	v := must(t)(l.AcquireVersion("a", "0000000000bb"))
	l.Release(v)
	if _, err := l.Get("a", "0000000000aa"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a bundle that nobody needs: %v", err)
	}
}
