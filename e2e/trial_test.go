package e2e

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// trials is how often something that depends on the machine's quiet is
// measured before it counts as wrong. A defect fails every time.
const trials = 4

// Before a measurement is repeated the test waits, but not for ever, until a
// part of the machine is idle again.
const (
	quietShare = 0.3
	quietWait  = 6 * time.Second
)

// awaitQuiet returns when the processors are idle for quietShare of a moment.
func awaitQuiet() {
	for end := time.Now().Add(quietWait); time.Now().Before(end); {
		idle, all := phone.ProcessorTime()
		time.Sleep(300 * time.Millisecond)
		idle2, all2 := phone.ProcessorTime()
		if all2 > all && float64(idle2-idle) > quietShare*float64(all2-all) {
			return
		}
	}
}

// trial is a test whose failures count only when it is the last.
type trial struct {
	testing.TB
	failures []string
}

func (r *trial) Error(args ...any)                 { r.failures = append(r.failures, fmt.Sprint(args...)) }
func (r *trial) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }
func (r *trial) Failed() bool                      { return len(r.failures) > 0 }
func (r *trial) Fatal(args ...any)                 { r.Error(args...); r.FailNow() }
func (r *trial) Fatalf(f string, args ...any)      { r.Errorf(f, args...); r.FailNow() }
func (r *trial) FailNow()                          { runtime.Goexit() }

// steady runs a measurement until it holds, at most trials times; those that
// found the machine crowded do not count, as many again. n tells the runs apart.
func steady(t *testing.T, measure func(t testing.TB, n int)) {
	t.Helper()
	for n, left := 0, trials; ; n++ {
		r := &trial{TB: t}
		done, quiet := make(chan struct{}), phone.Within(0)
		go func() {
			defer close(done)
			measure(r, n)
		}()
		<-done
		if t.Skipped() || len(r.failures) == 0 {
			return
		}
		if quiet.Over() || n >= trials {
			left--
		}
		if left == 0 {
			for _, f := range r.failures {
				t.Error(f)
			}
			return
		}
		t.Logf("run %d did not hold: %q", n+1, r.failures)
		awaitQuiet()
	}
}
