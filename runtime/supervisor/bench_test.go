package supervisor

import (
	"testing"

	"github.com/loopstart/loopstart/runtime/message"
)

// counter is a Handler that answers everything at once.
type counter struct{ done chan message.Outcome }

func (c *counter) Request(vm *Instance, seq uint32, r message.Request) {
	if seq != 0 {
		vm.Settle(seq, r.Args, nil)
	}
}
func (c *counter) Update(message.State)   {}
func (c *counter) Done(o message.Outcome) { c.done <- o }

// BenchmarkHostCall is one awaited host call of a script in a worker process,
// there and back.
func BenchmarkHostCall(b *testing.B) {
	f := newFixture(b, nil)
	c := &counter{done: make(chan message.Outcome, 1)}
	run := spec("a", `exports.default = async n => { for (let i = 0; i < n; i++) await host("kv.get", {key: "a"}) }`, b.N)
	bundle := run.Bundle()
	bundle.Limits.Heap = 1 << 40
	run.Bundle = func() message.Bundle { return bundle }
	if err := f.Preload(run); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := f.Start(run, c); err != nil {
		b.Fatal(err)
	}
	if o := <-c.done; o.Error != nil {
		b.Fatal(o.Error)
	}
}

// BenchmarkStartToDone is a whole script that asks one thing, in a warm worker.
func BenchmarkStartToDone(b *testing.B) {
	f := newFixture(b, nil)
	c := &counter{done: make(chan message.Outcome, 1)}
	for b.Loop() {
		if _, err := f.Start(spec("a", echos, 1), c); err != nil {
			b.Fatal(err)
		}
		if o := <-c.done; o.Error != nil {
			b.Fatal(o.Error)
		}
	}
}

// BenchmarkWorkerStart is a new worker process up to its first result.
func BenchmarkWorkerStart(b *testing.B) {
	for b.Loop() {
		f := newFixture(b, nil)
		c := &counter{done: make(chan message.Outcome, 1)}
		if _, err := f.Start(spec("a", echos, 1), c); err != nil {
			b.Fatal(err)
		}
		<-c.done
		f.Close()
	}
}

// BenchmarkHostCallBesideNeighbours is one awaited host call of a script while
// fifty calls of the same worker do ordinary work, under each guard.
func BenchmarkHostCallBesideNeighbours(b *testing.B) {
	const neighbours = 50
	const busy = `for (;;) {
		JSON.stringify({ a: [1, 2, 3].map(x => String(x).padStart(5, "0")) });
		await host("kv.get", { key: "a" });
		await new Promise(r => setTimeout(r, 20));
	}`
	const source = `exports.default = async n => { if (n < 0) { ` + busy + ` } for (let i = 0; i < n; i++) await host("kv.get", { key: "a" }) }`
	for _, guard := range []string{"light", "full"} {
		b.Run(guard, func(b *testing.B) {
			f := newFixture(b, nil)
			with := func(n int) Spec {
				s := spec("a", source, n)
				bundle := s.Bundle()
				bundle.Limits.Heap, bundle.Guard = 1<<40, guard
				s.Bundle = func() message.Bundle { return bundle }
				return s
			}
			if err := f.Preload(with(0)); err != nil {
				b.Fatal(err)
			}
			for range neighbours {
				if _, err := f.Start(with(-1), &counter{done: make(chan message.Outcome, 1)}); err != nil {
					b.Fatal(err)
				}
			}
			c := &counter{done: make(chan message.Outcome, 1)}
			b.ResetTimer()
			if _, err := f.Start(with(b.N), c); err != nil {
				b.Fatal(err)
			}
			if o := <-c.done; o.Error != nil {
				b.Fatal(o.Error)
			}
		})
	}
}
