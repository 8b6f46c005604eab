package media

import (
	"math/rand/v2"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// sender is our own RTP stream: one source for the whole session, whatever is
// heard on it.
type sender struct {
	ssrc    uint32
	seq     uint16 // of the latest packet
	base    uint32 // timestamp of frame first
	first   int64
	next    uint32 // timestamp that follows the latest audio without a gap
	started bool
	gap     bool // frames were not sent: the next packet begins a talkspurt
	packets uint32
	octets  uint32
}

func (o *sender) init() {
	// A number that does not begin anew at once: who misses the first packets of
	// an encrypted stream could not tell (RFC 3711 §3.3.1).
	o.ssrc, o.seq, o.base = rand.Uint32(), uint16(rand.Uint32N(1<<15)), rand.Uint32()
}

func (o *sender) begin(f int64) { o.first, o.gap = f, true }

// clock is the timestamp of frame f.
func (o *sender) clock(f int64) uint32 { return o.base + uint32((f-o.first)*audio.FrameSamples) }

// clockAt is the timestamp of a moment, counted from the base, for a session
// in slot k.
func (o *sender) clockAt(at time.Duration, k int) uint32 {
	return o.base + uint32(audio.Samples(at-dueAt(o.first, k)))
}

// stamp is the timestamp for audio of our own at frame f. It follows the audio
// before exactly; only where a frame or more is missing it jumps to the clock.
// A stream that was passed on may have run ahead of the clock by a little,
// which stays.
func (o *sender) stamp(f int64) uint32 {
	clock := o.clock(f)
	if o.started && int32(clock-o.next) < audio.FrameSamples && int32(o.next-clock) < audio.SampleRate {
		return o.next
	}
	return clock
}

// out sends what frame f needs, and catches up after a late pass:
//
//   - A frame is due by the clock, never by the one before it, so that lateness
//     does not add up.
//   - At most maxBurst frames are sent at once, the present one and the one
//     before: a jitter buffer that has run dry takes them, more would overflow
//     it or make it grow.
//   - What is older is left out (counted in LateSkips). The prompt goes on at
//     its place in time; what was left out was not heard and is not reported as
//     played.
//   - Sequence numbers go on without a hole, because nothing was lost on the
//     way; timestamps step over what was left out, so that the listener's clock
//     stays right.
func (l *leg) out(sh *shard, f int64) {
	behind := f - l.due + 1
	if behind <= 0 || !l.begun || l.closing {
		return
	}
	if skip := behind - maxBurst; skip > 0 {
		l.skip(sh, skip)
		behind = maxBurst
	}
	for range behind {
		if l.mix != nil {
			l.mix.mixer.advance(sh, l.due)
		}
		l.frame(sh)
		l.due++
	}
	if l.records > 0 {
		l.advanceRecords(sh)
	}
	if l.tapCount > 0 {
		l.advanceTaps(sh)
	}
}

// skip leaves out frames: the timestamp and what plays move on unheard.
func (l *leg) skip(sh *shard, frames int64) {
	sh.pass.skipped += uint64(frames)
	l.due += frames
	if l.agreed == nil || !l.agreed.sends || l.play == nil || l.play.parts == nil || l.play.paused {
		return
	}
	for range min(frames, int64(l.play.frames)) {
		l.play.advance()
	}
	if l.play.over() {
		l.endPlay(sh, ReasonEnd)
	}
}

// frame sends one frame: digits before a playback before the bridge before
// silence.
func (l *leg) frame(sh *shard) {
	a := l.agreed
	if a == nil || !a.sends {
		l.send.gap = true
		l.unheard(sh)
		return
	}
	ts := l.send.stamp(l.due)
	act, marker, done := l.digitsOut.step(l.due, ts, audio.Ticks(a.eventHz))
	switch {
	case act == digitPacket && a.eventPT == 0:
		// A new agreement has taken the events away under way.
		l.sendSilence(sh, ts)
		l.digitsDone(sh, done)
	case act == digitPacket:
		l.flushPack(sh)
		l.write(sh, a.eventPT, marker, l.digitsOut.ts*audio.Ticks(a.eventHz), l.digitsOut.payload[:])
		l.passage.broken = true
		l.digitsDone(sh, done)
	case act == digitTone && l.digitsOut.head.tones.codec == a.codec:
		payload, heard := l.digitsOut.head.tones.next()
		l.sendAudio(sh, ts, payload, heard)
	case act == digitTone:
		l.digitsOut.head.tones.advance()
		l.sendSilence(sh, ts)
	case act == digitSilence:
		l.sendSilence(sh, ts)
	default:
		l.digitsDone(sh, done)
		l.usual(sh, ts)
	}
}

// unheard lets a prompt wait for the party that holds us, and then go on without
// it: a script that waits for its end is not to wait for as long as a phone likes.
func (l *leg) unheard(sh *shard) {
	p := l.play
	if p == nil || p.parts == nil || p.paused {
		return
	}
	if p.waited++; p.waited <= wholeFrames(holdPatience) {
		return
	}
	if p.advance(); p.over() {
		l.endPlay(sh, ReasonEnd)
	}
}

// usual sends what is heard when no digits are sent.
func (l *leg) usual(sh *shard, ts uint32) {
	if l.tapCount > 0 && l.fromTaps(sh, ts) {
		return
	}
	switch {
	case l.play != nil && l.play.paused:
		l.sendSilence(sh, ts)
	case l.play != nil && l.play.codec == l.agreed.codec:
		payload, heard := l.play.next()
		l.sound(sh)
		l.sendAudio(sh, ts, payload, heard)
		if l.play.over() {
			l.endPlay(sh, ReasonEnd)
		}
	case l.peer != nil && l.passage.flows(sh.at) && !l.held && !l.hearsMix():
		// The peer's packets are passed on as they come.
	case int32(ts-l.send.clock(l.due)) >= audio.FrameSamples:
		// What was passed on ran ahead of the clock. Silence that kept the lead
		// would leave no room for the peer's next packets.
	case l.hearsMix():
		l.sound(sh)
		payload, heard := l.mix.heard(sh, l.enc, l.agreed.codec, l.due)
		l.sendAudio(sh, ts, payload, heard)
	default:
		l.sendSilence(sh, ts)
	}
}

// fromTaps sends what the taps feed, unless a prompt goes before it.
func (l *leg) fromTaps(sh *shard, ts uint32) bool {
	if l.play != nil {
		l.feeding = false
		l.skipFeeds(sh)
		return false
	}
	payload, heard, ok := l.fed(sh)
	if ok {
		l.sound(sh)
		l.sendAudio(sh, ts, payload, heard)
	}
	return ok
}

// digitsDone reports a batch that is through.
func (l *leg) digitsDone(sh *shard, done bool) {
	if !done {
		return
	}
	l.s.pendingDigits.Add(-int32(l.digitsOut.last))
	sh.emit(l.s, Event{Kind: DigitsSent})
}

// sendSilence sends a frame of silence.
func (l *leg) sendSilence(sh *shard, ts uint32) {
	c := l.agreed.codec
	l.sendAudio(sh, ts, c.Silence(), audio.Piece{Samples: sh.quiet[:audio.FrameSamples], Rate: audio.SampleRate})
}

// sendAudio sends a frame of our own. heard is what it says; none where the
// payload tells (G.711).
func (l *leg) sendAudio(sh *shard, ts uint32, payload []byte, heard audio.Piece) {
	l.passage.broken, l.relay.open, l.relay.waiting = true, false, 0
	l.send.next = ts + audio.FrameSamples
	l.sendFrame(sh, ts, payload, heard)
}

// sendFrame sends a frame, in a packet of its own or with others.
func (l *leg) sendFrame(sh *shard, ts uint32, payload []byte, heard audio.Piece) {
	if l.packer != nil {
		l.pack(sh, ts, payload)
	} else {
		l.write(sh, l.agreed.sendPT, false, ts*l.agreed.codec.Factor(), payload)
	}
	if l.records > 0 || l.tapCount > 0 {
		l.recordSent(sh, ts, payload, heard)
	}
}

// recordSent gives what was sent to the recordings and taps.
func (l *leg) recordSent(sh *shard, ts uint32, payload []byte, heard audio.Piece) {
	if g := l.agreed.codec.G711; g != nil {
		heard = audio.Piece{Samples: sh.pcm[:g.Decode(sh.pcm[:], payload)], Rate: audio.SampleRate}
	}
	pcm := l.sentFit.To(audio.SampleRate, sh.narrow[:], heard)
	l.tapSent(ts, pcm)
	for _, r := range l.recs[:l.records] {
		if r.reason == "" {
			r.sent(ts, pcm)
		}
	}
}

// write sends the next packet of our stream; ts is in ticks of the RTP clock.
func (l *leg) write(sh *shard, pt uint8, marker bool, ts uint32, payload []byte) {
	o := &l.send
	o.seq++
	l.writeAs(sh, pt, marker || o.gap, o.seq, ts, payload)
	o.gap, o.started = false, true
}

func (l *leg) writeAs(sh *shard, pt uint8, marker bool, seq uint16, ts uint32, payload []byte) {
	putRTP(&sh.head, marker, pt, seq, ts, l.send.ssrc)
	head, body := sh.head[:], payload
	if l.agreed.secured {
		if head, body = l.sealed(sh, payload), nil; head == nil {
			l.drop(sh, DropCrypto)
			return
		}
	}
	if !sh.io.send(l.s.sock, &l.dest, head, body) {
		sh.stats.drops[DropSend].Add(1)
		return
	}
	l.send.packets++
	l.send.octets += uint32(len(payload))
	sh.pass.sent++
	l.s.counters.sent.Add(1)
}
