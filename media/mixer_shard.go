package media

import (
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// The shard's half of a mixer. Nothing here allocates or waits.

const (
	mixFrames = 4 // frames of a mix that are kept: members of a late pass send two
	mixMask   = mixFrames - 1
	// mixUnity is a factor of one on samples, mixLoudest the greatest factor.
	mixUnity   = 1 << 12
	mixLoudest = 8
	// mixQuiet is after how many frames without a sound a mix lets its shard rest.
	mixQuiet = 25
)

// mixState is what the shard owns of a Mixer.
type mixState struct {
	speakers int
	members  []*mixMember
	talkers  []*mixMember // scratch: who makes a sound in this frame
	coaches  int
	done     int64 // latest frame
	loud     int64 // latest frame with a sound
	frames   [mixFrames]mixFrame
	sounds   [mixTracks]*mixSound
	rec      *Recorder
	closing  bool
	encoders [codec.Slots]codec.Encoder // of what all hear
	fits     [codec.Slots]audio.Fitting
	pcm      [audio.FrameSamples]int16
	code     [codec.MaxPayload]byte
}

// mixFrame is 20 ms of the mix.
type mixFrame struct {
	number  int64
	sounds  bool // anything at all
	sum     [audio.FrameSamples]int32
	encoded [codec.Slots]mixPayload // of the sum, made when somebody needs it
}

// mixPayload is a frame in a codec, with what it says at the codec's rate.
type mixPayload struct {
	ready bool
	size  int
	data  [codec.MaxPayload]byte
	pcm   [audio.WideFrame]int16
}

// mixMember is one session in a mix: made by the host, owned by the shard.
type mixMember struct {
	s      *Session
	mixer  *Mixer
	opts   MixOptions
	gain   int32
	index  int
	feed   playout
	fit    audio.Fitting                        // of what it alone hears
	own    [mixFrames][audio.FrameSamples]int16 // what it said, frame by frame
	spoke  [mixFrames]bool                      // own is set
	added  [mixFrames]bool                      // and part of the sum
	level  int32                                // falls slowly
	ducked bool                                 // left out as one too many
}

// enter makes l a member of x's mixer; false means that l must move to the
// mixer's shard first.
func (l *leg) enter(sh *shard, x *mixMember) bool {
	m := x.mixer
	if m.closed.Load() {
		return true // also so that nobody moves to a shard that is being stopped
	}
	if m.shard != sh {
		return l.closing
	}
	if l.mix != nil && l.mix.mixer == m {
		m.coaches += x.coaching() - l.mix.coaching()
		l.mix.opts, l.mix.gain = x.opts, x.gain
		return true
	}
	l.exit()
	if m.closing || l.closing || len(m.members) == cap(m.members) {
		m.engine.overflows.Add(1)
		return true
	}
	if len(m.members) == 0 {
		m.oversleep(l.due - 1)
	}
	x.index = len(m.members)
	m.members = append(m.members, x)
	m.coaches += x.coaching()
	l.mix = x
	return true
}

func (x *mixMember) coaching() int {
	if x.opts.Role == MixCoach {
		return 1
	}
	return 0
}

// exit takes l out of its mix.
func (l *leg) exit() {
	x := l.mix
	if x == nil {
		return
	}
	l.mix = nil
	m := x.mixer
	m.coaches -= x.coaching()
	last := len(m.members) - 1
	m.members[x.index] = m.members[last]
	m.members[x.index].index = x.index
	m.members[last] = nil
	m.members = m.members[:last]
}

// spoken takes decoded samples of the party; gap is as for a lane. Frames stay
// frames, because packets count from the frame that they came before. Whom the other side has put on
// hold is not heard: it may be its music.
func (x *mixMember) spoken(l *leg, ts uint32, pcm []int16, gap int) {
	if x.opts.Role == MixListener || x.opts.Muted || l.muted || l.held || !l.agreed.sends || l.tones.pressed() {
		if x.feed.begun {
			x.feed = playout{}
		}
		return
	}
	x.feed.put(ts, pcm, gap, x.mixer.stamp())
}

// advance makes the mix up to frame f.
func (m *Mixer) advance(sh *shard, f int64) {
	if f <= m.done {
		return
	}
	if f-m.done > mixFrames {
		m.oversleep(f - 1)
	}
	for m.done < f {
		m.done++
		m.mix(sh)
	}
	m.keep(sh)
}

// mix makes the next frame.
func (m *Mixer) mix(sh *shard) {
	i := m.done & mixMask
	fr := &m.frames[i]
	fr.number, fr.sounds = m.done, false
	clear(fr.sum[:])
	for k := range fr.encoded {
		fr.encoded[k].ready = false
	}
	m.collect(i)
	m.choose(i)
	for _, x := range m.talkers {
		x.add(fr, i)
	}
	for track, s := range m.sounds {
		if s != nil && s.add(fr) {
			m.endSound(sh, track, ReasonEnd)
		}
	}
	if fr.sounds {
		m.loud = m.done
	}
	if r := m.rec; r != nil && r.reason == "" && fr.sounds {
		m.flat(fr)
		r.sent(uint32(m.done*audio.FrameSamples), m.pcm[:])
	}
}

// collect takes a frame out of every voice.
func (m *Mixer) collect(i int64) {
	m.talkers = m.talkers[:0]
	for _, x := range m.members {
		x.spoke[i], x.added[i] = false, false
		x.level -= x.level / 8
		if !x.feed.begun {
			continue
		}
		x.feed.next(&x.own[i], uint32(m.done*audio.FrameSamples))
		sum := int32(0)
		for j, v := range x.own[i] {
			if x.gain != mixUnity {
				v = audio.Clip(int32(int64(v) * int64(x.gain) / mixUnity))
				x.own[i][j] = v
			}
			sum += int32(max(int(v), -int(v)))
		}
		if sum == 0 {
			continue
		}
		x.spoke[i] = true
		x.level = max(x.level, sum/audio.FrameSamples)
		if x.opts.Role == MixMember {
			m.talkers = append(m.talkers, x)
		} else {
			m.loud = m.done
		}
	}
}

// choose leaves the loudest among the talkers undimmed when there are more
// than may be heard at once. Who is heard already has an advantage, so that
// two voices as loud do not take turns by the frame.
func (m *Mixer) choose(i int64) {
	if len(m.talkers) <= m.speakers {
		for _, x := range m.talkers {
			x.ducked = false // no fade: nothing was cut off a moment ago
		}
		return
	}
	for n := range m.talkers {
		if n == m.speakers {
			break
		}
		best := n
		for j := n + 1; j < len(m.talkers); j++ {
			if m.talkers[j].rank() > m.talkers[best].rank() {
				best = j
			}
		}
		m.talkers[n], m.talkers[best] = m.talkers[best], m.talkers[n]
	}
	for n, x := range m.talkers {
		switch {
		case n < m.speakers && x.ducked:
			x.fade(i, 0, 1)
			x.ducked = false
		case n >= m.speakers && !x.ducked:
			x.fade(i, 1, 0)
			x.ducked = true
		case n >= m.speakers:
			x.spoke[i] = false
		}
	}
}

func (x *mixMember) rank() int32 {
	if x.ducked {
		return x.level
	}
	return 2*x.level + 1
}

// fade turns the frame up or down over its length.
func (x *mixMember) fade(i int64, from, to int32) {
	for j, v := range x.own[i] {
		f := from*int32(audio.FrameSamples-j) + to*int32(j)
		x.own[i][j] = int16(int32(v) * f / audio.FrameSamples)
	}
}

// add puts the member's frame into the sum.
func (x *mixMember) add(fr *mixFrame, i int64) {
	if !x.spoke[i] {
		return
	}
	x.added[i], fr.sounds = true, true
	for j, v := range x.own[i] {
		fr.sum[j] += int32(v)
	}
}

// flat is the sum in the mixer's scratch, within 16 bits.
func (m *Mixer) flat(fr *mixFrame) {
	for j, v := range fr.sum {
		m.pcm[j] = audio.Clip(v)
	}
}

// heard is what a member hears in frame f, encoded and as it is. enc
// is the session's own encoder, for what nobody else hears.
func (x *mixMember) heard(sh *shard, enc codec.Encoder, codec *codec.Codec, f int64) ([]byte, audio.Piece) {
	m, i := x.mixer, f&mixMask
	fr := &m.frames[i]
	coached := m.coaches > 0 && m.coached(x, i)
	switch {
	case fr.number != f || !fr.sounds && !coached:
		return codec.Silence(), audio.Piece{Samples: sh.quiet[:audio.FrameSamples], Rate: audio.SampleRate}
	case x.added[i] || coached:
		x.without(fr, i, coached)
		pcm := audio.Piece{Samples: m.pcm[:], Rate: audio.SampleRate}
		return m.code[:enc.Encode(m.code[:], x.fit.To(codec.Rate, sh.wide[:], pcm))], pcm
	}
	return m.common(fr, codec)
}

// common is the frame for all who hear the same, encoded once for a codec.
func (m *Mixer) common(fr *mixFrame, codec *codec.Codec) ([]byte, audio.Piece) {
	e := &fr.encoded[codec.Slot]
	if !e.ready {
		m.flat(fr)
		pcm := m.fits[codec.Slot].To(codec.Rate, e.pcm[:], audio.Piece{Samples: m.pcm[:], Rate: audio.SampleRate})
		copy(e.pcm[:], pcm)
		e.size, e.ready = m.encoders[codec.Slot].Encode(e.data[:], pcm), true
	}
	return e.data[:e.size], audio.Piece{Samples: e.pcm[:codec.FrameLen()], Rate: codec.Rate}
}

// without puts the sum less x's own voice, and with that of its coaches, into
// the mixer's scratch.
func (x *mixMember) without(fr *mixFrame, i int64, coached bool) {
	m := x.mixer
	own := &x.own[i]
	for j, v := range fr.sum {
		if x.added[i] {
			v -= int32(own[j])
		}
		if coached {
			v += m.advice(x, i, j)
		}
		m.pcm[j] = audio.Clip(v)
	}
}

// coached reports whether somebody talks to x alone in frame i.
func (m *Mixer) coached(x *mixMember, i int64) bool {
	for _, c := range m.members {
		if c.opts.Role == MixCoach && c.opts.Coach == x.s && c.spoke[i] {
			return true
		}
	}
	return false
}

// advice is one sample of what coaches say to x.
func (m *Mixer) advice(x *mixMember, i int64, j int) (sum int32) {
	for _, c := range m.members {
		if c.opts.Role == MixCoach && c.opts.Coach == x.s && c.spoke[i] {
			sum += int32(c.own[i][j])
		}
	}
	return sum
}

// hears reports whether the leg sends the mix.
func (l *leg) hearsMix() bool { return l.mix != nil && !l.mix.opts.Overheard && !l.held }
