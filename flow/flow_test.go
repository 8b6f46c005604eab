package flow

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/journal"
)

// twoDays is a flow with everything in it.
func twoDays() []journal.Asked {
	return []journal.Asked{step("sms"), sleep(24 * time.Hour), event("paid", 25*time.Hour), step("crm"), dial(), event("early", 0), sleep(48 * time.Hour), step("task")}
}

// runTwoDays drives that flow; between looks everything that is due has happened.
func runTwoDays(t *testing.T, w *world, between func()) string {
	t.Helper()
	f := w.begin("77")
	between()
	if err := w.signal("77", "early"); err != nil {
		t.Fatal(err)
	}
	between()
	for range 400 { // hours, and some
		if w.show("77").State != Running {
			break
		}
		w.clk.Advance(15 * time.Minute)
		w.clk.Settle()
		between()
		if n := w.clk.Now().Sub(begin); n >= 30*time.Hour {
			if _, _, found, _ := w.Called(f.ID + "-5"); found {
				w.over(f.ID, 5)
				between()
			}
		}
	}
	return w.text("77")
}

func TestTwoDays(t *testing.T) {
	w := newWorld(t, twoDays()...)
	got := runTwoDays(t, w, func() {})
	f := w.show("77")
	if f.State != Done || string(f.Result) != `"end"` || len(f.Journal) != 8 || f.Ended.Sub(begin) != 48*time.Hour {
		t.Fatal(got)
	}
	for i, want := range []struct {
		at    time.Duration
		value string
	}{{0, `"sms done"`}, {24 * time.Hour, ``}, {25 * time.Hour, ``}, {25 * time.Hour, `"crm done"`}, {30 * time.Hour, `{"outcome":"delivered"}`}, {30 * time.Hour, `7`}, {48 * time.Hour, ``}, {48 * time.Hour, `"task done"`}} {
		e := f.Journal[i]
		if e.N != i+1 || e.Seq != i+1 || e.At.Sub(begin) != want.at || string(e.Value) != want.value {
			t.Errorf("entry %d: %+v, value %s", i+1, e, e.Value)
		}
	}
	if st := w.r.Stats(); st.Running != 0 || st.Awake != 0 || st.Done != 1 || st.Started != 1 || len(f.Mail) != 0 {
		t.Errorf("%+v %v", st, f.Mail)
	}
}

// TestRestartBetweenEverything restarts the program whenever nothing is in
// flight: the journal is the same to the byte.
func TestRestartBetweenEverything(t *testing.T) {
	want := runTwoDays(t, newWorld(t, twoDays()...), func() {})
	w := newWorld(t, twoDays()...)
	got := runTwoDays(t, w, w.restart)
	if got != want {
		t.Errorf("with restarts:\n%s\nwithout:\n%s", got, want)
	}
	if w.placed != 1 || w.works["sms"] != 1 {
		t.Errorf("%d calls placed, steps %v", w.placed, w.works)
	}
}

// TestCrashAtEveryRequest kills the program at each request of the code, once
// before it has an effect and once behind: the journal comes out the same, no
// step is done again whose result was written, and no call is placed twice.
func TestCrashAtEveryRequest(t *testing.T) {
	clean := newWorld(t, twoDays()...)
	want := runTwoDays(t, clean, func() {})
	for _, behind := range []bool{false, true} {
		for at := 1; at <= clean.requests; at++ {
			w := newWorld(t, twoDays()...)
			w.crashAt, w.crashBehind = at, behind
			got := runTwoDays(t, w, func() {
				w.mu.Lock()
				crashed := w.crashed
				w.crashed = false
				if crashed {
					w.crashAt = 0
				}
				w.mu.Unlock()
				if crashed {
					w.restart()
				}
			})
			if got != want {
				t.Fatalf("a crash at request %d (behind: %v):\n%s\nwithout:\n%s", at, behind, got, want)
			}
			again := 0
			for _, n := range w.works {
				again += n - 1
			}
			if again > 1 || behind && again > 0 || w.placed != 1 {
				t.Errorf("a crash at request %d (behind: %v): steps %v, %d calls", at, behind, w.works, w.placed)
			}
		}
	}
}

func TestFailingSteps(t *testing.T) {
	w := newWorld(t, step("a"))
	w.fails = 6
	w.begin("77")
	if e := w.show("77").Journal[0]; e.Done() || e.Tries != 1 || e.Until.Sub(begin) != 5*time.Second || e.Error.Message != "no" {
		t.Fatalf("%+v", e)
	}
	w.clk.Advance(5*time.Second + 30*time.Second + 2*time.Minute + 10*time.Minute)
	if e := w.show("77").Journal[0]; e.Tries != 5 || e.Until.Sub(w.clk.Now()) != time.Hour {
		t.Fatalf("%+v", e)
	}
	if err := w.retry("77", ""); err != nil { // at once
		t.Fatal(err)
	}
	if e := w.show("77").Journal[0]; e.Tries != 6 {
		t.Fatalf("%+v", e)
	}
	w.clk.Advance(time.Hour)
	if f := w.show("77"); f.State != Done || w.works["a"] != 7 {
		t.Fatalf("%+v", f)
	}
	if err := w.retry("77", ""); fault.CodeOf(err) != fault.Conflict {
		t.Error(err)
	}
}

// TestThreeDays: by default a step is given up after 72 hours, with options
// after so many times.
func TestThreeDays(t *testing.T) {
	w := newWorld(t, step("a"))
	w.fails = 1 << 30
	w.begin("77")
	for range 80 {
		w.clk.Advance(time.Hour)
	}
	if f := w.show("77"); f.State != Failed || f.Error.Message != "no" || w.works["a"] != stepTries || f.Ended.Sub(begin) < 71*time.Hour {
		t.Fatalf("%d times, %+v", w.works["a"], f)
	}
	a := step("a")
	a.Tries, a.EveryMs = 3, 60_000
	w = newWorld(t, a)
	w.fails = 3
	w.begin("77")
	w.clk.Advance(2 * time.Minute)
	if f := w.show("77"); f.State != Failed || w.works["a"] != 3 {
		t.Fatalf("%+v", f)
	}
	if err := w.retry("77", ""); err != nil {
		t.Fatal(err)
	}
	if f := w.show("77"); f.State != Done || w.works["a"] != 4 || f.Error != nil || len(f.Journal) != 1 {
		t.Fatalf("%+v", f)
	}
}

func TestChangedCode(t *testing.T) {
	w := newWorld(t, step("a"), event("go", 0))
	w.begin("77")
	w.program = []journal.Asked{step("b"), event("go", 0)}
	if err := w.signal("77", "go"); err != nil {
		t.Fatal(err)
	}
	f := w.show("77")
	if f.State != Failed || f.Error.Code != "CONFLICT" || !strings.Contains(f.Error.Message, `entry 1 is step "a", the code comes to step "b"`) || w.works["b"] != 0 {
		t.Fatalf("%+v %+v", f.Flow, f.Error)
	}
	w.program = []journal.Asked{step("a"), event("go", 0), step("c")}
	if err := w.retry("77", "v2"); err != nil {
		t.Fatal(err)
	}
	if f := w.show("77"); f.State != Done || f.Version != "v2" || w.works["a"] != 1 || w.works["c"] != 1 {
		t.Fatalf("%+v", f)
	}
}

func TestVersionIsGone(t *testing.T) {
	w := newWorld(t, step("a"))
	w.version = "gone"
	w.begin("77")
	if f := w.show("77"); f.State != Failed || f.Error.Code != "CONFLICT" || !strings.Contains(f.Error.Hint, "--latest") {
		t.Fatalf("%+v", f)
	}
	if w.r.Needs("order", "gone") {
		t.Error("a flow that has ended needs its version")
	}
	if err := w.retry("77", "v1"); err != nil || w.show("77").State != Done {
		t.Fatal(err, w.show("77").State)
	}
}

func TestOneFlowPerKey(t *testing.T) {
	w := newWorld(t, event("go", 0))
	a, b := w.begin("77"), w.begin("77")
	if !a.Created || b.Created || a.ID != b.ID || !w.r.Needs("order", "v1") {
		t.Fatal(a, b)
	}
	if c := w.begin(""); !c.Created || c.Key != c.ID {
		t.Fatal(c)
	}
	if err := w.signal("77", "go"); err != nil {
		t.Fatal(err)
	}
	if err := w.signal("77", "go"); fault.CodeOf(err) != fault.NotFound || !strings.Contains(err.Error(), "done") {
		t.Error(err)
	}
	if again := w.begin("77"); !again.Created || again.ID == a.ID {
		t.Fatal(again)
	}
	w.restart()
	if again := w.begin("77"); again.Created {
		t.Error("the key is free after a restart")
	}
	var err error
	w.r.Begin(journal.Start{Script: "none"}, func(_ Started, e error) { err = e })
	if fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t, dial())
	f := w.begin("77")
	if err := w.told(func(done func(error)) { w.r.Cancel("order", "77", done) }); err != nil {
		t.Fatal(err)
	}
	if got := w.show("77"); got.State != Cancelled || fmt.Sprint(w.freed) != "["+f.ID+"-1true]" {
		t.Fatalf("%+v %v", got.Flow, w.freed)
	}
	if err := w.told(func(done func(error)) { w.r.Cancel("order", "77", done) }); fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
}

// TestCallsThatCannotBePlaced: what may pass is tried again, what may not is the
// call's error.
func TestCallsThatCannotBePlaced(t *testing.T) {
	w := newWorld(t, dial())
	w.place = fault.New(fault.Unavailable, "draining")
	f := w.begin("77")
	w.place = nil
	w.clk.Advance(placeAgain)
	if w.placed != 1 {
		t.Fatal("the call is not placed again")
	}
	w.over(f.ID, 1)
	if got := w.show("77"); got.State != Done {
		t.Fatalf("%+v", got)
	}
	w.place = fault.New(fault.Denied, "no trunk")
	w.begin("78")
	if got := w.show("78"); got.State != Failed || got.Journal[0].Error.Code != "DENIED" {
		t.Fatalf("%+v", got)
	}
}

func TestUnless(t *testing.T) {
	w := newWorld(t, dial())
	f := w.begin("77")
	ask := func() (skip string, err error) {
		done := make(chan struct{})
		w.r.Unless(f.ID, 1, func(s string, e error) { skip, err = s, e; close(done) })
		<-done
		w.clk.Settle()
		return skip, err
	}
	if skip, err := ask(); skip != "enough" || err != nil {
		t.Fatal(skip, err)
	}
	w.r.Pause()
	if _, err := ask(); fault.CodeOf(err) != fault.Unavailable {
		t.Error(err)
	}
	w.restart()
	w.over(f.ID, 1)
	if skip, err := ask(); skip == "" || err != nil {
		t.Error("a flow that has ended lets its call be made")
	}
}

// TestCrashes: a worker that is lost is not the flow's fault, MaxCrashes times.
func TestCrashes(t *testing.T) {
	w := newWorld(t, step("a"))
	w.hold = true
	w.begin("77")
	for i := range MaxCrashes {
		if len(w.held) != i+1 {
			t.Fatalf("after %d crashes the code ran %d times", i, len(w.held))
		}
		w.held[i].s.Done(nil, &journal.Problem{Code: "UNAVAILABLE", Message: "gone"}, true)
		w.clk.Settle()
		w.clk.Advance(backoff(i + 1))
	}
	if f := w.show("77"); f.State != Failed || f.Error.Message != "gone" {
		t.Fatalf("%+v", f)
	}
}

// TestSilentStep: code that says nothing for MaxStep is ended and run again.
func TestSilentStep(t *testing.T) {
	w := newWorld(t, step("a"))
	w.hold = true
	w.begin("77")
	w.clk.Advance(MaxStep)
	if st := w.r.Stats(); st.Awake != 0 || !w.held[0].dead {
		t.Fatalf("%+v", st)
	}
	w.hold = false
	w.clk.Advance(time.Minute)
	if f := w.show("77"); f.State != Done {
		t.Fatalf("%+v", f)
	}
}

func TestListAndSweep(t *testing.T) {
	w := newWorld(t, event("go", 0))
	for i := range 7 {
		w.begin(fmt.Sprint("k", i))
		w.clk.Advance(time.Minute)
	}
	for _, key := range []string{"k1", "k3"} {
		if err := w.signal(key, "go"); err != nil {
			t.Fatal(err)
		}
	}
	keys := func(q Query) string {
		out := ""
		for {
			rows, next, err := w.r.List(q)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range rows {
				out += f.Key + " "
				if f.Seed != nil {
					t.Error("the seed is shown")
				}
			}
			if q.Cursor = next; next == "" {
				return out
			}
			out += "| "
		}
	}
	if got := keys(Query{Limit: 3}); got != "k6 k5 k4 | k3 k2 k1 | k0 " {
		t.Error(got)
	}
	if got := keys(Query{Limit: 10, State: Done}); got != "k3 k1 " {
		t.Error(got)
	}
	if got := keys(Query{Limit: 10, Key: "k2"}) + keys(Query{Limit: 10, Script: "x"}); got != "k2 " {
		t.Error(got)
	}
	w.clk.Advance(time.Hour)
	if n, err := w.r.Sweep(t.Context(), w.clk.Now(), 30*time.Minute); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if got := keys(Query{Limit: 10}); got != "k6 k5 k4 k2 k0 " {
		t.Error(got)
	}
	if _, err := w.r.Show("order", "k1"); fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
	if n, _ := w.store.Space("flows").Count(keyEntry); n != 5 {
		t.Errorf("%d entries are left", n)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, event("go", 0))
	w.begin("77")
	for range MaxMail {
		if err := w.signal("77", "other"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.signal("77", "other"); fault.CodeOf(err) != fault.Limit {
		t.Errorf("mail: %v", err)
	}
	begin := func(s journal.Start) (err error) {
		w.r.Begin(s, func(_ Started, e error) { err = e })
		return err
	}
	if err := begin(journal.Start{Script: "order", Key: strings.Repeat("k", MaxKey+1)}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("key: %v", err)
	}
	if err := begin(journal.Start{Script: "order", Data: json.RawMessage(`"` + strings.Repeat("x", journal.MaxResult) + `"`)}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("data: %v", err)
	}
	for i := range MaxRunning {
		w.r.lives[fmt.Sprint("x", i)] = &live{}
	}
	if err := begin(journal.Start{Script: "order", Key: "one too many"}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("running: %v", err)
	}
	w.r.lives = map[string]*live{}
	l := &live{r: w.r, running: true}
	for range MaxQueue {
		if err := l.post(func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.post(func() {}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("queue: %v", err)
	}
	b := &book{}
	for i := range 20 {
		b.settle(b.add(journal.Entry{N: i + 1, Kind: journal.Step, Name: "a"}), w.clk.Now(), make(json.RawMessage, journal.MaxResult), nil)
	}
	if last := b.entries[19]; b.Bytes > MaxJournal || last.Error == nil || last.Error.Code != "LIMIT" {
		t.Errorf("journal: %d bytes, %+v", b.Bytes, last.Error)
	}
}

// TestMaxAwake: one flow more than may be awake waits its turn.
func TestMaxAwake(t *testing.T) {
	w := newWorld(t, step("a"))
	w.hold = true
	for i := range MaxAwake + 1 {
		w.begin(fmt.Sprint("k", i))
	}
	if st := w.r.Stats(); st.Awake != MaxAwake || len(w.held) != MaxAwake {
		t.Fatalf("%+v, %d run", st, len(w.held))
	}
	w.hold = false
	w.held[0].s.Done(nil, nil, false)
	w.clk.Settle()
	if f := w.show(fmt.Sprint("k", MaxAwake)); f.State != Done {
		t.Fatalf("%+v", f)
	}
}

// TestStoreFails: nothing goes on that is not on disk.
func TestStoreFails(t *testing.T) {
	w := newWorld(t, event("go", 0), step("a"))
	w.begin("77")
	_ = w.store.Close()
	if err := w.signal("77", "go"); err == nil {
		t.Error("an event is taken that is not on disk")
	}
	if w.works["a"] != 0 {
		t.Error("the flow has gone on")
	}
	if _, err := w.r.Show("order", "77"); err == nil {
		t.Error("a closed store shows flows")
	}
}
