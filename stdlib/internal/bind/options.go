package bind

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/runtime"
)

// Options reads the options object of one verb and collects what goes on the
// wire. Every method throws INVALID, naming the option, when it is wrong.
type Options struct {
	VM   *runtime.VM
	Verb string // "call.gather"
	Wire map[string]any
	obj  *goja.Object // nil when none was given
}

// later is the hint for what a later version has.
const later = "it is not in this version"

// Read begins with an object or nothing. Names of known that begin with "-"
// belong to a later version.
func Read(vm *runtime.VM, verb string, v goja.Value, known ...string) *Options {
	o := &Options{VM: vm, Verb: verb, Wire: map[string]any{}}
	if Missing(v) {
		return o
	}
	obj, ok := v.(*goja.Object)
	if _, callable := goja.AssertFunction(v); !ok || callable || obj.ClassName() == "Array" {
		vm.Throw(fault.Invalid, verb+": the options are "+Describe(v)+", an object is wanted", "")
	}
	o.obj = obj
	for _, key := range obj.Keys() {
		o.known(key, known)
	}
	return o
}

func (o *Options) known(key string, known []string) {
	if slices.Contains(known, key) {
		return
	}
	if slices.Contains(known, "-"+key) {
		o.VM.Throw(fault.Invalid, fmt.Sprintf("%s: option %q is not available", o.Verb, key), later)
	}
	names := slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s[0] == '-' })
	slices.Sort(names)
	hint := "the options are " + strings.Join(names, ", ")
	if len(names) == 0 {
		hint = "it takes no options"
	}
	if near := suggest.Nearest(key, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	o.VM.Throw(fault.Invalid, fmt.Sprintf("%s: unknown option %q", o.Verb, key), hint)
}

// Get is an option's value; ok is false when it is undefined or null.
func (o *Options) Get(name string) (v goja.Value, ok bool) {
	if o.obj == nil {
		return goja.Undefined(), false
	}
	v = o.obj.Get(name)
	return v, !Missing(v)
}

// Value is Get without ok.
func (o *Options) Value(name string) goja.Value {
	v, _ := o.Get(name)
	return v
}

// Bad throws INVALID for one option.
func (o *Options) Bad(name string, v goja.Value, wanted, hint string) {
	o.VM.Throw(fault.Invalid, fmt.Sprintf("%s: option %q is %s, %s is wanted", o.Verb, name, Describe(v), wanted), hint)
}

// Duration puts an option on the wire as <name>Ms, between min and max.
func (o *Options) Duration(name string, min, max time.Duration) *Options {
	if v, ok := o.Get(name); ok {
		o.Wire[name+"Ms"] = o.duration(name, v, min, max).Milliseconds()
	}
	return o
}

// DurationOr is Duration with a default.
func (o *Options) DurationOr(name string, min, max, def time.Duration) *Options {
	o.Wire[name+"Ms"] = def.Milliseconds()
	return o.Duration(name, min, max)
}

func (o *Options) duration(name string, v goja.Value, min, max time.Duration) time.Duration {
	d, err := ParseDuration(v)
	if err != nil {
		o.Bad(name, v, "a duration", `write "5s", "1m30s", "80ms" or a number of milliseconds`)
	}
	if d < min || d > max {
		o.Bad(name, v, "between "+duration.Format(min)+" and "+duration.Format(max), "")
	}
	return d
}

// ParseDuration reads a string or a number of milliseconds.
func ParseDuration(v goja.Value) (time.Duration, error) {
	switch x := Go(v).(type) {
	case string:
		return duration.Parse(x)
	case int64:
		return duration.FromMillis(float64(x))
	case float64:
		return duration.FromMillis(x)
	}
	return 0, fmt.Errorf("no duration")
}

// Int puts a whole number on the wire.
func (o *Options) Int(name string, min, max int64) *Options {
	v, ok := o.Get(name)
	if !ok {
		return o
	}
	n, isInt := WholeNumber(v)
	if !isInt || n < min || n > max {
		o.Bad(name, v, fmt.Sprintf("a whole number from %d to %d", min, max), "")
	}
	o.Wire[name] = n
	return o
}

// WholeNumber is a JavaScript number without a fraction.
func WholeNumber(v goja.Value) (int64, bool) {
	switch x := Go(v).(type) {
	case int64:
		return x, true
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			return int64(x), true
		}
	}
	return 0, false
}

// Number puts a number on the wire.
func (o *Options) Number(name string, min, max float64) *Options {
	v, ok := o.Get(name)
	if !ok {
		return o
	}
	switch Go(v).(type) {
	case int64, float64:
		if f := v.ToFloat(); f >= min && f <= max {
			o.Wire[name] = f
			return o
		}
	}
	o.Bad(name, v, fmt.Sprintf("a number from %g to %g", min, max), "")
	return o
}

// Bool puts true or false on the wire.
func (o *Options) Bool(names ...string) *Options {
	for _, name := range names {
		v, ok := o.Get(name)
		if !ok {
			continue
		}
		b, isBool := Go(v).(bool)
		if !isBool {
			o.Bad(name, v, "true or false", "")
		}
		o.Wire[name] = b
	}
	return o
}

// MaxText is the length of a string option in bytes.
const MaxText = 4096

// String puts strings on the wire.
func (o *Options) String(names ...string) *Options {
	for _, name := range names {
		if v, ok := o.Get(name); ok {
			o.Wire[name] = o.text(name, v)
		}
	}
	return o
}

// Line is String for texts that go into a SIP header: on one line and without
// control characters, with which a value could forge a header of its own.
func (o *Options) Line(names ...string) *Options {
	for _, name := range names {
		if v, ok := o.Get(name); ok {
			s := o.text(name, v)
			if HasControl(s) {
				o.Bad(name, v, "a text on one line", "line ends, NUL and other control characters would forge a header")
			}
			o.Wire[name] = s
		}
	}
	return o
}

// HasControl tells whether a text holds a control character; a tab is none here.
func HasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029'
	})
}

func (o *Options) text(name string, v goja.Value) string {
	s, ok := v.(goja.String)
	if !ok || s.Length() > MaxText {
		o.Bad(name, v, "a string", "")
	}
	return s.String()
}

// Choice puts one of a few words on the wire.
func (o *Options) Choice(name string, words ...string) *Options {
	v, ok := o.Get(name)
	if !ok {
		return o
	}
	s := o.text(name, v)
	if !slices.Contains(words, s) {
		hint := ""
		if near := suggest.Nearest(s, words); near != "" {
			hint = "did you mean " + near + "?"
		}
		o.Bad(name, v, "one of "+strings.Join(words, ", "), hint)
	}
	o.Wire[name] = s
	return o
}

// Func is an option that is a function; nil when it is missing.
func (o *Options) Func(name string) goja.Callable {
	v, ok := o.Get(name)
	if !ok {
		return nil
	}
	fn, callable := goja.AssertFunction(v)
	if !callable {
		o.Bad(name, v, "a function", "")
	}
	return fn
}

// Callback puts a function on the wire, for the host to call.
func (o *Options) Callback(names ...string) *Options {
	for _, name := range names {
		if o.Func(name) != nil {
			o.Wire[name] = o.Value(name)
		}
	}
	return o
}

// Headers puts {name: value} on the wire as pairs.
func (o *Options) Headers(name string) *Options {
	v, ok := o.Get(name)
	if !ok {
		return o
	}
	obj, isObject := v.(*goja.Object)
	if !isObject {
		o.Bad(name, v, "an object of names and values", "")
	}
	pairs := []any{}
	for _, key := range obj.Keys() {
		value := obj.Get(key)
		text := value.String()
		if !token(key) {
			o.Bad(name, v, "an object of header names and texts", fmt.Sprintf("%q is no header's name", key))
		}
		if _, isObject := value.(*goja.Object); isObject || Missing(value) || HasControl(text) {
			o.Bad(name+"."+key, value, "a header's text on one line", "line ends, NUL and other control characters would forge a header")
		}
		pairs = append(pairs, []any{key, text})
	}
	if len(pairs) > MaxHeaders {
		o.Bad(name, v, fmt.Sprintf("at most %d headers", MaxHeaders), "")
	}
	o.Wire[name] = pairs
	return o
}

// MaxHeaders is how many headers a verb may add.
const MaxHeaders = 50

// token is RFC 3261 §25.1: what a header may be called.
func token(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r) {
			return false
		}
	}
	return s != ""
}
