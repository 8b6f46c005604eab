package bench

import (
	"slices"
	"time"
)

// figures are measured times.
type figures []time.Duration

// at is the q-quantile, 0 to 1.
func (f figures) at(q float64) time.Duration {
	if len(f) == 0 {
		return 0
	}
	slices.Sort(f)
	return f[min(int(q*float64(len(f))), len(f)-1)]
}

func (f figures) mean() time.Duration {
	sum := time.Duration(0)
	for _, d := range f {
		sum += d
	}
	return sum / time.Duration(max(len(f), 1))
}

// ms is a duration in milliseconds for printing.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
