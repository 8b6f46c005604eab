// Package script is loopstart:format: numbers, money, dates and counted things
// in words, in Russian, English and Kazakh. Prompts do this by themselves; the
// functions are for texts that a script composes.
//
// # Errors
//
// INVALID for what cannot be put into words.
package script

import (
	_ "embed"
	"strconv"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/words"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// Module is loopstart:format.
func Module() bind.Module {
	return bind.Module{Scheme: "format", Members: map[string]bind.Member{
		"number":  said("number", func(q query) (string, error) { return words.Number(q.tag, q.text, q.form) }, "case", "gender"),
		"ordinal": said("ordinal", func(q query) (string, error) { return words.Ordinal(q.tag, q.text, q.form) }, "case", "gender"),
		"money":   said("money", func(q query) (string, error) { return words.Money(q.tag, q.text, q.currency, q.form) }, "case", "currency"),
		"date":    said("date", func(q query) (string, error) { return words.Date(q.tag, q.text, q.form) }, "case", "year"),
		"time":    said("time", func(q query) (string, error) { return words.Time(q.tag, q.text, q.form) }, "case"),
		"count":   said("count", func(q query) (string, error) { return words.Count(q.tag, q.text, q.of, q.form) }, "case", "of"),
		"digits":  said("digits", func(q query) (string, error) { return words.Digits(q.tag, q.text) }),
		"spell":   said("spell", func(q query) (string, error) { return words.Spell(q.tag, q.text) }),
		"phone":   said("phone", func(q query) (string, error) { return words.Phone(q.tag, q.text) }),
	}}
}

// query is what is to be said and how.
type query struct {
	tag, text, currency string
	of                  []string
	form                words.Form
}

func said(name string, say func(query) (string, error), options ...string) bind.Member {
	verb := "format." + name
	return bind.Sync(func(vm *runtime.VM, args []goja.Value) goja.Value {
		q := read(vm, verb, args, options)
		text, err := say(q)
		if err != nil {
			vm.Throw(fault.Invalid, verb+": "+err.Error(), "")
		}
		return vm.Runtime().ToValue(text)
	})
}

func read(vm *runtime.VM, verb string, args []goja.Value, options []string) query {
	v := bind.Arg(args, 0)
	if bind.Missing(v) {
		vm.Throw(fault.Invalid, verb+": "+bind.Describe(v)+" cannot be said", "is the field missing in call.data?")
	}
	o := bind.Read(vm, verb, bind.Arg(args, 1), append(options, "language")...)
	o.String("language", "currency").Bool("year").Choice("case", "nom", "gen", "dat", "acc", "ins", "pre").Choice("gender", "m", "f", "n")
	q := query{tag: vm.Env().Language, text: textOf(o, v)}
	if tag, ok := o.Wire["language"].(string); ok {
		q.tag = tag
	}
	q.currency, _ = o.Wire["currency"].(string)
	q.form = form(o)
	if list, ok := o.Get("of"); ok {
		q.of = forms(o, list)
	}
	return q
}

// textOf writes numbers without an exponent and dates in ISO form, in the
// project's zone.
func textOf(o *bind.Options, v goja.Value) string {
	if f, ok := bind.Go(v).(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	if _, isObject := v.(*goja.Object); isObject {
		if at, ok := bind.Instant(v); ok {
			return bind.Local(o.VM, at).Format("2006-01-02T15:04:05Z07:00")
		}
	}
	return v.String()
}

func form(o *bind.Options) words.Form {
	f := words.Form{}
	name, _ := o.Wire["case"].(string)
	f.Case, _ = words.ParseCase(name) // Choice has checked it
	if gender, ok := o.Wire["gender"].(string); ok {
		f.Gender, _ = words.ParseGender(gender)
		f.GenderSet = true
	}
	f.Year, _ = o.Wire["year"].(bool)
	return f
}

func forms(o *bind.Options, v goja.Value) []string {
	list, ok := v.(*goja.Object)
	if !ok || list.ClassName() != "Array" || list.Get("length").ToInteger() > 3 {
		o.Bad("of", v, `the forms of a word such as ["заказ", "заказа", "заказов"]`, "")
	}
	var out []string
	for i := range list.Get("length").ToInteger() {
		out = append(out, list.Get(strconv.FormatInt(i, 10)).String())
	}
	return out
}
