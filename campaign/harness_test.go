package campaign_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/campaign/campaigntest"
	"github.com/loopstart/loopstart/internal/clock"
)

// stepClock shows what it is told; nothing waits on it.
type stepClock struct{ now time.Time }

func (c *stepClock) Now() time.Time                              { return c.now }
func (c *stepClock) AfterFunc(time.Duration, func()) clock.Timer { return noTimer{} }
func (c *stepClock) Busy(int)                                    {}

type noTimer struct{}

func (noTimer) Stop() bool               { return false }
func (noTimer) Reset(time.Duration) bool { return false }

// world is everything around a campaign: it notes what is dialled.
type world struct {
	t      testing.TB
	clk    *stepClock
	repo   campaign.Repo
	mem    *campaigntest.Memory
	phones *campaign.Phones
	stop   stopList
	lines  *lines
	caps   []campaign.Rate
	quiet  campaign.Hours
	zone   string
	lookup func(string) (campaign.Result, bool)
	c      *campaign.Campaign
	calls  []campaign.Attempt // in progress
	dialed []campaign.Attempt // all, in order
	gaveUp []string
	closed []campaign.Contact
	next   time.Time
}

type stopList map[string]error

func (s stopList) Has(phone string) (bool, error) { err, ok := s[phone]; return ok && err == nil, err }

// lines are the lines of one trunk.
type lines struct{ free int }

func (l *lines) Take(campaign.Attempt) bool {
	if l.free == 0 {
		return false
	}
	l.free--
	return true
}

func (l *lines) Give(campaign.Attempt) { l.free++ }

func (w *world) Dial(a campaign.Attempt) {
	w.calls = append(w.calls, a)
	w.dialed = append(w.dialed, a)
}

func (w *world) Cancel(id string) { w.gaveUp = append(w.gaveUp, id) }

func newWorld(t testing.TB) *world {
	mem := campaigntest.NewMemory()
	return &world{
		t: t, clk: &stepClock{campaigntest.Start}, repo: mem, mem: mem, phones: &campaign.Phones{}, stop: stopList{}, zone: "Europe/Moscow",
	}
}

func (w *world) deps() campaign.Deps {
	d := campaign.Deps{
		Clock: w.clk, Repo: w.repo, Dialer: w, Stop: w.stop, Phones: w.phones, Caps: w.caps, Quiet: w.quiet, Zone: w.zone, Lookup: w.lookup,
		Closed: func(_ campaign.Row, k campaign.Contact) { w.closed = append(w.closed, k) },
	}
	if w.lines != nil {
		d.Lines = w.lines
	}
	return d
}

func (w *world) create(spec campaign.Spec) *campaign.Campaign {
	w.t.Helper()
	if spec.Script == "" {
		spec.Script = "reminder"
	}
	c, err := campaign.Create("c", spec, w.deps())
	if err != nil {
		w.t.Fatal(err)
	}
	w.c = c
	return c
}

// reopen is a new process on the same store: what was in progress is gone.
func (w *world) reopen() {
	w.t.Helper()
	w.calls, w.phones = nil, &campaign.Phones{}
	row, ok, err := w.repo.Row("c")
	if err != nil || !ok {
		w.t.Fatal(ok, err)
	}
	if w.c, err = campaign.Open(row, w.deps()); err != nil {
		w.t.Fatal(err)
	}
}

// add puts contacts in by number.
func (w *world) add(phones ...string) {
	w.t.Helper()
	for _, p := range phones {
		if a := w.put(campaign.Contact{Phones: strings.Split(p, "/")}); a.Accepted != 1 {
			w.t.Fatalf("%s: %+v", p, a)
		}
	}
}

func (w *world) put(k campaign.Contact) campaign.Added {
	w.t.Helper()
	a, err := w.c.Add([]campaign.Entry{{Line: 1, Contact: k}})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// step steps until nothing more is to be done now.
func (w *world) step() {
	w.t.Helper()
	for range 10_000 {
		if w.next = w.c.Step(); w.next.IsZero() || w.next.After(w.clk.now) {
			return
		}
	}
	w.t.Fatal("it steps for ever")
}

// end ends a call that is in progress.
func (w *world) end(i int, r campaign.Result) {
	a := w.calls[i]
	w.calls = append(w.calls[:i:i], w.calls[i+1:]...)
	if w.lines != nil {
		w.lines.free++
	}
	w.c.Result(a.ID, r)
}

func (w *world) contact(key string) *campaign.Contact {
	w.t.Helper()
	k, err := w.c.Contact(key)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *world) start() {
	w.t.Helper()
	if _, err := w.c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.step()
}

// at is an instant of the first day by the clock of Moscow.
func at(hhmm string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", campaigntest.Start.Format("2006-01-02 ")+hhmm, time.FixedZone("MSK", 3*3600))
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func hours(t testing.TB, text string) campaign.Hours {
	t.Helper()
	h, err := campaign.ParseHours(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func number(n int) string { return fmt.Sprintf("+7916%07d", n) }
