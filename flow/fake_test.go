package flow

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
	"github.com/loopstart/loopstart/store"
)

var begin = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// world is a store, a clock, and code in the place of scripts.
type world struct {
	t     *testing.T
	clk   *clock.Virtual
	store *store.Store
	r     *Runner

	mu      sync.Mutex
	program []journal.Asked // what the code asks for, one after the other
	version string
	orders  map[string]json.RawMessage // placed calls and their results
	placed  int
	works   map[string]int // how often each step was done
	fails   int            // how often steps throw before they do not
	place   error          // of Place
	hold    bool           // steps do not end
	held    []*code
	ids     int
	freed   []string
	// crash ends the program at the n-th request, before or behind its effect.
	crashAt     int
	crashBehind bool
	requests    int
	crashed     bool
}

func newWorld(t *testing.T, program ...journal.Asked) *world {
	clk := clock.NewVirtual(begin)
	st, err := store.Open(store.Options{InMemory: true, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clk: clk, store: st, program: program, version: "v1", orders: map[string]json.RawMessage{}, works: map[string]int{}}
	w.open()
	t.Cleanup(func() {
		w.r.Close()
		_ = st.Close()
	})
	return w
}

// open starts the program.
func (w *world) open() {
	r, err := Open(Options{
		Space: w.store.Space("flows"), Clock: w.clk, Log: slog.New(slog.DiscardHandler), Host: w, Seed: func(string) []byte { return make([]byte, 32) },
		NewID: func() string { w.mu.Lock(); defer w.mu.Unlock(); w.ids++; return fmt.Sprintf("F%05d", w.ids) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.r = r
	r.Start()
}

// restart ends the program and starts it again.
func (w *world) restart() {
	w.r.Close()
	w.open()
	w.clk.Settle()
}

func (w *world) Code(script string, _ json.RawMessage) (string, string, error) {
	if script != "order" {
		return "", "", fault.New(fault.NotFound, "no script %q", script)
	}
	return w.version, "default", nil
}

func (w *world) Run(f Flow, wake journal.Wake, s *Session) (VM, error) {
	if f.Version == "gone" {
		return nil, fault.New(fault.NotFound, "script order has no version gone")
	}
	c := &code{w: w, s: s, wake: wake, results: map[int]journal.Entry{}}
	for _, e := range wake.Settled {
		c.results[e.N] = e
	}
	c.seen = len(wake.Settled)
	c.next()
	return c, nil
}

func (w *world) Place(_ Flow, e journal.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.place != nil {
		return w.place
	}
	if _, ok := w.orders[e.Order]; !ok {
		w.orders[e.Order] = nil
		w.placed++
	}
	return nil
}

func (w *world) Called(order string) (json.RawMessage, bool, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	result, found := w.orders[order]
	return result, len(result) > 0, found, nil
}

func (w *world) Release(order string, hangup bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.freed = append(w.freed, fmt.Sprint(order, hangup))
}

// over ends the call of an order.
func (w *world) over(flow string, n int) {
	w.mu.Lock()
	w.orders[fmt.Sprint(flow, "-", n)] = json.RawMessage(`{"outcome":"delivered"}`)
	w.mu.Unlock()
	w.r.Over(flow, n)
	w.clk.Settle()
}

// code is a program that runs along a journal.
type code struct {
	w       *world
	s       *Session
	wake    journal.Wake
	results map[int]journal.Entry
	seen    int
	seq     uint32
	dead    bool
}

// next asks for the first thing without a result; it runs on the flow's
// goroutine.
func (c *code) next() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for i, a := range c.w.program {
		n := i + 1
		e, done := c.results[n]
		if done && !e.Same(a.Kind, a.Name) {
			c.send("flow.changed", journal.Changed{N: n, Want: e.What(), Got: journal.What(a.Kind, a.Name)})
			return
		}
		if done && e.Error == nil {
			continue
		}
		if done {
			c.s.Done(nil, &journal.Problem{Code: "SCRIPT", Message: e.Error.Message}, false)
			return
		}
		a.N = n
		open := slices.ContainsFunc(c.wake.Open, func(e journal.Entry) bool { return e.N == n })
		switch {
		case open && (a.Kind != journal.Step || slices.Contains(c.wake.Held, n)):
			c.idle()
		case a.Kind != journal.Step:
			if !a.Until.IsZero() {
				a.Until = begin.Add(a.Until.Sub(time.Time{}))
			}
			c.send("flow.wait", a)
		case c.w.hold:
			c.w.held = append(c.w.held, c)
		default:
			c.w.works[a.Name]++
			a.Value = json.RawMessage(fmt.Sprintf(`"%s done"`, a.Name))
			if c.w.fails > 0 {
				c.w.fails--
				a.Value, a.Error = nil, &journal.Problem{Code: "SCRIPT", Message: "no"}
			}
			c.send("flow.done", a)
		}
		return
	}
	c.s.Done(json.RawMessage(`"end"`), nil, false)
}

func (c *code) idle() {
	if c.wake.Ask > 0 {
		c.send("flow.asked", journal.Answer{N: c.wake.Ask, Skip: "enough"})
	}
	c.send("flow.idle", journal.Idle{Seen: c.seen, Open: 1})
}

// send makes a request, unless the program dies of it; the world's lock is held.
func (c *code) send(method string, body any) {
	raw, _ := json.Marshal(body)
	c.seq++
	c.w.requests++
	if c.w.requests == c.w.crashAt && !c.w.crashBehind {
		c.w.crashed = true
	}
	if c.w.crashed {
		return
	}
	c.s.Request(c.seq, method, raw, "order.ts:1:1")
}

func (c *code) Settle(_ uint32, value any, err error) {
	c.w.mu.Lock()
	if c.w.requests == c.w.crashAt && c.w.crashBehind {
		c.w.crashed = true
	}
	dead := c.dead || c.w.crashed || err != nil
	c.w.mu.Unlock()
	if dead {
		return
	}
	if e, ok := value.(journal.Entry); ok {
		c.take(e)
		return
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if last := len(c.w.program); c.seq > 0 && last > 0 {
		c.s.Request(c.seq+1000, "flow.idle", json.RawMessage(fmt.Sprintf(`{"seen":%d,"open":1}`, c.seen)), "")
	}
}

func (c *code) take(e journal.Entry) {
	c.results[e.N] = e
	c.seen++
	c.next()
}

func (c *code) Tell(e journal.Entry) {
	if !c.dead {
		c.take(e)
	}
}

func (c *code) Kill() { c.dead = true }

func step(name string) journal.Asked { return journal.Asked{Kind: journal.Step, Name: name} }

// after is a time so long after the beginning.
func after(d time.Duration) time.Time { return time.Time{}.Add(d) }

func sleep(d time.Duration) journal.Asked { return journal.Asked{Kind: journal.Sleep, Until: after(d)} }

func event(name string, d time.Duration) journal.Asked {
	return journal.Asked{Kind: journal.Event, Name: name, Until: after(d)}
}

func dial() journal.Asked {
	return journal.Asked{Kind: journal.Call, Name: "order", Ask: json.RawMessage(`{}`)}
}

func (w *world) begin(key string) Started {
	w.t.Helper()
	var out Started
	var err error
	done := make(chan struct{})
	w.r.Begin(journal.Start{Script: "order", Key: key, Data: json.RawMessage(`{"a":1}`)}, func(s Started, e error) { out, err = s, e; close(done) })
	<-done
	if err != nil {
		w.t.Fatal(err)
	}
	w.clk.Settle()
	return out
}

// told waits for what is answered by an error.
func (w *world) told(begin func(done func(error))) error {
	got := make(chan error, 1)
	begin(func(err error) { got <- err })
	err := <-got
	w.clk.Settle()
	return err
}

func (w *world) signal(key, name string) error {
	return w.told(func(done func(error)) {
		w.r.Signal(journal.Signal{Script: "order", Key: key, Event: name, Data: json.RawMessage(`7`)}, done)
	})
}

func (w *world) retry(key, version string) error {
	return w.told(func(done func(error)) { w.r.Retry("order", key, version, "default", done) })
}

func (w *world) show(key string) Shown {
	w.t.Helper()
	f, err := w.r.Show("order", key)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// text is a flow and its journal, for comparing.
func (w *world) text(key string) string {
	f := w.show(key)
	f.Seen, f.Ran, f.Crashes = 0, 0, 0
	raw, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}
