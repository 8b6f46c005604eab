// Package script is loopstart:phone: telephone numbers as people write them,
// read by the project's country.
//
// # Errors
//
// parse throws INVALID for what is no number; the other functions give
// undefined, since a wrong number is an ordinary thing.
package script

import (
	_ "embed"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// Module is loopstart:phone.
func Module() bind.Module {
	return bind.Module{Scheme: "phone", Members: map[string]bind.Member{
		"parse":  bind.Sync(parse),
		"e164":   bind.Sync(e164),
		"region": bind.Sync(region),
		"zone":   bind.Sync(zone),
		"format": bind.Sync(format),
	}}
}

// read takes a number, as text or as a JavaScript number, and the country that
// it is written for. E164 is "" when it is none.
func read(vm *runtime.VM, verb string, args []goja.Value, more ...string) (n phone.Number, country string, o *bind.Options) {
	v := bind.Arg(args, 0)
	if _, isObject := v.(*goja.Object); isObject || bind.Missing(v) {
		vm.Throw(fault.Invalid, verb+": "+bind.Describe(v)+" is no telephone number", "pass a text such as call.from.e164")
	}
	o = bind.Read(vm, verb, bind.Arg(args, 1), append(more, "country")...)
	country = vm.Env().Country
	if o.String("country"); o.Wire["country"] != nil {
		country = o.Wire["country"].(string)
		if phone.Prefix(country) == "" {
			o.Bad("country", o.Value("country"), "a country such as RU", "")
		}
	}
	return phone.Parse(v.String(), country), country, o
}

func parse(vm *runtime.VM, args []goja.Value) goja.Value {
	n, _, _ := read(vm, "phone.parse", args)
	if n.E164 == "" {
		vm.Throw(fault.Invalid, "phone.parse: "+bind.Describe(bind.Arg(args, 0))+" is no telephone number", "phone.e164 gives undefined instead")
	}
	zone, exact := phone.Zone(n.E164)
	o := vm.Runtime().NewObject()
	set := func(name string, value any) {
		if value == "" {
			return // not known
		}
		if err := o.Set(name, value); err != nil {
			panic(err)
		}
	}
	set("e164", n.E164)
	set("code", n.Code)
	set("national", n.National)
	set("region", n.Region)
	set("valid", n.Valid)
	set("kind", string(n.Type))
	set("zone", zone)
	set("zoneExact", exact)
	return o
}

// known is a text, or undefined when there is none.
func known(vm *runtime.VM, s string) goja.Value {
	if s == "" {
		return goja.Undefined()
	}
	return vm.Runtime().ToValue(s)
}

func e164(vm *runtime.VM, args []goja.Value) goja.Value {
	n, _, _ := read(vm, "phone.e164", args)
	return known(vm, n.E164)
}

func region(vm *runtime.VM, args []goja.Value) goja.Value {
	n, _, _ := read(vm, "phone.region", args)
	return known(vm, n.Region)
}

func zone(vm *runtime.VM, args []goja.Value) goja.Value {
	n, _, _ := read(vm, "phone.zone", args)
	name, _ := phone.Zone(n.E164)
	return known(vm, name)
}

func format(vm *runtime.VM, args []goja.Value) goja.Value {
	n, country, o := read(vm, "phone.format", args, "style")
	o.Wire["style"] = string(phone.E164)
	o.Choice("style", string(phone.E164), string(phone.Digits), string(phone.National))
	if n.E164 == "" {
		return goja.Undefined()
	}
	return known(vm, phone.Format(n.E164, phone.Style(o.Wire["style"].(string)), country))
}
