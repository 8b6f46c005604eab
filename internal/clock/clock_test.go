package clock

import (
	"reflect"
	"runtime"
	"testing"
	"time"
	"weak"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func TestVirtualFiresInOrderOfTimeThenArming(t *testing.T) {
	v := NewVirtual(start)
	var got []string
	note := func(s string) func() { return func() { got = append(got, s) } }
	v.AfterFunc(2*time.Second, note("c"))
	v.AfterFunc(time.Second, note("a"))
	v.AfterFunc(time.Second, note("b"))
	stopped := v.AfterFunc(time.Second, note("stopped"))
	if !stopped.Stop() || stopped.Stop() {
		t.Fatal("Stop reports pending once")
	}
	v.Advance(time.Second)
	if want := []string{"a", "b"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("after 1s: %v, want %v", got, want)
	}
	v.Advance(time.Hour)
	if want := []string{"a", "b", "c"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("after an hour: %v, want %v", got, want)
	}
	if now := v.Now(); !now.Equal(start.Add(time.Hour + time.Second)) {
		t.Fatalf("now %v", now)
	}
}

func TestVirtualTimerArmedWhileFiring(t *testing.T) {
	v := NewVirtual(start)
	var at []time.Duration
	var tm Timer
	tm = v.AfterFunc(time.Second, func() {
		at = append(at, v.Now().Sub(start))
		if len(at) < 3 {
			tm.Reset(time.Second)
		}
	})
	v.Advance(10 * time.Second)
	if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !reflect.DeepEqual(at, want) {
		t.Fatalf("fired at %v, want %v", at, want)
	}
}

func TestVirtualWaitsForWorkInFlight(t *testing.T) {
	v := NewVirtual(start)
	v.Busy(1)
	order := make(chan string, 2)
	go func() {
		order <- "work"
		v.Busy(-1)
	}()
	v.AfterFunc(0, func() { order <- "timer" })
	v.Advance(time.Second)
	if first, second := <-order, <-order; first != "work" || second != "timer" {
		t.Fatalf("%s before %s", first, second)
	}
}

// A stopped timer lets go of its function at once; the runtime would keep it as
// long as stopped timers are few among all.
func TestAStoppedTimerLetsGo(t *testing.T) {
	c := System()
	for range 100 {
		pending := c.AfterFunc(time.Hour, func() {})
		defer pending.Stop()
	}
	stop := func() weak.Pointer[[1 << 10]byte] {
		held := new([1 << 10]byte)
		timer := c.AfterFunc(time.Hour, func() { held[0]++ })
		if !timer.Stop() || timer.Stop() {
			t.Error("Stop reports pending once")
		}
		return weak.Make(held)
	}
	held := stop()
	runtime.GC()
	if held.Value() != nil {
		t.Error("what the function refers to is still in memory")
	}
}

func TestATimerIsArmedAgain(t *testing.T) {
	came := make(chan struct{}, 1)
	timer := System().AfterFunc(time.Hour, func() { came <- struct{}{} })
	timer.Stop()
	if timer.Reset(0) {
		t.Error("a stopped timer was pending")
	}
	<-came
	if timer.Reset(time.Hour) || !timer.Stop() {
		t.Error("a timer that has come was pending, or was not armed")
	}
}
