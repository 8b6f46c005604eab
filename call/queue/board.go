package queue

import (
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Waiter is who waits: a call, or a place that is kept for one. Its methods
// are called under the board's lock: they only post.
type Waiter interface {
	// Ring asks for an agent's phone to be rung for so long; why says why it is
	// this one, and others, why it is not anybody else.
	Ring(agent string, each time.Duration, why, others string)
	// Stop ends the ringing of an agent's phone.
	Stop(agent string)
}

// Board keeps the lines of an engine.
type Board struct {
	clk   clock.Clock
	heard func(*Core, time.Time, []Event) // told of events, under the lock

	mu      sync.Mutex
	core    *Core
	waiters map[ID]Waiter
	left    map[string]Request // by call: the place of one who left by a key
	oldest  []string           // of left
	timer   clock.Timer
	closed  bool
}

// NewBoard makes a board without groups. heard must not block.
func NewBoard(clk clock.Clock, o Outside, heard func(*Core, time.Time, []Event)) *Board {
	return &Board{clk: clk, heard: heard, core: New(o), waiters: map[ID]Waiter{}, left: map[string]Request{}}
}

// With runs f on the core and then does what follows from it.
func (b *Board) With(f func(c *Core, now time.Time)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.core, b.clk.Now())
	b.settle()
}

// Kick looks again whether somebody can be rung: something has changed outside.
func (b *Board) Kick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.core.Waits() > 0 {
		b.settle()
	}
}

// Close stops the clock of the board; nobody is rung any more.
func (b *Board) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
}

// settle looks, does what the core asks for, and arms the timer. The lock is
// held.
func (b *Board) settle() {
	if b.closed {
		return
	}
	now := b.clk.Now()
	b.core.Look(now)
	effects, events := b.core.Drain()
	for _, e := range effects {
		w := b.waiters[e.ID]
		switch {
		case w == nil:
		case e.Stop:
			w.Stop(e.Agent)
		default:
			w.Ring(e.Agent, e.Each, e.Why, b.core.Others(now, e.ID))
		}
	}
	if len(events) > 0 {
		b.heard(b.core, now, events)
	}
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if at, ok := b.core.Next(now); ok {
		b.timer = b.clk.AfterFunc(at.Sub(now), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.settle()
		})
	}
}

// Place is somebody's place in a line.
type Place struct {
	b   *Board
	id  ID
	req Request
}

// Enter puts w in line; the status is "" for one who waits, else closed or
// full. w may be rung for before Enter returns.
func (b *Board) Enter(r Request, w Waiter) (p *Place, status string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clk.Now()
	if r.Arrived.IsZero() {
		r.Arrived = now
	}
	id, status := b.core.Enter(now, r)
	if status == "" {
		b.waiters[id] = w
		p = &Place{b: b, id: id, req: r}
		p.req.Seq = b.core.entries[id].seq
	}
	b.settle()
	return p, status
}

// Request is what the place was taken with, and since when it is held.
func (p *Place) Request() Request { return p.req }

// Stand is the position from 1, and the wait that is expected, if it is known.
func (p *Place) Stand() (position int, wait time.Duration, known bool) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	position = p.b.core.Position(p.id)
	wait, known = p.b.core.Expected(p.b.clk.Now(), p.req.Group, position)
	return position, wait, known
}

// Others says who is not rung, and why, when that has changed.
func (p *Place) Others() string {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.b.core.Others(p.b.clk.Now(), p.id)
}

// Failed, Answered, Talking and Over tell how it goes with an agent; see Core.
func (p *Place) Failed(agent, how string) {
	p.b.With(func(c *Core, now time.Time) { c.Failed(now, p.id, agent, how) })
}

// Answered says that the agent has picked up.
func (p *Place) Answered(agent string) {
	p.b.With(func(c *Core, _ time.Time) { c.Answered(p.id, agent) })
}

// Talking says that the agent talks with who waited.
func (p *Place) Talking(agent string) {
	p.b.With(func(c *Core, now time.Time) { c.Talking(now, p.id, agent) })
}

// Over says that the talk is over; the place is gone.
func (p *Place) Over() { p.Leave("done") }

// SetPriority moves the place in its line.
func (p *Place) SetPriority(n int) {
	p.b.With(func(c *Core, _ time.Time) { c.SetPriority(p.id, n) })
}

// Leave gives the place up. That of a call that left by a key is remembered,
// so that it can be kept for calling back.
func (p *Place) Leave(how string) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if _, here := p.b.waiters[p.id]; !here {
		return
	}
	delete(p.b.waiters, p.id)
	if e := p.b.core.entries[p.id]; e != nil && e.agent == "" && !e.req.Back {
		r := p.req
		r.Priority = e.req.Priority
		p.b.remember(r)
	}
	p.b.core.Leave(p.b.clk.Now(), p.id, how)
	p.b.settle()
}

// remember keeps the place that a call has had. The lock is held.
func (b *Board) remember(r Request) {
	if _, again := b.left[r.Call]; !again {
		if b.oldest = append(b.oldest, r.Call); len(b.oldest) > MaxLeft {
			delete(b.left, b.oldest[0])
			b.oldest = b.oldest[1:]
			b.core.totals.Forgotten++
		}
	}
	b.left[r.Call] = r
}

// Left is the place that a call has had in a group before it left; false for
// none.
func (b *Board) Left(call, group string) (Request, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.left[call]
	return r, ok && r.Group == group
}

// Forget drops what is remembered of a call that is over.
func (b *Board) Forget(call string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.left[call]; !ok {
		return
	}
	delete(b.left, call)
	for i, id := range b.oldest {
		if id == call {
			b.oldest = append(b.oldest[:i:i], b.oldest[i+1:]...)
			break
		}
	}
}
