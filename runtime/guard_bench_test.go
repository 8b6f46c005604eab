package runtime

import (
	goruntime "runtime"
	"testing"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime/message"
)

// BenchmarkGuards is what the guards cost beside a bare goja VM, in one run:
// the start of a VM, the memory that it keeps, and ordinary work in built-ins.
func BenchmarkGuards(b *testing.B) {
	work := map[string]string{
		"text":    `let s = 0; for (let i = 0; i < 1000; i++) s += "a,b,c".split(",").map(x => x.padStart(3, "0")).join("-").length; s`,
		"json":    `let n = 0; const o = { a: [1, 2, { b: "text" }], c: "d" }; for (let i = 0; i < 300; i++) n += JSON.stringify(JSON.parse(JSON.stringify(o))).length; n`,
		"replace": `let n = 0; for (let i = 0; i < 300; i++) n += "+7 (912) 000-11-22".replace(/\D/g, "").length; n`,
		"spread":  `let n = 0; const a = [1, 2, 3]; for (let i = 0; i < 1000; i++) n += Math.max(...a, ...[...a]); n`,
		"loop":    `let n = 0; for (let i = 0; i < 20000; i++) n += i % 7; n`,
	}
	for name, source := range work {
		b.Run("work="+name+"/bare", func(b *testing.B) {
			program := goja.MustCompile("", "(function () {"+source+"})", true)
			rt := goja.New()
			v, err := rt.RunProgram(program)
			if err != nil {
				b.Fatal(err)
			}
			fn, _ := goja.AssertFunction(v)
			for b.Loop() {
				if _, err := fn(goja.Undefined()); err != nil {
					b.Fatal(err)
				}
			}
		})
		for guardName, guard := range map[string]Guard{"light": Light, "full": Full} {
			b.Run("work="+name+"/"+guardName, func(b *testing.B) {
				h := newHost(b, testOptions(guard))
				h.limits = message.Limits{Heap: 1 << 50, SliceCPU: 1 << 40}
				h.load("1", `exports.default = () => { on("x", () => {`+source+`}); return new Promise(() => {}) }`)
				vm := h.start("1", "default", nil)
				h.clock.Settle()
				for b.Loop() {
					h.send(message.Event, vm, 0, message.Notice{Name: "x"})
					h.clock.Settle()
				}
			})
		}
	}
}

func BenchmarkGuardStart(b *testing.B) {
	for name, guard := range map[string]Guard{"light": Light, "full": Full} {
		b.Run(name, func(b *testing.B) {
			h := newHost(b, testOptions(guard))
			h.load("1", benchScript)
			b.ReportAllocs()
			for b.Loop() {
				vm := h.start("1", "default", nil)
				h.clock.Settle()
				h.send(message.End, vm, 0, message.Ending{Reason: "killed", Now: true})
				h.clock.Settle()
			}
		})
	}
	b.Run("bare", func(b *testing.B) {
		program := goja.MustCompile("", "(function (exports) {"+benchScript+"})", true)
		b.ReportAllocs()
		for b.Loop() {
			rt := goja.New()
			v, err := rt.RunProgram(program)
			if err != nil {
				b.Fatal(err)
			}
			fn, _ := goja.AssertFunction(v)
			if _, err := fn(goja.Undefined(), rt.NewObject()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkGuardMemory reports what one of five hundred waiting VMs keeps.
func BenchmarkGuardMemory(b *testing.B) {
	const vms = 500
	for name, guard := range map[string]Guard{"light": Light, "full": Full} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h := newHost(b, testOptions(guard))
				h.load("1", benchScript)
				h.clock.Settle()
				before, _, _ := memory()
				for range vms {
					h.start("1", "default", nil)
				}
				h.clock.Settle()
				after, _, _ := memory()
				b.ReportMetric(float64(after-before)/vms/1024, "KB/VM")
				goruntime.KeepAlive(h)
			}
		})
	}
}

// BenchmarkGuardSlice is an event to an idle VM under each guard.
func BenchmarkGuardSlice(b *testing.B) {
	for name, guard := range map[string]Guard{"light": Light, "full": Full} {
		b.Run(name, func(b *testing.B) {
			h := newHost(b, testOptions(guard))
			h.load("1", `exports.default = () => { on("x", () => {}); return new Promise(() => {}) }`)
			vm := h.start("1", "default", nil)
			h.clock.Settle()
			for b.Loop() {
				h.send(message.Event, vm, 0, message.Notice{Name: "x"})
				h.clock.Settle()
			}
		})
	}
}

// TestFullGuardPrice holds the price that docs/SANDBOX.md names.
func TestFullGuardPrice(t *testing.T) {
	const vms, most = 100, 400 << 10
	keeps := func(guard Guard) int64 {
		h := newHost(t, testOptions(guard))
		h.load("1", benchScript)
		h.start("1", "default", nil)
		h.clock.Settle()
		before, _, _ := memory()
		for range vms {
			h.start("1", "default", nil)
		}
		h.clock.Settle()
		after, _, _ := memory()
		goruntime.KeepAlive(h)
		return (after - before) / vms
	}
	light, full := keeps(Light), keeps(Full)
	t.Logf("light %d KB, full %d KB a VM", light>>10, full>>10)
	if full-light > most {
		t.Fatalf("the full guard keeps %d KB more than the light one", (full-light)>>10)
	}
}
