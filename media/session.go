package media

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/media/srtp"
)

// SessionOptions sets up one session.
type SessionOptions struct {
	Bind      netip.Addr     // local address of the sockets; default 127.0.0.1
	Advertise netip.Addr     // address in our SDP; default Bind
	Codecs    []*codec.Codec // in the order of preference; nil = the engine's

	// Symmetric is the IP address from which RTP may come from another port
	// or address than the SDP says (a peer behind NAT): learned once per
	// described address, then pinned. Invalid = never.
	Symmetric netip.Addr

	// MediaTimeout reports MediaLost after so long without a packet; 0 = the
	// engine's, negative = never. Its time starts with the first packet, or
	// with Start when RequireMedia is set, and stands still while held.
	MediaTimeout time.Duration
	RequireMedia bool
	// Voice asks for VoiceBegan and VoiceEnded: the peer counts as silent
	// after a pause of that length. 0 = no such events.
	Voice time.Duration
	// Marks asks for MarkHeard; it needs Voice.
	Marks bool

	// Digits says how keys travel.
	Digits DigitMethod
	// SRTP says whether the audio is encrypted.
	SRTP srtp.Policy

	// Sink takes the session's events, one at a time and in order, on a
	// goroutine of the engine. It must not block.
	Sink func(Event)
}

// DigitMethod is how keys travel between a session and its peer.
type DigitMethod uint8

// The methods. What is not agreed on as telephone-event is listened for in the
// audio by DigitsAuto and DigitsInband only.
const (
	DigitsAuto   DigitMethod = iota // telephone-events (RFC 4733), in the audio if the peer has none
	DigitsEvents                    // telephone-events only
	DigitsInband                    // in the audio (ITU-T Q.23); telephone-events are not agreed on
	DigitsInfo                      // by SIP INFO, which is not ours
)

// Playback is what Play plays.
type Playback struct {
	Parts  []*sound.Prompt // played one after the other without a gap
	Loop   bool            // start again after the last one
	Volume float64         // factor on the samples; 0 = 1.0
	From   time.Duration   // where it begins
	Paused bool            // it waits for PausePlay(false)
}

// Session is one RTP session: two sockets, the negotiation, and the audio of
// one leg. The exported methods are its host half; everything in leg belongs
// to the shard that home points to, and is reached by commands only.
type Session struct {
	engine         *Engine
	opts           SessionOptions
	id             uint32
	port           uint16
	sock, rtcpSock socketID
	home           atomic.Pointer[shard]
	inbox          inbox
	counters       counters
	pendingDigits  atomic.Int32

	mu         sync.Mutex // host half
	state      sessionState
	local      sdp.Local
	offered    *sdp.Local // of an offer without an answer yet
	remote     sdp.Remote
	agreed     bool
	roamed     bool // the peer has been seen at another address than the first
	plays      uint32
	current    *player         // latest playback as the host knows it, for another codec
	partsAsked []*sound.Prompt // its audio, volume applied
	nameTurn   uint32          // counts exchanges: a lookup belongs to one
	nameKnown  string          // the last name that was found …
	nameAddr   netip.Addr      // … and where
	opener     *srtp.Incoming  // of opens, while the audio is encrypted
	opens      *srtp.Key

	leg leg
}

type sessionState uint8

const (
	sessionOpen sessionState = iota
	sessionRunning
	sessionClosed
)

func newSession(e *Engine, o SessionOptions, port uint16, rtp, rtcp socketID) *Session {
	s := &Session{engine: e, opts: o, id: e.ids.Add(1), port: port, sock: rtp, rtcpSock: rtcp}
	id := rand.Uint64() >> 2
	s.local = sdp.Local{Addr: o.Advertise, Port: port, SessionID: id, Version: id, Codecs: o.Codecs, Plain: o.Digits == DigitsInband || o.Digits == DigitsInfo}
	s.local.Names = e.names.lookup != nil
	s.local.SRTP, s.local.Keys = o.SRTP, srtp.NewKeyring(nil)
	s.leg.init(s)
	return s
}

// LocalAddr is the address of the RTP socket.
func (s *Session) LocalAddr() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return netip.AddrPortFrom(s.opts.Bind, s.port)
}

// Start begins to send and to receive. RTP never stops until Close: silence is
// sent whenever nothing plays, unless the negotiated direction forbids it.
func (s *Session) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen {
		return
	}
	s.state = sessionRunning
	sh := s.engine.place()
	s.home.Store(sh)
	sh.adopt(s)
}

// Close ends the session. What plays or records is ended with ReasonClosed;
// no event comes after those. The ports are free shortly afterwards.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.state
	s.state = sessionClosed
	switch was {
	case sessionRunning:
		s.post(command{kind: cmdClose})
		s.wake()
	case sessionOpen:
		s.closeUnstarted()
	}
}

// closeUnstarted answers the commands that never reached a shard.
func (s *Session) closeUnstarted() {
	for _, c := range s.inbox.drain() {
		s.refuse(c, ReasonClosed)
	}
	s.engine.release(s, s.engine.sockets.newIO())
}

// Play replaces what plays and returns its number; the replaced playback ends
// with PlayEnded{Completed: false}. Volume is applied here, on a private copy.
func (s *Session) Play(pb Playback) uint32 {
	parts := pb.Parts
	if pb.Volume != 0 && pb.Volume != 1 {
		parts = scaled(parts, pb.Volume)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plays++
	p := newPlayer(s.plays, parts, pb)
	if s.agreed {
		p.encode(s.engine, parts, s.remote.Codec)
	}
	s.current, s.partsAsked = p, parts
	s.post(command{kind: cmdPlay, play: p})
	return p.id
}

// PausePlay stops what plays where it is, in silence, or goes on with it.
func (s *Session) PausePlay(on bool) { s.command(command{kind: cmdPausePlay, on: on}) }

// SeekPlay goes on elsewhere in what plays: at a time from its beginning, or
// relative to what is heard. Before its beginning is the beginning; at or behind
// its end it is over, or begins again when it loops.
func (s *Session) SeekPlay(to time.Duration, relative bool) {
	s.command(command{kind: cmdSeekPlay, on: relative, at: to})
}

// StopPlay ends what plays within one frame.
func (s *Session) StopPlay() { s.command(command{kind: cmdStopPlay}) }

// SendDigits sends digits as telephone-events (RFC 4733), or as tones when the
// peer has not agreed to events; 'w' is a pause of 500 ms. DigitsSent follows
// when the last one is through. Errors: fault.Invalid for another character,
// fault.Limit beyond 256 digits in waiting, fault.Media before negotiation.
func (s *Session) SendDigits(digits string) error { return s.sendDigits(digits, false) }

// Digits is how keys travel, as Open was asked.
func (s *Session) Digits() DigitMethod { return s.opts.Digits }

// SendTones is SendDigits as tones in the audio, whatever is agreed on.
func (s *Session) SendTones(digits string) error { return s.sendDigits(digits, true) }

func (s *Session) sendDigits(digits string, inband bool) error {
	steps, err := parseDigits(digits)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.agreed {
		return fault.New(fault.Media, "media: digits before the codecs are agreed on")
	}
	n := int32(len(steps))
	if s.pendingDigits.Add(n) > digitLimit {
		s.pendingDigits.Add(-n)
		return fault.New(fault.Limit, "media: more than %d digits are waiting to be sent", digitLimit)
	}
	b := &digitBatch{steps: steps}
	if inband || !takesEvents(s.remote.EventSend, steps) {
		b.tones = newPlayer(0, nil, Playback{})
		b.tones.encode(s.engine, []*sound.Prompt{dialTones(steps)}, s.remote.Codec)
	}
	s.post(command{kind: cmdDigits, digits: b})
	return nil
}

// Mute stops passing on to the bridge what is received; recordings keep it.
func (s *Session) Mute(on bool) { s.command(command{kind: cmdMute, on: on}) }

// Hold takes the session out of its bridge's audio in both directions, so that
// it hears what is played to it, and stops the clock of the media timeout. It
// signals nothing: see Reoffer.
func (s *Session) Hold(on bool) { s.command(command{kind: cmdHold, on: on}) }

// Answered begins the clock of the media timeout anew: who rings need not send.
func (s *Session) Answered() { s.command(command{kind: cmdAnswered}) }

// PassDigits says whether digits received here are passed on to the bridge
// (default true). They are reported as events in both cases.
func (s *Session) PassDigits(on bool) { s.command(command{kind: cmdPassDigits, on: on}) }

// Bridge connects the audio of two running sessions; each leaves the bridge it
// was in. A playback on either one covers the bridge for its own listener only.
func (s *Session) Bridge(other *Session) {
	if other == nil || other == s || other.engine != s.engine {
		return
	}
	// The younger one moves to the other's shard, so that two calls of Bridge
	// on the same pair cannot chase each other.
	mover, anchor := s, other
	if mover.id < anchor.id {
		mover, anchor = anchor, mover
	}
	mover.command(command{kind: cmdBridge, other: anchor, turn: s.engine.turns.Add(1)})
}

// Unbridge leaves the bridge; both sides go on with silence.
func (s *Session) Unbridge() {
	s.command(command{kind: cmdUnbridge, turn: s.engine.turns.Add(1)})
}

// Record starts a recording of the session; up to recordersPerSession at once.
func (s *Session) Record(r *Recorder) {
	if r == nil || !r.claim(s.recordOwner()) {
		return
	}
	s.command(command{kind: cmdRecord, rec: r})
}

// StopRecord ends the given recordings, or all of them. RecordEnded follows
// when a file is complete.
func (s *Session) StopRecord(which ...*Recorder) {
	if len(which) == 0 {
		s.command(command{kind: cmdStopRecord})
	}
	for _, r := range which {
		s.command(command{kind: cmdStopRecord, rec: r})
	}
}

// command posts c, or answers it when the session is closed.
func (s *Session) command(c command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.post(c)
}

// post queues a command for the shard; s.mu is held, which keeps the order of
// commands the order of calls.
func (s *Session) post(c command) {
	if s.state == sessionClosed && c.kind != cmdClose {
		s.refuse(c, ReasonClosed)
		return
	}
	if !s.inbox.put(c) {
		s.engine.overflows.Add(1)
		s.refuse(c, ReasonLimit)
		return
	}
	if sh := s.home.Load(); sh != nil {
		sh.driver.posted()
	}
}

// refuse gives the answer that somebody waits for to a command that will not
// be carried out.
func (s *Session) refuse(c command, reason string) {
	at := s.engine.clk.Now()
	switch {
	case c.play != nil:
		s.engine.notes.post(s.opts.Sink, Event{Kind: PlayEnded, At: at, Play: c.play.id, TotalMs: c.play.totalMs, Reason: reason})
	case c.digits != nil:
		s.pendingDigits.Add(int32(-len(c.digits.steps)))
		s.engine.notes.post(s.opts.Sink, Event{Kind: DigitsSent, At: at, Reason: reason})
	case c.kind == cmdTap:
		close(c.tap.full)
		s.engine.notes.post(s.opts.Sink, Event{Kind: TapEnded, At: at, Tap: c.tap, Reason: reason})
	case c.kind == cmdRecord:
		s.engine.notes.post(s.opts.Sink, Event{Kind: RecordEnded, At: at, Recorder: c.rec, Reason: reason})
	}
}

// wake makes the shard look at the session even while it sleeps.
func (s *Session) wake() {
	if sh := s.home.Load(); sh != nil {
		sh.driver.wake()
	}
}
