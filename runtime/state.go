package runtime

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// state is what a script has set on its call. It is sent after every slice in
// which it has changed, so that the last value survives a dead worker.
type state struct {
	result  goja.Value // kept alive: a script may change it in place
	outcome string
	tags    map[string]string
	changed bool
	sent    json.RawMessage // the result as it was sent last
}

// SetResult sets the call's result. Its JSON is taken after the slice, and
// again after later ones, so changes in place are seen.
func (vm *VM) SetResult(v goja.Value) {
	vm.state.result, vm.state.changed = v, true
}

// Result is what SetResult was given last, or undefined.
func (vm *VM) Result() goja.Value {
	if vm.state.result == nil {
		return goja.Undefined()
	}
	return vm.state.result
}

// SetOutcome sets the call's outcome.
func (vm *VM) SetOutcome(outcome string) {
	vm.state.changed = vm.state.changed || outcome != vm.state.outcome
	vm.state.outcome = outcome
}

// Outcome is what SetOutcome was given last.
func (vm *VM) Outcome() string { return vm.state.outcome }

// SetTag sets one tag; there are at most [MaxTags].
func (vm *VM) SetTag(name, value string) {
	if _, known := vm.state.tags[name]; !known && len(vm.state.tags) >= MaxTags {
		vm.Throw(fault.Limit, "a call has at most "+strconv.Itoa(MaxTags)+" tags (limit tags)", "")
	}
	if vm.state.tags == nil {
		vm.state.tags = make(map[string]string)
	}
	vm.state.tags[name] = value
	vm.state.changed = true
}

// State is the state as it was sent last, with the present outcome and tags.
func (vm *VM) State() message.State {
	return message.State{Result: vm.state.sent, Outcome: vm.state.outcome, Tags: maps.Clone(vm.state.tags)}
}

// flushState sends the state if it has changed; it runs in the slice, since
// reading the result may run getters.
func (vm *VM) flushState() error {
	s := &vm.state
	if s.result != nil && (s.changed || isObject(s.result)) {
		enc := encoder{vm: vm, maxBytes: MaxStateBytes}
		text, err := enc.encode(s.result)
		if err != nil {
			s.result = nil
			return fault.New(fault.CodeOf(err), "call.result: %w", err).WithHint("%s", fault.HintOf(err))
		}
		s.changed = s.changed || !bytes.Equal(text, s.sent)
		s.sent = text
	}
	if s.changed {
		s.changed = false
		vm.send(message.Update, 0, vm.State())
	}
	return nil
}

func isObject(v goja.Value) bool {
	_, ok := v.(*goja.Object)
	return ok
}
