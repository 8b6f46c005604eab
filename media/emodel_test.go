package media

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/loopstart/loopstart/media/codec"
)

// Points that can be computed by hand from G.107 and G.113 Appendix I, and the
// order that listeners expect.
func TestMeanOpinion(t *testing.T) {
	for _, tt := range []struct {
		codec                 *codec.Codec
		loss, jitterMs, rttMs float64
		want                  float64
		name                  string
	}{
		{codec.PCMA, 0, 0, 0, 4.40, "nothing wrong"},
		{codec.PCMU, 0, 0, 0, 4.40, "nothing wrong"},
		{codec.PCMA, 0.01, 0, 0, 4.33, "one packet of a hundred"},
		{codec.PCMA, 0.05, 0, 0, 3.91, "one of twenty"},
		{codec.PCMA, 0.2, 0, 0, 2.60, "one of five"},
		{codec.PCMA, 0, 0, 600, 3.59, "a satellite"},
		{codec.PCMA, 0, 0, 1000, 2.21, "two of them"},
		{codec.PCMA, 1, 0, 0, 1.16, "everything lost"},
	} {
		if got := meanOpinion(tt.codec, tt.loss, tt.jitterMs, tt.rttMs); math.Abs(got-tt.want) > 0.05 {
			t.Errorf("%s: %.2f, want %.2f", tt.name, got, tt.want)
		}
	}
	for range 1000 {
		loss, jitter, rtt := rand.Float64(), rand.Float64()*500, rand.Float64()*5000
		m := meanOpinion(codec.PCMA, loss, jitter, rtt)
		if m < 1 || m > 4.5 {
			t.Fatal(m)
		}
		if more := meanOpinion(codec.PCMA, min(1, loss+0.01), jitter, rtt); more > m+1e-9 && m > 1.3 {
			t.Fatalf("more loss is better: %.3f after %.3f", more, m)
		}
	}
}
