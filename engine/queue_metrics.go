package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/loopstart/loopstart/call/queue"
)

// queues collects what stands in the lines and what came of it: by group, and
// the agents by their state.
func (g gauges) queues(out chan<- prometheus.Metric) {
	q := &g.e.queues
	var states []queue.State
	var totals queue.Totals
	q.board.With(func(c *queue.Core, now time.Time) {
		for _, name := range c.Groups("") {
			if s, ok := c.State(now, name); ok {
				states = append(states, s)
			}
		}
		totals = c.Totals()
	})
	emit := func(kind prometheus.ValueType, name, help string, labels []string, value float64, values ...string) {
		if m, err := prometheus.NewConstMetric(prometheus.NewDesc("loopstart_"+name, help, labels, nil), kind, value, values...); err == nil {
			out <- m
		}
	}
	for _, s := range states {
		emit(prometheus.GaugeValue, "queue_waiting", "Callers and kept places in line.", []string{"group"}, float64(len(s.Waiting)), s.Name)
		emit(prometheus.GaugeValue, "queue_longest_wait_seconds", "Of those who wait.", []string{"group"}, float64(s.LongestWaitMs)/1000, s.Name)
		agents := map[string]int{}
		for _, m := range s.Members {
			agents[m.State]++
		}
		for state, n := range agents {
			emit(prometheus.GaugeValue, "queue_agents", "Agents of a group by state.", []string{"group", "state"}, float64(n), s.Name, state)
		}
		for result, n := range map[string]int{
			"offered": s.Counts.Offered, "answered": s.Counts.Answered, "abandoned": s.Counts.Abandoned, "timed_out": s.Counts.TimedOut, "key": s.Counts.Keys,
			"full": s.Counts.Full, "closed": s.Counts.Closed, "callback": s.Counts.Callbacks, "lost": s.Counts.Lost,
		} {
			emit(prometheus.GaugeValue, "queue_today", "Callers of today by what became of them.", []string{"group", "result"}, float64(n), s.Name, result)
		}
	}
	for name, n := range map[string]int64{
		"queue_offered_total": totals.Offered, "queue_answered_total": totals.Answered, "queue_abandoned_total": totals.Abandoned,
		"queue_timeouts_total": totals.TimedOut, "queue_refused_total": totals.Full + totals.Closed, "queue_rings_total": totals.Rings,
		"queue_misses_total": totals.Misses, "queue_pauses_total": totals.Pauses, "queue_forgotten_total": totals.Forgotten,
	} {
		emit(prometheus.CounterValue, name, queueHelp[name], nil, float64(n))
	}
	q.mu.Lock()
	kept := len(q.backs)
	q.mu.Unlock()
	emit(prometheus.GaugeValue, "queue_callbacks", "Places kept for calling back.", nil, float64(kept))
}

var queueHelp = map[string]string{
	"queue_offered_total":   "Callers who came into a line.",
	"queue_answered_total":  "Callers of lines who talked with an agent.",
	"queue_abandoned_total": "Callers who left a line before.",
	"queue_timeouts_total":  "Callers who waited in vain.",
	"queue_refused_total":   "Callers who found a line full or closed.",
	"queue_rings_total":     "Agents rung by lines.",
	"queue_misses_total":    "Agents rung in vain.",
	"queue_pauses_total":    "Agents paused for calls missed in a row.",
	"queue_forgotten_total": "Places of callers who left by a key that were forgotten for want of room (limit left).",
}
