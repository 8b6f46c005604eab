package campaign_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
)

// outcomes of a random attempt.
var drawn = []campaign.Outcome{
	campaign.Delivered, campaign.AnsweredShort, campaign.Machine, campaign.Busy, campaign.NoAnswer, campaign.Rejected,
	campaign.BadNumber, campaign.TrunkFailed, campaign.Failed,
}

// TestRandomHistories runs campaigns through random events: results, crashes,
// a failing disk, pauses, patches, contacts added and removed, clock steps. No
// contact is ever dialled more often than allowed, twice for one attempt, on
// the stop-list, outside the window or while it is in a call; and in the end
// each has a stated outcome.
func TestRandomHistories(t *testing.T) {
	histories := 10_000
	if testing.Short() {
		histories = 200
	}
	zones := map[string]*time.Location{}
	for seed := range histories {
		if !randomHistory(t, uint64(seed), zones) {
			t.Fatalf("seed %d", seed)
		}
	}
}

// history is one random run.
type history struct {
	*world
	rnd     *rand.Rand
	checked int
	added   int
	made    map[string]int // dials by order
	seen    map[string]bool
	attempt int // largest Spec.Attempts there ever was
	window  campaign.Window
	zones   map[string]*time.Location
}

func randomHistory(t *testing.T, seed uint64, zones map[string]*time.Location) bool {
	h := &history{zones: zones, world: newWorld(t), rnd: rand.New(rand.NewPCG(seed, 4)), made: map[string]int{}, seen: map[string]bool{}}
	spec := campaign.Spec{
		Attempts: 1 + h.rnd.IntN(4), MaxCalls: 1 + h.rnd.IntN(4), MaxCPS: float64(h.rnd.IntN(3)), DailyCap: h.rnd.IntN(3),
		Window: hours(t, []string{"", "09:00-21:00", "22:00-06:00", "mon-fri 08:00-12:00,13:00-18:00"}[h.rnd.IntN(4)]),
		Retry:  campaign.Retry{"busy": time.Minute, "default": time.Duration(h.rnd.IntN(90)) * time.Minute},
	}
	if h.rnd.IntN(3) == 0 {
		spec.Retry["unknown"] = time.Minute
	}
	if h.rnd.IntN(4) == 0 {
		spec.Frequency = []campaign.Rate{{Calls: 2, Per: campaign.Span(time.Hour)}}
	}
	h.attempt = spec.Attempts
	h.window, _ = campaign.NewWindow(spec.Window, campaign.Hours{}, nil)
	if h.rnd.IntN(2) == 0 {
		h.lines = &lines{free: 1 + h.rnd.IntN(3)}
	}
	h.create(spec)
	h.put(h.person())
	if _, err := h.c.Start(); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		h.event()
		if h.c.Step(); !h.check() {
			return false
		}
	}
	return h.finish()
}

func (h *history) person() campaign.Contact {
	h.added++
	k := campaign.Contact{Phones: []string{number(h.added)}, Zone: []string{"", "Asia/Omsk", "America/New_York"}[h.rnd.IntN(3)]}
	if h.rnd.IntN(3) == 0 {
		k.Phones = append(k.Phones, number(1000+h.added))
	}
	if h.rnd.IntN(5) == 0 {
		k.Expires = h.clk.now.Add(time.Duration(h.rnd.IntN(48)) * time.Hour)
	}
	k.Priority = h.rnd.IntN(3) - 1
	return k
}

// event is one thing that happens.
func (h *history) event() {
	switch n := h.rnd.IntN(24); {
	case n < 8 && len(h.calls) > 0:
		h.someEnd()
	case n < 12:
		h.clk.now = h.clk.now.Add(time.Duration(h.rnd.IntN(7200)) * time.Second)
	case n < 15:
		_, _ = h.c.Add([]campaign.Entry{{Contact: h.person()}})
	case n == 15:
		h.mem.Fail = nil
		if h.lines != nil {
			h.lines.free += len(h.calls)
		}
		h.reopen()
	case n == 16:
		left := h.rnd.IntN(3)
		h.mem.Fail = func() error {
			if left--; left < 0 {
				return errors.New("full")
			}
			return nil
		}
	case n == 17:
		h.mem.Fail = nil
	case n == 18:
		_, _ = h.c.Pause()
	case n == 19 || n == 20:
		_, _ = h.c.Resume()
	case n == 21:
		attempts, calls := 1+h.rnd.IntN(4), 1+h.rnd.IntN(4)
		if _, err := h.c.Patch(campaign.Patch{Attempts: &attempts, MaxCalls: &calls}); err == nil {
			h.attempt = max(h.attempt, attempts)
		}
	case n == 22:
		_, _ = h.c.Remove(number(1 + h.rnd.IntN(h.added)))
	default:
		h.stop[number(1+h.rnd.IntN(h.added))] = nil
		h.clk.now = h.clk.now.Add(-time.Duration(h.rnd.IntN(600)) * time.Second)
	}
}

func (h *history) someEnd() {
	i := h.rnd.IntN(len(h.calls))
	o := drawn[h.rnd.IntN(len(drawn))]
	r := campaign.Result{Outcome: o, Answered: o == campaign.Delivered || o == campaign.AnsweredShort}
	switch h.rnd.IntN(10) {
	case 0:
		r.Retry = &campaign.Override{After: time.Duration(h.rnd.IntN(60)) * time.Second}
	case 1:
		r.Retry = &campaign.Override{Never: true}
	}
	a := h.calls[i]
	h.end(i, r)
	h.c.Result(a.ID, campaign.Result{Outcome: campaign.Busy}) // a second result changes nothing
}

// check looks at what has been dialled since the last time.
func (h *history) check() bool {
	bad := func(format string, args ...any) bool {
		h.t.Errorf(format, args...)
		return false
	}
	for ; h.checked < len(h.dialed); h.checked++ {
		a := h.dialed[h.checked]
		h.made[a.Order]++
		loc, err := h.location(a.Zone)
		_, stopped := h.stop[a.To]
		switch {
		case h.seen[a.ID]:
			return bad("%s is dialled twice", a.ID)
		case h.made[a.Order] > h.attempt || a.N != h.made[a.Order]:
			return bad("%s: dial %d of %d", a.ID, h.made[a.Order], h.attempt)
		case stopped:
			return bad("%s: %s is on the stop-list", a.ID, a.To)
		case err != nil || !h.window.IsOpen(a.At, loc) || !a.At.Equal(h.clk.now):
			return bad("%s: dialled at %s in %s: %v", a.ID, a.At, a.Zone, err)
		}
		h.seen[a.ID] = true
		if k := h.stored(a.Order); k == nil || !slices.ContainsFunc(k.Attempts, func(m campaign.Made) bool { return m.ID == a.ID }) {
			return bad("%s has no intent on disk", a.ID)
		}
	}
	if row := h.c.Row(); len(h.calls) > 4 || h.lines != nil && h.lines.free < 0 {
		return bad("%d calls, %+v", len(h.calls), row.Counts)
	}
	for i, a := range h.calls {
		for _, b := range h.calls[:i] {
			if a.To == b.To {
				return bad("%s and %s call %s at a time", a.ID, b.ID, a.To)
			}
		}
	}
	return true
}

func (h *history) location(name string) (loc *time.Location, err error) {
	if loc = h.zones[name]; loc == nil {
		loc, err = time.LoadLocation(name)
		h.zones[name] = loc
	}
	return loc, err
}

func (h *history) stored(order string) *campaign.Contact {
	var seq uint64
	if _, err := fmt.Sscanf(order, "c-%d", &seq); err != nil {
		return nil
	}
	k, _, _ := h.repo.Contact("c", seq)
	return k
}

// finish lets the campaign come to its end, and looks at every contact.
func (h *history) finish() bool {
	h.mem.Fail = nil
	for i := 0; i < 3000; i++ {
		for len(h.calls) > 0 {
			h.someEnd()
		}
		h.step()
		if !h.check() {
			return false
		}
		row := h.c.Row()
		if row.State == campaign.Completed && len(h.calls) == 0 {
			break
		}
		if row.State != campaign.Running {
			_, _ = h.c.Resume()
		}
		if h.next.After(h.clk.now) {
			h.clk.now = h.next
		} else if len(h.calls) == 0 {
			h.clk.now = h.clk.now.Add(5 * time.Second)
		}
	}
	page, err := h.repo.Contacts("c", 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	row, recount := h.c.Row(), campaign.Row{}
	for _, k := range page {
		recount = recount.Tally(campaign.Change{New: k})
		if k.State != campaign.Done || k.Outcome == "" || (k.Outcome == campaign.NotCalled) != (len(k.Attempts) == 0) || k.Outcome == campaign.NotCalled && k.Reason == "" {
			h.t.Errorf("no stated outcome: %+v, the campaign is %s %s", *k, row.State, row.Reason)
			return false
		}
	}
	stored, _, _ := h.repo.Row("c")
	if got, want := fmt.Sprintf("%+v", stored.Counts), fmt.Sprintf("%+v", recount.Counts); got != want || h.phones.Len() != 0 {
		h.t.Errorf("counts\n %s, by the contacts\n %s; %d numbers are held", got, want, h.phones.Len())
		return false
	}
	return true
}
