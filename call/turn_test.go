package call

import (
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// turns makes a connect to x whose line comes after wait, or never.
func turns(w *world, wait time.Duration, refused error) (free *atomic.Int32, r *reply) {
	free = new(atomic.Int32)
	w.answer()
	w.callees["x"] = answers(w, time.Second)
	w.seize = func() (func(), time.Duration, error) { return func() { free.Add(1) }, wait, refused }
	return free, w.do(func(l *Leg, v Verb) { l.Connect(connectTo("x"), v) })
}

// TestATurn: the INVITE leaves when it is the dial's turn on the trunk.
func TestATurn(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	_, r := turns(w, 2*time.Second, nil)
	w.pass(1900 * time.Millisecond)
	if w.dialledTo("x") {
		t.Fatal("dialled before its turn\n" + w.story())
	}
	w.pass(2 * time.Second)
	if !w.dialledTo("x") || !strings.Contains(w.story(), "waits 2s for its turn on x") {
		t.Fatal("not dialled\n" + w.story())
	}
	hearEachOther(t, w, caller, w.callee("x"))
	caller.bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) {
		t.Fatal(got)
	}
}

// TestATurnThatNobodyWaitsFor: a caller who leaves, and a ring time that is over,
// before the turn comes. The line is free again, and nothing is sent.
func TestATurnThatNobodyWaitsFor(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	free, r := turns(w, 3*time.Second, nil)
	w.pass(time.Second)
	caller.bye()
	w.pass(5 * time.Second)
	if w.dialledTo("x") || !comesTo(free, 1) {
		t.Fatalf("free %d\n%s", free.Load(), w.story())
	}
	if got := r.get(); !strings.Contains(got, `"status":"abandoned"`) {
		t.Fatal(got)
	}
}

// TestALineThatIsRefused: the result and the timeline say which limit it was.
func TestALineThatIsRefused(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	_, r := turns(w, 0, fault.New(fault.Limit, "trunks.t.max_calls: 1 calls at once"))
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"failed","code":503,"ringMs":0,"reason":"trunks.t.max_calls: 1 calls at once"`) {
		t.Error(got)
	}
	found := false
	for _, e := range w.call.Timeline().Entries() {
		found = found || e.Kind == "state" && e.Leg == "a" && e.Detail == "not dialled: x: trunks.t.max_calls: 1 calls at once"
	}
	if !found {
		t.Error(w.story())
	}
	d := w.do(func(l *Leg, v Verb) { l.call.Dial(1, DialRequest{Target: "x", Timeout: time.Second}, v) })
	w.pass(time.Second)
	if got := d.get(); !strings.Contains(got, `"Reason":"trunks.t.max_calls: 1 calls at once"`) {
		t.Error(got)
	}
}

// TestATurnThatComesToNothing: what cannot be sent when its turn has come goes to
// the next trunk, and fails when there is none.
func TestATurnThatComesToNothing(t *testing.T) {
	for target, want := range map[string]string{
		"gone": `"status":"failed","code":503,"ringMs":1000,"reason":"unreachable"`, "gone|x": `"status":"completed"`,
	} {
		w := newWorld(t)
		caller := w.inbound(Spec{})
		w.answer()
		w.callees["x"] = answers(w, time.Second)
		var free atomic.Int32
		w.seize = func() (func(), time.Duration, error) { return func() { free.Add(1) }, time.Second, nil }
		r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo(target), v) })
		w.pass(5 * time.Second)
		caller.bye()
		w.pass(time.Second)
		lines := int32(strings.Count(target, "|") + 1)
		if got := r.get(); !strings.Contains(got, want) || !comesTo(&free, lines) {
			t.Errorf("%s: free %d, %s\n%s", target, free.Load(), got, w.story())
		}
	}
}

// comesTo waits for a count of lines given back: the goroutine that reads a phone's
// events gives its line back when there are no more, in no time of the clock.
func comesTo(n *atomic.Int32, want int32) bool {
	for until := time.Now().Add(10 * time.Second); n.Load() != want && time.Now().Before(until); {
		runtime.Gosched()
	}
	return n.Load() == want
}

// dialledTo tells whether an INVITE went to a place.
func (w *world) dialledTo(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.dialled, func(p *phone) bool { return p.name == name })
}
