package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/loopstart/loopstart/internal/fault"
)

// written returns a closed store's folder with n keys in it.
func written(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	s := openAt(t, Options{Dir: dir})
	for i := range n {
		s.SetLater(fmt.Sprintf("k%05d", i), json.RawMessage(`"`+strings.Repeat("v", 200)+`"`), 0, nil)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOpenAfterKillInRotation leaves the files that a kill leaves between the
// creation of a memory table's file and its first byte, or in the middle of
// its removal (Badger issue 2207).
func TestOpenAfterKillInRotation(t *testing.T) {
	for _, empty := range [][]string{{"00009.mem"}, {"00001.mem"}, {"00002.mem", "00003.mem", "00004.mem"}} {
		t.Run(strings.Join(empty, " "), func(t *testing.T) {
			dir := written(t, 100)
			for _, name := range empty {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			// The condition is real: Badger alone does not open this folder.
			if db, err := badger.Open(badgerOptions(Options{Dir: dir, Log: quiet()})); err == nil {
				_ = db.Close()
				t.Fatal("badger opens it by itself; the retry is not needed any more")
			}
			// It works for the retry, which stands behind the mending, too.
			db, err := openBadger(Options{Dir: dir, Log: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			for _, name := range empty {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			s := openAt(t, Options{Dir: dir})
			if _, ok, err := s.Get("k00099"); !ok || err != nil {
				t.Fatal("a key is lost", err)
			}
			if err := s.Set("new", json.RawMessage("1"), 0); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOpenFaults(t *testing.T) {
	held := t.TempDir()
	openAt(t, Options{Dir: held})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := written(t, 10)
	if err := os.WriteFile(filepath.Join(damaged, "MANIFEST"), []byte("no manifest at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    Options
		code fault.Code
		want string
	}{
		"locked":  {Options{Dir: held}, fault.Conflict, "in use by another process"},
		"a file":  {Options{Dir: file}, fault.Denied, "not a directory"},
		"damaged": {Options{Dir: damaged}, fault.Unavailable, "is damaged"},
		"full":    {Options{Dir: t.TempDir(), Reserve: 1 << 60}, fault.Unavailable, "are needed"},
	} {
		s, err := Open(c.o)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if fault.CodeOf(err) != c.code || fault.ExitOf(err) != fault.ExitStore || fault.HintOf(err) == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s %q exit %d hint %q", name, fault.CodeOf(err), err, fault.ExitOf(err), fault.HintOf(err))
		}
	}
}

// TestOpenTornFiles cuts and overwrites every file of a store in turn. Opening
// may work or not; it may not crash, and not answer with anything but a fault.
func TestOpenTornFiles(t *testing.T) {
	whole := written(t, 500)
	names, err := os.ReadDir(whole)
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func([]byte) []byte{
		"empty": func([]byte) []byte { return nil },
		"half":  func(b []byte) []byte { return b[:len(b)/2] },
		"short": func(b []byte) []byte { return b[:max(len(b)-3, 0)] },
		"zeros": func(b []byte) []byte { return make([]byte, len(b)) },
		"flip": func(b []byte) []byte {
			for i := 0; i < len(b); i += 97 {
				b[i] ^= 0x55
			}
			return b
		},
	}
	refused := 0
	for _, e := range names {
		for how, damage := range damages {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, e.Name())
			b, err := os.ReadFile(path)
			if err != nil || len(b) > 8<<20 {
				continue // the empty discard file: nothing is in it
			}
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(Options{Dir: dir})
			if err == nil {
				_, _, err = s.List("", MaxList, "")
				_ = s.Close()
				if err != nil && fault.CodeOf(err) == "" {
					t.Errorf("%s %s: read: %v", e.Name(), how, err)
				}
				continue
			}
			refused++
			if fault.ExitOf(err) != fault.ExitStore || fault.HintOf(err) == "" {
				t.Errorf("%s %s: %v", e.Name(), how, err)
			}
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}
