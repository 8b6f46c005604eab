package media

import (
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sound"
)

// The sounds of a mixer beside its members: one announcement, one short tone.
const (
	mixAnnouncement = iota
	mixChime
	mixTracks
)

// mixSound is a playback for a whole mix: samples, since they are added.
type mixSound struct {
	id      uint32
	track   int
	loop    bool
	parts   []*sound.Prompt // none of them empty
	totalMs int             // one pass over all parts

	part, frame int // what comes next
	sent        int // frames
}

func newMixSound(id uint32, parts []*sound.Prompt, loop bool, track int) *mixSound {
	s := &mixSound{id: id, track: track, loop: loop}
	for _, p := range parts {
		if p.Frames() > 0 {
			s.parts = append(s.parts, p)
			s.totalMs += int(p.Duration().Milliseconds())
		}
	}
	return s
}

// add puts the next frame into the sum and reports the end.
func (s *mixSound) add(fr *mixFrame) (ended bool) {
	if s.part >= len(s.parts) {
		return true
	}
	fr.sounds = true
	p := s.parts[s.part]
	pcm := p.PCM()[s.frame*audio.FrameSamples:]
	for j, v := range pcm[:min(audio.FrameSamples, len(pcm))] {
		fr.sum[j] += int32(v)
	}
	s.sent++
	if s.frame++; s.frame < p.Frames() {
		return false
	}
	s.frame = 0
	if p.Endless() {
		return false
	}
	if s.part++; s.part == len(s.parts) && s.loop {
		s.part = 0
	}
	return s.part == len(s.parts)
}

// playedMs is what was heard, without the padding of the end.
func (s *mixSound) playedMs() int {
	ms := s.sent * int(audio.FrameDuration.Milliseconds())
	if !s.loop && s.part >= len(s.parts) {
		ms = min(ms, s.totalMs)
	}
	return ms
}

// endSound reports what was playing.
func (m *Mixer) endSound(sh *shard, track int, reason string) {
	s := m.sounds[track]
	if s == nil {
		return
	}
	m.sounds[track] = nil
	if track == mixAnnouncement {
		sh.emitTo(m.sink, Event{
			Kind: PlayEnded, Play: s.id, PlayedMs: s.playedMs(), TotalMs: s.totalMs, Completed: reason == ReasonEnd, Reason: reason,
		})
	}
}
