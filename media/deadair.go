package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Whether anything is heard, in either direction: calls in which nobody hears
// anybody are found by it. A look at one packet in half a second of sound is all
// it costs; only in silence each packet is looked at.
const (
	soundEvery = 500 * time.Millisecond
	soundStep  = 8  // of the samples of a packet one in eight is looked at
	soundBytes = 16 // longer packets of a codec with a memory are sound: what DTX sends is shorter
)

// heardIn looks at a packet of the peer.
func (l *leg) heardIn(sh *shard, payload []byte, c *codec.Codec) {
	if l.agreed != nil && !l.agreed.sends && audible(payload, c) {
		l.s.counters.music.Store(sh.now.UnixNano())
	}
	if sh.at-l.sounded < soundEvery || !audible(payload, c) {
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

// audible reports whether a payload holds more than silence.
func audible(payload []byte, c *codec.Codec) bool {
	if c.G711 == nil {
		return len(payload) > soundBytes
	}
	sum, n := 0, 0
	for i := 0; i < len(payload); i += soundStep {
		v := int(c.G711.Sample(payload[i]))
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
