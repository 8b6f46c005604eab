package script

import (
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

var zoneMembers = map[string]bind.Member{
	"has":     bind.Sync(zoneHas),
	"local":   bind.Sync(zoneLocal),
	"offset":  bind.Sync(zoneOffset),
	"instant": bind.Sync(zoneInstant),
}

func location(name string) (*time.Location, bool) {
	if name == "" || name == "Local" {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

func zoneHas(vm *runtime.VM, args []goja.Value) goja.Value {
	_, ok := location(bind.Arg(args, 0).String())
	return vm.Runtime().ToValue(ok)
}

// zoneOf is the zone of an argument, or the project's when there is none.
func zoneOf(vm *runtime.VM, verb string, v goja.Value) *time.Location {
	name := vm.Env().Zone
	if !bind.Missing(v) {
		name = v.String()
	}
	zone, ok := location(name)
	if !ok {
		vm.Throw(fault.Invalid, verb+": there is no time zone "+bind.Describe(vm.Runtime().ToValue(name)), "zones are named like Europe/Moscow")
	}
	return zone
}

// zoneLocal is what clock and calendar on a wall of the zone show.
func zoneLocal(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "zones.local", bind.Arg(args, 1), "at")
	t := at(o).In(zoneOf(vm, "zones.local", bind.Arg(args, 0)))
	weekday := int(t.Weekday()+6)%7 + 1 // ISO 8601: Monday is 1
	out := vm.Runtime().NewObject()
	for _, f := range []struct {
		name  string
		value any
	}{
		{"year", t.Year()}, {"month", int(t.Month())}, {"day", t.Day()}, {"hour", t.Hour()}, {"minute", t.Minute()}, {"second", t.Second()},
		{"weekday", weekday}, {"date", t.Format("2006-01-02")}, {"time", t.Format("15:04")}, {"iso", t.Format(time.RFC3339)},
	} {
		if err := out.Set(f.name, f.value); err != nil {
			panic(err)
		}
	}
	return out
}

// zoneOffset is minutes east of UTC.
func zoneOffset(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Read(vm, "zones.offset", bind.Arg(args, 1), "at")
	_, seconds := at(o).In(zoneOf(vm, "zones.offset", bind.Arg(args, 0))).Zone()
	return vm.Runtime().ToValue(seconds / 60)
}

var wallLayouts = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "02.01.2006 15:04:05", "02.01.2006 15:04", "02.01.2006"}

// zoneInstant reads wall time of a zone: a date, or today and tomorrow, with
// or without a time.
func zoneInstant(vm *runtime.VM, args []goja.Value) goja.Value {
	zone := zoneOf(vm, "zones.instant", bind.Arg(args, 1))
	text := strings.TrimSpace(bind.Arg(args, 0).String())
	day, rest, _ := strings.Cut(text, " ")
	today := vm.Now().In(zone)
	switch day {
	case "today":
		text = today.Format("2006-01-02 ") + rest
	case "tomorrow":
		text = today.AddDate(0, 0, 1).Format("2006-01-02 ") + rest
	}
	text = strings.TrimSpace(strings.Replace(text, "T", " ", 1))
	for _, layout := range wallLayouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return bind.Date(vm, t)
		}
	}
	vm.Throw(fault.Invalid, "zones.instant: "+bind.Describe(bind.Arg(args, 0))+" is no time",
		`write "2026-12-01 10:00", "01.12.2026 10:00" or "tomorrow 10:00"`)
	return nil
}
