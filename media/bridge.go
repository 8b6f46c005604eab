package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// A bridge connects two legs of one shard: what one receives is passed on to
// the other at once, under the other's own source, sequence and timestamps.
const (
	// passageStall is how long a leg waits for its peer's packets before it
	// fills the hole with silence.
	passageStall = 3 * audio.FrameDuration
	// passageLate is how far behind its place a packet may come after such a
	// silence and be dropped for it; a stream that stays behind is moved.
	passageLate  = audio.SampleRate
	passageLates = 10
	// passageDrift is how far the peer's clock may run away from ours.
	passageDrift = audio.SampleRate
	// maxMoves bounds the chase after a session that itself moves.
	maxMoves = 8
)

// passage translates the packets of a peer into our stream.
type passage struct {
	open   bool
	broken bool // we have sent something of our own since
	ssrc   uint32
	ts     uint32 // ours − theirs
	seq    uint16 // ours − theirs
	first  uint16 // theirs, of the first packet under seq
	last   uint16 // theirs, of the latest packet
	lates  int
	event  uint32 // their timestamp of the latest event
	placed uint32 // and ours
	inside bool   // event and placed are set
	at     time.Duration
}

// flows reports whether the peer's packets come regularly.
func (g *passage) flows(at time.Duration) bool { return g.open && at-g.at < passageStall }

// join connects l with other; false means that l must move to other's shard.
func (l *leg) join(sh *shard, other *Session, turn uint64) bool {
	home := other.home.Load()
	if home == nil || l.closing {
		return true // the other one never started or has gone
	}
	if home != sh {
		l.moves++
		return l.moves > maxMoves
	}
	l.moves = 0
	if other.leg.closing || turn < max(l.parted, other.leg.parted) {
		return true // gone, or the end of this bridge overtook it
	}
	l.joined, other.leg.joined = max(l.joined, turn), max(other.leg.joined, turn)
	if other.leg.peer == l.s {
		return true
	}
	l.part(sh)
	other.leg.part(sh)
	l.peer, other.leg.peer = other, l.s
	l.passage, other.leg.passage = passage{}, passage{}
	l.relay, other.leg.relay = relay{}, relay{}
	sh.speed(l, fastBridge, true)
	sh.speed(&other.leg, fastBridge, true)
	return true
}

// part takes l out of its bridge.
func (l *leg) part(sh *shard) {
	if l.peer == nil {
		return
	}
	other := &l.peer.leg
	l.peer, other.peer = nil, nil
	sh.speed(l, fastBridge, false)
	sh.speed(other, fastBridge, false)
}

// move takes l to the shard of the session that it is to be bridged with, or of
// its mixer. It leaves right after a frame, so that the other shard, which is
// woken or wakes for every frame of its sessions, takes it in before the next
// one is due.
func (l *leg) move(sh, target *shard) {
	l.part(sh)
	l.exit()
	l.out(sh, frameAt(sh.at, l.slot))
	sh.remove(l.s)
	sh.count--
	sh.load.Add(-1)
	sh.handOver(true) // its events so far come before those from there
	l.s.home.Store(target)
	target.adopt(l.s)
}

// ready reports whether packets of the peer can be passed on to l now.
func (l *leg) ready() bool {
	a := l.agreed
	return a != nil && a.sends && l.begun && !l.closing && !l.held &&
		!l.digitsOut.covers() && !l.feeding && !l.hearsMix() && (l.play == nil || l.play.codec != a.codec)
}

// carry passes an audio packet of the peer on to l; heard is what it says, if
// it was decoded.
func (l *leg) carry(sh *shard, p *packet, codec *codec.Codec, heard audio.Piece) {
	if !l.ready() {
		return
	}
	if p.payload == nil && !needsRelay(codec, l.agreed.codec) {
		return // restored for those who listen: the listener here sees a loss
	}
	now := l.send.clockAt(sh.at, l.slot)
	before := l.send.seq
	ts, seq, marker, ok := l.passage.place(&l.send, p, now)
	if needsRelay(codec, l.agreed.codec) {
		l.send.seq = before // packets are not passed on one by one
		ok = ok && len(heard.Samples) > 0
	}
	if !ok {
		l.drop(sh, DropBridge)
		return
	}
	l.passage.at = sh.at
	if needsRelay(codec, l.agreed.codec) {
		l.relayed(sh, ts, heard)
		return
	}
	l.flushPack(sh)
	payload := p.payload
	if codec != l.agreed.codec {
		payload = sh.code[:len(p.payload)]
		table := sh.engine.convert[codec.Slot][l.agreed.codec.Slot]
		for i, b := range p.payload {
			payload[i] = table[b]
		}
	}
	if end := ts + l.agreed.codec.Length(payload); marker || int32(end-l.send.next) > 0 {
		l.send.next = end
	}
	l.send.gap, l.send.started = false, true
	l.writeAs(sh, l.agreed.sendPT, marker, seq, ts*l.agreed.codec.Factor(), payload)
	if l.records > 0 || l.tapCount > 0 {
		l.recordSent(sh, ts, payload, heard)
	}
}

// carryEvent passes a telephone-event packet of the peer on to l.
func (l *leg) carryEvent(sh *shard, p *packet, hz int) {
	if !l.ready() {
		return
	}
	a, g := l.agreed, &l.passage
	if a.eventPT == 0 {
		l.drop(sh, DropBridge)
		return
	}
	l.closeRelay(sh)
	l.flushPack(sh)
	now := l.send.clockAt(sh.at, l.slot)
	ts, seq, ok := g.placeEvent(&l.send, p, now)
	if !ok {
		l.drop(sh, DropBridge)
		return
	}
	g.at = sh.at
	l.writeAs(sh, a.eventPT, p.marker || l.send.gap, seq, ts*audio.Ticks(a.eventHz), sh.translated(p.payload, hz, a.eventHz))
	l.send.gap, l.send.started = false, true
}

// place finds our timestamp and sequence number for an audio packet; marker
// is set when the timestamps jump. now is our clock.
func (g *passage) place(o *sender, p *packet, now uint32) (ts uint32, seq uint16, marker, ok bool) {
	mapped := p.ts + g.ts
	if g.stranger(p, mapped, now) {
		return g.anchor(o, p, now)
	}
	if g.broken {
		behind := int32(o.next - mapped)
		switch {
		case behind <= 0:
			g.renumber(o, p)
		case behind < passageLate && g.lates < passageLates:
			g.lates++
			return 0, 0, false, false
		default:
			return g.anchor(o, p, now)
		}
	}
	g.lates = 0
	seq, ok = g.number(o, p)
	return mapped, seq, o.gap, ok
}

// placeEvent is place for an event, whose packets share one timestamp.
func (g *passage) placeEvent(o *sender, p *packet, now uint32) (ts uint32, seq uint16, ok bool) {
	same := g.inside && g.open && g.ssrc == p.ssrc && g.event == p.ts
	mapped := p.ts + g.ts
	switch {
	case same:
		mapped = g.placed
		if g.broken {
			g.renumber(o, p)
		}
	case g.stranger(p, mapped, now), g.broken && int32(o.next-mapped) > 0:
		if mapped, seq, _, ok = g.anchor(o, p, now); !ok {
			return 0, 0, false
		}
		g.inside, g.event, g.placed = true, p.ts, mapped
		return mapped, seq, true
	case g.broken:
		g.renumber(o, p)
	}
	seq, ok = g.number(o, p)
	g.inside, g.event, g.placed = true, p.ts, mapped
	return mapped, seq, ok
}

// stranger reports whether a packet does not continue what was passed on.
func (g *passage) stranger(p *packet, mapped, now uint32) bool {
	ahead := int16(p.seq - g.last)
	drift := int32(mapped - now)
	return !g.open || g.ssrc != p.ssrc || ahead > passageJump || ahead < -passageJump ||
		drift > passageDrift || drift < -passageDrift
}

// passageJump is a step of the sequence numbers that no loss explains.
const passageJump = 1000

// anchor begins the translation anew, without a gap in our timestamps if
// there is none in time. Where we are ahead already, the packet is left out.
func (g *passage) anchor(o *sender, p *packet, now uint32) (ts uint32, seq uint16, marker, ok bool) {
	ts = now
	if o.started {
		switch ahead := int32(o.next - now); {
		case ahead > 2*audio.FrameSamples && ahead < passageDrift:
			return 0, 0, false, false
		case ahead > -2*audio.FrameSamples && ahead < passageDrift:
			ts = o.next
		}
	}
	marker = o.gap || ts != o.next
	*g = passage{open: true, ssrc: p.ssrc, ts: ts - p.ts, at: g.at}
	g.renumber(o, p)
	seq, ok = g.number(o, p)
	return ts, seq, marker, ok
}

// renumber lets our sequence numbers go on with p.
func (g *passage) renumber(o *sender, p *packet) {
	g.broken, g.lates = false, 0
	g.seq = o.seq + 1 - p.seq
	g.first, g.last = p.seq, p.seq-1
}

// number is our sequence number for p: holes stay holes, so that the listener
// sees what was lost.
func (g *passage) number(o *sender, p *packet) (uint16, bool) {
	if int16(p.seq-g.first) < 0 {
		return 0, false // from before the numbering
	}
	seq := p.seq + g.seq
	if int16(p.seq-g.last) > 0 {
		g.last = p.seq
		o.seq = seq
	}
	return seq, true
}
