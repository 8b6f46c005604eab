package script

import (
	"slices"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// stream is call.digits: an async iterator of the keys pressed from now on,
// which ends with the call. Keys beyond MaxTyped that nobody reads are lost,
// the oldest first.
type stream struct {
	leg     *leg
	typed   []goja.Value
	waiting []func(any) error // of next(), oldest first
	closed  bool
}

func (l *leg) digits() goja.Value {
	if len(l.streams) >= MaxStreams {
		l.vm.Throw(fault.Limit, "call.digits: too many streams are open (limit streams)", "keep one: for await (const key of call.digits)")
	}
	s := &stream{leg: l, closed: l.ended}
	if !s.closed {
		l.streams = append(l.streams, s)
	}
	rt := l.vm.Runtime()
	o := rt.NewObject()
	must(o.Set("next", l.vm.Func("next", func(goja.FunctionCall) goja.Value { return s.next() })))
	must(o.Set("return", l.vm.Func("return", func(goja.FunctionCall) goja.Value {
		s.close()
		return l.vm.Resolved(s.item(nil))
	})))
	key, _ := rt.GlobalObject().Get("Symbol").ToObject(rt).Get("asyncIterator").(*goja.Symbol)
	must(o.SetSymbol(key, l.vm.Func("asyncIterator", func(goja.FunctionCall) goja.Value { return o })))
	return o
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// item is an iterator result; nil is the end.
func (s *stream) item(v goja.Value) goja.Value {
	o := s.leg.vm.Runtime().NewObject()
	must(o.Set("done", v == nil))
	if v != nil {
		must(o.Set("value", v))
	}
	return o
}

func (s *stream) next() goja.Value {
	if len(s.typed) > 0 {
		v := s.typed[0]
		s.typed = s.typed[1:]
		return s.leg.vm.Resolved(s.item(v))
	}
	if s.closed {
		return s.leg.vm.Resolved(s.item(nil))
	}
	if len(s.waiting) >= MaxTyped {
		s.leg.vm.Throw(fault.Limit, "call.digits: too many next() wait (limit typed)", "await each of them")
	}
	promise, resolve, _ := s.leg.vm.Runtime().NewPromise()
	s.waiting = append(s.waiting, resolve)
	return s.leg.vm.Runtime().ToValue(promise)
}

// feed gives a key to every stream of the leg.
func (l *leg) feed(key goja.Value) {
	for _, s := range l.streams {
		if len(s.waiting) > 0 {
			resolve := s.waiting[0]
			s.waiting = s.waiting[1:]
			must(resolve(s.item(key)))
			continue
		}
		if s.typed = append(s.typed, key); len(s.typed) > MaxTyped {
			s.typed = s.typed[1:]
		}
	}
}

func (s *stream) close() {
	s.closed = true
	s.leg.streams = slices.DeleteFunc(s.leg.streams, func(x *stream) bool { return x == s })
	waiting := s.waiting
	s.waiting = nil
	for _, resolve := range waiting {
		must(resolve(s.item(nil)))
	}
}
