package script

import (
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// record is a message that the caller leaves: it waits for its end.
func record(l *leg, args []goja.Value) goja.Value {
	o := l.read("record", bind.Arg(args, 0), "maxDuration", "silence", "finishOn", "beep", "format", "signal")
	o.Duration("maxDuration", time.Second, maxCall).Duration("silence", 100*time.Millisecond, maxTimeout).Bool("beep")
	if _, ok := o.Get("finishOn"); ok {
		readFinish(o, true)
	}
	format(o)
	return bind.Then(l.vm, l.send("record", o), func(v goja.Value) goja.Value { return withLink(l.vm, v) })
}

// format is what the file becomes; the configuration's when it is not said.
func format(o *bind.Options) {
	if _, ok := o.Get("format"); ok {
		o.Choice("format", "wav", "mp3", "ogg")
	}
}

// withLink gives a recording its function link.
func withLink(vm *runtime.VM, v goja.Value) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		return v
	}
	link := vm.Func("link", func(c goja.FunctionCall) goja.Value {
		return bind.Promise(vm, func() goja.Value {
			q := bind.Read(vm, "recording.link", c.Argument(0), "ttl").Duration("ttl", time.Second, 365*24*time.Hour)
			q.Wire["id"] = textOf(o.Get("id"))
			return bind.Then(vm, vm.Call("recording.link", q.Wire), func(v goja.Value) goja.Value {
				return v.ToObject(vm.Runtime()).Get("url")
			})
		})
	})
	if err := o.DefineDataProperty("link", link, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
	return o
}

// recording is the recording of the whole call.
func (l *leg) recording() goja.Value {
	simple := func(name string) bind.Member {
		return bind.Async(func(_ *runtime.VM, args []goja.Value) goja.Value {
			return l.done(l.send("recording."+name, l.read("recording."+name, bind.Arg(args, 0))))
		})
	}
	return bind.Namespace(l.vm, map[string]bind.Member{
		"start": bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value {
			o := l.read("recording.start", bind.Arg(args, 0), "stereo", "format").Bool("stereo")
			format(o)
			return bind.Then(vm, l.send("recording.start", o), func(v goja.Value) goja.Value { return withLink(vm, v) })
		}),
		"pause":  simple("pause"),
		"resume": simple("resume"),
		"stop": bind.Async(func(vm *runtime.VM, args []goja.Value) goja.Value {
			o := l.read("recording.stop", bind.Arg(args, 0))
			return bind.Then(vm, l.send("recording.stop", o), func(v goja.Value) goja.Value { return withLink(vm, v) })
		}),
	})
}
