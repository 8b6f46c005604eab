package engine

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"
)

// trunkFigure is a figure of each trunk.
type trunkFigure struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*trunkLines) float64
}

var trunkFigures = [...]trunkFigure{
	{"trunk_calls", "Calls on a trunk, both directions.", prometheus.GaugeValue, func(h *trunkLines) float64 { return float64(h.in + h.out) }},
	{"trunk_attempts_total", "Calls tried through a trunk.", prometheus.CounterValue, func(h *trunkLines) float64 { return float64(h.total.Attempts) }},
	{"trunk_answers_total", "Calls through a trunk that were answered.", prometheus.CounterValue, func(h *trunkLines) float64 { return float64(h.total.Answers) }},
	{"trunk_cancelled_total", "Calls through a trunk that we gave up before the answer.", prometheus.CounterValue, func(h *trunkLines) float64 { return float64(h.total.Cancelled) }},
	{"trunk_incoming_total", "Calls from a trunk.", prometheus.CounterValue, func(h *trunkLines) float64 { return float64(h.total.Incoming) }},
	{"trunk_talk_seconds_total", "Talk of answered calls through a trunk.", prometheus.CounterValue, func(h *trunkLines) float64 { return float64(h.total.TalkMs) / 1000 }},
	{"trunk_rests_total", "Times a trunk was left alone because its calls failed.", prometheus.CounterValue, func(h *trunkLines) float64 { return float64(h.rests) }},
}

// trunkCalls are the counters of calls on each trunk since the start.
func (g gauges) trunkCalls(out chan<- prometheus.Metric) {
	now := g.e.clk.Now()
	label := []string{"trunk"}
	resting := prometheus.NewDesc("loopstart_trunk_resting", "1 while a trunk is left alone because its calls failed.", label, nil)
	failures := prometheus.NewDesc("loopstart_trunk_failures_total", "Calls through a trunk that failed, by SIP status; silent: no answer, unreachable: not sent.", []string{"trunk", "code"}, nil)
	delay := prometheus.NewDesc("loopstart_trunk_post_dial_delay_seconds", "From INVITE to ringing, early media or answer.", label, nil)
	for name, h := range g.e.lines.snapshot() {
		for _, f := range trunkFigures {
			if m, err := prometheus.NewConstMetric(prometheus.NewDesc("loopstart_"+f.name, f.help, label, nil), f.kind, f.value(&h), name); err == nil {
				out <- m
			}
		}
		rests := 0.0
		if h.rest.resting(now) {
			rests = 1
		}
		if m, err := prometheus.NewConstMetric(resting, prometheus.GaugeValue, rests, name); err == nil {
			out <- m
		}
		for code, n := range h.total.Failures {
			if m, err := prometheus.NewConstMetric(failures, prometheus.CounterValue, float64(n), name, code); err == nil {
				out <- m
			}
		}
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, b := range delayBounds {
			sum += h.total.Delays[i]
			buckets[b.Seconds()] = sum
		}
		if m, err := prometheus.NewConstHistogram(delay, h.total.rang(), float64(h.total.DelayMs)/1000, buckets, name); err == nil {
			out <- m
		}
	}
}

// snapshot copies what is counted of each trunk.
func (l *lines) snapshot() map[string]trunkLines {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]trunkLines, len(l.trunks))
	for name, h := range l.trunks {
		c := *h
		c.total.Failures = maps.Clone(c.total.Failures)
		all[name] = c
	}
	return all
}
