package store

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
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

// A project may allow shorter values than the store could take.
func TestShorterValues(t *testing.T) {
	s, err := Open(Options{InMemory: true, MaxValue: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Set("k", json.RawMessage(`"12345678"`), 0); err != nil {
		t.Errorf("10 bytes: %v", err)
	}
	if err := s.Set("k", json.RawMessage(`"123456789"`), 0); fault.CodeOf(err) != fault.Limit {
		t.Errorf("11 bytes: %v", err)
	}
	if _, err := s.CompareAndSet("k", nil, json.RawMessage(`"123456789"`), 0); fault.CodeOf(err) != fault.Limit {
		t.Errorf("11 bytes by compare-and-set: %v", err)
	}
}
