package script

import (
	"encoding/json"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// MaxMessage is the longest text of a message and body of an INFO, in bytes.
const MaxMessage = 16 << 10

// sendMessage is call.sendMessage: a text within the talk.
func sendMessage(l *leg, args []goja.Value) goja.Value {
	o := l.read("sendMessage", bind.Arg(args, 1), "signal")
	o.Wire["text"] = messageText(l.vm, "call.sendMessage", bind.Arg(args, 0))
	return l.send("sendMessage", o)
}

// sendInfo is call.sendInfo: an INFO with a body.
func sendInfo(l *leg, args []goja.Value) goja.Value {
	o := l.read("sendInfo", bind.Arg(args, 2), "signal")
	kind := textOf(bind.Arg(args, 0))
	major, minor, _ := strings.Cut(kind, "/")
	if major == "" || minor == "" || len(kind) > MaxTag || strings.ContainsFunc(kind, func(r rune) bool { return r <= ' ' || r > '~' }) {
		l.vm.Throw(fault.Invalid, "call.sendInfo: "+bind.Describe(bind.Arg(args, 0))+" is no content type", `write call.sendInfo("application/json", { key: 1 })`)
	}
	body := bind.Arg(args, 1)
	if _, isObject := body.(*goja.Object); isObject {
		raw, err := l.vm.Encode(body)
		if err != nil {
			l.vm.Throw(fault.Invalid, "call.sendInfo: the body cannot be written as JSON", "")
		}
		body = l.vm.Runtime().ToValue(string(raw))
	}
	o.Wire["type"], o.Wire["body"] = kind, messageText(l.vm, "call.sendInfo", body)
	return l.send("sendInfo", o)
}

func messageText(vm *runtime.VM, where string, v goja.Value) string {
	_, isObject := v.(*goja.Object)
	if isObject || bind.Missing(v) {
		vm.Throw(fault.Invalid, where+": the text is "+bind.Describe(v)+", a text is wanted", "")
	}
	s := v.String()
	if s == "" || len(s) > MaxMessage {
		vm.Throw(fault.Invalid, where+": the text is empty or longer than 16 KB", "")
	}
	return s
}

// page is the function sendMessage: a text outside of calls.
func page(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "sendMessage", bind.Arg(args, 2), "from", "trunk", "headers", "signal")
	caller(o).String("trunk").Headers("headers")
	o.Wire["to"] = targetText(vm, "sendMessage", bind.Arg(args, 0))
	o.Wire["text"] = messageText(vm, "sendMessage", bind.Arg(args, 1))
	return bind.Cancelable(vm, o.Value("signal"), "call.page", o.Wire)
}

// Message makes the argument of onMessage.
func Message(vm *runtime.VM, data json.RawMessage) (goja.Value, error) {
	v, err := vm.Decode(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, fault.New(fault.Internal, "onMessage: the message is no object")
	}
	readable(vm, o)
	return o, nil
}

// readable turns the headers of plain data into what call.headers is.
func readable(vm *runtime.VM, o *goja.Object) {
	facts := &leg{vm: vm, facts: vm.Runtime().NewObject()}
	must(facts.facts.Set("headers", o.Get("headers")))
	must(o.Set("headers", facts.headers()))
}

// consent asks the listeners of "transfer" whether a party may be transferred:
// true lets it go where it wants, a text somewhere else; everything else refuses.
// The first listener that says something decides.
func (l *leg) consent(o *goja.Object) {
	request := o.Get("request")
	must(o.Set("request", true))
	wait := len(l.listeners["transfer"])
	decided := false
	decide := func(v goja.Value) {
		wait--
		said := !bind.Missing(v)
		if decided || !said && wait > 0 {
			return
		}
		decided = true
		l.vm.Post("call.transfer.decide", decision(request, v))
	}
	if wait == 0 {
		wait = 1
		decide(goja.Undefined())
		return
	}
	for _, x := range append([]listener(nil), l.listeners["transfer"]...) {
		asked := bind.Then(l.vm, goja.Undefined(), func(goja.Value) goja.Value { return bind.Call(x.fn, o) })
		bind.Settle(l.vm, asked, func(v goja.Value) goja.Value {
			decide(v)
			return goja.Undefined()
		}, func(reason goja.Value) goja.Value {
			decide(goja.Undefined())
			return l.vm.Rejected(reason) // an uncaught error of the script
		})
	}
}

// decision is what a listener's value means.
func decision(request, v goja.Value) map[string]any {
	wire := map[string]any{"call": request, "allow": false}
	switch s, isText := v.(goja.String); {
	case isText && s.String() != "":
		wire["allow"], wire["target"] = true, s.String()
	case bind.Missing(v) || isText:
	default:
		allow, _ := v.Export().(bool)
		wire["allow"] = allow
	}
	return wire
}
