package runtime

import (
	"fmt"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// DefaultLimits stand in for those that a bundle leaves at zero.
var DefaultLimits = message.Limits{
	SliceCPU:  200 * time.Millisecond,
	Heap:      64 << 20,
	Stack:     1000,
	Timers:    1000,
	Requests:  100,
	LogBytes:  1 << 20,
	Grace:     5 * time.Second,
	BodyBytes: 4 << 20,
}

// Limits that no bundle can change.
const (
	// MaxVMs is how many VMs a worker holds; one more ends at once with LIMIT.
	MaxVMs = 20000
	// MaxInbox is how many tasks wait for one VM; one more ends it with LIMIT.
	MaxInbox = 4096
	// MaxCallbacks is how many functions a VM has passed to the host and not
	// got back.
	MaxCallbacks = 1000
	// MaxEventHandlers is how many functions listen to one event.
	MaxEventHandlers = 100
	// MaxTags is how many tags a VM may set.
	MaxTags = 50
	// MaxStateBytes is the length of a result as JSON.
	MaxStateBytes = 256 << 10
	// SliceWall is how long one slice may take on the wall clock, however
	// little of the CPU it gets.
	SliceWall = 15 * time.Second
	// refillSeconds is how long an empty bucket takes to be full again.
	refillSeconds = 16
)

func fillLimits(l message.Limits) message.Limits {
	d := DefaultLimits
	fill(&l.SliceCPU, d.SliceCPU)
	fill(&l.Heap, d.Heap)
	fill(&l.Stack, d.Stack)
	fill(&l.Timers, d.Timers)
	fill(&l.Requests, d.Requests)
	fill(&l.LogBytes, d.LogBytes)
	fill(&l.Grace, d.Grace)
	fill(&l.BodyBytes, d.BodyBytes)
	return l
}

func fill[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// limitError is a limit that was reached; it is what an interrupt carries.
func limitError(name, format string, args ...any) *fault.Error {
	return fault.New(fault.Limit, "%s (limit %s)", fmt.Sprintf(format, args...), name)
}

// bucket is a budget that refills slowly: capacity at once, and as much again
// over refillSeconds.
type bucket struct {
	capacity int64
	used     int64
	at       time.Time
}

// take uses n of the budget and reports whether there was enough.
func (b *bucket) take(now time.Time, n int64) bool {
	if b.used > 0 {
		refill := int64(float64(b.capacity) * now.Sub(b.at).Seconds() / refillSeconds)
		b.used = max(0, b.used-max(refill, 0))
	}
	b.at = now
	b.used += n
	return b.used <= b.capacity
}
