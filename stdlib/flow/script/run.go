package script

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// run is one wake-up of a flow: its code, followed along the journal. It is the
// VM's runtime.Seal.
type run struct {
	vm   *runtime.VM
	wake journal.Wake
	dice *rand.ChaCha8
	now  time.Time // of what the journal has told last

	settled  map[int]journal.Entry // results that came with the start, by number
	open     map[int]journal.Entry // waits that came with the start
	commands map[int]*command      // asked for and without a result yet
	asked    int                   // the last number given
	seen     int                   // results that the code has
	working  int                   // steps that run, and requests on their way
	pumping  bool                  // a look at what is next is on its way
	answered bool                  // unless was asked
	over     bool                  // the code has returned, or is not what it was
}

// command is something that the code waits for.
type command struct {
	kind            journal.Kind
	resolve, reject func(any) error
	read            func(goja.Value) goja.Value // makes the author's value of the result
	unless          goja.Callable               // of a call
}

func (r *run) read(argument json.RawMessage) error {
	if err := json.Unmarshal(argument, &r.wake); err != nil {
		return fault.New(fault.Internal, "flow: the journal cannot be read: %w", err)
	}
	var seed [32]byte
	copy(seed[:], r.wake.Flow.Seed)
	r.dice, r.now = rand.NewChaCha8(seed), r.wake.Flow.Started
	for _, e := range r.wake.Settled {
		r.settled[e.N] = e
	}
	for _, e := range r.wake.Open {
		r.open[e.N] = e
	}
	return nil
}

// Now implements runtime.Seal.
func (r *run) Now() time.Time { return r.now }

// Random implements runtime.Seal.
func (r *run) Random() float64 { return float64(r.dice.Uint64()<<11>>11) / (1 << 53) }

// Read implements runtime.Seal.
func (r *run) Read(p []byte) { _, _ = r.dice.Read(p) } // it never fails

// Silent implements runtime.Seal.
func (r *run) Silent() bool { return r.seen < r.wake.Ran }

// begin runs the code.
func (r *run) begin(code goja.Callable, f goja.Value) goja.Value {
	r.soon()
	result := bind.Promise(r.vm, func() goja.Value { return bind.Call(code, f) })
	return bind.Settle(r.vm, result, r.returned, nil)
}

// returned looks, when the code is done, whether the journal knows of more.
func (r *run) returned(v goja.Value) goja.Value {
	if e, more := r.unasked(); more {
		return r.changed(e, "the end of the flow")
	}
	r.over = true
	return v
}

// unasked is something in the journal that the code has not asked for.
func (r *run) unasked() (journal.Entry, bool) {
	for _, list := range [][]journal.Entry{r.wake.Settled, r.wake.Open} {
		for _, e := range list {
			if e.N > r.asked {
				return e, true
			}
		}
	}
	return journal.Entry{}, false
}

// changed tells the host that the code is not the one of the journal; its value
// is a promise that is never settled, so that the code goes no further.
func (r *run) changed(want journal.Entry, got string) goja.Value {
	if !r.over {
		r.over = true
		r.tell("flow.changed", journal.Changed{N: want.N, Want: want.What(), Got: got})
	}
	never, _, _ := r.vm.Runtime().NewPromise()
	return r.vm.Runtime().ToValue(never)
}

// tell makes a request whose answer tells nothing.
func (r *run) tell(method string, body any) {
	r.vm.Unsealed(func() { r.vm.Call(method, encode(r.vm, body)) })
}

// ask is what follows a call of f.…: a number, a place to wait, and what the
// journal knows of it. fresh means that it knows nothing; nil that the code is
// not what it was.
func (r *run) ask(verb string, kind journal.Kind, name string) (c *command, n int, promise goja.Value, fresh bool) {
	if !r.vm.Sealed() {
		r.vm.Throw(fault.Invalid, verb+" is not possible inside of a step", "end the step first; its result is what goes on")
	}
	if r.asked >= journal.MaxEntries {
		r.vm.Throw(fault.Limit, "a flow has at most "+strconv.Itoa(journal.MaxEntries)+" steps, waits and calls (limit entries)", "let it start another flow that goes on")
	}
	r.asked++
	n = r.asked
	for _, known := range []map[int]journal.Entry{r.settled, r.open} {
		if e, ok := known[n]; ok && !e.Same(kind, name) {
			return nil, n, r.changed(e, journal.What(kind, name)), false
		}
	}
	p, resolve, reject := r.vm.Runtime().NewPromise()
	c = &command{kind: kind, resolve: resolve, reject: reject}
	r.commands[n] = c
	_, done := r.settled[n]
	_, waits := r.open[n]
	return c, n, r.vm.Runtime().ToValue(p), !done && !waits && !r.over
}

// soon looks at what is next once the code has come as far as it can.
func (r *run) soon() {
	if r.pumping || r.over {
		return
	}
	r.pumping = true
	r.vm.Reserve()(func() error {
		r.pumping = false
		return r.pump()
	})
}

// pump gives the code its next result of the journal, or tells that it waits.
func (r *run) pump() error {
	switch {
	case r.over:
		return nil
	case r.seen < len(r.wake.Settled):
		return r.deliver(r.wake.Settled[r.seen])
	case r.wake.Ask > 0 && !r.answered:
		r.answered = true
		r.unless(r.wake.Ask)
	}
	if r.working > 0 {
		return nil
	}
	if e, more := r.unasked(); more {
		r.changed(e, "nothing")
		return nil
	}
	r.tell("flow.idle", journal.Idle{Seen: r.seen, Open: len(r.commands)})
	return nil
}

// deliver gives the code one result.
func (r *run) deliver(e journal.Entry) error {
	if r.over {
		return nil
	}
	c := r.commands[e.N]
	if c == nil {
		r.changed(e, "nothing")
		return nil
	}
	delete(r.commands, e.N)
	r.seen++
	r.now = e.At
	r.soon()
	if e.Error != nil {
		return c.reject(r.problem(e.Error))
	}
	v, err := r.vm.Decode(e.Value)
	if err != nil {
		return err
	}
	if c.read != nil {
		v = c.read(v)
	}
	return c.resolve(v)
}

// problem is an error of the journal as it was thrown.
func (r *run) problem(p *journal.Problem) *goja.Object {
	o := r.vm.NewError(fault.Code(p.Code), p.Message, p.Hint)
	if p.Name != "" && p.Name != "Error" {
		_ = o.Set("name", p.Name) // an Error of ours takes it
	}
	return o
}

// problemOf is what a step has thrown, for the journal.
func (r *run) problemOf(reason goja.Value) *journal.Problem {
	e := r.vm.ErrorOf(reason)
	return &journal.Problem{Code: e.Code, Name: e.Name, Message: e.Message, Hint: e.Hint, Place: e.Place}
}

// request asks the host for something and takes an entry with a result from its
// answer, if there is one already.
func (r *run) request(method string, body any) {
	r.working++
	r.vm.Unsealed(func() {
		p := r.vm.Call(method, encode(r.vm, body))
		bind.Settle(r.vm, p, func(v goja.Value) goja.Value {
			r.working--
			r.soon()
			r.take(v)
			return goja.Undefined()
		}, func(goja.Value) goja.Value {
			r.over = true // it is not in the journal: the host ends this run
			return goja.Undefined()
		})
	})
}

// take delivers the entry that the host has answered or told of.
func (r *run) take(v goja.Value) {
	if bind.Missing(v) {
		return
	}
	raw, err := r.vm.Encode(v)
	if err != nil {
		r.vm.ThrowError(err)
	}
	r.told(raw)
}

// told delivers an entry of the host, in the order of the results.
func (r *run) told(raw json.RawMessage) {
	var e journal.Entry
	if err := json.Unmarshal(raw, &e); err != nil {
		r.vm.ThrowError(fault.New(fault.Internal, "flow: a result cannot be read: %w", err))
	}
	r.wake.Settled = append(r.wake.Settled, e)
	r.soon()
}
