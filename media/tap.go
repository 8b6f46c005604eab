package media

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// Sizes and limits of a tap.
const (
	tapsPerSession = 4
	tapFrames      = 64                      // frames that wait for the reader, 1.28 s of one track
	tapDelay       = 3 * audio.FrameSamples  // reordering and jitter that is waited for at least, 60 ms …
	tapMost        = 10 * audio.FrameSamples // … and at most, 200 ms
	tapMemory      = 10 * audio.SampleRate   // how long a longer wait is kept
	tapQuiet       = 2 * time.Second         // of silence, after which a tap keeps no shard awake
	feedLead       = 2 * audio.FrameSamples  // queued before a feed begins, against a jittery sender
	feedWait       = 2                       // frames that it is waited for
	feedNodes      = 1 << 13                 // pieces of audio and marks that may wait
	MaxFeed        = 120 * time.Second       // longest queue of audio that waits to be heard
	DefaultFeed    = 60 * time.Second
)

// Track is a direction of a session, seen from us.
type Track uint8

// The tracks.
const (
	TrackInbound  Track = iota // what the party says
	TrackOutbound              // what the party hears
	trackCount
)

// String is the track in the words of media streams.
func (t Track) String() string { return [...]string{"inbound", "outbound"}[t] }

// TapFrame is 20 ms of one track.
type TapFrame struct {
	Track Track
	At    time.Duration // since the tap began; what was left out shows as a gap
	PCM   [audio.FrameSamples]int16
}

// TapOptions says what a tap takes out, and how much it may feed in.
type TapOptions struct {
	Inbound, Outbound bool
	Feed              time.Duration // longest queue of audio to the party; 0 = DefaultFeed
}

// Tap takes a session's audio out in frames of 20 ms, steadily, with silence
// where nothing came, and feeds audio in that the party hears when no prompt
// plays: a prompt goes before it, it goes before a bridge.
//
// It is created by the host, lent to one session by Session.Tap, and gives
// itself back with TapEnded. The shard owns one end of each queue. A reader
// that is too slow loses the oldest frames (counted); what is fed beyond the
// limit is refused.
//
// # Concurrency
//
// Frames is read by one goroutine until it is closed, each frame given back by
// Release. Feed, Mark and Clear may be called from any goroutine.
type Tap struct {
	opts    TapOptions
	claimed atomic.Bool
	session *Session
	full    chan *TapFrame // capacity of all frames: the shard never waits
	free    chan *TapFrame

	mu     sync.Mutex // of the feeding side; the shard does not know it
	tail   *feedNode
	seq    uint64
	limit  int64
	queued atomic.Int64 // samples
	nodes  atomic.Int64
	clear  atomic.Uint64 // everything up to this node is to be dropped

	lost    atomic.Uint64 // frames that the reader was too slow for
	refused atomic.Uint64 // samples of the feed

	// What follows is owned by the session's shard.
	now     uint32 // our RTP timestamp of the latest frame
	at      int64  // samples from the beginning to now
	done    int64  // samples taken out of the lanes
	voiced  int64  // at, when something was last heard
	delay   int64  // samples that are waited for late packets
	worst   int64  // the latest packet since worstAt
	worstAt int64
	lanes   [trackCount]lane
	head    *feedNode
	offset  int // samples of head.next that are played
	lead    int // frames that the feed has waited for more
	flows   bool
	ended   bool
}

// feedNode is a piece of the feed. The consumer stands on a node that it is
// through with; what follows is to be played.
type feedNode struct {
	next atomic.Pointer[feedNode]
	seq  uint64
	pcm  []int16
	mark uint32 // when pcm is nil
}

// NewTap prepares a tap.
func NewTap(o TapOptions) *Tap {
	if o.Feed <= 0 {
		o.Feed = DefaultFeed
	}
	n := tapFrames
	if o.Inbound && o.Outbound {
		n *= 2
	}
	t := &Tap{opts: o, full: make(chan *TapFrame, n), free: make(chan *TapFrame, n), limit: audio.Samples(min(o.Feed, MaxFeed)), delay: tapDelay}
	for range n {
		t.free <- new(TapFrame)
	}
	t.head = new(feedNode)
	t.tail = t.head
	return t
}

// Frames delivers the audio. It is closed when the tap has ended; until then
// it must be read.
func (t *Tap) Frames() <-chan *TapFrame { return t.full }

// Release gives a frame of Frames back.
func (t *Tap) Release(f *TapFrame) {
	t.free <- f
	t.session.engine.clk.Busy(-1)
}

// Lost is how many frames a slow reader has lost.
func (t *Tap) Lost() uint64 { return t.lost.Load() }

// Refused is how much audio was fed beyond the limit.
func (t *Tap) Refused() time.Duration {
	return time.Duration(t.refused.Load()) * time.Second / audio.SampleRate
}

// Queued is how much audio waits to be heard.
func (t *Tap) Queued() time.Duration {
	return time.Duration(t.queued.Load()) * time.Second / audio.SampleRate
}

// Feed queues audio for the party; the samples belong to the tap from then on.
// It reports false, and takes nothing, beyond the limit.
func (t *Tap) Feed(pcm []int16) bool {
	if len(pcm) == 0 {
		return true
	}
	t.mu.Lock()
	ok := t.queued.Load()+int64(len(pcm)) <= t.limit && t.nodes.Load() < feedNodes
	if ok {
		t.queued.Add(int64(len(pcm)))
		t.appendLocked(&feedNode{pcm: pcm})
	}
	t.mu.Unlock()
	if !ok {
		t.refused.Add(uint64(len(pcm)))
		return false
	}
	t.rouse()
	return true
}

// Mark queues a mark. FeedMark comes when all that was fed before it has been
// sent, or dropped by Clear. It reports false when too much is waiting.
func (t *Tap) Mark(mark uint32) bool {
	t.mu.Lock()
	ok := t.nodes.Load() < feedNodes
	if ok {
		t.appendLocked(&feedNode{mark: mark})
	}
	t.mu.Unlock()
	if ok {
		t.rouse()
	}
	return ok
}

// Clear drops what waits; its marks are reported with Completed false.
func (t *Tap) Clear() {
	t.mu.Lock()
	t.clear.Store(t.seq)
	t.mu.Unlock()
	t.rouse()
}

func (t *Tap) appendLocked(n *feedNode) {
	t.seq++
	n.seq = t.seq
	t.nodes.Add(1)
	t.tail.next.Store(n)
	t.tail = n
}

// rouse ends a rest of the shard: there is something to send.
func (t *Tap) rouse() {
	if !t.claimed.Load() {
		return
	}
	if sh := t.session.home.Load(); sh != nil {
		sh.driver.posted()
	}
}

// Tap lends a tap to the session; up to tapsPerSession at once.
func (s *Session) Tap(t *Tap) {
	t.session = s
	if t.claimed.CompareAndSwap(false, true) {
		s.command(command{kind: cmdTap, tap: t})
	}
}

// Untap ends a tap. TapEnded follows.
func (s *Session) Untap(t *Tap) { s.command(command{kind: cmdUntap, tap: t}) }
