package media

import (
	"encoding/binary"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// relay carries the audio of a peer that speaks another codec: what it says is
// put into frames of ours, at our rate, and encoded. Between the codecs of G.711
// a table does that code word by code word, and between equal codecs nothing is
// to be done: neither comes here.
type relay struct {
	fit     audio.Fitting
	waiting int    // samples in pcm
	ts      uint32 // of the first of them, on our timeline
	open    bool
	pcm     [audio.WideFrame]int16
}

// relayHole is the longest hole, in frames, that is passed on as packets that
// were lost; a longer one is a pause.
const relayHole = 10

// needsRelay reports whether what comes in one codec must be made anew for
// another.
func needsRelay(from, to *codec.Codec) bool {
	return from != to && (from.G711 == nil || to.G711 == nil)
}

// relayed takes a piece of the peer's audio with our timestamp.
func (l *leg) relayed(sh *shard, ts uint32, heard audio.Piece) {
	r, c := &l.relay, l.agreed.codec
	pcm := r.fit.To(c.Rate, sh.relay[:], heard)
	perUnit := c.Rate / audio.SampleRate
	if hole := int32(ts - r.ts - uint32(r.waiting/perUnit)); !r.open || hole != 0 {
		if r.open && hole < 0 && hole > -audio.SampleRate {
			return // late: what it belongs to has been sent
		}
		l.closeRelay(sh)
		if lost := hole / audio.FrameSamples; r.open && lost > 0 && lost <= relayHole {
			l.send.seq += uint16(lost) // the listener sees that something is missing
		}
		r.ts, r.open = ts, true
	}
	for len(pcm) > 0 {
		n := copy(r.pcm[r.waiting:c.FrameLen()], pcm)
		pcm = pcm[n:]
		if r.waiting += n; r.waiting == c.FrameLen() {
			l.relayFrame(sh)
		}
	}
}

// closeRelay sends what waits for the rest of its frame.
func (l *leg) closeRelay(sh *shard) {
	r := &l.relay
	if r.waiting > 0 {
		clear(r.pcm[r.waiting:])
		l.relayFrame(sh)
	}
	r.waiting = 0
}

// relayFrame encodes and sends a whole frame.
func (l *leg) relayFrame(sh *shard) {
	r, c := &l.relay, l.agreed.codec
	pcm := r.pcm[:c.FrameLen()]
	n := l.enc.Encode(sh.code[:], pcm)
	l.send.next = r.ts + audio.FrameSamples
	l.sendFrame(sh, r.ts, sh.code[:n], audio.Piece{Samples: pcm, Rate: c.Rate})
	r.ts += audio.FrameSamples
	r.waiting = 0
}

// translated is a telephone-event for another clock rate.
func (sh *shard) translated(payload []byte, from, to int) []byte {
	if from == to || len(payload) < eventBytes {
		return payload
	}
	out := append(sh.code[:0], payload[:eventBytes]...)
	ticks := uint64(binary.BigEndian.Uint16(payload[2:])) * uint64(to) / uint64(from)
	binary.BigEndian.PutUint16(out[2:], uint16(min(ticks, segmentMax)))
	return out
}
