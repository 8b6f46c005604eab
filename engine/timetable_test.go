package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// nights is a timetable on a virtual clock; each start is another process on
// the same store.
type nights struct {
	t     *testing.T
	clk   *clock.Virtual
	store *store.Store
	zone  *time.Location
	line  string
	e     *Engine

	mu   sync.Mutex
	ran  []string
	exec func() error
}

func newNights(t *testing.T, line string, at time.Time) *nights {
	clk := clock.NewVirtual(at)
	st, err := store.Open(store.Options{InMemory: true, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	n := &nights{t: t, clk: clk, store: st, zone: at.Location(), line: line, exec: func() error { return nil }}
	n.start(Options{})
	return n
}

func (n *nights) start(o Options) {
	n.e = &Engine{clk: n.clk, log: slog.New(slog.DiscardHandler), store: n.store, opts: o}
	n.e.ctx, n.e.stop = context.WithCancel(context.Background())
	tt := &n.e.timetable
	tt.init(n.e)
	tt.space, tt.on = n.store.Space("schedules"), true
	tt.rule = func(string) (staticSchedule, *time.Location, bool) {
		s := staticSchedule{Cron: n.line}
		if n.line == "" {
			return s, n.zone, false
		}
		if err := s.parse("x"); err != nil {
			n.t.Fatal(err)
		}
		return s, n.zone, true
	}
	tt.exec = func(_ string, at time.Time, late bool) error {
		n.mu.Lock()
		n.ran = append(n.ran, strings.TrimSpace(at.Format("02 15:04")+" "+map[bool]string{true: "late"}[late]))
		f := n.exec
		n.mu.Unlock()
		return f()
	}
	tt.refresh("x")
	n.clk.Advance(0)
}

// stop ends the process; nothing is finished by that.
func (n *nights) kill() {
	n.e.timetable.stop()
	n.e.stop()
}

func (n *nights) want(want ...string) {
	n.t.Helper()
	n.clk.Settle()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.ran, want) {
		n.t.Fatalf("ran %q, want %q", n.ran, want)
	}
	n.ran = nil
}

func moscow(t *testing.T) *time.Location {
	loc, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestSchedule(t *testing.T) {
	n := newNights(t, "0 9 * * 1-5", time.Date(2026, 11, 20, 8, 59, 0, 0, moscow(t))) // a Friday
	n.want()
	n.clk.Advance(4 * 24 * time.Hour)
	n.want("20 09:00", "23 09:00")
	s := n.e.timetable.Show("x")
	if s == nil || s.Cron != n.line || s.Zone != "Europe/Moscow" || s.NextAt.In(n.zone).Format("02 15:04") != "24 09:00" || s.LastAt.In(n.zone).Format("02 15:04") != "23 09:00" || s.Error != "" {
		t.Fatalf("%+v", s)
	}
	n.line = "30 10 * * *" // a save changes it
	n.e.timetable.refresh("x")
	n.clk.Advance(3 * time.Hour)
	n.want("24 10:30")
	n.line = ""
	n.e.timetable.refresh("x")
	n.clk.Advance(48 * time.Hour)
	n.want()
	if n.e.timetable.Show("x") != nil {
		t.Fatal("it has a schedule still")
	}
}

// TestScheduleRestart: no instant runs twice, and of those missed the newest
// runs once if it is a day old at most.
func TestScheduleRestart(t *testing.T) {
	n := newNights(t, "*/10 * * * *", time.Date(2026, 11, 20, 9, 55, 0, 0, moscow(t)))
	n.clk.Advance(5 * time.Minute)
	n.want("20 10:00")
	n.kill()
	n.start(Options{}) // within the same minute
	n.want()
	n.clk.Advance(5 * time.Minute)
	n.kill()
	n.clk.Advance(47 * time.Minute)
	n.want()
	n.start(Options{})
	n.want("20 10:50 late")
	n.clk.Advance(10 * time.Minute)
	n.want("20 11:00")
	n.kill()

	n.line = "0 9 * * *" // another line has missed nothing
	n.clk.Advance(24 * time.Hour)
	n.start(Options{})
	n.want()
	n.kill()
	n.clk.Advance(23 * time.Hour)
	n.start(Options{})
	n.want("22 09:00 late")
	n.kill()
	n.line = "0 9 22 * *"
	n.start(Options{})
	n.kill()
	n.clk.Advance(40 * 24 * time.Hour) // the 22nd of December was more than a day ago
	n.start(Options{})
	n.want()
}

// TestScheduleOverlap leaves out what comes while a run goes on.
func TestScheduleOverlap(t *testing.T) {
	n := newNights(t, "* * * * *", time.Date(2026, 11, 20, 9, 59, 30, 0, moscow(t)))
	gate := make(chan struct{})
	n.exec = func() error {
		n.clk.Busy(-1)
		<-gate
		n.clk.Busy(1)
		return errors.New("it broke for +79161234567")
	}
	n.clk.Advance(4 * time.Minute)
	n.want("20 10:00")
	if s := n.e.timetable.Show("x"); !s.Running || n.e.timetable.Skipped.Load() != 3 {
		t.Fatalf("%+v, %d skipped", s, n.e.timetable.Skipped.Load())
	}
	close(gate)
	eventually(t, "the run is over", func() bool { return !n.e.timetable.Show("x").Running })
	if s := n.e.timetable.Show("x"); !strings.Contains(s.Error, "it broke") || strings.Contains(s.Error, "1234567") {
		t.Fatalf("%+v", s)
	}
	n.clk.Advance(time.Minute)
	n.want("20 10:04")
}

// TestScheduleCutOff does not repeat a run during which the process died.
func TestScheduleCutOff(t *testing.T) {
	n := newNights(t, "0 10 * * *", time.Date(2026, 11, 20, 9, 59, 0, 0, moscow(t)))
	gate := make(chan struct{})
	n.exec = func() error { n.clk.Busy(-1); <-gate; n.clk.Busy(1); return nil }
	n.clk.Advance(time.Minute)
	n.want("20 10:00")
	n.kill()
	close(gate)
	n.e.wg.Wait()
	n.start(Options{})
	n.want()
	if s := n.e.timetable.Show("x"); s.Error != "the process ended during the run" {
		t.Fatalf("%+v", s)
	}
}

// TestScheduleClockSet lives through a clock that was ahead by a year.
func TestScheduleClockSet(t *testing.T) {
	n := newNights(t, "0 10 * * *", time.Date(2026, 11, 20, 9, 59, 0, 0, moscow(t)))
	raw, _ := json.Marshal(lastRun{Rule: "0 10 * * * Europe/Moscow", At: n.clk.Now().AddDate(1, 0, 0)})
	if err := n.store.Space("schedules").Apply(store.Op{Key: "x", Value: raw}); err != nil {
		t.Fatal(err)
	}
	n.kill()
	n.start(Options{})
	n.clk.Advance(time.Minute)
	n.want("20 10:00")
}

// TestScheduleDev shows and does not run.
func TestScheduleDev(t *testing.T) {
	n := newNights(t, "", time.Date(2026, 11, 20, 9, 59, 0, 0, moscow(t)))
	n.kill()
	n.line = "* * * * *"
	n.start(Options{Dev: true})
	n.clk.Advance(5 * time.Minute)
	n.want()
	if s := n.e.timetable.Show("x"); s == nil || s.NextAt == nil {
		t.Fatalf("%+v", s)
	}
	n.kill()
	n.start(Options{Dev: true, Live: "mango"})
	n.clk.Advance(time.Minute)
	n.want("20 10:05")
}

func TestScheduleConfig(t *testing.T) {
	for _, ok := range []string{`"0 9 * * 1-5"`, `{"cron":"@daily","zone":"Asia/Almaty"}`} {
		st, err := ParseStatic("x", json.RawMessage(fmt.Sprintf(`{"schedule":%s}`, ok)))
		if err != nil || st.Schedule.Cron == "" {
			t.Error(ok, err)
		}
	}
	for _, bad := range []string{`"0 25 * * *"`, `"0 0 31 2 *"`, `{"cron":"@daily","zone":"Mars/Base"}`, `{"zone":"UTC"}`, `5`} {
		if _, err := ParseStatic("x", json.RawMessage(fmt.Sprintf(`{"schedule":%s}`, bad))); fault.CodeOf(err) != fault.Invalid {
			t.Error(bad, err)
		}
	}
	st := &Static{}
	if w := scheduleWarnings(st, []string{"default", "onSchedule"}); len(w) != 1 {
		t.Error(w)
	}
	st.Schedule.Cron = "@daily"
	if w := scheduleWarnings(st, []string{"default"}); len(w) != 1 {
		t.Error(w)
	}
	if w := scheduleWarnings(st, []string{"default", "onSchedule"}); len(w) != 0 {
		t.Error(w)
	}
}
