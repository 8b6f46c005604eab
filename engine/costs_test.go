package engine

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

func costBench(t *testing.T, st *store.Store, clk *clock.Virtual) (*Engine, *config.Config) {
	cfg := &config.Config{Project: config.Project{Zone: "Europe/Moscow"}}
	cfg.Scripts.Limits = []config.ScriptLimits{{Name: "tell", CostPerDay: 10}}
	cfg.Trunks = []config.Trunk{{Name: "t", CostPerDay: 25, Rates: []config.Rate{{Name: "+7", PerMinute: 2}, {Name: "+7800", PerMinute: 0}, {Name: "+", PerMinute: 30}}}}
	e := &Engine{clk: clk, store: st, log: slog.New(slog.DiscardHandler)}
	e.costs.e = e
	e.feed.init(clk.Now())
	e.cfg.Store(cfg)
	return e, cfg
}

func costStore(t *testing.T, clk clock.Clock) *store.Store {
	st, err := store.Open(store.Options{InMemory: true, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// Spending grows with each started minute, of calls that go on too, stops dials
// at the cap of script and trunk, survives a restart and begins anew each day.
func TestCostCaps(t *testing.T) {
	clk := clock.NewVirtual(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	st := costStore(t, clk)
	e, cfg := costBench(t, st, clk)
	tr := &cfg.Trunks[0]
	may := func(script, number string) string {
		if err := e.costs.check(cfg, tr, script, number); err != nil {
			if fault.CodeOf(err) != fault.Limit {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(err.Error(), ":")
			return name
		}
		return "yes"
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	want("at first", may("tell", "+79160000001"), "yes")
	want("30 is more than the script's 10", may("tell", "+4930"), "scripts.limits.tell.cost_per_day")
	want("another script has the trunk's cap only", may("other", "+4930"), "trunks.t.cost_per_day")
	tell := e.costs.follow(tr, "tell", "+79160000001")
	tell(call.RouteNews{Heard: true})
	clk.Advance(3*time.Minute + time.Second) // the fourth minute: 8
	want("the fifth minute fits", may("tell", "+79160000002"), "yes")
	clk.Advance(time.Minute) // 10
	want("a call that goes on has used it up", may("tell", "+79160000002"), "scripts.limits.tell.cost_per_day")
	want("a free number", may("tell", "+78001234567"), "yes")
	tell(call.RouteNews{Heard: true, Over: true, Answered: true, Talk: 90 * time.Second}) // it rang long and talked for two minutes: 4
	want("what was talked counts", may("tell", "+79160000002"), "yes")
	for range 3 { // 3 × 2: 10 altogether
		f := e.costs.follow(tr, "tell", "+79160000001")
		f(call.RouteNews{Heard: true})
		f(call.RouteNews{Over: true, Answered: true, Talk: time.Second})
	}
	unanswered := e.costs.follow(tr, "tell", "+79160000001")
	unanswered(call.RouteNews{Over: true})
	want("10 of 10", may("tell", "+79160000002"), "scripts.limits.tell.cost_per_day")
	if len(e.costs.open) != 0 {
		t.Errorf("%d dials are left", len(e.costs.open))
	}
	if err := st.Space("costs").Apply(store.Op{Key: "flush", Value: []byte("1")}); err != nil { // what was queued before is there
		t.Fatal(err)
	}
	e, _ = costBench(t, st, clk)
	want("after a restart", may("tell", "+79160000002"), "scripts.limits.tell.cost_per_day")
	clk.Advance(14 * time.Hour) // past midnight in Moscow
	want("the next day", may("tell", "+79160000002"), "yes")
}

func TestCostAlarmOnceADay(t *testing.T) {
	clk := clock.NewVirtual(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	e, cfg := costBench(t, costStore(t, clk), clk)
	l := spendingLimit{scriptAccount("tell"), "x", 10}
	_, first := e.costs.reached(cfg, l, 11, clk.Now())
	_, again := e.costs.reached(cfg, l, 11, clk.Now())
	clk.Advance(24 * time.Hour)
	_, tomorrow := e.costs.reached(cfg, l, 11, clk.Now())
	if !first || again || !tomorrow {
		t.Errorf("%v %v %v", first, again, tomorrow)
	}
}

// Premium and satellite prefixes are dialled only where they are named.
func TestCostlyPrefixes(t *testing.T) {
	cfg := &config.Config{Project: config.Project{Country: "RU"}}
	for _, tt := range []struct {
		number, prefixes string
		want             bool
	}{
		{"+79161234567", "+7", true}, {"+78091234567", "+7", false}, {"+78091234567", "+7 +7809", true}, {"+78091234567", "", false},
		{"+881612345678", "+", false}, {"+881612345678", "+88", false}, {"+881612345678", "+8816", true},
		{"+19001234567", "+1", false}, {"+12125551234", "+1", true}, {"+4930123456", "+", true}, {"+449001234567", "+44", false},
	} {
		tr := &config.Trunk{Name: "t", Destinations: strings.Fields(tt.prefixes)}
		if _, ok := destination(cfg, tr, tt.number); ok != tt.want {
			t.Errorf("%s by %q: %v", tt.number, tt.prefixes, ok)
		}
		e := &Engine{}
		user := &config.Config{SIP: config.SIP{Users: []config.User{{Name: "101", Dial: strings.Fields(tt.prefixes)}}}}
		if err := e.mayUserDial(user, call.DialRequest{User: "101"}, tt.number); (err == nil) != tt.want && tt.prefixes != "" {
			t.Errorf("a user, %s by %q: %v", tt.number, tt.prefixes, err)
		}
	}
}
