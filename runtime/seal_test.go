package runtime

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// stamp is a seal that always shows the same.
type stamp struct{ silent bool }

func (stamp) Now() time.Time  { return time.UnixMilli(1000) }
func (stamp) Random() float64 { return 0.5 }
func (stamp) Read(p []byte) {
	for i := range p {
		p[i] = 7
	}
}
func (s stamp) Silent() bool { return s.silent }

// sealing gives a VM whose argument says so a seal, and the functions free, ask
// and note.
func sealing(vm *VM) error {
	vm.Seal(stamp{silent: strings.Contains(string(vm.Argument()), "silent")})
	for name, fn := range map[string]func(goja.FunctionCall) goja.Value{
		"free": func(c goja.FunctionCall) (out goja.Value) {
			fn, _ := goja.AssertFunction(c.Argument(0))
			vm.Unsealed(func() { out, _ = fn(goja.Undefined()) })
			return out
		},
		"ask":  func(goja.FunctionCall) goja.Value { return vm.Call("ask", map[string]any{}) },
		"note": func(c goja.FunctionCall) goja.Value { vm.Post("note", c.Argument(0)); return goja.Undefined() },
		"byte": func(goja.FunctionCall) goja.Value {
			var b [1]byte
			vm.Entropy(b[:])
			return vm.rt.ToValue(int(b[0]))
		},
	} {
		if err := vm.rt.Set(name, vm.Func(name, fn)); err != nil {
			return err
		}
	}
	return nil
}

// TestSeal: sealed code has the dates and random numbers of its seal, and neither
// requests nor timers; what runs within free(), and what it awaits, has the world.
func TestSeal(t *testing.T) {
	h := newHost(t, Options{Random: func() float64 { return 0.25 }, Globals: sealing})
	h.answer = echo
	h.load("1", `exports.default = async () => {
		const no = async (f) => { try { await f(); return "allowed"; } catch (e) { return e.code; } };
		const seen = [Date.now(), Math.random(), byte(), await no(() => ask()), await no(() => setTimeout(() => {}, 5))];
		note("outside");
		const inside = await free(async () => {
			await ask();
			await new Promise((done) => setTimeout(done, 5));
			note("inside");
			return [Math.random(), Date.now() > 1e12];
		});
		return seen.concat(inside, Date.now(), await no(() => ask()));
	}`)
	for argument, notes := range map[string][]string{"plain": {`note "outside"`, `note "inside"`}, "silent": {`note "inside"`}} {
		before := len(h.seen())
		vm := h.start("1", "default", argument)
		h.clock.Settle()
		h.clock.Advance(10 * time.Millisecond)
		if o := h.outcome(vm); string(o.Value) != `[1000,0.5,7,"INVALID","INVALID",0.25,true,1000,"INVALID"]` {
			t.Errorf("%s: %s %v", argument, o.Value, o.Error)
		}
		got := slices.DeleteFunc(h.seen()[before:], func(s string) bool { return !strings.HasPrefix(s, "note") })
		if !slices.Equal(got, notes) {
			t.Errorf("%s: %q, want %q", argument, got, notes)
		}
	}
}
