package media

import (
	"slices"
	"sync"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// Rest. Most of a call in virtual time is silence: while nobody plays, speaks,
// presses anything on a whole Fabric, its shards sleep, and the
// clock can jump over the frames in between. Whatever is asked of a session
// wakes all shards at once, each in its old rhythm. What was not sent is a
// pause of the streams: sequence numbers go on, timestamps jump.

// lull is how long all shards have been idle before they rest, so that nothing
// is under way between them.
const lull = 2 * audio.FrameDuration

// restLeast is how long a rest has to be to be worth it, and how early sleepers
// wake before something is due.
const restLeast = 4 * lull

// forever is longer than any rest.
const forever = 1000 * time.Hour

// rest is what the drivers on one Fabric agree on.
type rest struct {
	mu      sync.Mutex
	drivers []*timerDriver
	asleep  bool
}

func (r *rest) join(d *timerDriver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drivers = append(r.drivers, d)
}

func (r *rest) part(d *timerDriver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drivers = slices.DeleteFunc(r.drivers, func(x *timerDriver) bool { return x == d })
}

// report takes how a driver's shard is after a pass, and reports whether all
// of them rest from now on.
func (r *rest) report(d *timerDriver, idle bool, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !idle:
		d.since = time.Time{}
		return false
	case d.since.IsZero():
		d.since = now
	}
	for _, x := range r.drivers {
		if x.since.IsZero() && x.sh.load.Load() > 0 || now.Sub(x.since) < lull && !x.since.IsZero() {
			return false
		}
	}
	r.asleep = true
	for _, x := range r.drivers {
		x.sleep(now)
	}
	return true
}

// stir ends the rest: something is asked of a session of d.
func (r *rest) stir(d *timerDriver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.since = time.Time{}
	if !r.asleep {
		return
	}
	r.asleep = false
	for _, x := range r.drivers {
		x.rouse()
	}
}

// sleep stops the driver's timer until rouse.
func (d *timerDriver) sleep(now time.Time) {
	d.mu.Lock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.armed, d.slept = false, true
	d.mu.Unlock()
	d.sh.drain(now)
	if most := d.sh.quietFor(); most < forever {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.stopped {
			d.timer = d.clk.AfterFunc(most-restLeast/2, func() { d.rest.stir(d) })
		}
	}
}

// quietFor is when the first recording in the shard comes to its end.
func (sh *shard) quietFor() time.Duration {
	most := forever
	for k := range sh.slots {
		for _, s := range sh.slots[k].sessions {
			most = min(most, s.leg.quietFor())
		}
	}
	return most
}

// quietFor is for how long the leg's recordings have nothing but silence to
// take; forever when there are none.
func (l *leg) quietFor() time.Duration {
	most := forever
	if l.mix != nil {
		most = l.mix.mixer.quietFor()
	}
	now := l.send.clock(l.due)
	for _, r := range l.recs[:l.records] {
		most = min(most, time.Duration(r.quiet(now))*time.Second/audio.SampleRate)
	}
	return most
}

func (d *timerDriver) rouse() {
	d.since = time.Time{}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed && !d.stopped {
		if d.timer != nil {
			d.timer.Stop() // for the end of a recording
		}
		d.armed = true
		d.timer = d.clk.AfterFunc(0, d.beat)
	}
}

// idle reports whether nothing but silence goes on in the shard.
func (sh *shard) idle() bool {
	if sh.incoming.some.Load() || len(sh.outbox) > 0 {
		return false
	}
	for k := range sh.slots {
		for _, s := range sh.slots[k].sessions {
			if !s.leg.idle(sh) {
				return false
			}
		}
	}
	return true
}

func (l *leg) idle(sh *shard) bool {
	return l.begun && !l.closing && !l.s.inbox.waiting.Load() && l.play == nil && l.digitsOut.head == nil && !l.digitsIn.active &&
		l.quietFor() > restLeast && l.tapsRest() && !l.voice.speaking && l.flood == 0 && (l.mix == nil || l.mix.mixer.idle()) && !l.missing(sh)
}

// missing reports whether packets that the media timeout waits for do not
// come: then time matters.
func (l *leg) missing(sh *shard) bool {
	return l.s.opts.MediaTimeout > 0 && l.heard != 0 && !l.lost && l.agreed != nil && !l.onHold() && sh.at-l.heard > audio.FrameDuration
}

// drain reads the silence that is left, so that its age does not count later.
func (sh *shard) drain(now time.Time) {
	if sh.io == nil {
		return
	}
	sh.now, sh.at = now, now.Sub(sh.engine.base)
	for k := range sh.slots {
		for _, s := range sh.slots[k].sessions {
			if s.leg.agreed != nil {
				s.leg.read(sh, true)
			}
		}
	}
}

// resume goes on after a rest as if the frames in between had been sent.
func (sh *shard) resume(now time.Time) {
	before := sh.at
	sh.now, sh.at = now, now.Sub(sh.engine.base)
	for k := range sh.slots {
		sl := &sh.slots[k]
		f := frameAt(sh.at, k)
		if f <= sl.done {
			continue
		}
		sl.done = f
		for _, s := range sl.sessions {
			s.leg.oversleep(f+1, sh.at-before)
		}
	}
}

// oversleep moves a leg on to the frame that comes next.
func (l *leg) oversleep(next int64, slept time.Duration) {
	if next > l.due {
		l.due, l.send.gap = next, true
	}
	if l.heard != 0 {
		l.heard += slept
	}
	l.passage.at += slept
	if l.mix != nil {
		l.mix.mixer.oversleep(next - 1)
	}
	for _, r := range l.recs[:l.records] {
		r.oversleep(l.send.clock(l.due))
	}
	l.rtcp.haveSR = false
}
