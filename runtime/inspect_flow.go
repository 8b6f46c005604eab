package runtime

import (
	"slices"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// flowModule is the module whose function flow marks an export.
const flowModule = modulePrefix + "flow"

// FlowExports are the exports that may be flows.
var FlowExports = []string{"default", "onFlow"}

// flowStandIn is the stand-in for loopstart:flow, whose flow(fn) is remembered.
func (vm *VM) flowStandIn() goja.Value {
	o := vm.rt.NewObject()
	other := vm.standIn()
	for _, name := range []string{"start", "signal"} {
		vm.must(o.Set(name, other))
	}
	vm.must(o.Set("flow", vm.Func("flow", func(c goja.FunctionCall) goja.Value {
		if _, ok := goja.AssertFunction(c.Argument(0)); !ok {
			vm.Throw(fault.Invalid, "flow needs a function", "write flow(async (f) => { … })")
		}
		made := vm.Func("flow", func(goja.FunctionCall) goja.Value { return goja.Undefined() })
		vm.flows = append(vm.flows, made)
		return made
	})))
	return o
}

// findFlow is the export that is a flow.
func (vm *VM) findFlow(exports *goja.Object) (name string, err error) {
	for _, export := range FlowExports {
		o, _ := exports.Get(export).(*goja.Object)
		switch isFlow := o != nil && slices.Contains(vm.flows, o); {
		case isFlow && name != "":
			return "", fault.New(fault.Script, "the script has two flows: its default export and onFlow").WithHint("give the second one a script of its own")
		case isFlow:
			name = export
		case export == "onFlow" && o != nil:
			return "", fault.New(fault.Script, "onFlow is no flow").WithHint(`write: import { flow } from "loopstart:flow"; export const onFlow = flow(async (f) => { … })`)
		}
	}
	return name, nil
}
