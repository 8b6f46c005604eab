package script

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Limits of call.stream.
const (
	maxReconnect  = 20
	MaxParameters = 50      // custom parameters of a stream
	maxMessage    = 1 << 16 // characters of a message of stream.send
	maxMark       = 256     // characters of a mark's name
)

// streamEvents are the events that stream.on takes.
var streamEvents = []string{"open", "lost", "mark", "clear", "message", "overflow", "error"}

// mediaStream is what call.stream returns: a promise of the end, with methods.
type mediaStream struct {
	leg       *leg
	id        uint32 // number of the callback that hears of events; names the stream
	over      bool
	promise   *goja.Object
	listeners map[string][]listener
	next      int
	opened    func(any) error
}

// startStream is call.stream(url, options).
func startStream(l *leg, args []goja.Value) goja.Value {
	o := l.read("stream", bind.Arg(args, 1), "track", "format", "parameters", "headers", "protocols", "reconnect", "buffer", "signal")
	o.Wire["url"] = socketAddress(o, bind.Arg(args, 0))
	o.Wire["track"] = "inbound"
	o.Choice("track", "inbound", "outbound", "both", "inbound_track", "outbound_track", "both_tracks")
	o.Choice("format", "mulaw", "alaw", "l16").Headers("headers").Int("reconnect", 0, maxReconnect)
	o.Duration("buffer", time.Second, 2*time.Minute)
	readParameters(o)
	readProtocols(o)
	s := &mediaStream{leg: l, listeners: map[string][]listener{}}
	s.id = l.vm.Callback(func(_ goja.Value, args ...goja.Value) (goja.Value, error) {
		s.event(bind.Arg(args, 0))
		return goja.Undefined(), nil
	})
	o.Wire["stream"] = s.id
	return s.handle(l.send("stream", o))
}

// socketAddress is the first argument of stream.
func socketAddress(o *bind.Options, v goja.Value) string {
	text := textOf(v)
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "ws" && u.Scheme != "wss") {
		o.VM.Throw(fault.Invalid, "call.stream: "+bind.Describe(v)+" is no WebSocket address", `write "wss://agent.example.com/media"`)
	}
	return text
}

func readParameters(o *bind.Options) {
	v, ok := o.Get("parameters")
	if !ok {
		return
	}
	obj, isObject := v.(*goja.Object)
	if !isObject || obj.ClassName() == "Array" || len(obj.Keys()) > MaxParameters {
		o.Bad("parameters", v, fmt.Sprintf("an object of at most %d names and texts", MaxParameters), "")
	}
	wire := map[string]any{}
	for _, key := range obj.Keys() {
		value := obj.Get(key)
		if _, nested := value.(*goja.Object); nested || bind.Missing(value) || len(value.String()) > bind.MaxText {
			o.Bad("parameters."+key, value, "a text", "JSON.stringify what is more than that")
		}
		wire[key] = value.String()
	}
	o.Wire["parameters"] = wire
}

func readProtocols(o *bind.Options) {
	v, ok := o.Get("protocols")
	if !ok {
		return
	}
	list, ok := texts(v)
	if s, isText := v.(goja.String); isText {
		list, ok = []any{s.String()}, true
	}
	for _, p := range list {
		ok = ok && p.(string) != "" && !strings.ContainsAny(p.(string), " ,\r\n\"")
	}
	if !ok || len(list) == 0 || len(list) > 10 {
		o.Bad("protocols", v, "a subprotocol or a list of them", "")
	}
	o.Wire["protocols"] = list
}

// handle gives the promise its methods.
func (s *mediaStream) handle(answer goja.Value) goja.Value {
	vm := s.leg.vm
	promise := bind.Settle(vm, answer, func(v goja.Value) goja.Value {
		s.end()
		return v
	}, func(reason goja.Value) goja.Value {
		s.end()
		panic(reason)
	})
	s.promise = promise.(*goja.Object)
	opened, resolve, _ := vm.Runtime().NewPromise()
	s.opened = resolve
	must(s.promise.Set("opened", vm.Runtime().ToValue(opened)))
	for name, do := range map[string]func(args []goja.Value) goja.Value{
		"on": s.on, "stop": s.stop, "clear": s.clear, "mark": s.mark, "send": s.send,
	} {
		must(s.promise.Set(name, vm.Func(name, func(c goja.FunctionCall) goja.Value { return do(c.Arguments) })))
	}
	return promise
}

// end forgets the stream.
func (s *mediaStream) end() {
	s.over = true
	s.leg.vm.Release(s.id)
	must(s.opened(false)) // does nothing after it has opened
}

// event gives what the host says to the listeners.
func (s *mediaStream) event(v goja.Value) {
	o, ok := v.(*goja.Object)
	if !ok {
		return
	}
	name := textOf(o.Get("type"))
	if name == "open" {
		must(s.opened(true))
	}
	for _, x := range slices.Clone(s.listeners[name]) {
		s.leg.notify(x.fn, o)
	}
}

// on adds a listener and returns the function that takes it away.
func (s *mediaStream) on(args []goja.Value) goja.Value {
	vm, name := s.leg.vm, textOf(bind.Arg(args, 0))
	if !slices.Contains(streamEvents, name) {
		hint := "the events are " + strings.Join(streamEvents, ", ")
		if near := suggest.Nearest(name, streamEvents); near != "" {
			hint = "did you mean " + near + "?"
		}
		vm.Throw(fault.Invalid, "stream.on: there is no event "+bind.Describe(bind.Arg(args, 0)), hint)
	}
	fn, ok := goja.AssertFunction(bind.Arg(args, 1))
	if !ok {
		vm.Throw(fault.Invalid, "stream.on: the second argument is "+bind.Describe(bind.Arg(args, 1))+", a function is wanted", "")
	}
	if len(s.listeners[name]) >= MaxListeners {
		vm.Throw(fault.Limit, "stream.on: this event has as many listeners as it may have (limit listeners)", "stream.on returns a function that takes the listener away")
	}
	s.next++
	id := s.next
	s.listeners[name] = append(s.listeners[name], listener{id, fn})
	return vm.Func("off", func(goja.FunctionCall) goja.Value {
		s.listeners[name] = slices.DeleteFunc(s.listeners[name], func(x listener) bool { return x.id == id })
		return goja.Undefined()
	})
}

// post tells the host what to do with the stream.
func (s *mediaStream) post(do string, fields map[string]any) {
	if s.over {
		return
	}
	fields["call"], fields["stream"], fields["do"] = s.leg.handle, s.id, do
	s.leg.vm.Post("call.stream.do", fields)
}

// stop ends the stream and returns the promise of its end.
func (s *mediaStream) stop([]goja.Value) goja.Value {
	s.post("stop", map[string]any{})
	return s.promise
}

func (s *mediaStream) clear([]goja.Value) goja.Value {
	s.post("clear", map[string]any{})
	return goja.Undefined()
}

func (s *mediaStream) mark(args []goja.Value) goja.Value {
	name := textOf(bind.Arg(args, 0))
	if name == "" || len(name) > maxMark {
		s.leg.vm.Throw(fault.Invalid, "stream.mark: the name is "+bind.Describe(bind.Arg(args, 0))+", a short text is wanted", "")
	}
	s.post("mark", map[string]any{"name": name})
	return goja.Undefined()
}

func (s *mediaStream) send(args []goja.Value) goja.Value {
	body, err := s.leg.vm.Encode(bind.Arg(args, 0))
	if err != nil {
		s.leg.vm.ThrowError(err)
	}
	if len(body) == 0 || len(body) > maxMessage {
		s.leg.vm.Throw(fault.Invalid, "stream.send: the message is "+bind.Describe(bind.Arg(args, 0))+fmt.Sprintf(", JSON of at most %d characters is wanted", maxMessage), "")
	}
	s.post("send", map[string]any{"body": bind.Arg(args, 0)})
	return goja.Undefined()
}
