package script

import (
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// machineOptions are the options of detectMachine, and of dial's option of that
// name.
var machineOptions = []string{"preset", "initialSilence", "greeting", "afterGreeting", "total", "minWord", "betweenWords", "maxWordLength", "maxWords", "threshold", "clip"}

const maxDetection = 30 * time.Second

// readMachine reads what tunes the detection of answering machines.
func readMachine(o *bind.Options) {
	if _, ok := o.Get("preset"); ok {
		o.Choice("preset", "balanced", "quick", "asterisk")
	}
	for _, name := range machineOptions[1:8] {
		o.Duration(name, 20*time.Millisecond, maxDetection)
	}
	o.Int("maxWords", 1, 100).Int("threshold", 1, 10000).Bool("clip")
}

// detectMachine finds who has answered.
func detectMachine(l *leg, args []goja.Value) goja.Value {
	o := l.read("detectMachine", bind.Arg(args, 0), append([]string{"signal"}, machineOptions...)...)
	readMachine(o)
	return bind.Then(l.vm, l.send("detectMachine", o), func(v goja.Value) goja.Value { return withClip(l.vm, v) })
}

// withClip gives the clip of a verdict, if there is one, its function link.
func withClip(vm *runtime.VM, answered goja.Value) goja.Value {
	if a, ok := answered.(*goja.Object); ok {
		if e, ok := a.Get("evidence").(*goja.Object); ok {
			withLink(vm, e.Get("clip"))
		}
	}
	return answered
}

// waitForBeep waits for the beep of a voice mail.
func waitForBeep(l *leg, args []goja.Value) goja.Value {
	o := l.read("waitForBeep", bind.Arg(args, 0), "timeout", "signal").Duration("timeout", 100*time.Millisecond, maxTimeout)
	return l.send("waitForBeep", o)
}

// dialMachine is dial's option detectMachine: true, or how to tune it.
func dialMachine(o *bind.Options) {
	v, ok := o.Get("detectMachine")
	if !ok || v.ExportType() != nil && v.ExportType().Kind().String() == "bool" && !v.ToBoolean() {
		return
	}
	if _, plain := v.(*goja.Object); !plain {
		o.Bool("detectMachine")
		o.Wire["detectMachine"] = map[string]any{}
		return
	}
	inner := bind.Read(o.VM, o.Verb+": detectMachine", v, machineOptions...)
	readMachine(inner)
	o.Wire["detectMachine"] = inner.Wire
}
