// Package stdlib lists the script halves of the standard library: the modules
// and globals that a worker gives its scripts, what each exports, and their
// declarations for editors.
//
// The host halves are in stdlib/<name>/host and are wired by the engine; the
// messages between the two are described in WIRE.md.
package stdlib

import (
	_ "embed"
	"encoding/json"
	"errors"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	bitrix24 "github.com/loopstart/loopstart/stdlib/bitrix24/script"
	call "github.com/loopstart/loopstart/stdlib/call/script"
	campaign "github.com/loopstart/loopstart/stdlib/campaign/script"
	core "github.com/loopstart/loopstart/stdlib/core/script"
	flow "github.com/loopstart/loopstart/stdlib/flow/script"
	format "github.com/loopstart/loopstart/stdlib/format/script"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
	phone "github.com/loopstart/loopstart/stdlib/phone/script"
	retailcrm "github.com/loopstart/loopstart/stdlib/retailcrm/script"
	test "github.com/loopstart/loopstart/stdlib/test/script"
	time "github.com/loopstart/loopstart/stdlib/time/script"
	web "github.com/loopstart/loopstart/stdlib/web/script"
)

// TSConfig is tsconfig.json of a new project: completion and type checks in an
// editor, with nothing to install.
//
//go:embed tsconfig.json
var TSConfig string

// Worker completes the options of a worker with the modules, globals and
// arguments of the standard library.
func Worker(o runtime.Options) runtime.Options { return worker(o, test.Module{}) }

// TestWorker is Worker for test files: their VMs work with a host in this
// process.
func TestWorker(o runtime.Options, h test.Host) runtime.Options {
	return worker(o, test.Module{Host: h})
}

func worker(o runtime.Options, tests test.Module) runtime.Options {
	calls, flows := call.New(), flow.New()
	o.Modules = []runtime.Module{calls, flows, tests}
	for _, m := range plain() {
		o.Modules = append(o.Modules, m)
	}
	o.Globals, o.Inspect = web.Globals, bind.Inspect
	if tests.Host == nil {
		o.Globals = func(vm *runtime.VM) error { return errors.Join(web.Globals(vm), flows.Prepare(vm)) }
		o.Arguments = map[string]runtime.Argument{"default": main(calls, flows), "onFlow": flows.Argument, "onRequest": call.Request, "onMessage": call.Message}
	}
	return o
}

// main makes the argument of the default export: a call, or a flow's f.
func main(calls *call.Calls, flows *flow.Flows) runtime.Argument {
	return func(vm *runtime.VM, data json.RawMessage) (goja.Value, error) {
		if flow.IsWake(data) {
			return flows.Argument(vm, data)
		}
		return calls.Argument(vm, data)
	}
}

// plain are the modules besides loopstart:call, which has a state.
func plain() []bind.Module {
	return []bind.Module{bitrix24.Module(), campaign.Module(), core.Module(), format.Module(), phone.Module(), retailcrm.Module(), time.Module()}
}

// Exports are the built-in modules by their full names ("loopstart:core") and
// what a script may import from each.
func Exports() map[string][]string {
	list := map[string][]string{}
	for _, m := range append(plain(), call.New().Module, flow.New().Module) {
		list["loopstart:"+m.Name()] = m.Exports()
	}
	list["loopstart:test"] = test.Names()
	return list
}

// Types is .loopstart/types.d.ts: the declarations of all modules and globals.
func Types() string {
	return strings.Join([]string{
		"// Written by loopstart; changes are lost.\n",
		web.Types, bitrix24.Types, call.Types, campaign.Types, core.Types, flow.Types, format.Types, phone.Types, retailcrm.Types, test.Types, time.Types,
	}, "\n")
}
