package engine

import (
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/store"
)

// pulseEvery is how often a process with calls writes down that it lives.
const pulseEvery = time.Second

// pulse keeps the time at which the process last lived, while it has calls. A
// call that a killed process leaves has ended with it: there is no better end.
type pulse struct {
	e     *Engine
	space *store.Space
	was   time.Time // last beat of the process before; zero: it has left none
	on    atomic.Bool
}

const pulseKey = "alive"

// open reads what the process before has left.
func (p *pulse) open(e *Engine) error {
	p.e, p.space = e, e.store.Space("pulse")
	e.calls.began = p.start
	raw, ok, err := p.space.Get(pulseKey)
	if err == nil && ok {
		p.was, _ = time.Parse(time.RFC3339Nano, string(raw)) // damaged: as if there were none
	}
	return err
}

// start makes it beat, if it does not, until there are no more calls.
func (p *pulse) start() {
	if p.on.CompareAndSwap(false, true) {
		p.beat()
	}
}

func (p *pulse) beat() {
	if p.e.ctx.Err() != nil {
		return
	}
	if p.e.calls.count() == 0 {
		p.on.Store(false)
		if p.e.calls.count() > 0 { // one has begun in between
			p.start()
		}
		return
	}
	p.space.ApplyIdle(p.e.live.kept, store.Op{Key: pulseKey, Value: []byte(p.e.clk.Now().Format(time.RFC3339Nano))})
	if p.e.opts.World == nil { // in virtual time no process dies, and an hour of silence has no steps
		p.e.clk.AfterFunc(pulseEvery, p.beat)
	}
}

// end completes the record of a call of the process before: an estimate, never
// before what is known of the call.
func (p *pulse) end(r *call.Record) {
	last := r.StartedAt
	if r.AnsweredAt != nil {
		last = *r.AnsweredAt
	}
	r.EndedAt, r.Estimated = last, true
	if p.was.After(last) {
		r.EndedAt = p.was
	}
	if r.AnsweredAt != nil {
		r.TalkMs = r.EndedAt.Sub(*r.AnsweredAt).Milliseconds()
	}
}
