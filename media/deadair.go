package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Whether anything is heard, in either direction: calls in which nobody hears
// anybody are found by it. A look at one packet in half a second of sound is all
// it costs; only in silence, and of a party that holds us, each packet is looked at.
const (
	soundEvery = 500 * time.Millisecond
	soundStep  = 8  // of the samples of a packet one in eight is looked at
	soundBytes = 16 // longer packets of Opus are sound: what DTX sends is shorter
)

// heardIn looks at a packet of the peer that came in its turn. pcm is its audio
// where somebody listens already, else nil.
func (l *leg) heardIn(sh *shard, payload []byte, c *codec.Codec, dec codec.Decoder, pcm []int16) {
	holds := l.agreed != nil && !l.agreed.sends
	due := sh.at-l.sounded >= soundEvery
	if !holds && !due || !sh.audible(payload, c, dec, pcm, holds) {
		return
	}
	if holds {
		l.s.counters.music.Store(sh.now.UnixNano())
	}
	if !due {
		return
	}
	l.sound(sh)
	if l.peer != nil {
		l.peer.leg.sound(sh)
	}
}

// sound notes that the session's party hears, or is heard.
func (l *leg) sound(sh *shard) {
	if sh.at-l.sounded < soundEvery {
		return
	}
	l.sounded = sh.at
	l.s.counters.sound.Store(sh.now.UnixNano())
}

// audible reports whether a payload holds more than silence. That of a codec with
// a memory is decoded for it, with exact set when it is Opus: its decoder is too
// big to have one only to find dead calls.
func (sh *shard) audible(payload []byte, c *codec.Codec, dec codec.Decoder, pcm []int16, exact bool) bool {
	switch {
	case c.G711 != nil:
		return audibleG711(payload, c.G711)
	case pcm != nil:
		return audio.Loud(pcm)
	case c == codec.Opus && (!exact || len(payload) <= soundBytes):
		return len(payload) > soundBytes
	}
	return audio.Loud(sh.pcm[:dec.Decode(sh.pcm[:], payload)])
}

func audibleG711(payload []byte, c *codec.Companding) bool {
	sum, n := 0, 0
	for i := 0; i < len(payload); i += soundStep {
		v := int(c.Sample(payload[i]))
		sum += max(v, -v)
		n++
	}
	return n > 0 && sum >= audio.VoiceLevel*n
}

// LastSound is when the session's party was last heard, or last heard a prompt,
// a stream or another party; zero for never.
func (s *Session) LastSound() time.Time { return instant(s.counters.sound.Load()) }

// LastMusic is when the session's party last sent sound while it held us: music
// on hold (RFC 3264 §8.4); zero for never.
func (s *Session) LastMusic() time.Time { return instant(s.counters.music.Load()) }

func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
