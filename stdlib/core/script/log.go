package script

import (
	"maps"
	"slices"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// log is a function with one more for each level.
func log(vm *runtime.VM, name string) goja.Value {
	f := bind.Sync(logLine("info"))(vm, name).(*goja.Object)
	for _, level := range []string{"debug", "info", "warn", "error"} {
		if err := f.Set(level, bind.Sync(logLine(level))(vm, level)); err != nil {
			panic(err)
		}
	}
	return f
}

func logLine(level string) bind.Native {
	return func(vm *runtime.VM, args []goja.Value) goja.Value {
		vm.Post("console.log", map[string]any{"level": level, "text": bind.Format(vm, args)})
		return goja.Undefined()
	}
}

var secretMembers = map[string]bind.Member{"get": bind.Sync(secretGet)}

func secrets(vm *runtime.VM, _ string) goja.Value { return bind.Namespace(vm, secretMembers) }

// secretGet answers at once: the version came with its secrets.
func secretGet(vm *runtime.VM, args []goja.Value) goja.Value {
	name := bind.Arg(args, 0).String()
	known := vm.Env().Secrets
	value, ok := known[name]
	if !ok {
		hint := "add it to secrets in loopstart.yaml"
		if near := suggest.Nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
			hint = "did you mean " + near + "?"
		}
		vm.Throw(fault.NotFound, "secrets.get: there is no secret "+bind.Describe(bind.Arg(args, 0)), hint)
	}
	return vm.Runtime().ToValue(value)
}
