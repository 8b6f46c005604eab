package engine

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

func storeWith(t *testing.T, dir, key string) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Set(key, json.RawMessage("1"), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, dir, key string) bool {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, ok, err := s.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBackupAndRestore takes a state to an empty folder and over another one.
func TestBackupAndRestore(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	storeWith(t, dir, "old")
	put(t, filepath.Join(dir, "bundles", "hello", "1.json"), "{}")
	put(t, filepath.Join(dir, "scripts.json"), "[]")
	var b bytes.Buffer
	if err := BackupStopped(dir, "1.2.3", quiet, &b); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "data")
	got, err := Restore(RestoreOptions{Dir: to, Log: quiet}, bytes.NewReader(b.Bytes()))
	if err != nil || got.Version != "1.2.3" || got.Aside != "" || !holds(t, to, "old") {
		t.Fatalf("%+v %v", got, err)
	}
	for _, name := range []string{"bundles/hello/1.json", "scripts.json"} {
		if _, err := os.Stat(filepath.Join(to, name)); err != nil {
			t.Error(err)
		}
	}

	storeWith(t, to, "new")
	if _, err := Restore(RestoreOptions{Dir: to, Log: quiet}, bytes.NewReader(b.Bytes())); fault.CodeOf(err) != fault.Conflict || !holds(t, to, "new") {
		t.Fatalf("over a store: %v", err)
	}
	got, err = Restore(RestoreOptions{Dir: to, Force: true, Log: quiet}, bytes.NewReader(b.Bytes()))
	if err != nil || holds(t, to, "new") || !holds(t, to, "old") || !holds(t, got.Aside, "new") {
		t.Fatalf("with force: %+v %v", got, err)
	}
}

// TestRestoreOfDamage cuts a backup off and flips its bits: each is refused
// and what is there stays.
func TestRestoreOfDamage(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	storeWith(t, dir, "old")
	var b bytes.Buffer
	if err := BackupStopped(dir, "1", quiet, &b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	bad := map[string][]byte{"empty": nil, "other": []byte("SQLite format 3")}
	for _, n := range []int{5, 40, len(whole) / 2, len(whole) - 5, len(whole) - 1} {
		bad["cut at "+string(rune('a'+len(bad)))] = whole[:n]
	}
	for _, n := range []int{len(whole) / 2, len(whole) - 6} {
		flipped := bytes.Clone(whole)
		flipped[n] ^= 0x10
		bad["flipped "+string(rune('a'+len(bad)))] = flipped
	}
	for name, raw := range bad {
		_, err := Restore(RestoreOptions{Dir: dir, Force: true, Log: quiet}, bytes.NewReader(raw))
		if fault.CodeOf(err) != fault.Invalid || fault.ExitOf(err) != fault.ExitStore {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !holds(t, dir, "old") {
		t.Error("the state has gone")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "restore-*")); len(left) > 0 {
		t.Error(left)
	}
}

// TestRestoreCutOff leaves a restore where a kill would between the two moves.
func TestRestoreCutOff(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	storeWith(t, dir, "old")
	var b bytes.Buffer
	if err := BackupStopped(dir, "1", quiet, &b); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, restoreReady, "MANIFEST"), "")
	if err := BackupStopped(dir, "1", quiet, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Fatal(err)
	}
	if _, err := Restore(RestoreOptions{Dir: dir, Force: true, Log: quiet}, &b); err != nil || !holds(t, dir, "old") {
		t.Fatal(err)
	}
	if err := restoreBroken(dir); err != nil {
		t.Error(err)
	}
}
