package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
	callhost "github.com/loopstart/loopstart/stdlib/call/host"
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
)

// callScript is one VM that runs a call's default export: it implements
// supervisor.Handler and hands messages to the host halves.
type callScript struct {
	e     *Engine
	l     *live
	calls *callhost.Session
	core  *corehost.Session
	notes journal
	// settle answers what neither of them serves.
	settle func(seq uint32, value any, err error)
}

// vmHandle lets the host halves settle before Start has returned: the first
// message may come that early.
type vmHandle struct {
	ready chan struct{}
	vm    *supervisor.Instance
	seen  func(seq uint32, value any, err error) // in tests only
}

func (h *vmHandle) get() *supervisor.Instance {
	<-h.ready
	return h.vm
}

func (h *vmHandle) Settle(seq uint32, value any, err error) {
	if h.seen != nil {
		h.seen(seq, value, err)
	}
	if vm := h.get(); vm != nil {
		vm.Settle(seq, value, err)
	}
}

func (h *vmHandle) Event(n message.Notice) {
	if vm := h.get(); vm != nil {
		vm.Event(n)
	}
}

func (h *vmHandle) End(reason string) {
	if vm := h.get(); vm != nil {
		vm.End(reason)
	}
}

// startScript runs the default export for a call.
func (e *Engine) startScript(l *live) {
	h := &vmHandle{ready: make(chan struct{})}
	s := &callScript{e: e, l: l, settle: h.Settle}
	s.calls = callhost.New(l.Call, h, callhost.Services{Links: e.record, Retries: &e.orders, Ring: defaultRing})
	s.notes = journal{e.log.With("call", l.ID(), "script", l.version.Script), l.Call, e.opts.World != nil}
	s.core = e.coreSession(l.version, s.notes, h.Settle)
	if w := e.opts.World; w != nil {
		h.seen = func(seq uint32, value any, err error) { w.Witness.Answered(l.Call, seq, value, err) }
	}
	spec := e.runSpec(l.version, l.steps)
	answered := l.AnsweredAt()
	argument, err := json.Marshal(callhost.CallFacts(l.Spec(), l.Started(), answered))
	if err != nil {
		argument = []byte("{}")
	}
	spec.Entry = message.Entry{Export: "default", Argument: argument, Now: e.clk.Now()}
	vm, err := e.workers.Start(spec, s)
	h.vm = vm
	close(h.ready)
	if err != nil {
		l.Fallback(err)
		return
	}
	l.Attach(s.calls)
}

// defaultRing is how long connect and dial ring when nothing is said.
const defaultRing = 30 * time.Second

// Request implements supervisor.Handler.
func (s *callScript) Request(vm *supervisor.Instance, seq uint32, r message.Request) {
	if w := s.e.opts.World; w != nil {
		w.Witness.Asked(s.l.Call, seq, r)
	}
	switch {
	case callhost.Handles(r.Method):
		s.calls.Request(seq, r)
	case s.core.Serve(seq, r), s.e.flowService(seq, r, s.settle):
	case s.e.backService(s.l.version, s.l.Call, seq, r.Method, r.Args, s.settle):
	case r.Method == "step":
		s.notes.Note("step", textOf(r.Args), r.At)
	case r.Method == "limit":
		s.l.Note("limit", "log: further lines are dropped (limits.script_log)", r.At)
	default:
		vm.Settle(seq, nil, fault.New(fault.NotFound, "no service %s", r.Method))
	}
}

// Update implements supervisor.Handler.
func (s *callScript) Update(st message.State) { s.l.Update(st.Result, st.Outcome, st.Tags) }

// Done implements supervisor.Handler.
func (s *callScript) Done(o message.Outcome) {
	s.core.Close()
	s.calls.Close()
	err := asFault(o.Error)
	if err != nil && !isHangup(err) {
		s.e.reportScript(s.l.version, o.Error, "call", s.l.ID())
	}
	s.l.ScriptEnded(err)
}

// reportScript logs an error of a script the way its author can use it; about
// says which run it was.
func (e *Engine) reportScript(v *scripts.Version, err *message.ScriptError, about ...any) {
	attrs := append(about, "script", v.Script, "version", v.ID, "code", err.Code, "at", err.Place)
	if err.Hint != "" {
		attrs = append(attrs, "hint", err.Hint)
	}
	if len(err.Awaited) > 0 {
		attrs = append(attrs, "awaited", err.Awaited)
	}
	if err.Frame != "" {
		attrs = append(attrs, "frame", err.Frame)
	}
	if len(err.Stack) > 1 { // the first is the place
		attrs = append(attrs, "stack", strings.Join(err.Stack, "\n"))
	}
	e.log.Error("script error: "+err.Name+": "+err.Message, attrs...)
}

// journal implements corehost.Journal for a call.
type journal struct {
	log  *slog.Logger
	call *call.Call // nil outside of calls
	// ordered notes take their turn among the call's commands, so that tests
	// see the same timeline each time. A flood of lines must not fill the
	// mailbox of a real call.
	ordered bool
}

// Log implements corehost.Journal.
func (j journal) Log(level, text, at string) {
	j.Note("log", text, at)
	var l slog.Level
	switch level {
	case "debug":
		l = slog.LevelDebug
	case "warn":
		l = slog.LevelWarn
	case "error":
		l = slog.LevelError
	}
	j.log.Log(context.Background(), l, maskNumbers(text), "at", at)
}

// maskNumbers hides the phone numbers in a text for the log; the timeline
// keeps them.
func maskNumbers(text string) string { return phone.MaskText(text) }

// Note implements corehost.Journal.
func (j journal) Note(kind, detail, at string) {
	if j.call == nil || j.ordered && j.call.Do(func() { j.call.Note(kind, detail, at) }) {
		return
	}
	j.call.Note(kind, detail, at)
}

// coreSession serves kv, fetch, webhooks, locks and the console to one VM.
func (e *Engine) coreSession(v *scripts.Version, j corehost.Journal, settle func(uint32, any, error)) *corehost.Session {
	hosts := e.settings.of(v).Permissions.HTTP
	return corehost.New(corehost.Services{
		KV: kv{e.store}, Locks: e.locks(), Outbox: scriptOutbox{e, v.Script, hosts}, HTTP: scriptHTTP{&e.fetchers, v.Script, hosts}, Clock: e.clk,
		NewID: func() string { return e.newID("token") }, Start: e.startRequest(), More: e.methods, Page: e.sendPage(v),
	}, j, settle)
}

// plainRun is a VM outside of a call: afterCall, beforeAttempt, onRequest.
type plainRun struct {
	core *corehost.Session
	log  *slog.Logger
	clk  clock.Clock
	done chan message.Outcome
	// flows serves start and signal of loopstart:flow.
	flows func(seq uint32, r message.Request, settle func(uint32, any, error)) bool
}

// Request implements supervisor.Handler.
func (p *plainRun) Request(vm *supervisor.Instance, seq uint32, r message.Request) {
	switch {
	case p.core.Serve(seq, r), p.flows(seq, r, vm.Settle):
	case r.Method == "step":
		logStep(p.log, r)
	case seq != 0:
		vm.Settle(seq, nil, fault.New(fault.Conflict, "%s needs a call", r.Method).WithHint("there is no call here"))
	}
}

// Update implements supervisor.Handler.
func (p *plainRun) Update(message.State) {}

// Done implements supervisor.Handler.
func (p *plainRun) Done(o message.Outcome) {
	p.core.Close()
	p.clk.Busy(1) // the work goes on with who waits
	p.done <- o
}

// textOf is a JSON string's text.
func textOf(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s) // "" for what is none
	return s
}

// run calls an export outside of a call and waits for its return; about names
// the call or order that it belongs to, "" for none. Its caller counts as busy;
// while the script waits, it does not.
func (e *Engine) run(ctx context.Context, v *scripts.Version, export, about string, argument any, limit time.Duration) (json.RawMessage, error) {
	body, err := json.Marshal(argument)
	if err != nil {
		return nil, fmt.Errorf("engine: %s of %s: %w", export, v.Script, err)
	}
	h := &vmHandle{ready: make(chan struct{})}
	who := []any{"export", export}
	if about != "" {
		who = append(who, "call", about)
	}
	log := e.log.With(append(who, "script", v.Script)...)
	p := &plainRun{log: log, core: e.coreSession(v, journal{log: log}, h.Settle), clk: e.clk, done: make(chan message.Outcome, 1)}
	p.flows = func(seq uint32, r message.Request, settle func(uint32, any, error)) bool {
		return e.flowService(seq, r, settle) || e.backService(v, nil, seq, r.Method, r.Args, settle)
	}
	spec := e.runSpec(v, false)
	spec.Entry = message.Entry{Export: export, Argument: body, Now: e.clk.Now()}
	vm, err := e.workers.Start(spec, p)
	h.vm = vm
	close(h.ready)
	if err != nil {
		return nil, err
	}
	late := e.clk.AfterFunc(limit, vm.Kill)
	defer late.Stop()
	stop := context.AfterFunc(ctx, vm.Kill)
	defer stop()
	e.clk.Busy(-1)
	o := <-p.done
	if o.Error != nil {
		e.reportScript(v, o.Error, who...)
		return nil, asFault(o.Error)
	}
	return o.Value, nil
}
