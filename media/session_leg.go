package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// leg is the shard half of a session: everything that a pass touches. It is
// owned by the shard that holds the session in one of its slots.
type leg struct {
	s         *Session
	slot      int
	index     int // in the slot
	fastIndex int
	fast      fastReason
	begun     bool  // has had its first frame
	due       int64 // next frame to send

	agreed     *agreement
	src        rtpSource
	dest, ctrl destination // RTP and RTCP
	send       sender
	rx         receiveStats
	rtcp       rtcpState

	voice     voiceWatch
	digitsIn  digitReceiver
	tones     toneWatch
	digitsOut digitSender
	play      *player

	enc                       codec.Encoder   // of the agreed codec
	decs                      []codec.Decoder // of the agreed formats
	clock                     mediaClock      // of the peer's audio
	spoken                    bool            // spokenTS is set
	spokenTS                  uint32          // of its newest packet
	events                    mediaClock      // of its telephone-events
	heardFit, sentFit, fedFit audio.Fitting   // of what comes, of what was sent, of what taps feed

	packer *packer // nil: a packet is a frame
	relay  relay   // of a peer with another codec

	peer       *Session // bridge
	joined     uint64   // turn of the newest bridge
	parted     uint64   // and of its end
	passage    passage  // of the peer's packets to us
	muted      bool
	held       bool
	moves      int  // shards passed through on the way to a bridge
	keepDigits bool // do not pass digits on
	mix        *mixMember

	recs    [recordersPerSession]*Recorder
	records int

	taps     [tapsPerSession]*Tap
	tapCount int
	feeding  bool // the latest frame came from a tap

	started   time.Duration // of the first frame
	heard     time.Duration // last good packet, or since when one is awaited; 0 = not awaited
	sounded   time.Duration // when something was last heard, either way; see deadair.go
	everHeard bool
	lost      bool // MediaLost was reported
	drain     bool // read until the socket is empty
	flood     time.Duration
	closing   bool
}

func (l *leg) init(s *Session) {
	l.s = s
	l.send.init()
	l.rtcp.init(s.id)
}

// obey carries out the waiting commands; it reports false when the session has
// left the shard.
func (l *leg) obey(sh *shard) bool {
	batch := l.s.inbox.take()
	if batch == nil {
		return !l.closing || l.leave(sh)
	}
	for i := range batch {
		if target := l.elsewhere(sh, &batch[i]); target != nil {
			// The session moves; what is left goes with it.
			l.s.inbox.requeue(batch[i:])
			l.s.inbox.done(batch)
			l.move(sh, target)
			return false
		}
		l.do(sh, &batch[i])
	}
	l.s.inbox.done(batch)
	return !l.closing || l.leave(sh)
}

// elsewhere begins a bridge or a mix; it returns the shard that the session must
// move to first, else nil.
func (l *leg) elsewhere(sh *shard, c *command) *shard {
	switch {
	case c.kind == cmdBridge && !l.join(sh, c.other, c.turn):
		return c.other.home.Load()
	case c.kind == cmdMix && !l.enter(sh, c.mix):
		return c.mix.mixer.shard
	}
	return nil
}

// do carries out one command.
func (l *leg) do(sh *shard, c *command) {
	switch c.kind {
	case cmdAgree:
		l.agree(sh, c)
	case cmdPlay:
		l.endPlay(sh, ReasonReplaced)
		l.play = c.play
		l.checkPlay(sh)
	case cmdStopPlay:
		l.endPlay(sh, ReasonStopped)
	case cmdPausePlay:
		if l.play != nil {
			l.play.paused = c.on
		}
	case cmdSeekPlay:
		if l.play != nil {
			l.play.seek(c.at, c.on)
			l.checkPlay(sh)
		}
	case cmdDigits:
		l.digitsOut.add(c.digits)
	case cmdMute:
		l.muted = c.on
	case cmdHold:
		l.held = c.on
		if l.heard != 0 {
			l.heard = sh.at
		}
	case cmdAnswered:
		l.heard, l.lost = l.awaitFrom(sh), false
	case cmdPassDigits:
		l.keepDigits = !c.on
	case cmdUnbridge:
		if c.turn > l.joined { // else the bridge, told to the other side, came after it
			l.part(sh)
		}
		l.parted = max(l.parted, c.turn)
	case cmdUnmix:
		l.exit()
	case cmdRecord:
		l.record(sh, c.rec)
	case cmdStopRecord:
		l.stopRecord(sh, c.rec, ReasonStopped)
	case cmdTap:
		l.tap(sh, c.tap)
	case cmdUntap:
		l.untap(sh, c.tap, ReasonStopped)
	case cmdMove:
		l.moved(sh, c.home)
	case cmdRoam:
		l.roam(sh, *c.roam)
	case cmdClose:
		l.close(sh)
	}
}

// agree puts a new agreement into force.
func (l *leg) agree(sh *shard, c *command) {
	a := c.agreed
	l.newCoders(sh, c)
	l.rekey(sh, l.agreed, a)
	l.agreed = a
	l.tones.agree(l, sh, c.tones)
	if c.recoded != nil && l.play != nil && l.play.id == c.recoded.id {
		l.play.recode(c.recoded)
		l.checkPlay(sh)
	}
	l.src.sealed = a.secured
	if l.src.describe(a.rtp, l.s.opts.Symmetric) {
		l.aim(sh)
	}
	if !l.lost {
		l.heard = l.awaitFrom(sh)
	}
}

// awaitFrom is when the wait for packets begins anew: now, unless the party
// has never sent and need not.
func (l *leg) awaitFrom(sh *shard) time.Duration {
	if l.everHeard || l.s.opts.RequireMedia {
		return sh.at
	}
	return 0
}

// aim sends to where the source rule says, and tells the kernel to take
// packets from there only as soon as the described source is pinned. A learned
// one may get another port from its NAT, and a phone may go to another network,
// which has to be seen.
func (l *leg) aim(sh *shard) {
	l.dest.set(l.src.current)
	pin := destination{}
	if l.src.pinned && l.src.current == l.src.described && !l.src.roams() && reachable(l.src.current) {
		pin = l.dest
	}
	l.dest.connected = sh.io.connect(l.s.sock, &pin) && pin.size > 0
	ctrl := l.agreed.rtcp
	if l.src.current != l.src.described {
		ctrl = nextPort(l.src.current)
		if l.agreed.mux {
			ctrl = l.src.current
		}
	}
	l.ctrl.set(ctrl)
}

// checkPlay ends a playback that has nothing to play.
func (l *leg) checkPlay(sh *shard) {
	if l.play != nil && l.play.parts != nil && l.play.over() {
		l.endPlay(sh, ReasonEnd)
	}
}

// endPlay reports what was playing.
func (l *leg) endPlay(sh *shard, reason string) {
	p := l.play
	if p == nil {
		return
	}
	l.play = nil
	sh.emit(l.s, Event{
		Kind: PlayEnded, Play: p.id, PlayedMs: p.playedMs(), TotalMs: p.totalMs,
		Completed: reason == ReasonEnd, Reason: reason,
	})
}

// record starts a recording at the next frame.
func (l *leg) record(sh *shard, r *Recorder) {
	if l.records == len(l.recs) || sh.engine.recordings.Add(1) > recordingLimit {
		if l.records < len(l.recs) {
			sh.engine.recordings.Add(-1)
		}
		sh.emit(l.s, Event{Kind: RecordEnded, Recorder: r, Reason: ReasonLimit})
		return
	}
	r.begin(l.send.clock(l.due))
	l.recs[l.records] = r
	l.records++
}

// stopRecord ends one recording, or all when r is nil.
func (l *leg) stopRecord(sh *shard, r *Recorder, reason string) {
	for i := range l.records {
		if x := l.recs[i]; x.reason == "" && (r == nil || r == x) {
			x.finish(l.send.clock(l.due), reason)
		}
	}
	l.advanceRecords(sh)
}

// advanceRecords moves the recordings on to the present frame and hands over
// those that have ended.
func (l *leg) advanceRecords(sh *shard) {
	now := l.send.clock(l.due)
	for i := l.records - 1; i >= 0; i-- {
		r := l.recs[i]
		if r.reason == "" && !r.advance(now) {
			continue
		}
		if r.last(sh.now) {
			l.records--
			l.recs[i] = l.recs[l.records]
			l.recs[l.records] = nil
		}
	}
}

// close ends everything on the session.
func (l *leg) close(sh *shard) {
	l.closing = true
	l.part(sh)
	l.exit()
	l.endPlay(sh, ReasonClosed)
	for b := l.digitsOut.head; b != nil; b = b.next {
		l.s.pendingDigits.Add(int32(-len(b.steps)))
		sh.emit(l.s, Event{Kind: DigitsSent, Reason: ReasonClosed})
	}
	l.digitsOut.head = nil
	if news := l.endDigit(); news.ended {
		l.report(sh, news, sh.now)
	}
	l.stopRecord(sh, nil, ReasonClosed)
	l.untap(sh, nil, ReasonClosed)
	if l.agreed != nil && l.begun {
		l.sayGoodbye(sh)
	}
}

// leave takes a closed session off the shard, unless a recording still waits
// for room in the writers' queue.
func (l *leg) leave(sh *shard) bool {
	if l.records > 0 {
		if l.advanceRecords(sh); l.records > 0 {
			return true
		}
	}
	sh.remove(l.s)
	sh.count--
	sh.load.Add(-1)
	sh.engine.release(l.s, sh.io)
	return false
}
