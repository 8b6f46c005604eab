package script

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// The clock begins on Saturday, 2026-11-21 10:00 UTC, 13:00 in Moscow.
func TestTime(t *testing.T) {
	office := json.RawMessage(`{"Open":[{"Days":"mon-fri","Hours":["09:00-18:00"]},{"Days":"sat","Hours":["10:00-14:00"]}],"Closed":["2026-12-31"],"Zone":"Europe/Moscow"}`)
	tests := []struct{ source, want string }{
		{`return t.isOpen("office")`, `true`},
		{`return t.isOpen("office", {at: "2026-11-21T14:00:00+03:00"})`, `false`},
		{`return t.isOpen("office", {at: new Date("2026-12-31T12:00:00+03:00")})`, `false`},
		{`return t.isOpen("office", {zone: "Asia/Vladivostok"})`, `false`},
		{`return t.next("office")`, `{"at":"2026-11-21T11:00:00.000Z","opens":false}`},
		{`return [t.nextOpen("office"), t.nextClose("office")]`, `["2026-11-23T06:00:00.000Z","2026-11-21T11:00:00.000Z"]`},
		{`return t.isOpen({open: {sat: ["09:00-12:00", "13:00-14:00"]}})`, `true`},
		{`return t.next({open: {}, extra: ["2026-11-22 10:00-11:00"], zone: "UTC"}).at`, `"2026-11-22T10:00:00.000Z"`},
		{`return t.next({open: {}}) === undefined`, `true`},
		{`t.isOpen("ofice")`, `NOT_FOUND: isOpen: there is no schedule "ofice" | did you mean office?`},
		{`t.isOpen({open: {sat: "9-18h"}})`, `INVALID: isOpen: schedule: open.sat:`},
		{`t.isOpen({hours: {}})`, `INVALID: isOpen: schedule: unknown option "hours"`},
		{`t.isOpen("office", {at: "noon"})`, `INVALID: isOpen: option "at" is "noon", a Date or a time such as 2026-12-01T10:00:00+03:00 is wanted`},
		{`t.isOpen("office", {zone: "Mars"})`, `INVALID: isOpen: schedule: zone:`},
		{`return [t.zones.has("Asia/Almaty"), t.zones.has("Almaty"), t.zones.has("Local")]`, `[true,false,false]`},
		{`return t.zones.local()`, `{"year":2026,"month":11,"day":21,"hour":13,"minute":0,"second":0,"weekday":6,"date":"2026-11-21","time":"13:00","iso":"2026-11-21T13:00:00+03:00"}`},
		{`return [t.zones.offset("Asia/Kolkata"), t.zones.offset(), t.zones.local("UTC", {at: 0}).date]`, `[330,180,"1970-01-01"]`},
		{`return [t.zones.instant("2026-12-01 10:00"), t.zones.instant("01.12.2026 10:00", "UTC"), t.zones.instant("tomorrow 10:00"), t.zones.instant("2026-12-01")]`,
			`["2026-12-01T07:00:00.000Z","2026-12-01T10:00:00.000Z","2026-11-22T07:00:00.000Z","2026-11-30T21:00:00.000Z"]`},
		{`t.zones.instant("soon")`, `INVALID: zones.instant: "soon" is no time`},
		{`t.zones.local("Moscow")`, `INVALID: zones.local: there is no time zone "Moscow"`},
	}
	for _, tt := range tests {
		o, _ := scripttest.Run{Source: `const t = require("loopstart:time");` + tt.source, Options: runtime.Options{Modules: []runtime.Module{Module()}},
			Env: message.Environment{Zone: "Europe/Moscow", Schedules: map[string]json.RawMessage{"office": office}}}.Do(t)
		got := string(o.Value)
		if o.Error != nil {
			got = fmt.Sprintf("%s: %s | %s", o.Error.Code, o.Error.Message, o.Error.Hint)
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}
