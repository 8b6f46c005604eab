package media

import (
	"math/rand/v2"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// coders are the states of a session's streams. The host makes them, because
// the shard does not allocate.
type coders struct {
	enc  codec.Encoder
	decs []codec.Decoder // of the formats that may come
	pack *packer         // nil: a packet is a frame
}

func newCoders(r sdp.Remote) coders {
	c := coders{enc: r.Codec.NewEncoder(), decs: make([]codec.Decoder, len(r.Formats)), pack: newPacker(r.PtimeMs)}
	if r.Codec == codec.Opus {
		c.enc = codec.NewOpusEncoder(r.Opus)
	}
	for i, f := range r.Formats {
		c.decs[i] = f.Codec.NewDecoder()
	}
	return c
}

// newCoders takes over the states for the agreement of c. Streams that go on
// keep theirs; a stream whose clock changes becomes another source, because a
// source has one clock (RFC 7160 §4.1).
func (l *leg) newCoders(sh *shard, c *command) {
	old, a := l.agreed, c.agreed
	if old == nil || old.codec != a.codec {
		l.enc = c.coders.enc
	}
	if old != nil && l.begun {
		l.flushPack(sh)
	}
	l.packer, l.relay = c.coders.pack, relay{}
	sh.speed(l, fastPack, l.packer.uneven())
	for i, f := range a.formats {
		if d := l.decoder(f.Codec); d != nil {
			c.coders.decs[i] = d
		}
	}
	l.decs = c.coders.decs
	if old != nil && old.codec.Clock != a.codec.Clock {
		l.send.ssrc, l.send.packets, l.send.octets, l.send.gap = rand.Uint32(), 0, 0, true
		l.rtcp.sentBefore = 0
	}
}

// decoder is the state of what comes in a codec, nil when it is new.
func (l *leg) decoder(c *codec.Codec) codec.Decoder {
	if l.agreed == nil {
		return nil
	}
	for i, f := range l.agreed.formats {
		if f.Codec == c {
			return l.decs[i]
		}
	}
	return nil
}

// factor is the number of ticks of our RTP clock in a unit of time.
func (l *leg) factor() uint32 {
	if l.agreed == nil {
		return 1
	}
	return l.agreed.codec.Factor()
}
