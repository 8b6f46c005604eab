package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// What the heap may grow by between two collections. The more it may, the less
// often the collector gets into the way of the pacers; but what it grew to in a
// burst stays with us until the next collection, and what the next may fill is
// not given back to the system.
const (
	heapLook = 10 * time.Second // how often the keeper looks
	heapTime = 5 * time.Second  // the heap has room for so much work between two collections, if gcPercent allows
)

// heapAgain is after how many looks the memory of a burst is given back again, and
// how often: SIP transactions and dialogs of its last second live for another 32,
// and the store writes down what it has gathered.
const heapAgain, heapTimes = 3, 2

// heapSteps are the percentages that the keeper chooses from: few, because each
// change stops the world for an instant.
var heapSteps = [...]int{50, 100, 200, gcPercent}

// heapKeeper gives the heap room for heapTime of the allocations that the
// program makes at present. When a burst, or a flood, is over, the room is small
// again, and what was used for it goes back to the system, in steps: by itself the
// runtime keeps much of what it once had.
type heapKeeper struct {
	clk     clock.Clock
	sample  []metrics.Sample
	at      time.Time
	bytes   uint64 // allocated by then, in all
	percent int
	quiet   int // looks since the room became the least
}

func newHeapKeeper(clk clock.Clock) *heapKeeper {
	return &heapKeeper{clk: clk, percent: gcPercent, sample: []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}}
}

// run looks until ctx ends.
func (k *heapKeeper) run(ctx context.Context) {
	k.look()
	for {
		over := make(chan struct{})
		t := k.clk.AfterFunc(heapLook, func() { close(over) })
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-over:
		}
		k.look()
	}
}

// look measures, and sets the collector when its room should be another.
func (k *heapKeeper) look() {
	metrics.Read(k.sample)
	now, bytes, live := k.clk.Now(), k.sample[0].Value.Uint64(), k.sample[1].Value.Uint64()
	if passed := now.Sub(k.at); !k.at.IsZero() && passed > 0 && live > 0 {
		rate := float64(bytes-k.bytes) / passed.Seconds()
		k.quiet++
		if p := heapPercent(rate, live); p != k.percent {
			debug.SetGCPercent(p)
			k.percent, k.quiet = p, 0
		}
		if k.percent == heapSteps[0] && k.quiet%heapAgain == 0 && k.quiet <= heapTimes*heapAgain {
			debug.FreeOSMemory()
		}
	}
	k.at, k.bytes = now, bytes
}

// heapPercent is how much the heap may grow, in percent of what is in use, when
// so many bytes are allocated a second.
func heapPercent(rate float64, live uint64) int {
	want := rate * heapTime.Seconds() / float64(live) * 100
	for _, p := range heapSteps {
		if float64(p) >= want {
			return p
		}
	}
	return heapSteps[len(heapSteps)-1]
}
