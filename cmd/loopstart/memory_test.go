package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

func TestSoftLimit(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name  string
		total uint64
		group string // of the control group; "": it says nothing
		want  int64
	}{
		{"a quarter", 8 * gib, "", 2 * gib},
		{"no less than the floor", 1 * gib, "", memoryFloor},
		{"the group has less", 64 * gib, "4294967296\n", 1 * gib},
		{"the group has hardly any", 64 * gib, "268435456\n", memoryFloor},
		{"the group has no limit", 8 * gib, "max\n", 2 * gib},
		{"the group's limit is none", 8 * gib, "9223372036854771712\n", 2 * gib},
		{"nonsense", 8 * gib, "x", 2 * gib},
	} {
		read := func(string) ([]byte, error) {
			if c.group == "" {
				return nil, os.ErrNotExist
			}
			return []byte(c.group), nil
		}
		if got := softLimit(c.total, []string{"memory.max"}, read); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
}

func TestHeapPercent(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name string
		rate float64 // bytes a second
		live uint64
		want int
	}{
		{"idle", 0, 40 * mb, 50},
		{"a few calls", mb, 40 * mb, 50},
		{"many calls come", 30 * mb, 60 * mb, gcPercent},
		{"some calls come", 12 * mb, 40 * mb, 200},
		{"much in use, little made", 15 * mb, 300 * mb, 50},
		{"nothing in use", mb, 1, gcPercent},
	} {
		if got := heapPercent(c.rate, c.live); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
}

// keeper is a heapKeeper that has looked once. The collector is as before
// afterwards.
func keeper(t *testing.T) (*heapKeeper, *clock.Virtual) {
	was := debug.SetGCPercent(gcPercent)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	clk := clock.NewVirtual(time.Unix(0, 0))
	k := newHeapKeeper(clk)
	runtime.GC()
	k.look()
	return k, clk
}

// A burst that is over leaves the collector with less room than it found.
func TestHeapKeeperAfterABurst(t *testing.T) {
	k, clk := keeper(t)
	for range 8 << 10 {
		burst = make([]byte, 64<<10)
	}
	clk.Advance(time.Second)
	k.look()
	if k.percent != gcPercent {
		t.Errorf("in the burst GOGC is %d", k.percent)
	}
	clk.Advance(heapLook)
	k.look()
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	if metrics.Read(sample); k.percent != heapSteps[0] || sample[0].Value.Uint64() != uint64(k.percent) {
		t.Errorf("afterwards GOGC is %d, and %d is wanted", sample[0].Value.Uint64(), k.percent)
	}
}

// What lived on for a while after a burst goes back, too, and then it is quiet.
func TestHeapKeeperLooksAgain(t *testing.T) {
	k, clk := keeper(t)
	forced := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/cycles/forced:gc-cycles"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	for i, want := range []uint64{1, 0, 0, 1, 0, 0, 1, 0, 0, 0} {
		before := forced()
		clk.Advance(heapLook)
		k.look()
		if got := forced() - before; got != want {
			t.Errorf("look %d collects %d times, not %d", i, got, want)
		}
	}
}

var burst []byte

func TestHeapKeeperEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		was := debug.SetGCPercent(gcPercent)
		defer debug.SetGCPercent(was)
		ctx, cancel := context.WithCancel(t.Context())
		go newHeapKeeper(clock.System()).run(ctx)
		synctest.Wait()
		cancel() // the bubble waits for the goroutine
	})
}
