package bind

import (
	"strconv"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// TestOptionLimits: what is at a limit passes, one more is refused.
func TestOptionLimits(t *testing.T) {
	module := Module{Scheme: "try", Members: map[string]Member{"verb": Sync(func(vm *runtime.VM, args []goja.Value) goja.Value {
		Read(vm, "verb", Arg(args, 0), "text", "headers").String("text").Headers("headers")
		return goja.Undefined()
	})}}
	for source, limit := range map[string]int{
		`{text: "x".repeat(N)}`: MaxText,
		`{headers: Object.fromEntries(Array(N).fill("v").map((v, i) => ["X-" + i, v]))}`: MaxHeaders,
	} {
		for extra, refused := range map[int]bool{0: false, 1: true} {
			o, _ := scripttest.Run{
				Source:  `require("loopstart:try").verb(` + strings.ReplaceAll(source, "N", strconv.Itoa(limit+extra)) + `)`,
				Options: runtime.Options{Modules: []runtime.Module{module}},
				Host:    func(*scripttest.Host, message.Request, uint32) (any, error) { return nil, nil },
			}.Do(t)
			if (o.Error != nil) != refused || refused && o.Error.Code != "INVALID" {
				t.Errorf("%s with %d: %+v", source, limit+extra, o.Error)
			}
		}
	}
}

// TestFormatLimits: a line of the log, the entries and the depth of what it
// shows.
func TestFormatLimits(t *testing.T) {
	got := map[string]string{}
	module := Module{Scheme: "try", Members: map[string]Member{"show": Sync(func(vm *runtime.VM, args []goja.Value) goja.Value {
		got[Arg(args, 0).String()] = Format(vm, args[1:])
		return goja.Undefined()
	})}}
	nested := func(n int) string { return strings.Repeat("[", n) + "7" + strings.Repeat("]", n) }
	o, _ := scripttest.Run{
		Source: `const { show } = require("loopstart:try");
			show("at", "y".repeat(` + strconv.Itoa(maxLine) + `)); show("long", "y".repeat(` + strconv.Itoa(maxLine+1) + `));
			show("many", Array(` + strconv.Itoa(maxEntries+2) + `).fill("e")); show("deep", ` + nested(maxLevels) + `); show("deeper", ` + nested(maxLevels+1) + `)`,
		Options: runtime.Options{Modules: []runtime.Module{module}},
		Host:    func(*scripttest.Host, message.Request, uint32) (any, error) { return nil, nil },
	}.Do(t)
	if o.Error != nil {
		t.Fatal(o.Error)
	}
	if strings.Count(got["at"], "y") != maxLine || strings.Count(got["long"], "y") != maxLine {
		t.Errorf("%d and %d characters", strings.Count(got["at"], "y"), strings.Count(got["long"], "y"))
	}
	if strings.Count(got["many"], `"e"`) != maxEntries || !strings.HasSuffix(got["many"], "2 more]") {
		t.Errorf("%s", got["many"])
	}
	if !strings.Contains(got["deep"], "7") || strings.Contains(got["deeper"], "7") {
		t.Errorf("%s, %s", got["deep"], got["deeper"])
	}
}
