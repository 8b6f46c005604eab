package supervisor

import (
	"encoding/json"
	"errors"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// Instance is one running entry. All methods may be called after it has ended
// and do nothing then.
type Instance struct {
	id      uint64
	script  string
	version string
	handler Handler
	worker  *worker // set once, before the instance is known to anybody
	sup     *Supervisor
}

// ID is unique within the Supervisor.
func (i *Instance) ID() uint64 { return i.id }

// Script is the name of the script.
func (i *Instance) Script() string { return i.script }

// Version is the version that runs.
func (i *Instance) Version() string { return i.version }

// Settle answers the Request seq: with err if it is not nil, else with value,
// which is JSON already (json.RawMessage) or is made JSON.
func (i *Instance) Settle(seq uint32, value any, err error) {
	answer := message.Answer{Error: errorOf(err)}
	if err == nil {
		answer.Value, answer.Error = valueOf(value)
	}
	i.worker.deliver(i, message.Frame{Kind: message.Settle, VM: i.id, Seq: seq, Body: message.AppendAnswer(nil, answer)})
}

func valueOf(value any) (json.RawMessage, *message.Error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return v, nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, &message.Error{Code: string(fault.Internal), Message: "the answer has no JSON form: " + err.Error()}
	}
	return text, nil
}

func errorOf(err error) *message.Error {
	if err == nil {
		return nil
	}
	out := &message.Error{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}
	if e, ok := errors.AsType[*fault.Error](err); ok && err == error(e) {
		out.Message = e.Message
	}
	return out
}

// Event tells the script that something happened, or calls one of its
// callbacks.
func (i *Instance) Event(n message.Notice) { i.encode(message.Event, n) }

// End says that the call is over: the script's signal is aborted, and it is
// interrupted when its grace period is over.
func (i *Instance) End(reason string) { i.encode(message.End, message.Ending{Reason: reason}) }

// Kill ends the script without grace. Done still comes.
func (i *Instance) Kill() { i.encode(message.End, message.Ending{Reason: "killed", Now: true}) }

func (i *Instance) encode(k message.Kind, body any) {
	f, err := message.Encode(k, i.id, 0, body)
	if err != nil {
		i.sup.log.Error("message lost", "script", i.script, "kind", k.String(), "error", err)
		return
	}
	i.worker.deliver(i, f)
}
