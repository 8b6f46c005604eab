package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// look carries out what the host asked of a mixer; it reports false while
// something is left to do.
func (m *Mixer) look(sh *shard) bool {
	if batch := m.inbox.take(); batch != nil {
		for i := range batch {
			m.do(sh, &batch[i])
		}
		m.inbox.done(batch)
	}
	if m.inbox.waiting.Load() {
		return false
	}
	if m.closing {
		return m.leave(sh)
	}
	if len(m.members) == 0 {
		m.keep(sh) // no member's frame does it
		return m.rec == nil || m.rec.reason == ""
	}
	return true
}

func (m *Mixer) do(sh *shard, c *command) {
	switch c.kind {
	case cmdPlay:
		m.endSound(sh, c.sound.track, ReasonReplaced)
		m.sounds[c.sound.track] = c.sound
	case cmdStopPlay:
		m.endSound(sh, mixAnnouncement, ReasonStopped)
	case cmdRecord:
		m.record(sh, c.rec)
	case cmdStopRecord:
		m.stopRecord(ReasonStopped)
	case cmdClose:
		m.closing = true
		for track := range m.sounds {
			m.endSound(sh, track, ReasonClosed)
		}
		for len(m.members) > 0 {
			m.members[0].s.leg.exit()
		}
		m.stopRecord(ReasonClosed)
	}
}

// record starts the recording at the next frame.
func (m *Mixer) record(sh *shard, r *Recorder) {
	if m.rec != nil || m.closing || sh.engine.recordings.Add(1) > recordingLimit {
		if m.rec == nil && !m.closing {
			sh.engine.recordings.Add(-1)
		}
		sh.emitTo(m.sink, Event{Kind: RecordEnded, Recorder: r, Reason: ReasonLimit})
		return
	}
	if len(m.members) == 0 {
		m.oversleep(frameAt(sh.at, 0))
	}
	r.begin(m.stamp())
	m.rec = r
}

// stamp is the mixer's clock in samples behind the latest frame.
func (m *Mixer) stamp() uint32 { return uint32((m.done + 1) * audio.FrameSamples) }

func (m *Mixer) stopRecord(reason string) {
	if m.rec != nil && m.rec.reason == "" {
		m.rec.finish(m.stamp(), reason)
	}
}

// keep moves the recording on and hands it over when it has ended.
func (m *Mixer) keep(sh *shard) {
	if r := m.rec; r != nil && (r.reason != "" || r.advance(m.stamp())) && r.last(sh.now) {
		m.rec = nil
	}
}

// leave ends a closed mixer, unless its recording still waits for room in the
// writers' queue.
func (m *Mixer) leave(sh *shard) bool {
	if m.keep(sh); m.rec != nil {
		return false
	}
	sh.engine.releaseMixer(m)
	return true
}

// releaseMixer ends the life of a mixer.
func (e *Engine) releaseMixer(m *Mixer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.mixers, m)
	if len(e.sessions)+len(e.mixers) == 0 {
		e.empty.Broadcast()
	}
}

// idle reports whether the mix needs no time to pass.
func (m *Mixer) idle() bool {
	return m.sounds == [mixTracks]*mixSound{} && m.done-m.loud > mixQuiet && !m.inbox.waiting.Load()
}

// quietFor is for how long the recording has nothing but silence to take.
func (m *Mixer) quietFor() time.Duration {
	if m.rec == nil {
		return forever
	}
	return time.Duration(m.rec.quiet(m.stamp())) * time.Second / audio.SampleRate
}

// oversleep moves on to frame f after a rest.
func (m *Mixer) oversleep(f int64) {
	if f <= m.done {
		return
	}
	m.loud += f - m.done
	m.done = f
	if m.rec != nil {
		m.rec.oversleep(m.stamp())
	}
}
