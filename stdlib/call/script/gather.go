package script

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Defaults and limits of gather and menu.
const (
	defaultTimeout    = 7 * time.Second
	defaultInterDigit = 3 * time.Second
	maxTimeout        = 10 * time.Minute
	maxAttempts       = 20
	MaxKeys           = 64 // digits of one gather
	MaxChoices        = 100
)

const allKeys = "0123456789*#ABCD"

// collectOptions are those that gather and menu share.
var collectOptions = append([]string{"prompt", "timeout", "interDigitTimeout", "attempts", "invalidPrompt", "timeoutPrompt", "flush"}, voiceOptions...)

func readCollect(o *bind.Options, attempts int) {
	readVoice(o).Bool("flush")
	o.DurationOr("timeout", 0, maxTimeout, defaultTimeout).DurationOr("interDigitTimeout", 100*time.Millisecond, maxTimeout, defaultInterDigit)
	o.Wire["attempts"] = int64(attempts)
	o.Int("attempts", 1, maxAttempts)
	for _, name := range []string{"prompt", "invalidPrompt", "timeoutPrompt"} {
		optionalPrompt(o, name, asSay)
	}
}

// gather collects keys. validate is called here; when it refuses, the host
// goes on with the attempts that are left.
func gather(l *leg, args []goja.Value) goja.Value {
	o := l.read("gather", bind.Arg(args, 0), append(collectOptions, "digits", "finishOn", "validate", "secret", "speech")...)
	readCollect(o, 1)
	o.Bool("secret")
	exact := readDigits(o)
	readFinish(o, exact)
	readSpeech(o)
	validate := o.Func("validate")
	if validate == nil {
		return bind.Then(l.vm, l.sendGather(o), withoutAttempt)
	}
	return l.gatherValid(o, &validator{ask: validate, from: l.vm.Origin()}, 0)
}

// sendGather asks for keys. What is entered in secret stays out of step
// tracing.
func (l *leg) sendGather(o *bind.Options) goja.Value {
	answer := l.send("gather", o)
	if secret, _ := o.Wire["secret"].(bool); !secret {
		return answer
	}
	return bind.Then(l.vm, answer, func(v goja.Value) goja.Value {
		l.vm.Conceal(textOf(v.ToObject(l.vm.Runtime()).Get("digits")))
		return v
	})
}

// withoutAttempt takes out what only this package needs.
func withoutAttempt(v goja.Value) goja.Value {
	if answer, ok := v.(*goja.Object); ok {
		_ = answer.Delete("attempt") // plain data of ours
	}
	return v
}

// validator is the script's validate, and where it has called gather: later
// attempts are of the same line.
type validator struct {
	ask  goja.Callable
	from func(fn func())
}

func (l *leg) gatherValid(o *bind.Options, v *validator, used int64) goja.Value {
	o.Wire["attempt"] = used
	return bind.Then(l.vm, l.sendGather(o), func(got goja.Value) goja.Value {
		answer := got.ToObject(l.vm.Runtime())
		attempt := max(answer.Get("attempt").ToInteger(), used+1)
		withoutAttempt(got)
		if reason := textOf(answer.Get("reason")); reason != "digits" && reason != "finish" && reason != "speech" {
			return got
		}
		verdict := bind.Promise(l.vm, func() goja.Value { return bind.Call(v.ask, answer.Get("digits"), answer.Get("speech")) })
		return bind.Then(l.vm, verdict, func(verdict goja.Value) goja.Value {
			v.from(func() { verdict = l.judge(o, v, answer, verdict, attempt) })
			return verdict
		})
	})
}

// judge goes by what validate said: true, false or the text to say.
func (l *leg) judge(o *bind.Options, v *validator, answer *goja.Object, verdict goja.Value, attempt int64) goja.Value {
	_, isBool := bind.Go(verdict).(bool)
	switch {
	case isBool && verdict.ToBoolean():
		return answer
	case isBool:
	case bind.Missing(verdict):
		l.vm.Throw(fault.Invalid, "call.gather: validate returned "+bind.Describe(verdict), "return true, false or the text to say")
	default:
		o.Wire["invalidPrompt"] = prompt(l.vm, "call.gather: what validate returned", verdict, asSay)
	}
	if left, _ := o.Wire["attempts"].(int64); attempt < max(left, 1) {
		o.Wire["because"] = "invalid"
		return l.gatherValid(o, v, attempt)
	}
	must(answer.Set("reason", "invalid"))
	_ = answer.Delete("speech") // plain data of ours
	if isBool {
		return answer
	}
	said := l.vm.Call("call.say", map[string]any{"call": l.handle, "prompt": o.Wire["invalidPrompt"]})
	return bind.Then(l.vm, said, func(goja.Value) goja.Value { return answer })
}

// Limits of the option speech.
const (
	MaxHints     = 200 // words and phrases that are likely
	maxHint      = 200 // characters of each
	minSilence   = 200 * time.Millisecond
	maxSilence   = 5 * time.Second
	maxUtterance = time.Minute
)

// readSpeech reads speech: true, or what is said about it.
func readSpeech(o *bind.Options) {
	v, ok := o.Get("speech")
	if !ok || v.SameAs(o.VM.Runtime().ToValue(false)) {
		return
	}
	if v.SameAs(o.VM.Runtime().ToValue(true)) {
		o.Wire["speech"] = map[string]any{}
		return
	}
	obj, isObject := v.(*goja.Object)
	if !isObject {
		o.Bad("speech", v, "true or an object", `write speech: true, or speech: { hints: ["yes", "no"] }`)
	}
	r := bind.Read(o.VM, o.Verb+": speech", obj, "language", "hints", "engine", "endSilence", "maxDuration", "bargeIn")
	r.String("language", "engine").Bool("bargeIn").Duration("endSilence", minSilence, maxSilence).Duration("maxDuration", time.Second, maxUtterance)
	if h, given := r.Get("hints"); given {
		list, isList := texts(h)
		if !isList || len(list) == 0 || len(list) > MaxHints {
			r.Bad("hints", h, fmt.Sprintf("a list of at most %d words and phrases", MaxHints), "")
		}
		for _, x := range list {
			if s := x.(string); s == "" || len(s) > maxHint || strings.ContainsAny(s, "\x00\r\n") {
				r.Bad("hints", h, "a list of words and phrases", "")
			}
		}
		r.Wire["hints"] = list
	}
	o.Wire["speech"] = r.Wire
}

// texts are the items of an array of strings.
func texts(v goja.Value) (out []any, ok bool) {
	list, isList := v.(*goja.Object)
	if !isList || list.ClassName() != "Array" {
		return nil, false
	}
	for i := range list.Get("length").ToInteger() {
		s, isText := list.Get(strconv.FormatInt(i, 10)).(goja.String)
		if !isText || len(out) > bind.MaxText {
			return nil, false
		}
		out = append(out, s.String())
	}
	return out, true
}

// readDigits reads n or {min, max} and tells whether the number is exact.
func readDigits(o *bind.Options) (exact bool) {
	o.Wire["min"], o.Wire["max"] = 1, 20
	v, ok := o.Get("digits")
	if !ok {
		return false
	}
	if n, isInt := bind.WholeNumber(v); isInt && n >= 1 && n <= MaxKeys {
		o.Wire["min"], o.Wire["max"] = n, n
		return true
	}
	object, isObject := v.(*goja.Object)
	if !isObject {
		o.Bad("digits", v, fmt.Sprintf("a number from 1 to %d or {min, max}", MaxKeys), "")
	}
	r := bind.Read(o.VM, o.Verb+": digits", object, "min", "max").Int("min", 0, MaxKeys).Int("max", 1, MaxKeys)
	maps.Copy(o.Wire, r.Wire)
	least, _ := bind.WholeNumber(o.VM.Runtime().ToValue(o.Wire["min"]))
	most, _ := bind.WholeNumber(o.VM.Runtime().ToValue(o.Wire["max"]))
	if least > most {
		o.Bad("digits", v, "a min that is not above max", "")
	}
	return least == most
}

// readFinish reads the key that ends the input; # unless the number is exact.
func readFinish(o *bind.Options, exact bool) {
	o.Wire["finishOn"] = "#"
	if exact {
		o.Wire["finishOn"] = ""
	}
	v, ok := o.Get("finishOn")
	if !ok {
		return
	}
	s, isText := v.(goja.String)
	if !isText || s.Length() > len(allKeys) || strings.Trim(s.String(), allKeys) != "" {
		o.Bad("finishOn", v, `keys such as "#"`, `"" means none`)
	}
	o.Wire["finishOn"] = s.String()
}

// menu lets the caller choose. Labels and functions stay here; the host gets
// the keys.
func menu(l *leg, args []goja.Value) goja.Value {
	o := l.read("menu", bind.Arg(args, 0), append(collectOptions, "choices", "repeat", "-speech")...)
	readCollect(o, 3)
	choices := readChoices(o)
	readRepeat(o)
	return bind.Then(l.vm, l.send("menu", o), func(v goja.Value) goja.Value {
		answer := v.ToObject(l.vm.Runtime())
		choice := textOf(answer.Get("choice"))
		result := l.vm.Runtime().NewObject()
		must(result.Set("key", answer.Get("key")))
		must(result.Set("value", goja.Undefined()))
		must(result.Set("reason", answer.Get("reason")))
		if choice == "" {
			return result
		}
		value := choices.Get(choice)
		if fn, ok := goja.AssertFunction(value); ok {
			value = bind.Call(fn, answer.Get("key"))
		}
		return bind.Then(l.vm, value, func(value goja.Value) goja.Value {
			must(result.Set("value", value))
			return result
		})
	})
}

func readChoices(o *bind.Options) *goja.Object {
	v := o.Value("choices")
	choices, ok := v.(*goja.Object)
	if !ok || choices.ClassName() == "Array" {
		o.Bad("choices", v, `an object of keys such as {1: "sales", 2: "support"}`, "")
	}
	if n := len(choices.Keys()); n == 0 || n > MaxChoices {
		o.VM.Throw(fault.Invalid, fmt.Sprintf("call.menu: choices has %d keys, 1 to %d are possible", n, MaxChoices), `write choices: {1: "sales", 2: "support"}`)
	}
	keys := []any{}
	for _, key := range choices.Keys() {
		if strings.Trim(key, allKeys+"X") != "" || len(key) > MaxKeys {
			o.VM.Throw(fault.Invalid, fmt.Sprintf("%s: choices: %q cannot be typed", o.Verb, key), "the keys are 0-9 * # A-D, and X is any digit")
		}
		keys = append(keys, key)
	}
	o.Wire["choices"] = keys
	return choices
}

func readRepeat(o *bind.Options) {
	v, ok := o.Get("repeat")
	if !ok {
		return
	}
	key := v.String()
	if len(key) != 1 || !strings.Contains(allKeys, key) {
		o.Bad("repeat", v, "one key", "")
	}
	if slices.Contains(o.Wire["choices"].([]any), any(key)) {
		o.Bad("repeat", v, "a key that is no choice", "")
	}
	o.Wire["repeat"] = key
}
