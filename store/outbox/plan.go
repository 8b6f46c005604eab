package outbox

import (
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/store"
)

// phase is what is being done with an item that is not finished.
type phase uint8

const (
	writing  phase = iota // not yet on disk
	waiting               // its turn or its time has not come
	running               // Deliver has it
	settling              // the outcome is not yet on disk
)

// entry is what memory knows of an undelivered item; the rest is on disk.
type entry struct {
	id       string
	seq      uint64
	queue    *queue
	dest     *destination
	nextAt   time.Time // with a monotonic reading, except just after Open
	expires  time.Time
	created  time.Time
	attempts int
	passed   int // of attempts, those not made because the breaker was open
	phase    phase
	suspect  bool          // its attempt counts among the suspects' share
	done     []func(error) // of Enqueue, until it is on disk
	outcome  []store.Op    // what could not be written yet
}

// queue is a line of items of which only the first moves.
type queue struct {
	key   string
	items []*entry // by seq
	timer clock.Timer
	lined bool // it stands in its destination's line
	busy  bool // one of its items is with a worker
}

func (q *queue) stop() {
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
}

// destination shares out the attempts to one receiver.
type destination struct {
	name    string
	line    []*queue // ready queues, first come, first served
	running int
	items   int  // undelivered ones; with none it is forgotten, see retire
	failing bool // its last attempt failed
	breaker breaker
	bucket  bucket
	retired clock.Timer // forgets it
}

// plan decides what is delivered next. It belongs to the outbox's mutex.
type plan struct {
	workers  int
	limits   func(destination string) Share
	running  int
	suspects int // of running, those to receivers that have not answered well of late
	queues   map[string]*queue
	byID     map[string]*entry
	dests    map[string]*destination
	ring     []*destination // those with a line, each served in turn
	turn     int
}

func (p *plan) init(workers int, limits func(string) Share) {
	p.workers, p.limits = workers, limits
	p.queues = make(map[string]*queue)
	p.byID = make(map[string]*entry)
	p.dests = make(map[string]*destination)
}

// insert gives e its place in its queue.
func (p *plan) insert(it Item, e *entry) {
	q := p.queues[it.Queue]
	if q == nil {
		q = &queue{key: it.Queue}
		p.queues[it.Queue] = q
	}
	d := p.dests[it.Destination]
	if d == nil {
		d = &destination{name: it.Destination}
		p.dests[it.Destination] = d
	}
	d.revive()
	d.items++
	e.queue, e.dest = q, d
	i, _ := slices.BinarySearchFunc(q.items, e.seq, func(x *entry, seq uint64) int {
		if x.seq < seq {
			return -1
		}
		return 1
	})
	q.items = slices.Insert(q.items, i, e)
	p.byID[e.id] = e
}

// remove takes e out of its queue, which is forgotten when it is empty.
func (p *plan) remove(e *entry) {
	q := e.queue
	q.items = slices.DeleteFunc(q.items, func(x *entry) bool { return x == e })
	delete(p.byID, e.id)
	if len(q.items) == 0 {
		q.stop()
		delete(p.queues, q.key)
	}
	e.dest.items--
}

// remove takes e out of everything, and its destination if that was its last.
func (b *Outbox) remove(e *entry) {
	b.plan.remove(e)
	if e.dest.items == 0 {
		b.retire(e.dest)
	}
}

// retire forgets a destination that has nothing to do, but not before its rate
// allows a second's worth again: items that come one by one would have no rate.
func (b *Outbox) retire(d *destination) {
	d.bucket.stop()
	if wait := d.bucket.full(b.plan.limits(d.name).Rate, b.clk.Now()); wait > 0 && !b.closed {
		d.retired = b.clk.AfterFunc(wait, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if d.items == 0 {
				delete(b.plan.dests, d.name)
			}
		})
		return
	}
	delete(b.plan.dests, d.name)
}

// revive keeps a destination that has something to do again.
func (d *destination) revive() {
	if d.retired != nil {
		d.retired.Stop()
		d.retired = nil
	}
}

// ready lines q up if its first item may move now, or sets its alarm.
func (p *plan) ready(q *queue, b *Outbox) {
	if len(q.items) == 0 || q.lined || q.busy || b.closed {
		return
	}
	e := q.items[0]
	if e.phase != waiting && (e.phase != settling || e.outcome == nil) {
		return
	}
	q.stop()
	if wait := e.due().Sub(b.clk.Now()); wait > 0 {
		q.timer = b.clk.AfterFunc(wait, func() { b.wake(q) })
		return
	}
	q.lined = true
	if len(e.dest.line) == 0 {
		p.ring = append(p.ring, e.dest)
	}
	e.dest.line = append(e.dest.line, q)
}

// due is when something has to be done about the item.
func (e *entry) due() time.Time {
	if e.phase == waiting && !e.expires.IsZero() && e.expires.Before(e.nextAt) {
		return e.expires
	}
	return e.nextAt
}

// next takes the next item to deliver, each destination in turn, or nil when
// no worker or no destination is free.
func (p *plan) next(b *Outbox) (*entry, *destination) {
	now := b.clk.Now()
	for tried := 0; tried < len(p.ring) && p.running < p.workers; {
		p.turn %= len(p.ring)
		d := p.ring[p.turn]
		if d.breaker.isOpen(now) {
			p.passOver(d, now, b)
		}
		if len(d.line) == 0 {
			p.ring = slices.Delete(p.ring, p.turn, p.turn+1)
			continue
		}
		if !p.free(d, now, b) {
			p.turn++
			tried++
			continue
		}
		if e := p.take(d); e != nil {
			d.bucket.spend()
			return e, d
		}
	}
	return nil, nil
}

// take starts the first queue in a destination's line.
func (p *plan) take(d *destination) *entry {
	q := d.line[0]
	d.line = d.line[1:]
	if len(d.line) == 0 {
		p.ring = slices.Delete(p.ring, p.turn, p.turn+1)
	} else {
		p.turn++
	}
	q.lined = false
	if len(q.items) == 0 { // what it stood in line for is gone
		return nil
	}
	q.busy = true
	e := q.items[0]
	p.running++
	d.running++
	if e.suspect = d.suspect(); e.suspect {
		p.suspects++
	}
	return e
}

// free reports whether d may have another attempt now.
func (p *plan) free(d *destination, now time.Time, b *Outbox) bool {
	share := p.limits(d.name)
	atOnce := share.AtOnce
	if d.failing {
		atOnce = 1
	}
	if d.running >= atOnce || d.suspect() && p.suspects >= max(p.workers/2, 1) {
		return false
	}
	return d.bucket.ready(share.Rate, now, b)
}

// finished gives the worker back.
func (p *plan) finished(e *entry, d *destination) {
	e.queue.busy = false
	p.running--
	d.running--
	if e.suspect {
		p.suspects--
	}
}
