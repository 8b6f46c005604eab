package ratelimit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

var start = time.Date(2026, 1, 12, 10, 0, 0, 0, time.UTC)

// crowd sends n through and gives the moments at which they passed, in order.
func crowd(t *testing.T, clk *clock.Virtual, b *Bucket, n int, urgent bool) func() []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var at []time.Duration
	for range n {
		clk.Busy(1)
		go func() {
			defer clk.Busy(-1)
			if err := b.Wait(context.Background(), urgent); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			at = append(at, clk.Now().Sub(start))
			mu.Unlock()
		}()
	}
	clk.Settle()
	return func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return append([]time.Duration(nil), at...)
	}
}

func TestABurstPassesAndTheRestLeaks(t *testing.T) {
	clk := clock.NewVirtual(start)
	b := New(clk, Options{PerSecond: 2, Burst: 5})
	at := crowd(t, clk, b, 9, true)
	if got := len(at()); got != 5 {
		t.Fatalf("%d passed at once, want 5", got)
	}
	clk.Advance(time.Minute)
	want := "[0s 0s 0s 0s 0s 500ms 1s 1.5s 2s]"
	if got := fmt.Sprint(at()); got != want {
		t.Fatalf("passed at %s, want %s", got, want)
	}
}

func TestUrgentRequestsGoFirst(t *testing.T) {
	clk := clock.NewVirtual(start)
	b := New(clk, Options{PerSecond: 1, Burst: 4, Reserve: 2})
	others := crowd(t, clk, b, 6, false)
	if got := len(others()); got != 2 {
		t.Fatalf("%d others passed, want 2: the rest is reserved", got)
	}
	urgent := crowd(t, clk, b, 3, true)
	if got := len(urgent()); got != 2 {
		t.Fatalf("%d urgent ones passed, want the 2 reserved", got)
	}
	clk.Advance(time.Second)
	if got := fmt.Sprint(urgent()); got != "[0s 0s 1s]" {
		t.Fatalf("urgent: %s", got)
	}
	if got := len(others()); got != 2 {
		t.Fatalf("%d others passed before an urgent one", got)
	}
	clk.Advance(time.Minute)
	if got := len(others()); got != 6 {
		t.Fatalf("%d others passed in the end, want 6", got)
	}
}

func TestAPauseHoldsEverybody(t *testing.T) {
	clk := clock.NewVirtual(start)
	b := New(clk, Options{PerSecond: 10, Burst: 10})
	b.Pause(3 * time.Second)
	at := crowd(t, clk, b, 2, true)
	clk.Advance(time.Minute)
	if got := fmt.Sprint(at()); got != "[3s 3s]" {
		t.Fatalf("passed at %s", got)
	}
}

func TestWhoGivesUpLeavesNoHole(t *testing.T) {
	clk := clock.NewVirtual(start)
	b := New(clk, Options{PerSecond: 1, Burst: 1})
	ctx, cancel := context.WithCancel(context.Background())
	if err := b.Wait(ctx, true); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error)
	clk.Busy(1)
	go func() {
		defer clk.Busy(-1)
		gone <- b.Wait(ctx, true)
	}()
	clk.Settle()
	cancel()
	if err := <-gone; err == nil {
		t.Fatal("a cancelled wait has passed")
	}
	at := crowd(t, clk, b, 1, true)
	clk.Advance(time.Minute)
	if got := fmt.Sprint(at()); got != "[1s]" {
		t.Fatalf("passed at %s", got)
	}
}

func TestAFullLineRefuses(t *testing.T) {
	clk := clock.NewVirtual(start)
	b := New(clk, Options{PerSecond: 1, Burst: 1})
	b.Pause(time.Hour)
	b.others = make([]*waiter, MaxWaiting)
	if err := b.Wait(context.Background(), true); fault.CodeOf(err) != fault.Rate || b.Refused() != 1 {
		t.Fatalf("%v, %d refused", err, b.Refused())
	}
}
