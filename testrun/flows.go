package testrun

import (
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/flow"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// flowWithin is how long a test waits for the end of a flow.
const flowWithin = MaxVirtual

// flowArgs are the arguments of the verbs of flows.
type flowArgs struct {
	Script string          `json:"script"`
	Key    string          `json:"key"`
	Name   string          `json:"name"`
	Event  string          `json:"event"`
	Data   json.RawMessage `json:"data"`
	Within span            `json:"within"`
}

// flowVerb tells the engine something about a flow and goes on when everything
// has settled. The engine is not called under the lock.
func flowVerb(name string, do func(h *host, a flowArgs, done func(any, error))) waitVerb {
	return func(h *host, args json.RawMessage, done func(any, error)) error {
		a, err := read[flowArgs](name, args)
		if err != nil {
			return err
		}
		h.clk.AfterFunc(0, func() {
			do(h, a, func(v any, err error) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.last(func() { done(v, err) })
			})
		})
		return nil
	}
}

// only makes the end of something that has no value.
func only(done func(any, error)) func(error) { return func(err error) { done(nil, err) } }

func startFlow(h *host, a flowArgs, done func(any, error)) {
	h.engine.Flows().Begin(journal.Start{Script: a.Script, Key: a.Key, Data: a.Data}, func(s flow.Started, err error) {
		done(map[string]any{"script": s.Script, "key": s.Key}, err)
	})
}

func signalFlow(h *host, a flowArgs, done func(any, error)) {
	h.engine.Flows().Signal(journal.Signal{Script: a.Script, Key: a.Key, Event: a.Event, Data: a.Data}, only(done))
}

func cancelFlow(h *host, a flowArgs, done func(any, error)) {
	h.engine.Flows().Cancel(a.Script, a.Key, only(done))
}

func retryFlow(h *host, a flowArgs, done func(any, error)) {
	h.engine.Flows().Retry(a.Script, a.Key, "", "", only(done))
}

// flowEnded waits for the end of a flow.
func (h *host) flowEnded(args json.RawMessage, done func(any, error)) error {
	a, err := read[flowArgs]("ended", args)
	if err != nil {
		return err
	}
	within := a.Within.or(flowWithin)
	h.await(min(within, h.lastMoment().Sub(h.clk.Now())-time.Second), func(late bool) (any, error, bool) {
		f, err := h.engine.Flows().Show(a.Script, a.Key)
		switch {
		case err != nil:
			return nil, err, true
		case f.State != flow.Running:
			return f, nil, true
		case late:
			return nil, fault.New(test.Failed, "the flow did not end within %s: it waits for %v", within, f.Waits), true
		}
		return nil, nil, false
	}, done)
	return nil
}

// flowFact is a property of a flow.
func (h *host) flowFact(args json.RawMessage) (any, error) {
	a, err := read[flowArgs]("flow", args)
	if err != nil {
		return nil, err
	}
	f, err := h.engine.Flows().Show(a.Script, a.Key)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"id": f.ID, "key": f.Key, "state": f.State, "waits": f.Waits, "result": f.Result, "error": f.Error, "journal": f.Journal,
	}[a.Name], nil
}

// flowOver hears that a flow has ended.
func (s *stage) flowOver(flow.Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poke()
}
