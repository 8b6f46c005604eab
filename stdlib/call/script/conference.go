package script

import (
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

const (
	// MaxConferenceName is the longest name of a conference.
	MaxConferenceName = 100
	maxPIN            = 12
	maxPINTries       = 10
	maxMembers        = 100
	maxVolume         = 4
)

// roomOptions are those of the conference, which join takes, too.
var roomOptions = []string{"pin", "pinTries", "pinPrompt", "music", "tones", "record", "maxMembers", "maxDuration", "hangupOn", "keys"}

// joinOptions are those of one member.
var joinOptions = []string{"muted", "role", "coach", "volume", "signal"}

// conference is conference(name, options): a handle, no request.
func conference(vm *runtime.VM, args []goja.Value) goja.Value {
	r := &room{vm: vm, name: roomName(vm, bind.Arg(args, 0))}
	o := bind.Read(vm, "conference", bind.Arg(args, 1), roomOptions...)
	readRoom(o)
	r.options = o.Wire
	return bind.Namespace(vm, map[string]bind.Member{
		"join": bind.Async(r.join), "members": bind.Async(r.members), "kick": bind.Async(r.act("kick", true)), "mute": bind.Async(r.act("mute", true)),
		"unmute": bind.Async(r.act("unmute", true)), "stop": bind.Async(r.act("stop", false)), "close": bind.Async(r.act("close", false)),
		"say": bind.Async(r.speak("say", asSay)), "play": bind.Async(r.speak("play", asPlay)), "on": bind.Sync(r.on),
	})
}

// room is one conference as a script holds it.
type room struct {
	vm      *runtime.VM
	name    string
	options map[string]any // of the wire
}

func roomName(vm *runtime.VM, v goja.Value) string {
	name := textOf(v)
	if name == "" || len(name) > MaxConferenceName || strings.ContainsAny(name, "/\\\r\n\x00") {
		vm.Throw(fault.Invalid, "conference: "+bind.Describe(v)+" is no name", `write conference("sales").join(call)`)
	}
	return name
}

func readRoom(o *bind.Options) {
	o.Bool("tones", "record").Int("maxMembers", 1, maxMembers).Int("pinTries", 1, maxPINTries).Duration("maxDuration", time.Second, maxCall)
	if v, ok := o.Get("pin"); ok {
		pin := v.String()
		if pin == "" || len(pin) > maxPIN || strings.Trim(pin, "0123456789") != "" {
			o.Bad("pin", v, "1 to 12 digits as a string", "")
		}
		o.Wire["pin"] = pin
	}
	optionalPrompt(o, "pinPrompt", asSay)
	optionalPrompt(o, "music", asPlay)
	readKeys(o)
}

// join resolves when the member leaves.
func (r *room) join(vm *runtime.VM, args []goja.Value) goja.Value {
	object, ok := bind.Arg(args, 0).(*goja.Object)
	var l *leg
	if ok {
		l, ok = bind.Go(object).(*leg)
	}
	if !ok {
		vm.Throw(fault.Invalid, "conference.join: "+bind.Describe(bind.Arg(args, 0))+" is no call", `write conference("sales").join(call)`)
	}
	o := bind.Read(vm, "conference.join", bind.Arg(args, 1), slices.Concat(joinOptions, roomOptions)...)
	readRoom(o)
	o.Bool("muted").Choice("role", "member", "listen", "coach").Number("volume", 0, maxVolume)
	if v, ok := o.Get("coach"); ok {
		o.Wire["coach"] = memberRef(vm, "conference.join: coach", v)
	}
	if (o.Wire["role"] == "coach") != (o.Wire["coach"] != nil) {
		vm.Throw(fault.Invalid, "conference.join: role: \"coach\" and coach belong together", `write { role: "coach", coach: "101" }: the user, number or call that is to hear it`)
	}
	for name, value := range r.options {
		if _, own := o.Wire[name]; !own {
			o.Wire[name] = value
		}
	}
	o.Wire["name"], o.Wire["call"] = r.name, l.handle
	return bind.Then(vm, bind.Cancelable(vm, o.Value("signal"), "conference.join", o.Wire), func(v goja.Value) goja.Value {
		if result, ok := v.(*goja.Object); ok {
			if rec, ok := result.Get("recording").(*goja.Object); ok {
				withLink(vm, rec)
			}
		}
		return v
	})
}

// memberRef is how a member is named: a call of this script, what members()
// has told, a number or a user.
func memberRef(vm *runtime.VM, where string, v goja.Value) string {
	if o, ok := v.(*goja.Object); ok {
		if l, ok := bind.Go(o).(*leg); ok {
			return textOf(l.facts.Get("id"))
		}
		v = o.Get("id")
	}
	if _, isObject := v.(*goja.Object); isObject || bind.Missing(v) || v.String() == "" || len(v.String()) > 200 {
		vm.Throw(fault.Invalid, where+": "+bind.Describe(v)+" is no member", "a call, a member of members(), a user or a number")
	}
	return v.String()
}

func (r *room) request(method string, fields map[string]any) goja.Value {
	fields["name"] = r.name
	return r.vm.Call("conference."+method, fields)
}

// members is who is there now.
func (r *room) members(vm *runtime.VM, _ []goja.Value) goja.Value {
	return bind.Then(vm, r.request("members", map[string]any{}), func(v goja.Value) goja.Value {
		return v.ToObject(vm.Runtime()).Get("members")
	})
}

// act is a verb about the conference or one member.
func (r *room) act(do string, one bool) bind.Native {
	return func(vm *runtime.VM, args []goja.Value) goja.Value {
		fields := map[string]any{"do": do}
		if one {
			fields["member"] = memberRef(vm, "conference."+do, bind.Arg(args, 0))
		}
		return bind.Then(vm, r.request("do", fields), func(goja.Value) goja.Value { return goja.Undefined() })
	}
}

// speak is heard by everybody in the conference.
func (r *room) speak(verb, bare string) bind.Native {
	return func(vm *runtime.VM, args []goja.Value) goja.Value {
		o := bind.Read(vm, "conference."+verb, bind.Arg(args, 1), "language", "voice", "volume", "loop")
		o.String("language", "voice").Number("volume", 0, maxVolume).Bool("loop")
		o.Wire["prompt"] = prompt(vm, "conference."+verb, bind.Arg(args, 0), bare)
		return r.request("say", o.Wire)
	}
}

// on hears of members who join and leave; it returns what ends that.
func (r *room) on(vm *runtime.VM, args []goja.Value) goja.Value {
	event := textOf(bind.Arg(args, 0))
	if event != "join" && event != "leave" {
		vm.Throw(fault.Invalid, "conference.on: there is no event "+bind.Describe(bind.Arg(args, 0)), "the events are join, leave")
	}
	fn, ok := goja.AssertFunction(bind.Arg(args, 1))
	if !ok {
		vm.Throw(fault.Invalid, "conference.on: the second argument is "+bind.Describe(bind.Arg(args, 1))+", a function is wanted", "")
	}
	id := vm.Callback(func(_ goja.Value, args ...goja.Value) (goja.Value, error) {
		bind.Then(vm, goja.Undefined(), func(goja.Value) goja.Value { return bind.Call(fn, bind.Arg(args, 0)) })
		return goja.Undefined(), nil
	})
	vm.Post("conference.watch", map[string]any{"name": r.name, "event": event, "on": id})
	return vm.Func("off", func(goja.FunctionCall) goja.Value {
		vm.Post("conference.unwatch", map[string]any{"on": id})
		vm.Release(id)
		return goja.Undefined()
	})
}
