package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestSnapshot carries a store over to another folder: values, their expiry and
// what is written afterwards, and nothing that came after the snapshot.
func TestSnapshot(t *testing.T) {
	s := openAt(t, Options{Dir: t.TempDir()})
	big := json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), 200_000)) + `"`)
	for i := range 50 {
		must(t, s.Set(fmt.Sprintf("k%02d", i), big, 0))
	}
	must(t, s.Set("short", json.RawMessage("1"), time.Hour))
	must(t, s.Set("gone", json.RawMessage("1"), 0))
	if _, err := s.Delete("gone"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	must(t, s.Snapshot(&b))
	must(t, s.Set("late", json.RawMessage("1"), 0))

	dir := filepath.Join(t.TempDir(), "new")
	must(t, Load(Options{Dir: dir, Log: s.log}, bytes.NewReader(b.Bytes())))
	if err := Load(Options{Dir: dir, Log: s.log}, &b); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a second load: %v", err)
	}
	n := openAt(t, Options{Dir: dir})
	if _, err := Claim(dir); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("claim of an open store: %v", err)
	}
	for key, want := range map[string]bool{"k00": true, "k49": true, "short": true, "gone": false, "late": false} {
		if _, ok, err := n.Get(key); ok != want || err != nil {
			t.Errorf("%s: %v %v", key, ok, err)
		}
	}
	must(t, n.Set("k00", json.RawMessage("2"), 0))
	if v, _, _ := n.Get("k00"); string(v) != "2" {
		t.Errorf("a write after the load: %s", v)
	}
}
