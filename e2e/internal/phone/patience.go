package phone

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A crowded machine makes everything late, and that is no defect of what is
// tested: a time limit that is up while the processors were hardly idle, or
// while this container was kept from them, begins again, a few times.
const (
	idleShare = 0.1 // less than that is crowded
	throttled = 0.1 // more than that is, too
	again     = 5
)

// Patience is a time limit of a test.
type Patience struct {
	limit time.Duration
	again int
	begin time.Time
	machine
}

// machine is what the kernel has counted.
type machine struct {
	idle, all int64 // ticks of all processors
	throttled time.Duration
}

// Within begins a wait.
func Within(d time.Duration) *Patience {
	return &Patience{limit: d, again: again, begin: time.Now(), machine: load()}
}

// Over tells whether the time is up.
func (p *Patience) Over() bool {
	took := time.Since(p.begin)
	if took < p.limit {
		return false
	}
	now := load()
	crowded := float64(now.idle-p.idle) < idleShare*float64(now.all-p.all) || float64(now.throttled-p.throttled) > throttled*float64(took)
	if !crowded || p.again == 0 {
		return true
	}
	p.again, p.begin, p.machine = p.again-1, time.Now(), now
	return false
}

// left is how long it makes no sense to ask again.
func (p *Patience) left() time.Duration { return p.limit - time.Since(p.begin) }

// Await receives from a channel, or gives up.
func (p *Patience) Await(from <-chan struct{}) bool {
	_, ok := await(p, from)
	return ok
}

// await is true when something came or the channel was closed.
func await[T any](p *Patience, from <-chan T) (v T, ok bool) {
	timer := time.NewTimer(p.left())
	defer timer.Stop()
	for {
		select {
		case v = <-from:
			return v, true
		case <-timer.C:
			if p.Over() {
				return v, false
			}
			timer.Reset(p.left())
		}
	}
}

// load reads what the kernel has counted; where it tells nothing, nothing is
// crowded.
func load() (m machine) {
	m.idle, m.all = ProcessorTime()
	raw, _ := os.ReadFile("/sys/fs/cgroup/cpu.stat")
	for line := range strings.Lines(string(raw)) {
		us := int64(0)
		if n, _ := fmt.Sscanf(line, "throttled_usec %d", &us); n == 1 {
			m.throttled = time.Duration(us) * time.Microsecond
		}
	}
	return m
}

// ProcessorTime is the first line of /proc/stat: idle ticks, and all.
func ProcessorTime() (idle, all int64) {
	raw, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(raw), "\n")
	for i, f := range strings.Fields(line) {
		n, _ := strconv.ParseInt(f, 10, 64)
		if all += n; i == 4 {
			idle = n
		}
	}
	return idle, all
}
