package runtime

import (
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime/message"
)

// benchScript is of the size of a real one: about 280 lines after bundling.
var benchScript = `
class Menu { constructor(call) { this.call = call } async run() { return host("call.menu", { prompt: "Здравствуйте" }) } }
` + repeat(30, `
async function partN(call, step) {
	const answer = await host("call.gather", { prompt: ["Шаг", { number: step }], digits: 1 });
	if (answer === undefined) return;
	for (let i = 0; i < 3; i++) {
		await host("call.say", { text: "Повторите, пожалуйста" });
	}
	return answer.digits;
}
`) + `
exports.default = async (call) => { const menu = new Menu(call); await menu.run(); await part1(call, 1); };
`

func repeat(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(text, "partN", "part"+strconv.Itoa(i)))
	}
	return b.String()
}

// BenchmarkVMStart is a VM from its Start frame to its first request and to
// its end.
func BenchmarkVMStart(b *testing.B) {
	h := testHost(b)
	h.load("1", benchScript)
	if vm := h.start("1", "default", nil); h.ended(vm) {
		b.Fatal(h.outcome(vm).Error)
	}
	b.ReportAllocs()
	for b.Loop() {
		vm := h.start("1", "default", nil)
		h.clock.Settle()
		h.send(message.End, vm, 0, message.Ending{Reason: "killed", Now: true})
		h.clock.Settle()
	}
}

// BenchmarkSlice is one event to an idle VM: what a slice costs beside the
// script itself.
func BenchmarkSlice(b *testing.B) {
	h := testHost(b)
	h.load("1", `exports.default = () => { on("x", () => {}); return new Promise(() => {}) }`)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	b.ReportAllocs()
	for b.Loop() {
		h.send(message.Event, vm, 0, message.Notice{Name: "x"})
		h.clock.Settle()
	}
}

// BenchmarkIdleVM reports what one of a thousand waiting VMs keeps.
func BenchmarkIdleVM(b *testing.B) {
	const vms = 1000
	for b.Loop() {
		h := testHost(b)
		h.load("1", benchScript)
		h.clock.Settle()
		before, stacks, goroutines := memory()
		for range vms {
			h.start("1", "default", nil)
		}
		h.clock.Settle()
		after, stacksAfter, goroutinesAfter := memory()
		b.ReportMetric(float64(after-before)/vms, "heap-bytes/VM")
		b.ReportMetric(float64(stacksAfter-stacks)/vms, "stack-bytes/VM")
		b.ReportMetric(float64(goroutinesAfter-goroutines), "goroutines")
		goruntime.KeepAlive(h)
	}
}

func memory() (heap, stacks int64, goroutines int) {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse), goruntime.NumGoroutine()
}

// TestIdleVMsHaveNoGoroutine holds the claim of the run queue.
func TestIdleVMsHaveNoGoroutine(t *testing.T) {
	h := testHost(t)
	h.load("1", benchScript)
	h.start("1", "default", nil)
	h.clock.Settle()
	before := goruntime.NumGoroutine()
	for range 200 {
		h.start("1", "default", nil)
	}
	h.clock.Settle()
	if after := goruntime.NumGoroutine(); after > before+5 { // the watch's tick may be one
		t.Fatalf("%d goroutines for 200 idle VMs", after-before)
	}
	if _, pending := h.clock.Next(); pending {
		t.Fatal("an idle VM has a timer")
	}
}

// BenchmarkWatch is the guard around a slice alone.
func BenchmarkWatch(b *testing.B) {
	w := newWatch(1)
	vm := bareVM(b)
	vm.budget.capacity = 1 << 40
	b.ReportAllocs()
	for b.Loop() {
		w.begin(w.lanes[0], vm)
		if why := w.end(w.lanes[0]); why != nil {
			b.Fatal(why)
		}
	}
}
