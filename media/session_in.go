package media

import (
	"net/netip"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Reading. A peer's packets are fetched in the session's slot, usually one a
// frame; bridged and flooded sessions every fastPeriod.
const (
	readLimit   = 128                    // datagrams of one session in one go
	readShare   = 8                      // of them always, also when the shard has reached tickReads
	tickReads   = 4096                   // datagrams of all sessions of a shard in one pass: 3 ms of them
	drainEvery  = 8                      // frames after which the socket is read until empty
	quietEvery  = 5                      // frames between reads while the peer may not send
	floodMemory = time.Second            // how long a flooded socket is read more often
	maxAge      = 250 * time.Millisecond // older kernel stamps are not believed
)

// in carries out commands and reads, for frame f.
func (l *leg) in(sh *shard, f int64) {
	if !l.begun {
		l.begin(sh)
	}
	if !l.obey(sh) || l.closing || l.agreed == nil {
		return
	}
	if l.agreed.receives || f%quietEvery == 0 {
		l.read(sh, l.drain || f%drainEvery == int64(l.s.id)%drainEvery)
	}
	if news := l.digitsIn.idle(sh.now); news.ended {
		l.report(sh, news, sh.now)
	}
	l.tones.idle(l, sh)
	if l.flood != 0 && sh.at-l.flood > floodMemory {
		l.flood = 0
		sh.speed(l, fastFlood, false)
	}
	l.voice.idle(l, sh)
	l.control(sh, f)
	l.watch(sh)
}

// begin is the first frame of a session.
func (l *leg) begin(sh *shard) {
	l.begun = true
	l.started = sh.at
	l.send.begin(l.due)
	if l.s.opts.RequireMedia {
		l.heard = sh.at
	}
}

// readFast reads a session outside its slot.
func (l *leg) readFast(sh *shard) {
	if l.agreed != nil && !l.closing {
		if l.packer.uneven() {
			l.sendPacks(sh)
		}
		l.read(sh, true)
	}
}

// read takes datagrams from the socket: all, or the one that is expected. A
// miss or a surplus makes the next read a full one.
func (l *leg) read(sh *shard, all bool) {
	for n := 0; ; n++ {
		if n == readLimit || n >= readShare && sh.reads >= tickReads {
			sh.stats.cut.Add(1)
			l.flood = sh.at
			sh.speed(l, fastFlood, true)
			return
		}
		if sh.full() {
			sh.stats.stalled.Add(1)
			return
		}
		size, from, stamp, ok := sh.io.recv(l.s.sock, sh.buf[:])
		if !ok {
			l.drain = n != 1
			return
		}
		sh.reads++
		l.datagram(sh, sh.buf[:size], from, stamp)
		if !all {
			l.drain = false
			return
		}
	}
}

// age is how long ago a kernel stamp was, within reason: wall clocks jump.
func (sh *shard) age(stamp int64) time.Duration {
	if stamp == 0 {
		return 0
	}
	return max(0, min(maxAge, time.Duration(sh.now.UnixNano()-stamp)))
}

// datagram takes one datagram of the RTP socket.
func (l *leg) datagram(sh *shard, b []byte, from netip.AddrPort, stamp int64) {
	if l.agreed.mux && isReport(b) {
		l.readReports(sh, b, from, stamp)
		return
	}
	if l.agreed.secured {
		if b = l.unseal(sh, b, from); b == nil {
			return
		}
	}
	var p packet
	if !parseRTP(b, &p, &sh.rtp) {
		l.drop(sh, DropMalformed)
		return
	}
	kind := l.agreed.byPT[p.pt]
	if kind == 0 {
		l.drop(sh, DropPayloadType)
		return
	}
	age := sh.age(stamp)
	arrived := sh.now.Add(-age)
	switch l.src.judge(from, &p, arrived) {
	case sourceForeign:
		l.drop(sh, DropSource)
		return
	case sourceLearning:
		l.drop(sh, DropLearning)
		return
	case sourcePinned:
		l.aim(sh)
	}
	if !l.agreed.receives {
		l.drop(sh, DropHeld)
		return
	}
	place := l.rx.seen(p.ssrc, p.seq)
	if place == arrivalDuplicate {
		l.drop(sh, DropDuplicate)
		return
	}
	l.accept(sh, &p, kind, place, arrived, age)
}

// accept takes a packet of the right source.
func (l *leg) accept(sh *shard, p *packet, kind uint8, place arrival, arrived time.Time, age time.Duration) {
	sh.pass.received++
	c := &l.s.counters
	c.received.Add(1)
	l.heard, l.lost = sh.at, false
	if !l.everHeard {
		l.everHeard = true
		sh.emit(l.s, Event{Kind: FirstPacket, At: arrived})
	}
	switch {
	case kind >= eventKind:
		l.event(sh, p, l.agreed.events[kind-eventKind].Clock, arrived)
	case kind == comfortKind:
		// Comfort noise stands for silence, which is what its absence is; in a
		// mix it is heard.
		if l.mix != nil {
			l.mix.feed.comfort(p.payload)
		}
	default:
		codec := l.agreed.formats[kind-1].Codec
		p.ts = l.clock.units(p.ssrc, p.ts, codec.Factor())
		if place != arrivalLate {
			l.rx.timing(p.ts, sh.at-age)
			c.setJitter(l.rx.jitter)
		}
		gap := l.rx.gap
		if place == arrivalLate {
			gap = -1
		}
		l.audio(sh, p, codec, l.decs[kind-1], gap, age)
	}
	c.lost.Store(l.rx.lost + uint64(l.rx.missing()))
}

// audio takes an audio packet; gap is how many are missing right before it, −1
// for one that fills a hole itself: a codec with a memory has made up for that
// one already.
func (l *leg) audio(sh *shard, p *packet, codec *codec.Codec, dec codec.Decoder, gap int, age time.Duration) {
	var full audio.Piece
	var pcm []int16
	if l.listens(codec) && (gap >= 0 || codec.G711 != nil) {
		if gap > 0 {
			gap = l.makeUp(sh, p, codec, dec, gap, age)
		}
		full = audio.Piece{Samples: sh.pcm[:dec.Decode(sh.pcm[:], p.payload)], Rate: codec.Rate}
		pcm = l.heardFit.To(audio.SampleRate, sh.narrow[:], full)
	}
	if gap >= 0 {
		l.heardIn(sh, p.payload, codec, dec, full.Samples)
	}
	if l.s.opts.Voice > 0 && len(pcm) > 0 {
		l.voice.packet(l, sh, pcm)
	}
	if l.tones.rx != nil && len(pcm) > 0 {
		l.tones.packet(l, sh, p.ts, pcm)
	}
	if len(pcm) > 0 {
		l.spread(sh, p.ts, pcm, gap, age)
	}
	if gap >= 0 {
		l.spoken, l.spokenTS = true, p.ts
	}
	l.toPeer(sh, p, codec, full)
}

// toPeer passes a packet on to the bridge.
func (l *leg) toPeer(sh *shard, p *packet, codec *codec.Codec, heard audio.Piece) {
	if l.peer != nil && !l.muted && !l.held {
		l.peer.leg.carry(sh, p, codec, heard)
	}
}

// listens reports whether what comes in a codec has to be decoded.
func (l *leg) listens(codec *codec.Codec) bool {
	if l.records > 0 || l.s.opts.Voice > 0 || l.tones.rx != nil || l.tapCount > 0 || l.mix != nil {
		return true
	}
	if l.peer == nil {
		return false
	}
	o := &l.peer.leg
	return o.records > 0 || o.tapCount > 0 || o.agreed != nil && needsRelay(codec, o.agreed.codec)
}

// event takes a telephone-event packet.
func (l *leg) event(sh *shard, p *packet, hz int, arrived time.Time) {
	ev, ok := parseEvent(p.payload)
	if !ok {
		l.drop(sh, DropEvent)
		return
	}
	l.tones.agree(l, sh, nil) // whoever sends events is not listened to twice
	if news := l.digitsIn.packet(p.ssrc, p.ts, hz, ev, arrived); news.began || news.ended {
		l.report(sh, news, arrived)
	}
	if l.peer != nil && !l.muted && !l.held && !l.keepDigits {
		p.ts = l.events.units(p.ssrc, p.ts, audio.Ticks(hz))
		l.peer.leg.carryEvent(sh, p, hz)
	}
}

// report turns news of the digit receiver into events.
func (l *leg) report(sh *shard, news digitNews, at time.Time) {
	ended := Event{Kind: DigitEnded, At: at, Digit: news.endedKey, DurationMs: news.durationMs}
	if news.ended && (news.endedBefore || !news.began) {
		sh.emit(l.s, ended)
	}
	if news.began {
		l.s.counters.digits.Add(1)
		sh.emit(l.s, Event{Kind: DigitBegan, At: at, Digit: news.beganKey})
		if news.ended && !news.endedBefore {
			sh.emit(l.s, ended)
		}
	}
}

// endDigit ends a digit that is still pressed.
func (l *leg) endDigit() (news digitNews) {
	if l.digitsIn.active {
		return l.digitsIn.end()
	}
	if n := l.tones.stop(); n.Ended != 0 {
		return asDigit(n)
	}
	return news
}

// watch reports that the peer has fallen silent for too long. Its time stands
// still while one side holds the other.
func (l *leg) watch(sh *shard) {
	timeout := l.s.opts.MediaTimeout
	if timeout <= 0 || l.heard == 0 || l.lost {
		return
	}
	if l.onHold() {
		l.heard = sh.at
		return
	}
	if sh.at-l.heard >= timeout {
		l.lost = true
		sh.emit(l.s, Event{Kind: MediaLost, DurationMs: int((sh.at - l.heard).Milliseconds())})
	}
}

// onHold reports whether no packets have to come: we hold, or they do. Who
// only sends holds us, and many phones then send nothing.
func (l *leg) onHold() bool {
	return l.held || !l.agreed.receives || !l.agreed.sends
}

func (l *leg) drop(sh *shard, why Drop) {
	sh.stats.drops[why].Add(1)
	l.s.counters.dropped.Add(1)
}
