package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// FuzzMend gives the check of a folder any table and any log.
func FuzzMend(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 30))
	f.Add([]byte("index of a table\x00\x00\x00\x10\x08\x00\x10\x07\x00\x00\x00\x04"))
	f.Add([]byte{8, 1, 16, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 13})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for _, name := range []string{"000001.sst", "00001.mem", "000001.vlog", "DISCARD"} {
			must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		_ = mend(dir) // only that it comes back
		if _, err := os.Stat(filepath.Join(dir, "000001.sst")); err != nil {
			t.Fatal("a table was removed")
		}
	})
}

// FuzzCursor lists with any cursor.
func FuzzCursor(f *testing.F) {
	s, err := Open(Options{InMemory: true})
	must(f, err)
	f.Cleanup(func() { _ = s.Close() })
	must(f, s.PutRecord(Record{ID: "a", Started: time.Unix(1, 0), JSON: json.RawMessage("1")}))
	f.Add("")
	f.Add("AAAAAAAAAAAA")
	f.Add("_____________w")
	f.Fuzz(func(t *testing.T, cursor string) {
		rows, _, err := s.ListRecords(Query{Cursor: cursor})
		if err != nil && fault.CodeOf(err) != fault.Invalid || len(rows) > 1 {
			t.Fatal(rows, err)
		}
	})
}

// FuzzEqualJSON checks that equality is reflexive, symmetric and blind to white space.
func FuzzEqualJSON(f *testing.F) {
	for _, p := range [][2]string{{`{"a":1}`, `{"a":1.0}`}, {"0", "-0"}, {"1e400", "1"}, {`[{}]`, "[ { } ]"}, {"9007199254740993", "9007199254740992"}} {
		f.Add(p[0], p[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		ja, jb := json.RawMessage(a), json.RawMessage(b)
		if !json.Valid(ja) || !json.Valid(jb) {
			return
		}
		if !equalJSON(ja, compact(ja)) || equalJSON(ja, jb) != equalJSON(jb, ja) {
			t.Fatalf("%s and %s", a, b)
		}
	})
}
