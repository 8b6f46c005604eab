package bind

import (
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
)

// Instant is a Date, a number of milliseconds since 1970 or an RFC 3339 text.
func Instant(v goja.Value) (time.Time, bool) {
	switch x := Go(v).(type) {
	case time.Time:
		return x, !x.IsZero()
	case int64:
		return time.UnixMilli(x), true
	case float64:
		return time.UnixMilli(int64(x)), x == x
	case string:
		at, err := time.Parse(time.RFC3339, x)
		return at, err == nil
	}
	return time.Time{}, false
}

// Local is what the clocks of the project show at a moment.
func Local(vm *runtime.VM, at time.Time) time.Time {
	zone, err := time.LoadLocation(vm.Env().Zone)
	if err != nil {
		zone = time.UTC
	}
	return at.In(zone)
}

// Date is a JavaScript Date.
func Date(vm *runtime.VM, at time.Time) goja.Value {
	rt := vm.Runtime()
	d, err := rt.New(rt.GlobalObject().Get("Date"), rt.ToValue(at.UnixMilli()))
	check(err)
	return d
}

func exportTime(o *goja.Object) (string, bool) {
	at, ok := Go(o).(time.Time)
	if !ok || at.IsZero() {
		return "", false
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z"), true
}
