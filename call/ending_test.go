package call

import (
	"log/slog"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// ender is a script that only notes its end.
type ender chan string

func (e ender) Notify(string, any)      {}
func (e ender) Callback(uint32, ...any) {}
func (e ender) End(reason string)       { e <- reason }

// TestPostsDroppedAtTheEnd posts to a call whose goroutine ends before it
// comes to what was posted: nobody may wait for ever.
func TestPostsDroppedAtTheEnd(t *testing.T) {
	c := New(Spec{ID: "x.1"}, Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Counters: &Counters{}})
	gate, running := make(chan struct{}), make(chan struct{})
	c.post(func() { close(running); <-gate })
	<-running // what follows waits for the next turn
	c.post(func() { c.finished = true })
	script, snapshot := make(ender, 1), make(chan bool, 1)
	c.Attach(script)
	go func() {
		_, ok := c.Snapshot()
		snapshot <- ok
	}()
	for queued := 0; queued < 3; { // the end, the script, the snapshot
		c.box.mu.Lock()
		queued = len(c.box.queue)
		c.box.mu.Unlock()
	}
	close(gate)
	for range 2 {
		select {
		case <-script:
		case ok := <-snapshot:
			if ok {
				t.Error("a snapshot of a call that is over")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("somebody waits for ever")
		}
	}
}

// TestACallThatIsOverHasNoTimers: a timer that is pending keeps in memory the
// call and its audio, for as long as it would have waited.
func TestACallThatIsOverHasNoTimers(t *testing.T) {
	w := newWorld(t)
	w.deps.DeadAir = 30 * time.Second
	caller := w.inbound(Spec{MaxDuration: time.Hour})
	w.answer()
	caller.bye()
	w.call.ScriptEnded(nil)
	w.final()
	<-w.call.gone
	_ = w.engine.Close()
	_ = w.phones.Close()
	w.pass(time.Second) // the engines' own
	if n := len(w.call.timers); n != 0 {
		t.Errorf("%d timers", n)
	}
	if at, pending := w.clk.Next(); pending {
		t.Errorf("a timer waits for another %s", at.Sub(w.clk.Now()))
	}
}
