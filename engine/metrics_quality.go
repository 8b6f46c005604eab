package engine

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/loopstart/loopstart/call"
)

// quality is how the legs that have ended sounded, by trunk; phones have an
// empty one.
func (g gauges) quality(out chan<- prometheus.Metric) {
	kinds := []struct {
		desc   *prometheus.Desc
		bounds [7]float64
		of     func(call.LegFigures) call.Spread
	}{
		{legFigure("loss_ratio", "Share of packets lost on the way to us"), call.LossBounds, func(f call.LegFigures) call.Spread { return f.Loss }},
		{legFigure("jitter_seconds", "Jitter (RFC 3550) of what was received"), call.JitterBounds, func(f call.LegFigures) call.Spread { return f.Jitter }},
		{legFigure("round_trip_seconds", "Round trip by RTCP, of legs that have reported"), call.RTTBounds, func(f call.LegFigures) call.Spread { return f.RTT }},
		{legFigure("mos", "Estimated opinion score (ITU-T G.107) of what was received"), call.MOSBounds, func(f call.LegFigures) call.Spread { return f.MOS }},
	}
	for trunk, figures := range g.e.counters.Quality.Figures() {
		for _, k := range kinds {
			s := k.of(figures)
			buckets, total := make(map[float64]uint64, len(k.bounds)), uint64(0)
			for i, b := range k.bounds {
				total += s.Up[i]
				buckets[b] = total
			}
			if m, err := prometheus.NewConstHistogram(k.desc, s.Count, s.Sum, buckets, trunk); err == nil {
				out <- m
			}
		}
	}
}

func legFigure(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("loopstart_leg_"+name, help+", by leg at its end.", []string{"trunk"}, nil)
}
