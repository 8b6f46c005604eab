// Package bind is what the script halves of the standard library share: lazy
// read-only namespaces, named natives, promise chaining, and the reading of
// option objects with errors that name the option.
//
// # Concurrency
//
// Everything runs on the lane of the VM it is given. Tables of members are
// shared by all VMs and never change.
//
// # Errors
//
// What an author got wrong is thrown as an Error with the code INVALID; an
// asynchronous function rejects instead (see [Async]).
package bind

import (
	"maps"
	"slices"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
)

// Member makes one exported value for a VM. It is called once per VM, when the
// script first touches the name: 0.7 KB per native are worth saving.
type Member func(vm *runtime.VM, name string) goja.Value

// Module is a built-in module made of lazy members.
type Module struct {
	Scheme  string // the name after "loopstart:"
	Members map[string]Member
}

// Name is the part after "loopstart:".
func (m Module) Name() string { return m.Scheme }

// Exports are the names a script may import, sorted.
func (m Module) Exports() []string { return slices.Sorted(maps.Keys(m.Members)) }

// New makes the module's namespace for one VM.
func (m Module) New(vm *runtime.VM) (goja.Value, error) {
	return Namespace(vm, m.Members), nil
}

// Namespace is a read-only object whose members are made on first use.
func Namespace(vm *runtime.VM, members map[string]Member) *goja.Object {
	return vm.Runtime().NewDynamicObject(&namespace{vm: vm, members: members, made: map[string]goja.Value{}})
}

type namespace struct {
	vm      *runtime.VM
	members map[string]Member
	made    map[string]goja.Value // at most one per member
}

func (n *namespace) Get(key string) goja.Value {
	if v, ok := n.made[key]; ok {
		return v
	}
	member, ok := n.members[key]
	if !ok {
		return nil
	}
	v := member(n.vm, key)
	n.made[key] = v
	return v
}

func (n *namespace) Has(key string) bool {
	_, ok := n.members[key]
	return ok
}

func (n *namespace) Set(key string, _ goja.Value) bool {
	n.vm.Throw(fault.Invalid, key+" cannot be set: built-in modules are read-only", "")
	return false
}

func (n *namespace) Delete(key string) bool { return !n.Has(key) }

func (n *namespace) Keys() []string { return slices.Sorted(maps.Keys(n.members)) }

// Native is a function of a module.
type Native func(vm *runtime.VM, args []goja.Value) goja.Value

// Sync is the member for a function that returns its value or throws.
func Sync(fn Native) Member {
	return func(vm *runtime.VM, name string) goja.Value {
		return vm.Func(name, func(c goja.FunctionCall) goja.Value { return fn(vm, c.Arguments) })
	}
}

// Async is the member for a function that returns a promise; what it throws
// becomes a rejection.
func Async(fn Native) Member {
	return func(vm *runtime.VM, name string) goja.Value {
		return vm.Func(name, func(c goja.FunctionCall) goja.Value {
			return Promise(vm, func() goja.Value { return fn(vm, c.Arguments) })
		})
	}
}

// Arg is the i-th argument or undefined.
func Arg(args []goja.Value, i int) goja.Value {
	if i < len(args) {
		return args[i]
	}
	return goja.Undefined()
}

// Missing tells whether a value is undefined or null.
func Missing(v goja.Value) bool { return v == nil || goja.IsUndefined(v) || goja.IsNull(v) }
