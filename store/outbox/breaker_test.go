package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestProvenWorkers has all workers for a receiver that answers well.
func TestProvenWorkers(t *testing.T) {
	var running, most atomic.Int64
	gate := make(chan struct{})
	b := newBench(t, Options{Workers: 3, PerDestination: 20, Deliver: func(_ context.Context, it Item) Result {
		if it.ID == "first" {
			return Result{OK: true}
		}
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		<-gate
		return Result{OK: true}
	}})
	for _, id := range []string{"first", "1", "2", "3", "4", "5"} {
		must(t, b.box.Enqueue(Item{ID: id, Destination: "d"}))
	}
	eventually(t, func() bool { return running.Load() == 3 })
	close(gate)
	eventually(t, func() bool { return b.box.Stats().Waiting == 0 })
	if most.Load() != 3 {
		t.Fatalf("%d at once", most.Load())
	}
}

// TestHangingDestinations checks that any number of receivers that hang leave
// workers to one that answers.
func TestHangingDestinations(t *testing.T) {
	const workers = 8
	free := make(chan struct{})
	var good, hanging atomic.Int64
	b := newBench(t, Options{Workers: workers, Deliver: func(_ context.Context, it Item) Result {
		if it.Destination == "good" {
			good.Add(1)
			return Result{OK: true}
		}
		hanging.Add(1)
		<-free
		return Result{Retry: errBusy}
	}})
	for i := range 20 { // the good one is known before the others come
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint("g", i), Destination: "good"}))
	}
	must(t, b.box.Enqueue(Item{ID: "kept", Destination: "good", Queue: "kept"}))
	eventually(t, func() bool { return good.Load() == 21 })
	for i := range 100 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint("h", i), Destination: fmt.Sprint("hangs", i)}))
	}
	eventually(t, func() bool { return hanging.Load() == workers/2 })
	for i := range 50 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint("x", i), Destination: "good"}))
	}
	close(free)
	eventually(t, func() bool { return good.Load() == 71 })
}

// TestBreaker leaves a silent receiver alone, and gives everything its turn
// when it is back; what was passed over has used up no attempt.
func TestBreaker(t *testing.T) {
	b := newBench(t, Options{PerDestination: 1})
	down := true
	b.set(func(Item) Result { return Result{OK: !down, Retry: errBusy} })
	for i := range 20 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint(i), Destination: "crm"}))
	}
	b.clk.Settle()
	if n := len(b.heard()); n != BreakerAfter {
		t.Fatalf("%d attempts before the breaker opens", n)
	}
	if st := b.box.Stats(); st.Open != 1 || st.Passed != 20-BreakerAfter {
		t.Fatalf("%+v", st)
	}
	b.clk.Advance(time.Hour)
	if n := len(b.heard()); n < 3 || n > 20*4 {
		t.Fatalf("%d attempts in an hour", n)
	}
	items, _, err := b.box.List(Waiting, 0, "")
	must(t, err)
	if len(items) != 20 {
		t.Fatalf("%d items", len(items))
	}
	b.set(func(Item) Result { return Result{OK: true} })
	b.clk.Advance(time.Hour)
	if got := b.heard(); len(got) != 20 {
		t.Fatalf("%d delivered: %v", len(got), got)
	}
	if st := b.box.Stats(); st.Waiting != 0 || st.Open != 0 {
		t.Fatalf("%+v", st)
	}
}

// TestBreakerGivesUp buries every item of a receiver that is gone for good in
// the time that one item would take.
func TestBreakerGivesUp(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(Item) Result { return Result{Retry: errBusy} })
	for i := range 50 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint(i), Destination: "gone"}))
	}
	b.clk.Advance(72 * time.Hour)
	if st := b.box.Stats(); st.Dead != 0 {
		t.Fatalf("%d dead too early", st.Dead)
	}
	b.clk.Advance(2 * time.Hour)
	if st := b.box.Stats(); st.Dead != 50 || st.Waiting != 0 {
		t.Fatalf("%+v", st)
	}
}

// TestRetryAfterStopsAll takes a receiver's Retry-After for all of its items.
func TestRetryAfterStopsAll(t *testing.T) {
	b := newBench(t, Options{PerDestination: 1})
	b.set(func(it Item) Result { return Result{Retry: errBusy, After: time.Minute} })
	b.put("a", "crm")
	must(t, b.box.Enqueue(Item{ID: "b", Destination: "crm"}))
	b.clk.Advance(59 * time.Second)
	b.want("a@0s")
	b.set(func(Item) Result { return Result{OK: true} })
	b.clk.Advance(2 * time.Minute)
	if got := b.heard(); len(got) != 2 {
		t.Fatalf("%v", got)
	}
}

func TestRate(t *testing.T) {
	b := newBench(t, Options{Share: func(d string) Share {
		if d == "crm" {
			return Share{AtOnce: 1, Rate: 2}
		}
		return Share{}
	}})
	for i := range 7 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint(i), Queue: "q", Destination: "crm"}))
	}
	must(t, b.box.Enqueue(Item{ID: "free", Destination: "other"}))
	b.clk.Settle()
	first := b.heard()
	slices.Sort(first)
	if !slices.Equal(first, []string{"0@0s", "1@0s", "free@0s"}) {
		t.Fatalf("%v", first)
	}
	b.clk.Advance(10 * time.Second)
	b.want("2@500ms", "3@1s", "4@1.5s", "5@2s", "6@2.5s")
	if st := b.box.Stats(); st.Throttled == 0 {
		t.Fatalf("%+v", st)
	}
}

// TestRateOfSingles: items that come one by one, each delivered before the next,
// have the same rate.
func TestRateOfSingles(t *testing.T) {
	b := newBench(t, Options{Share: func(string) Share { return Share{AtOnce: 1, Rate: 2} }})
	for i := range 4 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint(i), Queue: "q", Destination: "crm"}))
		b.clk.Settle()
	}
	b.want("0@0s", "1@0s")
	b.clk.Advance(10 * time.Second)
	b.want("2@500ms", "3@1s")
	b.box.mu.Lock()
	defer b.box.mu.Unlock()
	if n := len(b.box.plan.dests); n > 0 {
		t.Errorf("%d destinations are kept", n)
	}
}

// TestHourDown is a CRM that is down for an hour under load: every result
// arrives, once per id, in order within its key.
func TestHourDown(t *testing.T) {
	const keys, each = 20, 30
	b := newBench(t, Options{})
	var mu sync.Mutex
	got, down := map[string][]string{}, false
	b.set(func(it Item) Result {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return Result{Retry: errBusy}
		}
		got[it.Queue] = append(got[it.Queue], it.ID)
		return Result{OK: true}
	})
	put := func(n int) {
		for k := range keys {
			must(t, b.box.Enqueue(Item{ID: fmt.Sprintf("%d-%d", k, n), Queue: fmt.Sprint("order", k), Destination: "crm"}))
		}
	}
	for n := range each {
		mu.Lock()
		down = n >= 5 && n < 25 // for 60 minutes
		mu.Unlock()
		put(n)
		b.clk.Advance(3 * time.Minute)
	}
	b.clk.Advance(time.Hour)
	mu.Lock()
	defer mu.Unlock()
	for k := range keys {
		var want []string
		for n := range each {
			want = append(want, fmt.Sprintf("%d-%d", k, n))
		}
		if have := got[fmt.Sprint("order", k)]; !slices.Equal(have, want) {
			t.Fatalf("key %d: %v", k, have)
		}
	}
	if st := b.box.Stats(); st.Waiting != 0 || st.Dead != 0 || st.Failed > 60*4 {
		t.Fatalf("%+v: the breaker asks too often", st)
	}
}

// TestErase takes items out of every state, and lets what stood behind them go
// on; what is being delivered stays.
func TestErase(t *testing.T) {
	b := newBench(t, Options{})
	mine := func(it Item) bool { return it.Kind == "mine" }
	put := func(id, queue, kind string) {
		must(t, b.box.Enqueue(Item{ID: id, Queue: queue, Kind: kind, Destination: queue}))
	}
	b.set(func(it Item) Result { return Result{OK: it.Queue == "good", Retry: errBusy} })
	put("done", "good", "mine")
	put("first", "q", "mine")
	put("second", "q", "mine")
	put("other", "q", "theirs")
	put("late", "dies", "mine")
	b.clk.Advance(80 * time.Hour)
	must(t, b.box.Enqueue(Item{ID: "fresh", Queue: "r", Kind: "mine", Destination: "r"}))
	b.clk.Settle()
	b.heard()
	if st := b.box.Stats(); st.Dead != 2 { // first and late
		t.Fatalf("%+v", st)
	}
	b.set(func(Item) Result { return Result{OK: true} })
	n, err := b.box.Erase(mine)
	if err != nil || n.Removed != 5 || n.Running != 0 {
		t.Fatal(n, err)
	}
	for _, id := range []string{"done", "first", "second", "late", "fresh"} {
		if _, ok, _ := b.box.Get(id); ok {
			t.Errorf("%s is left", id)
		}
	}
	b.clk.Advance(time.Hour)
	if st := b.box.Stats(); st.Dead != 0 || st.Waiting != 0 {
		t.Fatalf("%+v", st)
	}
	if got := b.heard(); len(got) != 1 || got[0][:5] != "other" {
		t.Fatal(got)
	}
	gate := make(chan struct{})
	b.set(func(Item) Result { b.clk.Busy(-1); <-gate; b.clk.Busy(1); return Result{OK: true} })
	must(t, b.box.Enqueue(Item{ID: "busy", Kind: "mine"}))
	eventually(t, func() bool { return b.box.Stats().Running == 1 })
	if n, err := b.box.Erase(mine); err != nil || n.Running != 1 || n.Removed != 0 {
		t.Fatal(n, err)
	}
	close(gate)
}

// TestBreakerMost: the pause of a receiver that never answers doubles up to the
// longest one.
func TestBreakerMost(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var k breaker
	for range BreakerAfter - 1 {
		k.heard(false, 0, now)
	}
	for want := BreakerPause; want < 8*BreakerMost; want *= 2 {
		k.heard(false, 0, now)
		if got := k.until.Sub(now); got != min(want, BreakerMost) {
			t.Fatalf("a pause of %s, want %s", got, min(want, BreakerMost))
		}
		now = k.until
	}
}
