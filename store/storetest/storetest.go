// Package storetest is what every backend of the store has to pass: the
// meaning of the key-value space, of leases, of records and orders with their
// lists, and of private spaces.
//
// A backend that keeps only a part (key-value state and leases, say) leaves the
// others of Backend empty.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// Start is the time that the clock of every test shows at first.
var Start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// Backend is what a store does, in parts; those that are nil are not tested.
type Backend struct {
	KV     KV
	Leases Leases
	Calls  Calls
	Space  func(name string) Space
}

// Opener makes an empty backend that reads clk and ends with the test.
type Opener func(t *testing.T, clk clock.Clock) Backend

// Run runs the suites of all parts that the backend has.
func Run(t *testing.T, open Opener) {
	has := open(t, clock.NewVirtual(Start))
	if has.KV != nil {
		t.Run("kv", func(t *testing.T) { RunKV(t, func(t *testing.T, c clock.Clock) KV { return open(t, c).KV }) })
	}
	if has.Leases != nil {
		t.Run("leases", func(t *testing.T) {
			RunLeases(t, func(t *testing.T, c clock.Clock) Leases { return open(t, c).Leases })
		})
	}
	if has.Calls != nil {
		t.Run("calls", func(t *testing.T) { RunCalls(t, func(t *testing.T, c clock.Clock) Calls { return open(t, c).Calls }) })
	}
	if has.Space != nil {
		t.Run("space", func(t *testing.T) { RunSpace(t, has.Space) })
	}
}

// Space is a private ordered space of keys.
type Space interface {
	Apply(ops ...store.Op) error
	ApplyLater(done func(error), ops ...store.Op)
	Get(key string) (value []byte, ok bool, err error)
	Scan(prefix, after string, limit int) ([]store.Entry, error)
	Last(prefix string) (key string, ok bool, err error)
	Count(prefix string) (int, error)
}

// Leases is the part of a store that lends keys.
type Leases interface {
	Acquire(key string, ttl time.Duration, owner string) (bool, error)
	Renew(key string, ttl time.Duration, owner string) (bool, error)
	Release(key, owner string) (bool, error)
	Lock(ctx context.Context, key string, ttl time.Duration, owner string) error
}

// RunLeases checks leases.
func RunLeases(t *testing.T, open func(*testing.T, clock.Clock) Leases) {
	clk := clock.NewVirtual(Start)
	s := open(t, clk)
	ask := func(want bool, f func(string, time.Duration, string) (bool, error), owner string) {
		t.Helper()
		got, err := f("door", time.Minute, owner)
		if err != nil || got != want {
			t.Fatalf("%s: %v %v, want %v", owner, got, err, want)
		}
	}
	ask(true, s.Acquire, "a")
	ask(false, s.Acquire, "b")
	ask(true, s.Acquire, "a") // again is a renewal
	ask(false, s.Renew, "b")
	clk.Advance(50 * time.Second)
	ask(true, s.Renew, "a")
	clk.Advance(59 * time.Second)
	ask(false, s.Acquire, "b")
	clk.Advance(time.Second)
	ask(true, s.Acquire, "b")
	ask(false, s.Renew, "a")
	if ok, err := s.Release("door", "a"); ok || err != nil {
		t.Fatalf("released what another holds: %v %v", ok, err)
	}
	if ok, err := s.Release("door", "b"); !ok || err != nil {
		t.Fatalf("release: %v %v", ok, err)
	}
	ask(true, s.Acquire, "c")
	if _, err := s.Acquire("door", 0, "x"); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("no ttl: %v", err)
	}
	t.Run("line", func(t *testing.T) { lockLine(t, s, clk) })
}

// lockLine checks that Lock serves one after the other and lets go in time.
func lockLine(t *testing.T, s Leases, clk *clock.Virtual) {
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() { failed <- s.Lock(ctx, "door", time.Minute, "leaves") }()
	got := make(chan error, 1)
	go func() { got <- s.Lock(context.Background(), "door", time.Minute, "stays") }()
	cancel()
	if err := <-failed; fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("left the line: %v", err)
	}
	if ok, err := s.Release("door", "c"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if ok, _ := s.Acquire("door", time.Minute, "late"); ok {
		t.Fatal("two hold it")
	}
	clk.Advance(time.Minute)
	if ok, _ := s.Acquire("door", time.Minute, "late"); !ok {
		t.Fatal("a lease of the line does not end")
	}
}

// RunSpace checks private spaces.
func RunSpace(t *testing.T, space func(name string) Space) {
	s, other := space("q"), space("qq")
	ops := make([]store.Op, 5)
	for i := range ops {
		ops[i] = store.Op{Key: fmt.Sprintf("w/%d", i), Value: []byte{byte(i)}}
	}
	check(t, s.Apply(ops...))
	check(t, other.Apply(store.Op{Key: "w/9", Value: []byte("x")}))
	page, err := s.Scan("w/", "w/1", 2)
	check(t, err)
	if len(page) != 2 || page[0].Key != "w/2" || page[1].Value[0] != 3 {
		t.Fatalf("page %v", page)
	}
	if key, ok, err := s.Last("w/"); key != "w/4" || !ok || err != nil {
		t.Fatalf("last %q %v %v", key, ok, err)
	}
	err = s.Apply(store.Op{Key: "w/7", Value: []byte("n")}, store.Op{Key: "w/0", Value: []byte("n"), New: true})
	if fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("new over old: %v", err)
	}
	check(t, s.Apply(store.Op{Key: "w/0"}))
	if n, err := s.Count("w/"); n != 4 || err != nil { // w/7 is not there: all or nothing
		t.Fatalf("count %d %v", n, err)
	}
	if _, ok, err := s.Get("w/0"); ok || err != nil {
		t.Fatalf("removed key: %v %v", ok, err)
	}
	later := make(chan error, 1)
	s.ApplyLater(func(err error) { later <- err }, store.Op{Key: "x", Value: []byte("1")})
	check(t, <-later)
	s.ApplyLater(func(err error) { later <- err }, store.Op{Key: "x", Value: []byte("2"), New: true})
	if err := <-later; fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("new over old: %v", err)
	}
	if v, ok, err := s.Get("x"); string(v) != "1" || !ok || err != nil {
		t.Fatalf("%q %v %v", v, ok, err)
	}
	if err := s.Apply(make([]store.Op, store.MaxOps+1)...); fault.CodeOf(err) != fault.Limit {
		t.Fatalf("too many: %v", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func raw(format string, args ...any) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(format, args...))
}
