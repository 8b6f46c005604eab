package media

import (
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
)

// What a pacer thread asks of the kernel. No real-time class: a thread of the
// Go runtime that waits for the collector would spin in it until throttled.
const (
	pacerSlack = 1000 // ns that a sleep may be prolonged by
	pacerNice  = -11
)

// pacer drives a shard from its own operating system thread, which sleeps
// until absolute moments and parks while the shard has no session.
type pacer struct {
	sh     *shard
	clk    clock.Clock
	log    *slog.Logger
	io     netIO
	zero   int64 // CLOCK_MONOTONIC at the engine's base, ns
	parked atomic.Bool
	quit   atomic.Bool
	bell   chan struct{} // capacity 1
	done   chan struct{}
	tid    atomic.Int64 // of the thread, for measurements
}

func newPacer(sh *shard, clk clock.Clock, log *slog.Logger) *pacer {
	p := &pacer{
		sh: sh, clk: clk, log: log, io: sh.engine.sockets.newIO(),
		bell: make(chan struct{}, 1), done: make(chan struct{}),
	}
	p.zero = monotonic() - int64(clk.Now().Sub(sh.engine.base))
	go p.run()
	return p
}

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("media: no monotonic clock: " + err.Error()) // every Linux has one
	}
	return ts.Nano()
}

func (p *pacer) run() {
	defer close(p.done)
	// Never unlocked: the thread has another priority now and ends with the
	// goroutine.
	runtime.LockOSThread()
	p.prepare()
	for !p.quit.Load() {
		due, busy := p.sh.next()
		if !busy {
			p.park()
			continue
		}
		p.sleep(due)
		p.sh.tick(p.clk.Now(), p.io)
		p.sh.observe(p.clk.Now())
	}
	p.sh.handOver(true)
}

// prepare sets up the thread. Without the right to a better priority it paces
// all the same, only later under load.
func (p *pacer) prepare() {
	tid := unix.Gettid()
	p.tid.Store(int64(tid))
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, pacerSlack, 0, 0, 0); err != nil {
		p.log.Debug("media: timer slack", "error", err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, tid, pacerNice); err != nil {
		p.log.Info("media: pacer runs without a better priority", "shard", p.sh.index, "error", err,
			"hint", "CAP_SYS_NICE or LimitNICE=-11 keeps audio steady beside busy processes")
	}
}

// sleep waits until due, counted from the base.
func (p *pacer) sleep(due time.Duration) {
	ts := unix.NsecToTimespec(p.zero + int64(due))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}

// park waits for a session.
func (p *pacer) park() {
	p.parked.Store(true)
	if p.sh.incoming.some.Load() || p.quit.Load() {
		p.parked.Store(false)
		return
	}
	<-p.bell
	p.parked.Store(false)
	// The wheel stood still: nothing of before is due now.
	p.sh.at = p.clk.Now().Sub(p.sh.engine.base)
}

func (p *pacer) wake() {
	if p.parked.Load() {
		select {
		case p.bell <- struct{}{}:
		default:
		}
	}
}

// posted does nothing: each session is looked at every frame.
func (p *pacer) posted() {}

func (p *pacer) stop() {
	p.quit.Store(true)
	select {
	case p.bell <- struct{}{}:
	default:
	}
	<-p.done
}
