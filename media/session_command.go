package media

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/media/detect"
)

// commandKind says what a command asks of a leg.
type commandKind uint8

const (
	cmdAgree commandKind = iota
	cmdPlay
	cmdStopPlay
	cmdPausePlay
	cmdSeekPlay
	cmdDigits
	cmdMute
	cmdHold
	cmdAnswered
	cmdPassDigits
	cmdBridge
	cmdUnbridge
	cmdMix
	cmdUnmix
	cmdRecord
	cmdStopRecord
	cmdTap
	cmdUntap
	cmdMove
	cmdRoam
	cmdClose
)

// command is what the host half of a session asks of its shard half. What it
// points to belongs to the shard from then on.
type command struct {
	kind    commandKind
	on      bool
	at      time.Duration // of cmdSeekPlay
	play    *player
	recoded *player // the latest playback in the codec of agreed
	agreed  *agreement
	coders  coders // with agreed
	digits  *digitBatch
	tones   *detect.KeyReceiver // with agreed: listens for keys in the audio
	other   *Session
	turn    uint64 // of a bridge or its end: their order, whichever session they are told to
	rec     *Recorder
	tap     *Tap
	mix     *mixMember
	home    *newHome
	roam    *netip.Addr
	sound   *mixSound // for a mixer
}

// commandLimit bounds the commands that wait for one session's next frame. A
// command beyond it is answered as if it had ended at once, and counted.
const commandLimit = 1 << 10

// inbox is the way into a session. The session's shard empties it in the
// session's slot, at most 20 ms later; it never waits for the lock.
type inbox struct {
	mu      sync.Mutex
	queue   []command
	spare   []command
	waiting atomic.Bool
}

func (b *inbox) put(c command) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) >= commandLimit && c.kind != cmdClose {
		return false
	}
	b.queue = append(b.queue, c)
	b.waiting.Store(true)
	return true
}

// take is what waits now; the shard gives it back with done.
func (b *inbox) take() []command {
	if !b.waiting.Load() || !b.mu.TryLock() {
		return nil
	}
	defer b.mu.Unlock()
	batch := b.queue
	b.queue, b.spare = b.spare[:0], nil
	b.waiting.Store(false)
	return batch
}

func (b *inbox) done(batch []command) {
	clear(batch)
	b.spare = batch[:0]
}

// requeue puts commands back before those that came meanwhile: the session
// moves to another shard, which must see them first.
func (b *inbox) requeue(batch []command) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(append([]command(nil), batch...), b.queue...)
	b.waiting.Store(true)
}

// drain empties the inbox of a session that no shard owns.
func (b *inbox) drain() []command {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := b.queue
	b.queue = nil
	return batch
}
