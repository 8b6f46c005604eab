package script

import (
	"encoding/json"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// headers is read access to the headers of the INVITE; names in any case.
func (l *leg) headers() goja.Value {
	pairs := l.headerPairs()
	find := func(args []goja.Value) []any {
		found := []any{}
		for _, p := range pairs {
			if strings.EqualFold(p[0], bind.Arg(args, 0).String()) {
				found = append(found, p[1])
			}
		}
		return found
	}
	return bind.Namespace(l.vm, map[string]bind.Member{
		"get": bind.Sync(func(vm *runtime.VM, args []goja.Value) goja.Value {
			if found := find(args); len(found) > 0 {
				return vm.Runtime().ToValue(found[0])
			}
			return goja.Undefined()
		}),
		"all": bind.Sync(func(vm *runtime.VM, args []goja.Value) goja.Value { return vm.Runtime().NewArray(find(args)...) }),
		"has": bind.Sync(func(vm *runtime.VM, args []goja.Value) goja.Value { return vm.Runtime().ToValue(len(find(args)) > 0) }),
		"names": bind.Sync(func(vm *runtime.VM, _ []goja.Value) goja.Value {
			names := []any{}
			for _, p := range pairs {
				names = append(names, p[0])
			}
			return vm.Runtime().NewArray(names...)
		}),
	})
}

// headerPairs is the headers of the leg's INVITE.
func (l *leg) headerPairs() (pairs [][2]string) {
	if l.received == nil {
		return headerPairs(l.facts.Get("headers"))
	}
	if err := json.Unmarshal(l.received, &pairs); err != nil {
		l.vm.ThrowError(fault.New(fault.Internal, "call: the headers cannot be read: %w", err))
	}
	return pairs
}

// headerPairs reads [[name, value], …] of the wire.
func headerPairs(v goja.Value) [][2]string {
	list, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	var pairs [][2]string
	for _, i := range list.Keys() {
		if pair, ok := list.Get(i).(*goja.Object); ok {
			pairs = append(pairs, [2]string{textOf(pair.Get("0")), textOf(pair.Get("1"))})
		}
	}
	return pairs
}
