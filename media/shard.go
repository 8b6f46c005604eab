package media

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/srtp"
)

// shard owns a share of the sessions and carries all their audio in one
// thread. Its pass is: read all, write all, hand over the events. It neither
// reads a clock nor waits: a driver (a pacer thread, or timers of a clock in
// tests) calls tick and then observe.
type shard struct {
	engine *Engine
	index  int
	driver driver
	load   atomic.Int64 // sessions placed here
	stats  shardStats

	incoming struct {
		mu     sync.Mutex
		queue  []*Session // to be adopted; bounded by sessionLimit
		mixers []*Mixer   // to be looked at; one for each command
		some   atomic.Bool
	}

	// Owned by whoever runs tick.
	now    time.Time
	at     time.Duration // now, counted from the engine's base
	io     netIO
	slots  [slotCount]slot
	count  int // sessions in slots
	fast   []*leg
	fastAt time.Duration // next reading of fast
	outbox []notice
	pass   passStats
	reads  int // datagrams read in this pass
	buf    [codec.MaxPacket]byte
	rtp    rtp.Header            // scratch of parseRTP
	code   [codec.MaxPacket]byte // transcoded payload
	pcm    [codec.MaxDecoded]int16
	narrow [codec.MaxDecoded]int16 // pcm at 8 kHz
	wide   [audio.WideFrame]int16
	relay  [2 * codec.MaxDecoded]int16 // of a bridge, at the rate of the listener
	quiet  [audio.WideFrame]int16      // silence
	head   [rtpHeader]byte
	seal   srtp.Scratch
	feed   [audio.FrameSamples]int16 // mixed feeds of taps
}

// driver makes a shard's time pass.
type driver interface {
	wake()   // there is something to adopt or to close
	posted() // a session has a command; it may wait for its frame
	stop()   // end the shard's goroutine; waits for it
}

func newShard(e *Engine, index int) *shard {
	return &shard{engine: e, index: index, outbox: make([]notice, 0, 64)}
}

// adopt takes a session over, from any goroutine.
func (sh *shard) adopt(s *Session) {
	sh.load.Add(1)
	sh.incoming.mu.Lock()
	sh.incoming.queue = append(sh.incoming.queue, s)
	sh.incoming.some.Store(true)
	sh.incoming.mu.Unlock()
	sh.driver.wake()
}

// tick does everything that is due at now.
func (sh *shard) tick(now time.Time, io netIO) {
	sh.now, sh.at, sh.io = now, now.Sub(sh.engine.base), io
	sh.reads = 0
	sh.takeIn()
	if len(sh.fast) > 0 && sh.at >= sh.fastAt {
		sh.fastAt = sh.at - sh.at%fastPeriod + fastPeriod
		for i := len(sh.fast) - 1; i >= 0; i-- {
			sh.fast[i].readFast(sh)
		}
	}
	first := int(sh.at%audio.FrameDuration/slotLength) + 1
	for i := range slotCount {
		sh.slotIn((first + i) % slotCount)
	}
	for i := range slotCount {
		sh.slotOut((first + i) % slotCount)
	}
	sh.handOver(false)
	sh.stats.add(&sh.pass)
}

// next is when tick has to be called again, counted from the base; ok is false
// while the shard has nothing to do.
func (sh *shard) next() (at time.Duration, ok bool) {
	if sh.incoming.some.Load() || len(sh.outbox) > 0 {
		return sh.at + slotLength, true
	}
	for k := range sh.slots {
		if sl := &sh.slots[k]; len(sl.sessions) > 0 {
			if due := dueAt(sl.done+1, k); !ok || due < at {
				at, ok = due, true
			}
		}
	}
	if len(sh.fast) > 0 {
		at, ok = min(at, sh.fastAt), true
	}
	return at, ok
}

// takeIn puts new sessions into their slots. It does not wait for the lock:
// the next pass is soon enough.
func (sh *shard) takeIn() {
	in := &sh.incoming
	if !in.some.Load() || !in.mu.TryLock() {
		return
	}
	defer in.mu.Unlock()
	for i, s := range in.queue {
		sh.add(s, sh.at)
		sh.count++
		in.queue[i] = nil
	}
	in.queue = in.queue[:0]
	left := in.mixers[:0]
	for _, m := range in.mixers {
		if !m.look(sh) {
			left = append(left, m)
		}
	}
	clear(in.mixers[len(left):])
	in.mixers = left
	in.some.Store(len(left) > 0)
}

// slotIn carries out commands and reads the sockets of a slot that is due.
func (sh *shard) slotIn(k int) {
	sl := &sh.slots[k]
	f := frameAt(sh.at, k)
	if f <= sl.done {
		return
	}
	for i := len(sl.sessions) - 1; i >= 0; i-- {
		// A session that goes away is replaced by one that has had its turn.
		sl.sessions[i].leg.in(sh, f)
	}
}

// slotOut sends the frames of a slot that is due.
func (sh *shard) slotOut(k int) {
	sl := &sh.slots[k]
	f := frameAt(sh.at, k)
	if f <= sl.done {
		return
	}
	if n := len(sl.sessions); n > 0 {
		sh.pass.late(sh.at-dueAt(sl.done+1, k), n)
	}
	for _, s := range sl.sessions {
		s.leg.out(sh, f)
	}
	sl.done, sl.at = f, sh.at
}

// emit queues an event of a session.
func (sh *shard) emit(s *Session, e Event) { sh.emitTo(s.opts.Sink, e) }

func (sh *shard) emitTo(sink func(Event), e Event) {
	if sink == nil {
		return
	}
	if len(sh.outbox) >= outboxLimit {
		sh.stats.eventsDropped.Add(1)
		return
	}
	if e.At.IsZero() {
		e.At = sh.now
	}
	sh.engine.clk.Busy(1)
	sh.outbox = append(sh.outbox, notice{sink, e})
}

// full reports whether so many events wait that nothing more should be read.
func (sh *shard) full() bool { return len(sh.outbox) >= outboxHigh }

// handOver gives the events of the pass to the notifier.
func (sh *shard) handOver(wait bool) {
	if len(sh.outbox) == 0 || !sh.engine.notes.hand(sh.outbox, wait) {
		return
	}
	clear(sh.outbox)
	sh.outbox = sh.outbox[:0]
}

// expel ends all sessions at once, for a driver that stops.
func (sh *shard) expel(now time.Time, io netIO) {
	sh.now, sh.at, sh.io = now, now.Sub(sh.engine.base), io
	sh.takeIn()
	for k := range sh.slots {
		sl := &sh.slots[k]
		for i := len(sl.sessions) - 1; i >= 0; i-- {
			sl.sessions[i].leg.obey(sh)
		}
	}
	sh.handOver(true)
}
