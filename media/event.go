package media

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events.
const (
	DigitBegan      EventKind = iota + 1 // Digit, At = arrival of its first packet
	DigitEnded                           // Digit, DurationMs
	PlayEnded                            // Play, PlayedMs, TotalMs, Completed, Reason
	FirstPacket                          // the peer's audio has begun
	MediaLost                            // nothing received for the media timeout; again after the next loss
	DigitsSent                           // one SendDigits is through
	RecordEnded                          // Recorder, Reason, DurationMs; the file is complete
	VoiceBegan                           // the peer speaks; with SessionOptions.Voice only
	VoiceEnded                           // the peer has been silent for SessionOptions.Voice
	TapEnded                             // Tap, Reason; its frames are closed
	FeedMark                             // Tap, Mark; Completed = what was fed before it has been sent
	MarkHeard                            // the audio carries a Mark; with SessionOptions.Marks only
	NameFound                            // of a c= line: Reason = what it leads to; Err = why it leads nowhere, then Completed = the call goes on all the same
	MediaUnreadable                      // packet after packet comes that the agreed SRTP keys do not open
)

// Reasons of PlayEnded and RecordEnded.
const (
	ReasonEnd      = "end"      // played to the end
	ReasonStopped  = "stopped"  // by StopPlay or StopRecord
	ReasonReplaced = "replaced" // by another Play
	ReasonClosed   = "closed"   // the session ended
	ReasonSilence  = "silence"  // RecorderOptions.Silence reached
	ReasonMax      = "max"      // RecorderOptions.MaxDuration reached
	ReasonDisk     = "disk"     // the file could not be written
	ReasonLimit    = "limit"    // a named limit was reached; nothing was done
)

// Event is something that happened on a session.
type Event struct {
	Kind       EventKind
	At         time.Time
	Digit      byte // '0'–'9', '*', '#', 'A'–'D', '!' for a hook flash
	DurationMs int
	Play       uint32 // what Play returned
	PlayedMs   int    // sent in frames of 20 ms
	TotalMs    int    // one pass over all parts
	Completed  bool   // played to the end
	Reason     string
	Recorder   *Recorder
	Tap        *Tap
	Err        error // the cause of ReasonDisk
	Mark       uint32
}

// Limits of the way out. A shard that cannot hand over its events stops
// reading sockets at outboxHigh, so that digits wait in the kernel and are not
// lost; what else comes beyond outboxLimit is dropped and counted.
const (
	outboxHigh  = 1 << 10
	outboxLimit = 1 << 14
	noticeLimit = 1 << 14
)

// notice is an event on its way to its sink.
type notice struct {
	sink  func(Event)
	event Event
}

// notifier calls the sinks of all sessions from one goroutine, so that no user
// code runs on a pacer and no sink is called twice at a time.
type notifier struct {
	clk     clock.Clock
	mu      sync.Mutex
	queue   []notice
	spare   []notice // owned by run
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}
	dropped atomic.Uint64
}

func newNotifier(clk clock.Clock) *notifier {
	n := &notifier{clk: clk, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go n.run()
	return n
}

// hand takes over a shard's batch and reports whether it did. With wait false
// it gives up rather than wait for the lock. A queue that has reached its limit
// takes nothing.
func (n *notifier) hand(batch []notice, wait bool) bool {
	if wait {
		n.mu.Lock()
	} else if !n.mu.TryLock() {
		return false
	}
	if len(n.queue) >= noticeLimit {
		n.mu.Unlock()
		return false
	}
	n.queue = append(n.queue, batch...)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
	return true
}

// post hands over one event from outside a shard.
func (n *notifier) post(sink func(Event), e Event) {
	if sink == nil {
		return
	}
	n.clk.Busy(1)
	if !n.hand([]notice{{sink, e}}, true) {
		n.clk.Busy(-1)
		n.dropped.Add(1)
	}
}

func (n *notifier) run() {
	defer close(n.done)
	for {
		select {
		case <-n.wake:
			n.deliver()
		case <-n.stop:
			n.deliver()
			return
		}
	}
}

func (n *notifier) deliver() {
	for {
		n.mu.Lock()
		batch := n.queue
		n.queue, n.spare = n.spare[:0], batch
		n.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for i := range batch {
			batch[i].sink(batch[i].event)
			n.clk.Busy(-1)
		}
		clear(batch)
	}
}

func (n *notifier) close() {
	close(n.stop)
	<-n.done
}
