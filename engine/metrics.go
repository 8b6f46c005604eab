package engine

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// metrics serves the figures of every part, read when they are asked for.
func (e *Engine) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), gauges{e})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// gauges collects the figures.
type gauges struct{ e *Engine }

// figure is one metric without labels.
type figure struct {
	name, help string
	counter    bool
	value      float64
}

// Describe implements prometheus.Collector; the set is not fixed.
func (g gauges) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (g gauges) Collect(out chan<- prometheus.Metric) {
	for _, f := range slices.Concat(g.figures(), g.standing(), g.guard()) {
		kind := prometheus.GaugeValue
		if f.counter {
			kind = prometheus.CounterValue
		}
		m, err := prometheus.NewConstMetric(prometheus.NewDesc("loopstart_"+f.name, f.help, nil, nil), kind, f.value)
		if err == nil {
			out <- m
		}
	}
	g.media(out)
	g.workers(out)
	g.trunks(out)
	g.queues(out)
	g.quality(out)
	g.trunkCalls(out)
}

func (g gauges) figures() []figure {
	e := g.e
	s, w, st, sp := e.sip.Stats(), e.workers.Stats(), e.store.Stats(), e.speaker.Stats()
	sc, fl := e.scripts.Stats(), e.flows.Stats()
	rooms, members := e.rooms.Counts()
	return append(slices.Concat(e.streamFigures(), e.asrFigures(), e.record.figures(), e.sounds.figures()), []figure{
		{"calls", "Calls in progress.", false, float64(e.calls.count())},
		{"calls_started_total", "Calls begun.", true, float64(e.counters.Started.Load())},
		{"calls_ended_total", "Calls ended.", true, float64(e.counters.Ended.Load())},
		{"http_connections", "Open HTTP connections.", false, float64(e.conns.Open())},
		{"http_connections_refused_total", "HTTP connections closed for want of room.", true, float64(e.conns.Refused.Load())},
		{"calls_refused_total", "Calls refused by a limit.", true, float64(e.admission.refused())},
		{"call_verbs_refused_total", "Verbs refused by a limit of their call, such as its legs.", true, float64(e.counters.Refused.Load())},
		{"call_overflows_total", "Calls ended by a full mailbox.", true, float64(e.counters.Overflows.Load())},
		{"call_panics_total", "Panics survived by calls.", true, float64(e.counters.Panics.Load())},
		{"call_dead_air_total", "Answered calls in which nobody heard anything for limits.dead_air.", true, float64(e.counters.DeadAir.Load())},
		{"fallbacks_total", "Fallbacks run after a script failed.", true, float64(e.counters.Fallbacks.Load())},
		{"orders_open", "Ordered calls that are not done.", false, float64(e.orders.count())},
		{"flows_running", "Durable flows that have not ended.", false, float64(fl.Running)},
		{"flows_awake", "Flows whose code runs now.", false, float64(fl.Awake)},
		{"flows_started_total", "Flows begun.", true, float64(fl.Started)},
		{"flows_done_total", "Flows that came to their end.", true, float64(fl.Done)},
		{"flows_failed_total", "Flows that failed.", true, float64(fl.Failed)},
		{"flows_cancelled_total", "Flows that were cancelled.", true, float64(fl.Cancelled)},
		{"flow_wakeups_total", "Runs of flows' code.", true, float64(fl.Wakes)},
		{"flow_events_total", "Events sent to flows.", true, float64(fl.Mail)},
		{"flows_refused_total", "Flows, events and messages refused by a limit.", true, float64(fl.Refused)},
		{"orders_waiting_for_line", "Ordered calls whose time has come and for which there is no line.", false, float64(e.orders.lineup.count())},
		{"conferences", "Conferences in progress.", false, float64(rooms)},
		{"conference_members", "Parties in conferences.", false, float64(members)},
		{"conference_joins_total", "Joins of conferences.", true, float64(e.rooms.Joined.Load())},
		{"conference_refused_total", "Joins refused by a limit of conferences.", true, float64(e.rooms.Refused.Load())},
		{"campaigns", "Campaigns in memory.", false, float64(len(e.campaigns.list()))},
		{"campaign_attempts", "Attempts of campaigns that are prepared, dialled or talking.", false, float64(e.campaigns.attempts())},
		{"messages_refused_total", "Texts answered 503 by a limit.", true, float64(e.messages.refused.Load() + e.relays.refusals())},
		{"sip_dialogs", "SIP dialogs.", false, float64(s.Dialogs)},
		{"sip_messages_received_total", "SIP messages received.", true, float64(s.Received)},
		{"sip_messages_malformed_total", "SIP messages refused as malformed.", true, float64(s.Malformed)},
		{"sip_requests_rejected_total", "SIP requests refused by their origin.", true, float64(s.Rejected)},
		{"sip_dialog_overflows_total", "Dialogs ended by a full queue.", true, float64(s.Overflows)},
		{"sip_tcp_connections", "SIP connections over TCP.", false, float64(s.Connections)},
		{"script_vms", "Scripts running.", false, float64(w.Running)},
		{"script_starts_total", "Scripts started.", true, float64(w.Started)},
		{"script_requests_total", "Requests of scripts to the host.", true, float64(w.Requests)},
		{"script_worker_crashes_total", "Script workers that ended unasked.", true, float64(w.Crashes)},
		{"script_worker_stuck_total", "Script workers killed because they did not answer.", true, float64(w.Stuck)},
		{"script_fetches_refused_total", "HTTP requests of scripts refused by limits.script_fetches.", true, float64(e.fetchers.Refused.Load())},
		{"http_pools_evicted_total", "HTTP clients closed for want of room.", true, float64(e.fetchers.Evicted.Load())},
		{"script_builds_total", "Builds of scripts.", true, float64(sc.Builds)},
		{"script_builds_failed_total", "Builds that gave errors.", true, float64(sc.Failures)},
		{"script_saves_held_total", "Saves that did not go live because of a pin or a canary.", true, float64(sc.Held)},
		{"script_canary_calls_total", "Calls that got a canary.", true, float64(sc.Canaried)},
		{"script_uploads_total", "Uploaded scripts.", true, float64(sc.Uploads)},
		{"script_versions_trimmed_total", "Kept versions of scripts deleted for want of room.", true, float64(sc.Trimmed)},
		{"store_writes_total", "Writes of the store.", true, float64(st.Writes)},
		{"store_syncs_total", "Syncs of the store; writes share them.", true, float64(st.Groups)},
		{"store_pending", "Writes waiting for a sync.", false, float64(st.Pending)},
		{"speech_renders_total", "Prompts synthesised.", true, float64(sp.Renders)},
		{"speech_cache_hits_total", "Prompts found in the cache.", true, float64(sp.Hits)},
		{"speech_failures_total", "Attempts of a speech engine that failed.", true, float64(sp.Failures)},
		{"events_dropped_listeners_total", "Listeners of events that were too slow.", true, float64(e.feed.Dropped.Load())},
	}...)
}

// guard are the figures of what is kept from the SIP endpoint.
func (g gauges) guard() []figure {
	e, s := g.e, g.e.sip.Stats()
	users := e.registrations()
	return []figure{
		{"sip_messages_limited_total", "SIP messages dropped because their source was over its rate.", true, float64(s.Limited)},
		{"sip_messages_banned_total", "SIP messages dropped because their source was banned.", true, float64(s.Banned)},
		{"sip_messages_scanner_total", "SIP messages of known scanners dropped.", true, float64(s.Scanners)},
		{"sip_requests_crowded_total", "SIP requests answered 503 by a cap of transactions.", true, float64(s.Crowded)},
		{"sip_dialogs_refused_total", "INVITEs answered 503 by the cap of dialogs.", true, float64(s.DialogsFull)},
		{"sip_requests_drained_total", "INVITEs answered 503 while draining.", true, float64(s.Drained)},
		{"sip_tcp_refused_total", "SIP connections closed for want of room.", true, float64(s.ConnsRefused)},
		{"sip_bans", "SIP sources that are banned now.", false, float64(s.Banning)},
		{"sip_address_changes_total", "Changes of this machine's addresses.", true, float64(s.Moves)},
		{"sip_listeners_waiting", "Listeners whose address is not on this machine now.", false, float64(s.Absent)},
		{"sip_transactions", "Requests of others whose transactions are not over.", false, float64(s.Transactions)},
		{"sip_client_transactions", "Requests of ours whose transactions are not over.", false, float64(s.Requests)},
		{"sip_sources", "UDP addresses that keep a way back for answers.", false, float64(s.Sources)},
		{"sip_registrations", "Registrations of users.", false, float64(users.Bindings)},
		{"sip_registrations_refused_total", "Registrations refused by a limit or as malformed.", true, float64(users.Refused)},
		{"sip_bans_total", "SIP sources banned.", true, float64(s.Bans)},
	}
}

// standing are the figures of what runs beside the calls.
func (g gauges) standing() []figure {
	e, o := g.e, g.e.outbox.Stats()
	return []figure{
		{"schedule_runs_total", "Runs of onSchedule.", true, float64(e.timetable.Runs.Load())},
		{"schedule_skipped_total", "Runs left out because the one before went on.", true, float64(e.timetable.Skipped.Load())},
		{"schedule_failed_total", "Runs of onSchedule that failed.", true, float64(e.timetable.Failed.Load())},
		{"hook_replays_total", "Signed requests that came twice.", true, float64(e.seen.Replays.Load())},
		{"hook_signatures_forgotten_total", "Signatures forgotten before their time, for want of room.", true, float64(e.seen.Forgotten.Load())},
		{"audit_lost_total", "Entries of the audit log that the disk refused.", true, float64(e.audit.Lost.Load())},
		{"outbox_waiting", "Deliveries waiting.", false, float64(o.Waiting)},
		{"store_unsaved", "Records and deliveries that wait in memory for a disk that takes nothing.", false, float64(e.unsaved.waiting())},
		{"outbox_dead", "Deliveries given up.", false, float64(o.Dead)},
		{"outbox_delivered_total", "Deliveries accepted.", true, float64(o.Delivered)},
		{"outbox_attempts_total", "Deliveries tried.", true, float64(o.Attempts)},
		{"outbox_failed_total", "Deliveries tried in vain that will be tried again.", true, float64(o.Failed)},
		{"outbox_passed_total", "Attempts left out because the receiver does not answer.", true, float64(o.Passed)},
		{"outbox_throttled_total", "Times a rate limit made a delivery wait.", true, float64(o.Throttled)},
		{"outbox_refused_total", "Deliveries refused by limits.outbox.", true, float64(o.Refused)},
		{"outbox_receivers_open", "Receivers that are left alone because they do not answer.", false, float64(o.Open)},
		{"outbox_oldest_seconds", "Age of the oldest undelivered one.", false, o.Oldest.Seconds()},
	}
}

func (g gauges) workers(out chan<- prometheus.Metric) {
	memory := prometheus.NewDesc("loopstart_script_worker_bytes", "Resident memory of a script worker.", []string{"worker"}, nil)
	for _, w := range g.e.workers.Stats().Workers {
		if m, err := prometheus.NewConstMetric(memory, prometheus.GaugeValue, float64(w.Memory), w.Name); err == nil {
			out <- m
		}
	}
}

func (g gauges) trunks(out chan<- prometheus.Metric) {
	up := prometheus.NewDesc("loopstart_trunk_up", "1 while a trunk is registered; where it needs no registration, unless it has left OPTIONS unanswered.", []string{"trunk"}, nil)
	for _, t := range g.e.sip.Trunks() {
		v := 0.0
		if trunkUp(t) {
			v = 1
		}
		if m, err := prometheus.NewConstMetric(up, prometheus.GaugeValue, v, t.Name); err == nil {
			out <- m
		}
	}
}

// trunkUp: a registrar that answers and refuses is no way for calls, and a trunk
// that is never asked (options: off) has not failed.
func trunkUp(t sip.TrunkStatus) bool {
	if t.Registers {
		return t.Registered
	}
	return t.Reachable || !t.Checked
}

func (g gauges) media(out chan<- prometheus.Metric) {
	s := g.e.media.Stats()
	for _, f := range []figure{
		{"rtp_sessions", "RTP sessions open.", false, float64(s.Sessions)},
		{"rtp_port_pairs_used", "RTP port pairs in use.", false, float64(s.PortsInUse)},
		{"rtp_packets_sent_total", "RTP packets sent.", true, float64(s.Sent)},
		{"rtp_packets_received_total", "RTP packets used.", true, float64(s.Received)},
		{"rtp_reads_cut_total", "Reads of a session ended by a limit: more arrives than calls send.", true, float64(s.Cut)},
		{"rtp_late_skips_total", "Frames left out because a pass was too late.", true, float64(s.LateSkips)},
		{"rtp_names_refused_total", "Host names in session descriptions not looked up, because too many were.", true, float64(s.NamesRefused)},
		{"rtp_commands_refused_total", "Commands of calls to their audio refused by a limit.", true, float64(s.Commands)},
		{"rtp_events_dropped_total", "Media events dropped.", true, float64(s.EventsDropped)},
		{"recordings", "Recordings running.", false, float64(s.Recordings)},
		{"recording_chunks_thinned_total", "Chunks dropped because the disk is behind.", true, float64(s.WritesThinned)},
	} {
		kind := prometheus.GaugeValue
		if f.counter {
			kind = prometheus.CounterValue
		}
		if m, err := prometheus.NewConstMetric(prometheus.NewDesc("loopstart_"+f.name, f.help, nil, nil), kind, f.value); err == nil {
			out <- m
		}
	}
	drops := prometheus.NewDesc("loopstart_rtp_packets_dropped_total", "RTP packets dropped.", []string{"reason"}, nil)
	for reason, n := range s.Dropped {
		if m, err := prometheus.NewConstMetric(drops, prometheus.CounterValue, float64(n), reason.String()); err == nil {
			out <- m
		}
	}
	g.lateness(out, s)
}

// lateness is how late frames left, as a histogram.
func (g gauges) lateness(out chan<- prometheus.Metric, s media.EngineStats) {
	buckets, total := map[float64]uint64{}, uint64(0)
	for i, n := range s.Lateness {
		total += n
		if i < len(media.LatenessBounds) {
			buckets[media.LatenessBounds[i]/1000] = total
		}
	}
	d := prometheus.NewDesc("loopstart_rtp_lateness_seconds", "How late frames left.", nil, nil)
	if m, err := prometheus.NewConstHistogram(d, total, s.LatenessSum.Seconds(), buckets); err == nil {
		out <- m
	}
}
