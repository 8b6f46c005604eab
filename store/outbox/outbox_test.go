package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// bench is an outbox on a virtual clock whose deliveries a test decides.
type bench struct {
	t   *testing.T
	clk *clock.Virtual
	st  *store.Store
	box *Outbox

	mu     sync.Mutex
	log    []string // "id@offset"
	answer func(it Item) Result
}

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	b := &bench{t: t, clk: clock.NewVirtual(start), answer: func(Item) Result { return Result{OK: true} }}
	st, err := store.Open(store.Options{InMemory: true, Clock: b.clk})
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	b.st = st
	b.open(o)
	return b
}

// open starts another outbox on the same store.
func (b *bench) open(o Options) {
	b.t.Helper()
	o.Space, o.Clock = b.st.Space("outbox"), b.clk
	if o.Deliver == nil {
		o.Deliver = b.deliver
	}
	box, err := Open(o)
	must(b.t, err)
	b.box = box
	b.t.Cleanup(box.Close)
	box.Start()
}

func (b *bench) deliver(_ context.Context, it Item) Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf("%s@%s", it.ID, b.clk.Now().Sub(start)))
	return b.answer(it)
}

// heard returns and forgets what was delivered.
func (b *bench) heard() []string {
	b.clk.Settle()
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	b.log = nil
	return log
}

func (b *bench) set(f func(it Item) Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

func (b *bench) put(id, queue string) {
	b.t.Helper()
	must(b.t, b.box.Enqueue(Item{ID: id, Queue: queue, Kind: "webhook", Destination: queue, Payload: json.RawMessage(`{"id":"` + id + `"}`)}))
	b.clk.Settle()
}

func (b *bench) want(want ...string) {
	b.t.Helper()
	if got := b.heard(); !slices.Equal(got, want) {
		b.t.Fatalf("delivered %v, want %v", got, want)
	}
}

func (b *bench) state(id string, want State) Item {
	b.t.Helper()
	it, ok, err := b.box.Get(id)
	if err != nil || !ok || it.State != want {
		b.t.Fatalf("%s: %+v %v %v, want %s", id, it, ok, err, want)
	}
	return it
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errBusy = errors.New("503 Service Unavailable")

func TestBackoff(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(Item) Result { return Result{Retry: errBusy} })
	b.put("a", "q")
	b.want("a@0s")
	b.clk.Advance(5*time.Second - 1)
	b.want()
	b.clk.Advance(1)
	b.want("a@5s")
	b.clk.Advance(3 * time.Hour)
	b.want("a@35s", "a@2m35s", "a@12m35s", "a@1h12m35s", "a@2h12m35s")
	if it := b.state("a", Waiting); it.Attempts != 7 || it.LastError != errBusy.Error() || !it.NextAt.Equal(start.Add(3*time.Hour+12*time.Minute+35*time.Second)) {
		t.Fatalf("%+v", it)
	}
	b.clk.Advance(100 * time.Hour)
	log := b.heard()
	if len(log)+7 != MaxAttempts || log[len(log)-1] != "a@72h12m35s" {
		t.Fatalf("%d attempts, the last %s", len(log)+7, log[len(log)-1])
	}
	it := b.state("a", Dead)
	if it.Attempts != MaxAttempts || string(it.Payload) != `{"id":"a"}` || it.Finished.IsZero() {
		t.Fatalf("%+v", it)
	}
	if st := b.box.Stats(); st.Dead != 1 || st.Waiting != 0 || st.Attempts != MaxAttempts || st.Failed != MaxAttempts {
		t.Fatalf("%+v", st)
	}
}

func TestRetryAfter(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(it Item) Result {
		if it.Attempts == 0 {
			return Result{Retry: errBusy, After: 20 * time.Minute}
		}
		return Result{Retry: errBusy, After: 20 * time.Hour} // more than an hour is not waited
	})
	b.put("a", "q")
	b.clk.Advance(90 * time.Minute)
	b.want("a@0s", "a@20m0s", "a@1h20m0s")
}

func TestOrderWithinQueue(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(it Item) Result {
		if it.ID == "a2" && it.Attempts < 2 {
			return Result{Retry: errBusy}
		}
		return Result{OK: true}
	})
	for _, id := range []string{"a1", "a2", "a3", "b1"} {
		b.put(id, id[:1])
	}
	b.put("a4", "a")
	b.want("a1@0s", "a2@0s", "b1@0s")
	b.clk.Advance(time.Minute)
	b.want("a2@5s", "a2@35s", "a3@35s", "a4@35s")
	it := b.state("a2", Delivered)
	if it.Payload != nil || it.Attempts != 3 || it.LastError != "" {
		t.Fatalf("%+v", it)
	}
}

func TestStopAndExpire(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(it Item) Result {
		if it.ID == "gone" {
			return Result{Stop: true, Retry: errors.New("410 Gone")}
		}
		return Result{Retry: errBusy}
	})
	b.put("gone", "q")
	must(t, b.box.Enqueue(Item{ID: "short", Queue: "q", Expires: start.Add(20 * time.Second)}))
	must(t, b.box.Enqueue(Item{ID: "late", Queue: "q", Expires: start.Add(10 * time.Second)}))
	b.clk.Advance(time.Hour)
	b.want("gone@0s", "short@0s", "short@5s")
	if it := b.state("gone", Stopped); it.LastError != "410 Gone" {
		t.Fatalf("%+v", it)
	}
	if it := b.state("short", Dead); !strings.HasPrefix(it.LastError, "expired") || !it.Finished.Equal(start.Add(20*time.Second)) {
		t.Fatalf("%+v", it)
	}
	b.state("late", Dead)
	if err := b.box.Retry("gone"); fault.CodeOf(err) != fault.Conflict {
		t.Fatal(err)
	}
}

func TestEnqueueTwice(t *testing.T) {
	b := newBench(t, Options{})
	b.put("a", "q")
	b.want("a@0s")
	b.put("a", "q") // delivered
	b.set(func(Item) Result { return Result{Retry: errBusy} })
	b.put("b", "q")
	b.put("b", "other") // waiting
	b.want("b@0s")
	if n := b.box.Stats().Enqueued; n != 2 {
		t.Fatalf("%d enqueued", n)
	}
	var wg sync.WaitGroup
	for range 32 { // at once
		wg.Go(func() { b.put("c", "c") })
	}
	wg.Wait()
	b.want("c@0s")
}

func TestRetryDead(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(it Item) Result { return Result{OK: it.ID != "a", Retry: errBusy} })
	b.put("a", "q")
	b.clk.Advance(80 * time.Hour)
	b.state("a", Dead)
	b.heard()
	b.set(func(it Item) Result { return Result{OK: it.ID != "b", Retry: errBusy} })
	b.put("b", "q")
	b.want("b@80h0m0s")
	must(t, b.box.Retry("a"))
	b.want("a@80h0m0s") // in its old place, before b
	b.state("a", Delivered)
	must(t, b.box.Retry("b")) // waiting: now, and from the beginning
	b.want("b@80h0m0s")
	if it := b.state("b", Waiting); it.Attempts != 1 {
		t.Fatalf("%+v", it)
	}
	for id, code := range map[string]fault.Code{"a": fault.Conflict, "nobody": fault.NotFound} {
		if err := b.box.Retry(id); fault.CodeOf(err) != code {
			t.Errorf("%s: %v", id, err)
		}
	}
	if st := b.box.Stats(); st.Dead != 0 || st.Waiting != 1 {
		t.Fatalf("%+v", st)
	}
}

// TestStuckDestination holds deliveries to many destinations and looks whether
// another still gets its own.
func TestStuckDestination(t *testing.T) {
	const workers, perDest = 8, 2
	free := make(chan struct{})
	var running, most, other atomic.Int64
	b := newBench(t, Options{Workers: workers, PerDestination: perDest, Deliver: func(ctx context.Context, it Item) Result {
		if it.Destination != "stuck" {
			other.Add(1)
			return Result{OK: true}
		}
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-free // deaf to its context
		return Result{OK: true}
	}})
	for i := range 50 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint("s", i), Destination: "stuck"}))
	}
	for i := range 50 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint("o", i), Destination: fmt.Sprint("host", i%5)}))
	}
	eventually(t, func() bool { return other.Load() == 50 })
	eventually(t, func() bool { return b.box.Stats().Running == perDest })
	close(free)
	eventually(t, func() bool { return b.box.Stats().Waiting == 0 })
	if most.Load() != perDest {
		t.Fatalf("%d at once to one destination", most.Load())
	}
}

// TestFailingDestination checks that one that fails gets a single attempt at a
// time, and its share again when it has recovered.
func TestFailingDestination(t *testing.T) {
	var running, most atomic.Int64
	fail := atomic.Bool{}
	fail.Store(true)
	gate := make(chan struct{})
	var b *bench
	b = newBench(t, Options{PerDestination: 4, Deliver: func(context.Context, Item) Result {
		n := running.Add(1)
		defer running.Add(-1)
		if fail.Load() {
			return Result{Retry: errBusy}
		}
		most.Store(max(most.Load(), n))
		b.clk.Busy(-1)
		<-gate
		b.clk.Busy(1)
		return Result{OK: true}
	}})
	for i := range 8 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint(i), Destination: "d"}))
	}
	b.clk.Settle()
	fail.Store(false)
	b.clk.Advance(34 * time.Second) // the breaker is open when they are due after 5 s
	if n := running.Load(); n != 0 {
		t.Fatalf("%d attempts while the breaker is open", n)
	}
	b.clk.Advance(time.Second)
	eventually(t, func() bool { return running.Load() == 1 })
	gate <- struct{}{}
	eventually(t, func() bool { return running.Load() == 4 })
	close(gate)
	eventually(t, func() bool { return b.box.Stats().Waiting == 0 })
	if most.Load() != 4 {
		t.Fatalf("%d at once", most.Load())
	}
}

// TestWorkersLimit has half of the workers for those that have not answered yet.
func TestWorkersLimit(t *testing.T) {
	var running, most atomic.Int64
	gate := make(chan struct{})
	b := newBench(t, Options{Workers: 6, Deliver: func(context.Context, Item) Result {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		<-gate
		return Result{OK: true}
	}})
	for i := range 20 {
		must(t, b.box.Enqueue(Item{ID: fmt.Sprint(i), Destination: fmt.Sprint(i)}))
	}
	eventually(t, func() bool { return running.Load() == 3 })
	close(gate)
	eventually(t, func() bool { return b.box.Stats().Waiting == 0 })
	if most.Load() != 3 {
		t.Fatalf("%d at once", most.Load())
	}
}

func TestTimeoutAndPanic(t *testing.T) {
	clk := make(chan *clock.Virtual, 1)
	b := newBench(t, Options{Timeout: 7 * time.Second, Deliver: func(ctx context.Context, it Item) Result {
		if it.ID == "panic" {
			panic("at the receiver's")
		}
		c := <-clk
		clk <- c
		c.Busy(-1)
		<-ctx.Done()
		c.Busy(1)
		return Result{Retry: ctx.Err()}
	}})
	clk <- b.clk
	must(t, b.box.Enqueue(Item{ID: "slow"}))
	must(t, b.box.Enqueue(Item{ID: "panic"}))
	b.clk.Advance(8 * time.Second)
	eventually(t, func() bool { return b.box.Stats().Running == 0 })
	if it := b.state("slow", Waiting); it.Attempts != 1 || !strings.Contains(it.LastError, "no answer in 7s") {
		t.Fatalf("%+v", it)
	}
	if it := b.state("panic", Waiting); it.Attempts != 2 || !strings.Contains(it.LastError, "at the receiver's") {
		t.Fatalf("%+v", it)
	}
}

func TestRestart(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(it Item) Result { return Result{OK: it.ID == "done", Retry: errBusy} })
	b.put("done", "z")
	for _, id := range []string{"a1", "a2", "a3"} {
		b.put(id, "a")
	}
	b.clk.Advance(6 * time.Second)
	b.want("done@0s", "a1@0s", "a1@5s")
	b.box.Close()
	if err := b.box.Enqueue(Item{ID: "closed"}); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	b.clk.Advance(10 * time.Second) // nothing happens
	b.want()
	b.set(func(Item) Result { return Result{OK: true} })
	b.open(Options{})
	b.put("a4", "a")
	b.put("done", "z")
	b.clk.Advance(time.Minute)
	b.want("a1@35s", "a2@35s", "a3@35s", "a4@35s")
	if st := b.box.Stats(); st.Waiting != 0 || st.Dead != 0 {
		t.Fatalf("%+v", st)
	}
}

// TestClockSteps opens after the clock was set back a day, and forward.
func TestClockSteps(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(Item) Result { return Result{Retry: errBusy} })
	b.put("a", "q")
	b.clk.Advance(20 * time.Minute)
	b.heard()
	b.box.Close()
	b.clk = clock.NewVirtual(start.Add(-24 * time.Hour))
	b.open(Options{})
	b.clk.Advance(time.Hour)
	b.want("a@-23h0m0s") // an hour at most, not a day
	b.box.Close()
	b.clk = clock.NewVirtual(start.Add(24 * 365 * time.Hour))
	b.open(Options{})
	b.clk.Advance(time.Second)
	if it := b.state("a", Waiting); it.Attempts != 7 {
		t.Fatalf("a year forward is one attempt, not the end: %+v", it)
	}
}

func TestLists(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(it Item) Result { return Result{OK: it.Queue == "ok", Stop: it.Queue == "stop", Retry: errBusy} })
	for i := range 30 {
		b.put(fmt.Sprintf("%02d", i), []string{"ok", "stop", "wait"}[i%3])
		b.clk.Settle()
	}
	for s, want := range map[State]int{Delivered: 10, Stopped: 10, Waiting: 10, Dead: 0} {
		var ids []string
		for cursor := ""; ; {
			items, next, err := b.box.List(s, 4, cursor)
			must(t, err)
			for _, it := range items {
				ids = append(ids, it.ID)
			}
			if next == "" {
				break
			}
			cursor = next
		}
		if len(ids) != want || !slices.IsSorted(ids) {
			t.Errorf("%s: %v", s, ids)
		}
	}
	for _, c := range []struct{ state, cursor string }{{"other", ""}, {"dead", "x/1"}} {
		if _, _, err := b.box.List(State(c.state), 0, c.cursor); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestSweep(t *testing.T) {
	b := newBench(t, Options{})
	b.set(func(it Item) Result { return Result{OK: it.Queue == "ok", Retry: errBusy} })
	for i := range 300 {
		b.put(fmt.Sprint("ok", i), "ok")
	}
	b.put("dead", "dead")
	b.clk.Advance(80 * time.Hour)
	b.put("young", "ok")
	b.clk.Settle()
	day := 24 * time.Hour
	if n, err := b.box.Sweep(context.Background(), b.clk.Now(), 30*day); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := b.box.Sweep(context.Background(), b.clk.Now(), 3*day); n != 300 || err != nil { // dead for 8 hours only
		t.Fatal(n, err)
	}
	b.clk.Advance(3*day + time.Second)
	if n, err := b.box.Sweep(context.Background(), b.clk.Now(), 3*day); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if st := b.box.Stats(); st.Dead != 0 {
		t.Fatalf("%+v", st)
	}
	b.put("ok1", "ok") // forgotten, so it goes again
	if log := b.heard(); log[len(log)-1] != "ok1@152h0m1s" {
		t.Fatal(log[len(log)-1])
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t, Options{MaxWaiting: 3})
	b.set(func(Item) Result { return Result{Retry: errBusy} })
	for i := range 3 {
		b.put(fmt.Sprint(i), "")
	}
	if err := b.box.Enqueue(Item{ID: "one more"}); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	b.put("0", "") // known, so no more
	if st := b.box.Stats(); st.Waiting != 3 || st.Refused != 1 {
		t.Fatalf("%+v", st)
	}
	for name, c := range map[string]struct {
		it   Item
		code fault.Code
	}{
		"no id":    {Item{}, fault.Invalid},
		"long":     {Item{ID: strings.Repeat("x", MaxName+1)}, fault.Invalid},
		"nul":      {Item{ID: "a", Queue: "\x00"}, fault.Invalid},
		"no JSON":  {Item{ID: "a", Payload: json.RawMessage("{")}, fault.Invalid},
		"too long": {Item{ID: "a", Payload: json.RawMessage(`"` + strings.Repeat("x", MaxPayload) + `"`)}, fault.Limit},
	} {
		if err := b.box.Enqueue(c.it); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// flaky is a space whose writes fail while told to.
type flaky struct {
	Space
	broken atomic.Bool
}

func (f *flaky) Apply(ops ...store.Op) error {
	if f.broken.Load() {
		return fault.New(fault.Unavailable, "disk is full")
	}
	return f.Space.Apply(ops...)
}

func (f *flaky) ApplyLater(done func(error), ops ...store.Op) {
	if f.broken.Load() {
		done(fault.New(fault.Unavailable, "disk is full"))
		return
	}
	f.Space.ApplyLater(done, ops...)
}

// TestStoreFails checks that a full disk neither loses nor repeats nor
// reorders anything.
func TestStoreFails(t *testing.T) {
	clk := clock.NewVirtual(start)
	st, err := store.Open(store.Options{InMemory: true, Clock: clk})
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	space := &flaky{Space: st.Space("outbox")}
	b := &bench{t: t, clk: clk, st: st}
	b.answer = func(it Item) Result {
		space.broken.Store(it.ID == "a1")
		return Result{OK: true}
	}
	box, err := Open(Options{Space: space, Clock: clk, Deliver: b.deliver})
	must(t, err)
	t.Cleanup(box.Close)
	b.box = box
	b.put("a1", "a")
	b.put("a2", "a")
	box.Start()
	b.want("a1@0s")
	clk.Advance(time.Minute)
	b.want() // delivered, only the disk does not know
	if err := box.Enqueue(Item{ID: "new", Queue: "a"}); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	b.state("a1", Waiting)
	space.broken.Store(false)
	clk.Advance(settleDelay)
	b.want("a2@1m5s")
	b.state("a1", Delivered)
	b.put("new", "a")
	b.want("new@1m5s")
}

// TestCloseInterrupts checks that closing ends attempts without counting them.
func TestCloseInterrupts(t *testing.T) {
	entered := make(chan struct{}, 1)
	b := newBench(t, Options{Deliver: func(ctx context.Context, _ Item) Result {
		entered <- struct{}{}
		<-ctx.Done()
		return Result{Retry: ctx.Err()}
	}})
	must(t, b.box.Enqueue(Item{ID: "a"}))
	<-entered
	b.box.Close()
	if it := b.state("a", Waiting); it.Attempts != 0 {
		t.Fatalf("%+v", it)
	}
	b.open(Options{})
	b.want("a@0s")
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	poll, end := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-end:
			t.Fatal("it did not come")
		}
	}
}
