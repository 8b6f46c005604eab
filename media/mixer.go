package media

import (
	"sync/atomic"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// Limits of a mixer.
const (
	// MaxMixMembers is how many sessions one mixer takes.
	MaxMixMembers = 100
	// MixSpeakers is how many members are heard at once when more of them make
	// a sound: the loudest. The others' noise would only add up.
	MixSpeakers = 8
	maxMixers   = 4000 // of an engine
)

// MixRole says who hears whom in a mix.
type MixRole uint8

// The roles.
const (
	MixMember   MixRole = iota // hears all, is heard by all
	MixListener                // hears all, is heard by nobody
	MixCoach                   // hears all, is heard by MixOptions.Coach only
)

// MixOptions say what a session is in a mix.
type MixOptions struct {
	Role  MixRole
	Coach *Session // whom a coach talks to
	// Muted members are not heard; they stay members.
	Muted bool
	// Overheard sessions add their voice but go on hearing their bridge: a
	// supervisor hears them, and their own audio is as it was.
	Overheard bool
	Volume    float64 // factor on what the session adds; 0 = 1.0
}

// MixerOptions set up a mixer.
type MixerOptions struct {
	// Near are the sessions that join first: the mixer is made on the shard of
	// the one that a bridge would not move.
	Near []*Session
	// Speakers is how many are heard at once; 0 = MixSpeakers.
	Speakers int
	// Sink takes PlayEnded and RecordEnded, as that of a session.
	Sink func(Event)
}

// Mixer adds up the voices of its sessions: each hears all but itself (N−1).
// It stays on one shard for all its life and its sessions move there, so that a
// mix needs no lock. A frame of the mix is made when the first member needs it,
// and encoded once per codec for all who hear the same.
//
// # Concurrency
//
// The exported methods may be called from any goroutine and do not wait.
// Everything in mixState belongs to the shard.
type Mixer struct {
	engine *Engine
	shard  *shard
	id     uint32
	sink   func(Event)
	inbox  inbox
	plays  atomic.Uint32
	closed atomic.Bool

	mixState
}

// NewMixer makes a mixer. The error is fault.Limit when there are too many.
func (e *Engine) NewMixer(o MixerOptions) (*Mixer, error) {
	if o.Speakers <= 0 {
		o.Speakers = MixSpeakers
	}
	m := &Mixer{engine: e, id: e.ids.Add(1), sink: o.Sink, shard: e.mixHome(o.Near)}
	m.speakers = o.Speakers
	m.talkers = make([]*mixMember, 0, MaxMixMembers)
	m.members = make([]*mixMember, 0, MaxMixMembers)
	for _, c := range codec.All() {
		m.encoders[c.Slot] = c.NewEncoder()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, fault.New(fault.Unavailable, "media: the engine is closed")
	case len(e.mixers) >= maxMixers:
		e.refused.Add(1)
		return nil, fault.New(fault.Limit, "media: %d mixers are open", maxMixers)
	}
	e.mixers[m] = struct{}{}
	return m, nil
}

// mixHome is the shard of the oldest session, which a bridge does not move;
// without one, the emptiest.
func (e *Engine) mixHome(near []*Session) *shard {
	var oldest *Session
	for _, s := range near {
		if s != nil && s.home.Load() != nil && (oldest == nil || s.id < oldest.id) {
			oldest = s
		}
	}
	if oldest != nil {
		return oldest.home.Load()
	}
	return e.place()
}

// Mix makes the session a member of m, which must be of the same engine, or
// changes what it is there. It leaves the mix it was in. A playback covers the
// mix for its own listener; a bridge does not, unless Overheard.
func (s *Session) Mix(m *Mixer, o MixOptions) {
	if m == nil || m.engine != s.engine {
		return
	}
	x := &mixMember{s: s, mixer: m, opts: o, gain: mixUnity}
	if o.Volume > 0 {
		x.gain = int32(min(o.Volume, mixLoudest) * mixUnity)
	}
	s.command(command{kind: cmdMix, mix: x})
}

// Unmix leaves the mix; the session goes on with its bridge or silence.
func (s *Session) Unmix() { s.command(command{kind: cmdUnmix}) }

// Play is heard by everybody in the mix, above the voices; it replaces what
// played before. PlayEnded follows.
func (m *Mixer) Play(pb Playback) uint32 { return m.play(pb, mixAnnouncement) }

// Chime is Play for a short sound beside the announcement, such as the tone of
// somebody who joins. No event follows.
func (m *Mixer) Chime(p *sound.Prompt) { m.play(Playback{Parts: []*sound.Prompt{p}}, mixChime) }

func (m *Mixer) play(pb Playback, track int) uint32 {
	parts := pb.Parts
	if pb.Volume != 0 && pb.Volume != 1 {
		parts = scaled(parts, pb.Volume)
	}
	s := newMixSound(m.plays.Add(1), parts, pb.Loop, track)
	m.post(command{kind: cmdPlay, sound: s})
	return s.id
}

// StopPlay ends what plays.
func (m *Mixer) StopPlay() { m.post(command{kind: cmdStopPlay}) }

// Record records the mix as everybody but coaches' pupils hears it, mono. One
// recording runs at a time; RecordEnded follows.
func (m *Mixer) Record(r *Recorder) {
	if r != nil && r.claim(recordOwner{m.engine, m.id, m.sink}) {
		m.post(command{kind: cmdRecord, rec: r})
	}
}

// StopRecord ends the recording.
func (m *Mixer) StopRecord() { m.post(command{kind: cmdStopRecord}) }

// Close ends the mixer: what plays and records ends, members go on with
// silence.
func (m *Mixer) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.post(command{kind: cmdClose})
	}
}

// post queues a command and has the shard look at it, members or not.
func (m *Mixer) post(c command) {
	if m.closed.Load() && c.kind != cmdClose || !m.inbox.put(c) {
		m.refuse(c)
		return
	}
	sh := m.shard
	sh.incoming.mu.Lock()
	sh.incoming.mixers = append(sh.incoming.mixers, m)
	sh.incoming.some.Store(true)
	sh.incoming.mu.Unlock()
	sh.driver.wake()
}

// refuse answers a command that will not be carried out.
func (m *Mixer) refuse(c command) {
	m.engine.overflows.Add(1)
	at := m.engine.clk.Now()
	switch {
	case c.rec != nil:
		m.engine.notes.post(m.sink, Event{Kind: RecordEnded, At: at, Recorder: c.rec, Reason: ReasonLimit})
	case c.sound != nil && c.sound.track == mixAnnouncement:
		m.engine.notes.post(m.sink, Event{Kind: PlayEnded, At: at, Play: c.sound.id, TotalMs: c.sound.totalMs, Reason: ReasonLimit})
	}
}
