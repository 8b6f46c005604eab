package media

import (
	"sync"

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
	timer   clock.Timer
}

func newTimerDriver(sh *shard, clk clock.Clock) *timerDriver {
	return &timerDriver{sh: sh, clk: clk, io: sh.engine.sockets.newIO()}
}

func (d *timerDriver) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed || d.stopped {
		return
	}
	d.armed = true
	d.timer = d.clk.AfterFunc(0, d.beat)
}

// beat is one pass; it arms the next one while there is work.
func (d *timerDriver) beat() {
	d.mu.Lock()
	d.armed = false
	stopped := d.stopped
	d.mu.Unlock()
	if stopped {
		return
	}
	d.tick.Lock()
	d.sh.tick(d.clk.Now(), d.io)
	d.sh.observe(d.clk.Now())
	due, busy := d.sh.next()
	d.tick.Unlock()
	if !busy {
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
	d.mu.Lock()
	d.stopped = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	d.tick.Lock()
	defer d.tick.Unlock()
	for d.sh.expel(d.clk.Now(), d.io); d.sh.count > 0; d.sh.expel(d.clk.Now(), d.io) {
	}
}
