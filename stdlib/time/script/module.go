// Package script is loopstart:time: opening hours and civil time in a zone. It
// needs no host; the schedules of the project come with the version.
//
// # Errors
//
// NOT_FOUND for a schedule that is not configured, INVALID for one that is
// written wrongly, for a zone that does not exist and for what is no time.
package script

import (
	_ "embed"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/schedule"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// Module is loopstart:time.
func Module() bind.Module {
	return bind.Module{Scheme: "time", Members: map[string]bind.Member{
		"isOpen":    bind.Sync(isOpen),
		"next":      bind.Sync(next),
		"nextOpen":  bind.Sync(nextOpen),
		"nextClose": bind.Sync(nextClose),
		"zones":     func(vm *runtime.VM, _ string) goja.Value { return bind.Namespace(vm, zoneMembers) },
	}}
}

// read takes a schedule, by name or written out, and the options at and zone.
func read(vm *runtime.VM, verb string, args []goja.Value) (*schedule.Schedule, time.Time) {
	o := bind.Read(vm, verb, bind.Arg(args, 1), "at", "zone")
	o.String("zone")
	spec := specOf(vm, verb, bind.Arg(args, 0))
	if zone, ok := o.Wire["zone"].(string); ok {
		spec.Zone = zone
	}
	if spec.Zone == "" {
		spec.Zone = vm.Env().Zone
	}
	s, err := schedule.Parse(spec)
	if err != nil {
		vm.Throw(fault.Invalid, verb+": "+err.Error(), "")
	}
	return s, at(o)
}

// at is the option of that name, or now.
func at(o *bind.Options) time.Time {
	v, ok := o.Get("at")
	if !ok {
		return o.VM.Now()
	}
	t, valid := bind.Instant(v)
	if !valid {
		o.Bad("at", v, "a Date or a time such as 2026-12-01T10:00:00+03:00", "")
	}
	return t
}

func specOf(vm *runtime.VM, verb string, v goja.Value) schedule.Spec {
	if o, ok := v.(*goja.Object); ok {
		return written(vm, verb, o)
	}
	name, known := v.String(), vm.Env().Schedules
	raw, ok := known[name]
	if !ok {
		hint := "add it to schedules in loopstart.yaml"
		if near := suggest.Nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
			hint = "did you mean " + near + "?"
		}
		vm.Throw(fault.NotFound, verb+": there is no schedule "+bind.Describe(v), hint)
	}
	var spec schedule.Spec
	if err := json.Unmarshal(raw, &spec); err != nil {
		vm.Throw(fault.Internal, verb+": the schedule "+name+" cannot be read", "")
	}
	return spec
}

// written is a schedule in the words of loopstart.yaml.
func written(vm *runtime.VM, verb string, v *goja.Object) schedule.Spec {
	o := bind.Read(vm, verb+": schedule", v, "open", "closed", "extra", "zone").String("zone")
	spec := schedule.Spec{Closed: texts(o, "closed", o.Value("closed")), Extra: texts(o, "extra", o.Value("extra"))}
	spec.Zone, _ = o.Wire["zone"].(string)
	open, ok := o.Value("open").(*goja.Object)
	if !ok {
		o.Bad("open", o.Value("open"), `an object such as {"mon-fri": "09:00-18:00"}`, "")
	}
	for _, days := range open.Keys() {
		spec.Open = append(spec.Open, schedule.Days{Days: days, Hours: texts(o, "open."+days, open.Get(days))})
	}
	return spec
}

// texts is one text or a list of them.
func texts(o *bind.Options, name string, v goja.Value) []string {
	if bind.Missing(v) {
		return nil
	}
	if s, ok := v.(goja.String); ok {
		return []string{s.String()}
	}
	list, ok := v.(*goja.Object)
	if !ok || list.ClassName() != "Array" || list.Get("length").ToInteger() > schedule.MaxEntries {
		o.Bad(name, v, "a text or an array of texts", "")
	}
	var out []string
	for i := range list.Get("length").ToInteger() {
		s, ok := list.Get(strconv.FormatInt(i, 10)).(goja.String)
		if !ok {
			o.Bad(name, v, "an array of texts", "")
		}
		out = append(out, s.String())
	}
	return out
}

func isOpen(vm *runtime.VM, args []goja.Value) goja.Value {
	s, t := read(vm, "isOpen", args)
	return vm.Runtime().ToValue(s.IsOpen(t))
}

// next is the next change, or undefined.
func next(vm *runtime.VM, args []goja.Value) goja.Value {
	s, t := read(vm, "next", args)
	change, opens, ok := s.Next(t)
	if !ok {
		return goja.Undefined()
	}
	o := vm.Runtime().NewObject()
	if err := errors.Join(o.Set("at", bind.Date(vm, change)), o.Set("opens", opens)); err != nil {
		panic(err)
	}
	return o
}

func nextOpen(vm *runtime.VM, args []goja.Value) goja.Value {
	s, t := read(vm, "nextOpen", args)
	return dateOr(vm, s.NextOpen, t)
}

func nextClose(vm *runtime.VM, args []goja.Value) goja.Value {
	s, t := read(vm, "nextClose", args)
	return dateOr(vm, s.NextClose, t)
}

func dateOr(vm *runtime.VM, find func(time.Time) (time.Time, bool), t time.Time) goja.Value {
	if found, ok := find(t); ok {
		return bind.Date(vm, found)
	}
	return goja.Undefined()
}
