package store

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/loopstart/loopstart/internal/clock"
)

// open returns a store in memory that closes with the test.
func open(t testing.TB, clk clock.Clock) *Store {
	t.Helper()
	return openAt(t, Options{InMemory: true, Clock: clk})
}

func openAt(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSurvivesReopen(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, Options{Dir: dir})
	if err := s.Set("a", json.RawMessage(`{"b": 1}`), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, Options{Dir: dir})
	v, ok, err := s.Get("a")
	if err != nil || !ok || string(v) != `{"b":1}` {
		t.Fatalf("%s %v %v", v, ok, err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
