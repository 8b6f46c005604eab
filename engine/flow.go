package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"log/slog"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/flow"
	"github.com/loopstart/loopstart/internal/fault"
	flowlog "github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
)

// flowHost is what flows need of the engine.
type flowHost struct{ e *Engine }

// openFlows reads the running flows; they go on once all is built.
func (e *Engine) openFlows(*config.Config) (err error) {
	e.flows, err = flow.Open(flow.Options{
		Space: e.store.Space("flows"), Clock: e.clk, Log: e.log, Host: flowHost{e}, NewID: func() string { return e.newID("flow") },
		Seed: e.flowSeed, Begin: e.startRequest(), OnEnd: e.opts.OnFlow,
	})
	return err
}

// Flows are the durable flows.
func (e *Engine) Flows() *flow.Runner { return e.flows }

// flowSeed is behind the random numbers of a flow's code. Those of crypto come
// from it, too, so that nobody may guess it.
func (e *Engine) flowSeed(id string) []byte {
	seed := sha256.Sum256([]byte(id))
	if e.opts.World == nil {
		_, _ = rand.Read(seed[:]) // it never fails
	}
	return seed[:]
}

// flowCode is the flow of a script, as a new one gets it.
func (e *Engine) flowCode(script string) (*scripts.Version, error) {
	v, err := e.scripts.Current(script)
	if err != nil {
		return nil, err
	}
	if v.Flow == "" {
		return nil, fault.New(fault.Invalid, "script %s has no flow", script).WithHint("write export default flow(async (f) => { … }), or export const onFlow = flow(…)")
	}
	return v, nil
}

// Code implements flow.Host. What config.data describes is the data of a script
// that is a flow; beside a call it is the call's.
func (h flowHost) Code(script string, data json.RawMessage) (version, export string, err error) {
	v, err := h.e.flowCode(script)
	if err != nil {
		return "", "", err
	}
	if v.Flow == "default" {
		err = h.e.settings.of(v).CheckData(data, h.e.Config().Project.Country)
	}
	return v.ID, v.Flow, err
}

// Run implements flow.Host.
func (h flowHost) Run(f flow.Flow, w flowlog.Wake, s *flow.Session) (flow.VM, error) {
	e := h.e
	v, err := e.scripts.AcquireVersion(f.Script, f.Version)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(w)
	if err != nil {
		e.scripts.Release(v)
		return nil, err
	}
	hd := &vmHandle{ready: make(chan struct{})}
	log := e.log.With("flow", f.ID, "script", f.Script, "key", f.Key)
	vm := &flowVM{vmHandle: hd, e: e, version: v, session: s, log: log}
	vm.core = e.coreSession(v, journal{log: log}, hd.Settle)
	spec := e.runSpec(v, false)
	spec.Entry = message.Entry{Export: f.Export, Argument: body, Now: e.clk.Now()}
	hd.vm, err = e.workers.Start(spec, vm)
	close(hd.ready)
	if err != nil {
		vm.core.Close()
		e.scripts.Release(v)
		return nil, err
	}
	return vm, nil
}

// flowVM is the running code of a flow: a supervisor.Handler and a flow.VM.
type flowVM struct {
	*vmHandle
	e       *Engine
	version *scripts.Version
	core    *corehost.Session
	session *flow.Session
	log     *slog.Logger
}

// Tell implements flow.VM.
func (v *flowVM) Tell(e flowlog.Entry) {
	body, err := json.Marshal(e)
	if err != nil {
		return // an entry that was on disk has a JSON form
	}
	v.Event(message.Notice{Name: "flow.settled", Data: body})
}

// Kill implements flow.VM.
func (v *flowVM) Kill() { v.get().Kill() }

// Request implements supervisor.Handler.
func (v *flowVM) Request(vm *supervisor.Instance, seq uint32, r message.Request) {
	switch r.Method {
	case "flow.wait", "flow.done", "flow.idle", "flow.asked", "flow.changed":
		v.session.Request(seq, r.Method, r.Args, r.At)
		return
	}
	switch {
	case v.core.Serve(seq, r), v.e.flowService(seq, r, v.Settle), v.e.backService(v.version, nil, seq, r.Method, r.Args, v.Settle):
	case r.Method == "step":
		logStep(v.log, r)
	case seq != 0:
		vm.Settle(seq, nil, fault.New(fault.Conflict, "%s needs a call", r.Method).WithHint("a flow orders calls by f.call"))
	}
}

// Update implements supervisor.Handler.
func (v *flowVM) Update(message.State) {}

// Done implements supervisor.Handler.
func (v *flowVM) Done(o message.Outcome) {
	v.core.Close()
	v.e.scripts.Release(v.version)
	v.session.Done(o.Value, problemOf(o.Error), o.Error != nil && o.Error.Name == "WorkerError")
}

func problemOf(e *message.ScriptError) *flowlog.Problem {
	if e == nil {
		return nil
	}
	return &flowlog.Problem{Code: e.Code, Name: e.Name, Message: e.Message, Hint: e.Hint, Place: e.Place, Frame: e.Frame}
}

// flowService serves start and signal of loopstart:flow to any script.
func (e *Engine) flowService(seq uint32, r message.Request, settle func(uint32, any, error)) bool {
	switch r.Method {
	case "flow.start":
		var s flowlog.Start
		if err := json.Unmarshal(r.Args, &s); err != nil {
			settle(seq, nil, fault.New(fault.Invalid, "start: %w", err))
			return true
		}
		e.beside(func() { e.flows.Begin(s, func(a flow.Started, err error) { settle(seq, a, err) }) })
	case "flow.signal":
		var s flowlog.Signal
		if err := json.Unmarshal(r.Args, &s); err != nil {
			settle(seq, nil, fault.New(fault.Invalid, "signal: %w", err))
			return true
		}
		e.beside(func() { e.flows.Signal(s, func(err error) { settle(seq, nil, err) }) })
	default:
		return false
	}
	return true
}

// beside runs what waits for the disk on a goroutine of its own.
func (e *Engine) beside(run func()) {
	if begin := e.startRequest(); begin != nil {
		begin(run)
		return
	}
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		run()
	}()
}

// await makes a waiting call of one that tells a function.
func await[T any](ctx context.Context, begin func(done func(T, error))) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	begin(func(v T, err error) { got <- answer{v, err} })
	select {
	case a := <-got:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, fault.New(fault.Unavailable, "the program is ending")
	}
}
