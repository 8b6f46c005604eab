package media

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// Drop is a reason why a packet was not used.
type Drop uint8

// The reasons.
const (
	DropMalformed   Drop = iota // no RTP or RTCP
	DropPayloadType             // not negotiated
	DropSource                  // from an address that is not the peer's
	DropLearning                // from a source that is about to be learned
	DropDuplicate               // a repeat, or too old
	DropHeld                    // while we do not receive
	DropEvent                   // not a telephone-event
	DropBridge                  // could not be passed on
	DropSend                    // the kernel refused to send it
	DropCrypto                  // SRTP that the agreed keys do not open, or no SRTP
	dropKinds
)

var dropNames = [dropKinds]string{"malformed", "payload_type", "source", "learning", "duplicate", "held", "event", "bridge", "send", "srtp"}

// String is the reason as a metric label.
func (d Drop) String() string {
	if d < dropKinds {
		return dropNames[d]
	}
	return "unknown"
}

// LatenessBounds are the upper bounds of EngineStats.Lateness, in ms.
var LatenessBounds = [...]float64{1, 2, 5, 10, 20, 50}

const latenessBuckets = len(LatenessBounds) + 1 // the last one is open

// counters are a session's figures. They have one writer, the shard.
type counters struct {
	sent, received, dropped, lost atomic.Uint64
	digits                        atomic.Uint64
	jitter                        atomic.Uint64 // bits of a float64, timestamp units
	remoteFraction, remoteJitter  atomic.Uint32
	remoteLost                    atomic.Uint64
	rtt                           atomic.Int64
	sound                         atomic.Int64 // Unix ns when something was heard
	music                         atomic.Int64 // likewise from a party that does not want to hear us
}

func (c *counters) setJitter(j float64) { c.jitter.Store(math.Float64bits(j)) }

// Stats are the figures of a session.
type Stats struct {
	Sent, Received, Lost, Dropped uint64  // packets; Lost as in RFC 3550 §A.3
	Digits                        uint64  // received
	JitterMs                      float64 // RFC 3550 §A.8
	RemoteLost                    uint64  // of ours, as they report it
	RemoteLoss                    float64 // share, in their latest report
	RemoteJitterMs                float64
	RTTMs                         float64 // 0 = unknown
	MOS                           float64 // of what we hear, 1–4.4; 0 = nothing heard
}

// Stats may be called at any time, also after Close.
func (s *Session) Stats() Stats {
	c := &s.counters
	const unitsPerMs = float64(audio.SampleRate) / 1000
	st := Stats{
		Sent: c.sent.Load(), Received: c.received.Load(), Lost: c.lost.Load(), Dropped: c.dropped.Load(),
		Digits: c.digits.Load(), JitterMs: math.Float64frombits(c.jitter.Load()) / unitsPerMs,
		RemoteLost: c.remoteLost.Load(), RemoteLoss: float64(c.remoteFraction.Load()) / 256,
		RemoteJitterMs: float64(c.remoteJitter.Load()) / unitsPerMs,
		RTTMs:          float64(c.rtt.Load()) / float64(time.Millisecond),
	}
	if st.Received > 0 {
		loss := float64(st.Lost) / float64(st.Received+st.Lost)
		st.MOS = meanOpinion(s.Negotiated().Codec, loss, st.JitterMs, st.RTTMs)
	}
	return st
}

// shardStats are the figures of a shard, written by its driver.
type shardStats struct {
	sent, received, skipped, stalled, eventsDropped atomic.Uint64
	cut                                             atomic.Uint64
	passes                                          atomic.Uint64
	busy                                            atomic.Int64 // ns spent in passes
	drops                                           [dropKinds]atomic.Uint64
	lateness                                        [latenessBuckets]atomic.Uint64
	latenessSum                                     atomic.Int64 // ns over frames

	// The same over the last one to two seconds.
	recent [2][latenessBuckets]atomic.Uint64
	second atomic.Int64
}

// passStats collects a pass before it is published.
type passStats struct {
	sent, received, skipped uint64
	lates                   [slotCount]slotLate
	slots                   int
}

// slotLate is a slot's sessions and how late their frame began.
type slotLate struct {
	by       time.Duration
	sessions int
}

func (p *passStats) late(by time.Duration, sessions int) {
	if p.slots < len(p.lates) {
		p.lates[p.slots] = slotLate{by, sessions}
		p.slots++
	}
}

// add publishes a pass.
func (st *shardStats) add(p *passStats) {
	st.passes.Add(1)
	if p.sent > 0 {
		st.sent.Add(p.sent)
	}
	if p.received > 0 {
		st.received.Add(p.received)
	}
	if p.skipped > 0 {
		st.skipped.Add(p.skipped)
	}
	p.sent, p.received, p.skipped = 0, 0, 0
}

// observe completes a pass with the time at which it ended. Lateness is
// counted up to that end, so it is an upper bound for every frame of it.
func (sh *shard) observe(end time.Time) {
	took := end.Sub(sh.now)
	sh.stats.busy.Add(int64(took))
	for k := range sh.slots {
		if sl := &sh.slots[k]; sl.at == sh.at {
			sl.took = took
		}
	}
	second := int64(sh.at / time.Second)
	if was := sh.stats.second.Load(); second != was {
		half := &sh.stats.recent[second&1]
		for i := range half {
			half[i].Store(0)
		}
		if second-was > 1 {
			other := &sh.stats.recent[1-second&1]
			for i := range other {
				other[i].Store(0)
			}
		}
		sh.stats.second.Store(second)
	}
	for _, l := range sh.pass.lates[:sh.pass.slots] {
		late := l.by + took
		i := latenessBucket(late)
		sh.stats.lateness[i].Add(uint64(l.sessions))
		sh.stats.recent[second&1][i].Add(uint64(l.sessions))
		sh.stats.latenessSum.Add(int64(late) * int64(l.sessions))
	}
	sh.pass.slots = 0
}

func latenessBucket(late time.Duration) int {
	for i, bound := range LatenessBounds {
		if late <= time.Duration(bound*float64(time.Millisecond)) {
			return i
		}
	}
	return len(LatenessBounds)
}

// EngineStats are the figures of an engine, for metrics and admission.
type EngineStats struct {
	Sessions      int    // open now
	Mixers        int    // open now
	Opened        uint64 // ever
	Refused       uint64 // Open failed
	PortsInUse    int    // pairs
	PortsTotal    int    // pairs
	PortsTaken    uint64 // ports met that somebody else had bound
	Recordings    int    // running or being completed
	Sent          uint64 // packets
	Received      uint64 // packets that were used
	Dropped       map[Drop]uint64
	Lateness      [latenessBuckets]uint64 // frames by LatenessBounds, not cumulative
	LatenessSum   time.Duration           // over all frames
	LatenessP99   time.Duration           // over the last one to two seconds, as the bucket's upper bound
	LateSkips     uint64                  // frames left out because a pass was too late
	Passes        uint64
	Busy          time.Duration // spent in passes, all shards
	Cut           uint64        // reads ended by readLimit or tickReads: a flood
	Stalled       uint64        // reads put off because events could not be handed over
	EventsDropped uint64
	Commands      uint64 // refused because too many were waiting
	NamesRefused  uint64 // of c= lines, because too many were being looked up
	WriteErrors   uint64 // recordings that failed
	WritesThinned uint64 // chunks of recordings dropped because the disk is behind
}

// Stats may be called at any time; the figures are not of one instant.
func (e *Engine) Stats() EngineStats {
	st := EngineStats{
		Opened: e.opened.Load(), Refused: e.refused.Load(),
		PortsInUse: e.ports.inUse(), PortsTotal: e.ports.size(), PortsTaken: e.ports.taken.Load(),
		Recordings: int(e.recordings.Load()), Dropped: make(map[Drop]uint64, dropKinds),
		EventsDropped: e.notes.dropped.Load(), Commands: e.overflows.Load(), NamesRefused: e.names.refused.Load(), WriteErrors: e.writers.failed.Load(), WritesThinned: e.writers.thinned.Load(),
	}
	e.mu.Lock()
	st.Sessions, st.Mixers = len(e.sessions), len(e.mixers)
	e.mu.Unlock()
	var recent [latenessBuckets]uint64
	for _, sh := range e.shards {
		sh.stats.addTo(&st, &recent, int64(e.clk.Now().Sub(e.base)/time.Second))
	}
	st.LatenessP99 = quantile(recent, 0.99)
	return st
}

func (st *shardStats) addTo(sum *EngineStats, recent *[latenessBuckets]uint64, second int64) {
	sum.Sent += st.sent.Load()
	sum.Received += st.received.Load()
	sum.LateSkips += st.skipped.Load()
	sum.Stalled += st.stalled.Load()
	sum.Cut += st.cut.Load()
	sum.EventsDropped += st.eventsDropped.Load()
	sum.Passes += st.passes.Load()
	sum.Busy += time.Duration(st.busy.Load())
	sum.LatenessSum += time.Duration(st.latenessSum.Load())
	for d := range dropKinds {
		sum.Dropped[d] += st.drops[d].Load()
	}
	current := second-st.second.Load() <= 1
	for i := range st.lateness {
		sum.Lateness[i] += st.lateness[i].Load()
		if current {
			recent[i] += st.recent[0][i].Load() + st.recent[1][i].Load()
		}
	}
}

// quantile is the upper bound of the bucket that holds the q-quantile; twice
// the last bound stands for the open bucket.
func quantile(buckets [latenessBuckets]uint64, q float64) time.Duration {
	total := uint64(0)
	for _, n := range buckets {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank, seen := uint64(math.Ceil(q*float64(total))), uint64(0)
	for i, n := range buckets[:len(LatenessBounds)] {
		if seen += n; seen >= rank {
			return time.Duration(LatenessBounds[i] * float64(time.Millisecond))
		}
	}
	return time.Duration(2 * LatenessBounds[len(LatenessBounds)-1] * float64(time.Millisecond))
}
