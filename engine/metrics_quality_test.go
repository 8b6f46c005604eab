package engine

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/loopstart/loopstart/call"
)

// qualityOnly collects nothing else.
type qualityOnly struct{ gauges }

func (q qualityOnly) Collect(out chan<- prometheus.Metric) { q.quality(out) }

func TestQualityMetrics(t *testing.T) {
	e := &Engine{}
	e.counters.Quality.Add("mango", call.LegQuality{Loss: 0.03, JitterMs: 12, RTTMs: 60, MOS: 4.1})
	e.counters.Quality.Add("mango", call.LegQuality{MOS: 4.4})
	r := prometheus.NewRegistry()
	r.MustRegister(qualityOnly{gauges{e}})
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	for _, line := range []string{
		`loopstart_leg_loss_ratio_bucket{trunk="mango",le="0"} 1`, `loopstart_leg_loss_ratio_bucket{trunk="mango",le="0.05"} 2`,
		`loopstart_leg_jitter_seconds_bucket{trunk="mango",le="0.01"} 1`, `loopstart_leg_jitter_seconds_sum{trunk="mango"} 0.012`,
		`loopstart_leg_round_trip_seconds_count{trunk="mango"} 1`, `loopstart_leg_mos_bucket{trunk="mango",le="4"} 0`, `loopstart_leg_mos_sum{trunk="mango"} 8.5`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}
