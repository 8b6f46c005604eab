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
	dest     string
	nextAt   time.Time // with a monotonic reading, except just after Open
	expires  time.Time
	created  time.Time
	attempts int
	phase    phase
	done     []func(error) // of Enqueue, until it is on disk
	outcome  []store.Op    // what could not be written yet
}

// queue is a line of items of which only the first moves.
type queue struct {
	key   string
	items []*entry // by seq
	timer clock.Timer
	lined bool // it stands in its destination's line
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
	failing bool // its last attempt failed
}

// plan decides what is delivered next. It belongs to the outbox's mutex.
type plan struct {
	workers int
	perDest int
	running int
	queues  map[string]*queue
	byID    map[string]*entry
	dests   map[string]*destination
	ring    []*destination // those with a line, each served in turn
	turn    int
}

func (p *plan) init(workers, perDest int) {
	p.workers, p.perDest = workers, perDest
	p.queues = make(map[string]*queue)
	p.byID = make(map[string]*entry)
	p.dests = make(map[string]*destination)
}

// insert gives e its place in its queue.
func (p *plan) insert(key string, e *entry) {
	q := p.queues[key]
	if q == nil {
		q = &queue{key: key}
		p.queues[key] = q
	}
	e.queue = q
	i, _ := slices.BinarySearchFunc(q.items, e.seq, func(x *entry, seq uint64) int {
		if x.seq < seq {
			return -1
		}
		return 1
	})
	q.items = slices.Insert(q.items, i, e)
	p.byID[e.id] = e
}

// remove takes e out of everything.
func (p *plan) remove(e *entry) {
	q := e.queue
	q.items = slices.DeleteFunc(q.items, func(x *entry) bool { return x == e })
	delete(p.byID, e.id)
	if len(q.items) == 0 {
		q.stop()
		delete(p.queues, q.key)
	}
}

// ready lines q up if its first item may move now, or sets its alarm.
func (p *plan) ready(q *queue, b *Outbox) {
	if len(q.items) == 0 || q.lined || b.closed {
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
	p.lineUp(q, p.dest(e.dest))
}

// due is when something has to be done about the item.
func (e *entry) due() time.Time {
	if e.phase == waiting && !e.expires.IsZero() && e.expires.Before(e.nextAt) {
		return e.expires
	}
	return e.nextAt
}

func (p *plan) dest(name string) *destination {
	d := p.dests[name]
	if d == nil {
		d = &destination{name: name}
		p.dests[name] = d
	}
	return d
}

func (p *plan) lineUp(q *queue, d *destination) {
	q.lined = true
	if len(d.line) == 0 {
		p.ring = append(p.ring, d)
	}
	d.line = append(d.line, q)
}

// next takes the next item to deliver, each destination in turn, or nil when
// no worker or no destination is free.
func (p *plan) next() (*entry, *destination) {
	if p.running >= p.workers {
		return nil, nil
	}
	for range len(p.ring) {
		p.turn %= len(p.ring)
		d := p.ring[p.turn]
		if d.running >= p.limit(d) {
			p.turn++
			continue
		}
		q := d.line[0]
		d.line = d.line[1:]
		if len(d.line) == 0 {
			p.ring = slices.Delete(p.ring, p.turn, p.turn+1)
		} else {
			p.turn++
		}
		q.lined = false
		if len(q.items) == 0 { // what it stood in line for was removed
			p.forget(d)
			return p.next()
		}
		p.running++
		d.running++
		return q.items[0], d
	}
	return nil, nil
}

// limit is how many attempts d may have at once.
func (p *plan) limit(d *destination) int {
	if d.failing {
		return 1
	}
	return p.perDest
}

// finished gives the worker back.
func (p *plan) finished(d *destination) {
	p.running--
	d.running--
	p.forget(d)
}

// forget drops a destination nobody needs. A failing one is remembered while
// it has work; one without work gets a fresh start.
func (p *plan) forget(d *destination) {
	if d.running == 0 && len(d.line) == 0 && (!d.failing || len(p.byID) == 0) {
		delete(p.dests, d.name)
	}
}
