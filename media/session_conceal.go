package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// codecGaps is how many packets a codec makes up for at once; of a longer gap
// it is asked for the end only.
const codecGaps = 5

// makeUp lets a codec with a memory stand in for the packets that are missing
// right before p, with what it knows better than anybody (Opus: the redundancy
// in p). It returns how many remain missing: all for codecs without such a way,
// whose gaps the lanes conceal.
func (l *leg) makeUp(sh *shard, p *packet, codec *codec.Codec, dec codec.Decoder, gap int, age time.Duration) int {
	ahead := int(int32(p.ts - l.spokenTS))
	units := ahead / (gap + 1)
	if !l.spoken || codec.G711 != nil || ahead%(gap+1) != 0 || units <= 0 || units > sdp.MaxPtimeMs*audio.SampleRate/1000 {
		return gap
	}
	for left := min(gap, codecGaps); left > 0; left-- {
		var next []byte
		if left == 1 {
			next = p.payload
		}
		full := sh.pcm[:units*codec.Rate/audio.SampleRate]
		if !dec.Conceal(full, next) {
			return gap
		}
		pcm := l.heardFit.To(audio.SampleRate, sh.narrow[:], audio.Piece{Samples: full, Rate: codec.Rate})
		// As if it had come in time: what is made up is not late.
		before := left * units
		l.spread(sh, p.ts-uint32(before), pcm, 0, age+time.Duration(before)*time.Second/audio.SampleRate)
		lost := packet{marker: false, pt: p.pt, seq: p.seq - uint16(left), ts: p.ts - uint32(before), ssrc: p.ssrc}
		l.toPeer(sh, &lost, codec, audio.Piece{Samples: full, Rate: codec.Rate})
	}
	return 0
}

// spread gives decoded audio of the party to whoever puts it in order for
// itself: recordings, taps, a mix.
func (l *leg) spread(sh *shard, ts uint32, pcm []int16, gap int, age time.Duration) {
	now := l.send.clockAt(sh.at-age, l.slot)
	if l.tapCount > 0 {
		l.tapReceived(ts, pcm, gap, now)
	}
	for _, r := range l.recs[:l.records] {
		if r.reason == "" {
			r.received(ts, pcm, gap, now)
		}
	}
	if l.mix != nil {
		l.mix.spoken(l, ts, pcm, gap)
	}
}
