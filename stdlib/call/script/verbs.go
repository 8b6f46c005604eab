package script

import (
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Bounds of the times that verbs take.
const (
	minRing = time.Second
	maxRing = 10 * time.Minute
	maxCall = 24 * time.Hour
)

// plain is a verb with no options.
func plain(name string) verb {
	return func(l *leg, args []goja.Value) goja.Value {
		return l.done(l.send(name, l.read(name, bind.Arg(args, 0))))
	}
}

func answer(l *leg, args []goja.Value) goja.Value {
	o := l.read("answer", bind.Arg(args, 0), "headers").Headers("headers")
	return bind.Then(l.vm, l.send("answer", o), func(v goja.Value) goja.Value {
		l.update(v, "answeredAt")
		return goja.Undefined()
	})
}

// reject takes (code, reason) or an object.
func reject(l *leg, args []goja.Value) goja.Value {
	o := l.status("reject", args, 300, 699)
	if o.Wire["code"] == nil {
		o.Wire["code"] = 603 // Decline
	}
	return l.done(l.send("reject", o))
}

func hangup(l *leg, args []goja.Value) goja.Value {
	return l.done(l.send("hangup", l.status("hangup", args, 400, 699)))
}

// status reads code, reason and headers, positional or as an object.
func (l *leg) status(verb string, args []goja.Value, min, max int64) *bind.Options {
	first := bind.Arg(args, 0)
	if _, isObject := first.(*goja.Object); !isObject && !bind.Missing(first) {
		object := l.vm.Runtime().NewObject()
		for i, name := range []string{"code", "reason"} {
			if err := object.Set(name, bind.Arg(args, i)); err != nil {
				panic(err)
			}
		}
		first = object
	}
	return l.read(verb, first, "code", "reason", "headers").Int("code", min, max).Line("reason").Headers("headers")
}

func redirect(l *leg, args []goja.Value) goja.Value {
	o := l.read("redirect", bind.Arg(args, 1))
	o.Wire["uri"] = targetText(l.vm, "call.redirect", bind.Arg(args, 0))
	return l.done(l.send("redirect", o))
}

func hold(l *leg, args []goja.Value) goja.Value {
	o := l.read("hold", bind.Arg(args, 0), "music")
	optionalPrompt(o, "music", asPlay)
	return l.done(l.send("hold", o))
}

func mute(muted bool) verb {
	name := "unmute"
	if muted {
		name = "mute"
	}
	return func(l *leg, args []goja.Value) goja.Value {
		o := l.read(name, bind.Arg(args, 0))
		o.Wire["muted"] = muted
		return l.done(l.send("mute", o))
	}
}

// maxDigits is how many keys one sendDigits may hold.
const maxDigits = 200

func sendDigits(l *leg, args []goja.Value) goja.Value {
	digits := bind.Arg(args, 0).String()
	o := l.read("sendDigits", bind.Arg(args, 1), "method", "signal").Choice("method", "rfc4733", "info", "inband")
	digits = strings.ToUpper(strings.ReplaceAll(digits, "w", "W"))
	if digits == "" || len(digits) > maxDigits || strings.Trim(digits, "0123456789*#ABCDW") != "" {
		l.vm.Throw(fault.Invalid, "call.sendDigits: "+bind.Describe(bind.Arg(args, 0))+" is no list of keys",
			"the keys are 0-9 * # A-D, and w is a pause of half a second")
	}
	o.Wire["digits"] = strings.ReplaceAll(digits, "W", "w")
	return l.done(l.send("sendDigits", o))
}

func transfer(l *leg, args []goja.Value) goja.Value {
	o := l.read("transfer", bind.Arg(args, 1), "timeout", "headers", "signal", "attended")
	o.Duration("timeout", minRing, maxRing).Headers("headers")
	if v, ok := o.Get("attended"); ok {
		other := otherLeg(v)
		if other == nil || other == l {
			o.Bad("attended", v, "another call, one that dial(…) answered with", `const { call: other } = await dial("101")`)
		}
		o.Wire["attended"] = other.handle
		if bind.Missing(bind.Arg(args, 0)) {
			o.Wire["target"] = ""
			return l.send("transfer", o)
		}
	}
	o.Wire["target"] = targetText(l.vm, "call.transfer", bind.Arg(args, 0))
	return l.send("transfer", o)
}

// otherLeg is the leg of a Call object, nil for anything else.
func otherLeg(v goja.Value) *leg {
	object, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	other, _ := bind.Go(object).(*leg)
	return other
}

func bridge(l *leg, args []goja.Value) goja.Value {
	o := l.read("bridge", bind.Arg(args, 1), "maxDuration", "record", "signal")
	o.Duration("maxDuration", time.Second, maxCall).Bool("record")
	other := otherLeg(bind.Arg(args, 0))
	if other == nil || other == l {
		l.vm.Throw(fault.Invalid, "call.bridge: "+bind.Describe(bind.Arg(args, 0))+" is no other call",
			`bridge joins this call with one that dial(…) answered with: const { call: other } = await dial("101")`)
	}
	o.Wire["other"] = other.handle
	return l.send("bridge", o)
}

// retry says when, or that never, the order of this call is tried again.
func retry(l *leg, args []goja.Value) goja.Value {
	o := l.read("retry", bind.Arg(args, 0), "in", "at", "never", "stopList").Duration("in", 0, 365*24*time.Hour).Bool("never", "stopList")
	given := 0
	for _, name := range []string{"in", "at", "never"} {
		if _, ok := o.Get(name); ok {
			given++
		}
	}
	if given != 1 || o.Wire["never"] == false {
		l.vm.Throw(fault.Invalid, "call.retry: exactly one of in, at and never: true is wanted", `write call.retry({ in: "1h" })`)
	}
	if at, ok := o.Get("at"); ok {
		t, valid := bind.Instant(at)
		if !valid {
			o.Bad("at", at, "a Date or a time such as 2026-12-01T10:00:00+03:00", "")
		}
		o.Wire["at"] = t.UTC().Format(time.RFC3339Nano)
	}
	return l.done(l.send("retry", o))
}
