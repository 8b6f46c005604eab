// Package script is the script half of loopstart:call: the Call object that
// the default export is given, and the function dial.
//
// Here sugar becomes the one shape of the wire: strings become prompts,
// durations milliseconds, and the functions among choices, validate and keys
// are called here. What a verb does is the host's.
//
// # Concurrency
//
// A leg belongs to the lane of its VM. Calls, the module, is shared by the VMs
// of a worker and only keeps which legs each has.
//
// # Limits
//
// [MaxLegs], [MaxListeners], [MaxStreams] with [MaxTyped] keys each,
// [MaxParts] of a prompt, [MaxTargets] and [MaxChoices].
//
// # Errors
//
// Every verb returns a promise; INVALID, naming the option, for what is wrong
// with its arguments, else the host's code.
package script

import (
	"context"
	_ "embed"
	"encoding/json"
	"sync"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Limits of one VM.
const (
	MaxLegs      = 100 // calls of dial that have not ended
	MaxListeners = 50  // functions for one event of one call
	MaxStreams   = 10  // of call.digits, open at once
	MaxTyped     = 256 // keys that a stream keeps until they are read
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// Calls is the module with what it needs to find the legs of a VM.
type Calls struct {
	bind.Module
	mu       sync.Mutex
	sessions map[*runtime.VM]*session // until the VM ends
}

// New makes the module for one worker.
func New() *Calls {
	c := &Calls{sessions: map[*runtime.VM]*session{}}
	c.Module = bind.Module{Scheme: "call", Members: map[string]bind.Member{
		"dial": bind.Async(c.dial), "conference": bind.Sync(conference), "sendMessage": bind.Async(page), "queue": c.queue, "agent": c.agent,
	}}
	return c
}

// Argument makes the Call object from the facts that the VM started with.
func (c *Calls) Argument(vm *runtime.VM, data json.RawMessage) (goja.Value, error) {
	facts, headers, err := vm.DecodeLater(data, "headers")
	if err != nil {
		return nil, err
	}
	o, ok := facts.(*goja.Object)
	if !ok {
		return nil, fault.New(fault.Internal, "call: the facts are no object")
	}
	s := c.session(vm)
	s.main = s.add(o)
	s.main.main, s.main.received = true, headers
	vm.Aborted(func(string) { s.main.end() })
	return s.main.object, nil
}

func (c *Calls) session(vm *runtime.VM) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[vm]
	if s == nil {
		s = newSession(vm)
		c.sessions[vm] = s
		context.AfterFunc(vm.Context(), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.sessions, vm)
		})
	}
	return s
}

// session is the calls of one VM: its own and those it dialled.
type session struct {
	vm   *runtime.VM
	main *leg // nil in afterCall and onRequest
	legs map[string]*leg
}

func newSession(vm *runtime.VM) *session {
	s := &session{vm: vm, legs: map[string]*leg{}}
	for _, name := range append([]string{"state"}, eventNames...) {
		vm.On(name, func(data json.RawMessage) { s.event(name, data) })
	}
	return s
}

// add makes a leg of facts and takes what is not for authors out of them.
func (s *session) add(facts *goja.Object) *leg {
	handle := textOf(facts.Get("handle"))
	l := &leg{session: s, vm: s.vm, handle: handle, facts: facts, made: map[string]goja.Value{}, listeners: map[string][]listener{}}
	_ = facts.Delete("handle") // plain data of ours: nothing can refuse
	_ = facts.Delete("language")
	l.object = s.vm.Runtime().NewDynamicObject(l)
	s.legs[handle] = l
	return l
}

func textOf(v goja.Value) string {
	if s, ok := v.(goja.String); ok {
		return s.String()
	}
	return ""
}

// dial calls someone else; the script goes on when that is decided.
func (c *Calls) dial(vm *runtime.VM, args []goja.Value) goja.Value {
	s := c.session(vm)
	if len(s.legs) >= MaxLegs {
		vm.Throw(fault.Limit, "dial: this script has as many calls as it may have (limit legs)", "hang some up first")
	}
	o := bind.Read(vm, "dial", bind.Arg(args, 1), "from", "trunk", "hide", "timeout", "headers", "data", "signal", "detectMachine")
	dialMachine(o)
	caller(o).Line("trunk").Bool("hide").Duration("timeout", minRing, maxRing).Headers("headers")
	o.Wire["to"] = targetText(vm, "dial", bind.Arg(args, 0))
	if data, ok := o.Get("data"); ok {
		o.Wire["data"] = data
	}
	return bind.Then(vm, bind.Cancelable(vm, o.Value("signal"), "call.dial", o.Wire), func(v goja.Value) goja.Value {
		if answer, ok := v.(*goja.Object); ok {
			withClip(vm, answer.Get("machine"))
			if facts, ok := answer.Get("call").(*goja.Object); ok {
				if err := answer.Set("call", s.add(facts).object); err != nil {
					panic(err)
				}
			}
		}
		return v
	})
}
