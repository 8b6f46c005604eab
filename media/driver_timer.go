package media

import (
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// timerDriver runs a shard from timers of a clock: the way of virtual time.
type timerDriver struct {
	sh   *shard
	clk  clock.Clock
	io   netIO
	tick sync.Mutex // held during a pass

	mu      sync.Mutex // never held during a pass
	armed   bool
	stopped bool
	slept   bool // since the last beat
	timer   clock.Timer

	rest  *rest     // nil: never
	since time.Time // idle since, under rest's lock; zero: it is not
}

func newTimerDriver(sh *shard, clk clock.Clock) *timerDriver {
	d := &timerDriver{sh: sh, clk: clk, io: sh.engine.sockets.newIO()}
	if f := sh.engine.cfg.Fabric; f != nil && f.Rest {
		d.rest = &f.rest
		d.rest.join(d)
	}
	return d
}

func (d *timerDriver) wake() {
	d.posted()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed || d.stopped {
		return
	}
	d.armed = true
	d.timer = d.clk.AfterFunc(0, d.beat)
}

// posted ends a rest: a session has a command.
func (d *timerDriver) posted() {
	if d.rest != nil {
		d.rest.stir(d)
	}
}

// beat is one pass; it arms the next one while there is work.
func (d *timerDriver) beat() {
	d.mu.Lock()
	d.armed = false
	stopped, slept := d.stopped, d.slept
	d.slept = false
	d.mu.Unlock()
	if stopped {
		return
	}
	d.tick.Lock()
	if slept {
		d.sh.resume(d.clk.Now())
	}
	d.sh.tick(d.clk.Now(), d.io)
	// Time stands still while an event waits, so that there may be no next pass
	// to hand it over: unlike a pacer this driver waits for the lock.
	d.sh.handOver(true)
	d.sh.observe(d.clk.Now())
	due, busy := d.sh.next()
	rests := d.rest != nil && d.rest.report(d, d.sh.idle(), d.clk.Now())
	d.tick.Unlock()
	if !busy || rests {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed && !d.stopped {
		d.armed = true
		d.timer = d.clk.AfterFunc(max(0, due-d.clk.Now().Sub(d.sh.engine.base)), d.beat)
	}
}

// stop ends what is left in a last pass.
func (d *timerDriver) stop() {
	if d.rest != nil {
		d.rest.part(d)
	}
	d.mu.Lock()
	d.stopped = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	d.tick.Lock()
	defer d.tick.Unlock()
	for d.sh.expel(d.clk.Now(), d.io); d.sh.count > 0 || d.sh.incoming.some.Load(); d.sh.expel(d.clk.Now(), d.io) {
	}
}
