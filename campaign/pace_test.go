package campaign

import (
	"testing"
	"time"
)

// TestPace: by its own waits a bucket lets through what it should, and no
// second sees more than a quarter above it.
func TestPace(t *testing.T) {
	for _, rate := range []float64{0.1, 1, 3, 7, 33.3, 250, 1000} {
		var b bucket
		start := importNow
		now, end := start, start.Add(60*time.Second)
		var times []time.Time
		for steps := 0; now.Before(end); steps++ {
			if steps > 200_000 {
				t.Fatalf("%g: it does not move on", rate)
			}
			for b.ready(now, rate) {
				b.spend()
				times = append(times, now)
			}
			now = now.Add(b.wait())
		}
		if n := float64(len(times)); n < rate*60*0.98-1 || n > rate*60*1.02+1 {
			t.Errorf("%g a second: %g in a minute", rate, n)
		}
		for i, j := 0, 0; i < len(times); i++ {
			for times[i].Sub(times[j]) >= time.Second {
				j++
			}
			if float64(i-j+1) > rate*1.25+1 {
				t.Fatalf("%g a second: %d within one", rate, i-j+1)
			}
		}
	}
}

// TestPaceClock: a clock that steps gives no burst.
func TestPaceClock(t *testing.T) {
	var b bucket
	now, n := importNow, 0
	for _, step := range []time.Duration{0, -time.Hour, time.Hour, 24 * time.Hour, -48 * time.Hour} {
		now = now.Add(step)
		for b.ready(now, 8) {
			b.spend()
			n++
		}
	}
	if n > 1+2+2 { // the first, and twice a full bucket
		t.Errorf("%d dials", n)
	}
}
