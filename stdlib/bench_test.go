package stdlib

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// What a call costs with the whole standard library loaded: the figures of
// docs/PERFORMANCE.md. A bare goja VM that runs a script of the same size stands
// beside each, in the same run.

const callFacts = `{"handle":"a","id":"1","direction":"inbound","from":{"uri":"sip:a@b","user":"a","host":"b"},"to":{"uri":"sip:c@d","user":"c","host":"d"},
"remote":{"uri":"sip:a@b","user":"a","host":"b"},"headers":[],"data":{"order":"4031"},"script":"s","startedAt":"2026-11-21T10:00:00Z","state":"ringing","language":"ru-RU"}`

// everything imports every module and touches the globals, as the largest
// scripts do, and then waits for a key.
func everything() string {
	var b strings.Builder
	n := 0
	for module := range Exports() {
		if module != "loopstart:test" {
			fmt.Fprintf(&b, "const m%d = require(%q);\n", n, module)
			n++
		}
	}
	b.WriteString(`
exports.default = async (call) => {
  const used = [new URL("https://a.ru/?x=1").searchParams.get("x"), new Intl.NumberFormat("ru").format(1234.5), typeof fetch, structuredClone({ a: 1 }), new TextEncoder().encode("a").length];
  await call.answer();
  const choice = await call.menu({ prompt: ["Заказ", { digits: call.data.order }], choices: { 1: "a" } });
  call.result = [used, choice.value];
};
`)
	return b.String()
}

// bare is what a script of that size is without anything of ours.
const bare = `(function (call) {
  const used = ["1", (1234.5).toFixed(2), typeof call, JSON.parse('{"a":1}'), "a".length];
  return new Promise(() => {}).then(() => used);
})`

// benchWorker is a worker in memory whose requests are answered, but for those of
// menu, which stay open.
type benchWorker struct {
	b       *testing.B
	clk     *clock.Virtual
	conn    message.Conn
	next    uint64
	waiting atomic.Int64
}

func newBenchWorker(b *testing.B, guard string) *benchWorker {
	return newBenchWorkerOf(b, guard, everything())
}

func newBenchWorkerOf(b *testing.B, guard, source string) *benchWorker {
	w := &benchWorker{b: b, clk: clock.NewVirtual(scripttest.Start)}
	conn, workerEnd := message.Pipe(w.clk)
	w.conn = conn
	o := Worker(runtime.Options{Clock: w.clk, Lanes: 1, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = runtime.ServeConn(ctx, workerEnd, o)
	}()
	go w.read()
	b.Cleanup(func() {
		cancel()
		_ = conn.Close()
		<-served
	})
	w.send(message.Load, 0, 0, message.Bundle{Script: "s", Version: "1", Source: source, Guard: guard,
		Env: message.Environment{Country: "RU", Zone: "Europe/Moscow", Language: "ru-RU"}, Limits: message.Limits{Heap: 1 << 40, SliceCPU: 1 << 50}})
	return w
}

func (w *benchWorker) send(kind message.Kind, vm uint64, seq uint32, body any) {
	f, err := message.Encode(kind, vm, seq, body)
	if err == nil {
		err = w.conn.Send(f)
	}
	if err != nil {
		w.b.Error(err)
	}
}

func (w *benchWorker) read() {
	for {
		f, err := w.conn.Receive()
		if err != nil {
			return
		}
		var q message.Request
		switch {
		case f.Kind == message.Done:
			var o message.Outcome
			if err := f.Decode(&o); err != nil || o.Error != nil && !strings.HasSuffix(o.Error.Message, "killed") {
				w.b.Errorf("a call ended: %v %+v", err, o.Error)
			}
		case f.Kind != message.Call || f.Seq == 0:
		case f.Decode(&q) == nil && q.Method != "call.menu":
			w.send(message.Settle, f.VM, f.Seq, message.Answer{Value: json.RawMessage(`{}`)})
		default:
			w.waiting.Add(1)
		}
	}
}

// start begins a call that comes to wait for a key.
func (w *benchWorker) start() uint64 {
	w.next++
	w.send(message.Start, w.next, 0, message.Entry{Script: "s", Version: "1", Export: "default", Argument: json.RawMessage(callFacts), Now: scripttest.Start})
	return w.next
}

func heap() int64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkIdleCalls reports what one of many calls that wait for a key keeps,
// under each guard, and how many times that of a bare VM it is.
func BenchmarkIdleCalls(b *testing.B) {
	program := goja.MustCompile("", bare, true)
	for _, calls := range []int{1000, 10_000} {
		for _, guard := range []string{"light", "full"} {
			if guard == "full" && calls > 1000 {
				continue // the same per call, and gigabytes together
			}
			b.Run(fmt.Sprintf("calls=%d/%s", calls, guard), func(b *testing.B) {
				for b.Loop() {
					w := newBenchWorker(b, guard)
					w.start() // compiles
					w.clk.Settle()
					before := heap()
					for range calls {
						w.start()
					}
					w.clk.Settle()
					ours := float64(heap()-before) / float64(calls)
					if n := w.waiting.Load(); n != int64(calls)+1 {
						b.Fatalf("%d calls wait", n)
					}
					b.ReportMetric(ours/1024, "KB/call")
					b.ReportMetric(ours/bareMemory(program), "x-bare")
				}
			})
		}
	}
}

// bareMemory is what a bare VM keeps.
func bareMemory(program *goja.Program) float64 {
	const vms = 500
	kept := make([]*goja.Runtime, vms)
	before := heap()
	for i := range kept {
		kept[i] = startBare(program)
	}
	size := float64(heap()-before) / vms
	goruntime.KeepAlive(kept)
	return size
}

func startBare(program *goja.Program) *goja.Runtime {
	rt := goja.New()
	v, err := rt.RunProgram(program)
	if err == nil {
		fn, _ := goja.AssertFunction(v)
		_, err = fn(goja.Undefined(), rt.NewObject())
	}
	if err != nil {
		panic(err)
	}
	return rt
}

// BenchmarkCallStart is a call from its Start frame until it waits for a key,
// with all modules loaded; "bare" is a goja VM that runs a script of that size.
func BenchmarkCallStart(b *testing.B) {
	for _, guard := range []string{"light", "full"} {
		b.Run(guard, func(b *testing.B) {
			w := newBenchWorker(b, guard)
			w.start()
			w.clk.Settle()
			b.ReportAllocs()
			for b.Loop() {
				vm := w.start()
				w.clk.Settle()
				w.send(message.End, vm, 0, message.Ending{Reason: "killed", Now: true})
				w.clk.Settle()
			}
		})
	}
	b.Run("bare", func(b *testing.B) {
		program := goja.MustCompile("", bare, true)
		b.ReportAllocs()
		for b.Loop() {
			startBare(program)
		}
	})
}

// BenchmarkModuleLoad is a worker that gets a version and runs its first call:
// all modules are compiled and loaded.
func BenchmarkModuleLoad(b *testing.B) {
	for b.Loop() {
		w := newBenchWorker(b, "light")
		w.start()
		w.clk.Settle()
	}
}

// BenchmarkVerb is one awaited verb of a call, there and back, in memory:
// runtime/supervisor measures it between processes.
func BenchmarkVerb(b *testing.B) {
	const each = 1000 // in one call, whose start is a part of the figure; more would be over its memory budget
	for left := b.N; left > 0; left -= each {
		awaitVerbs(b, min(left, each))
	}
}

func awaitVerbs(b *testing.B, n int) {
	o, _ := scripttest.Run{
		Source:   fmt.Sprintf(`for (let i = 0; i < %d; i++) await call.say("a");`, n),
		Argument: json.RawMessage(callFacts), Options: Worker(runtime.Options{}),
		Host: func(*scripttest.Host, message.Request, uint32) (any, error) {
			return json.RawMessage(`{"completed":true,"playedMs":10,"percent":100}`), nil
		},
	}.Do(b)
	if o.Error != nil {
		b.Fatal(o.Error)
	}
}

// bundled is a short script as esbuild writes it, with its helpers.
const bundled = `"use strict";
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

// quick.ts
var quick_exports = {};
__export(quick_exports, {
  default: () => quick_default
});
module.exports = __toCommonJS(quick_exports);
var quick_default = async (call) => {
  await call.answer();
  await call.play("tone:440/200ms");
};
`

// BenchmarkShortCall is a whole script that answers, plays and ends, from its
// Start frame to its outcome.
func BenchmarkShortCall(b *testing.B) {
	w := newBenchWorkerOf(b, "light", bundled)
	w.start()
	w.clk.Settle()
	b.ReportAllocs()
	for b.Loop() {
		w.start()
		w.clk.Settle()
	}
}
