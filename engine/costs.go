package engine

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// costs counts what outgoing calls spend a day, by script and by trunk, so that a
// script or a stolen account cannot run up a bill. A started minute counts whole;
// what a minute costs is trunks.X.rates, 1 where there is none. A call that goes
// on counts as it grows. Sums survive a restart; a day is one of project.zone.
type costs struct {
	e    *Engine
	mu   sync.Mutex
	day  string
	sums map[string]float64  // settled, of this day, by account
	open map[*spending]bool  // dials that go on: as many as there are legs
	told map[string]struct{} // accounts whose cap was reached today
}

// spending is one dial.
type spending struct {
	accounts [2]string
	price    float64 // a minute
	since    time.Time
}

func (c *costs) space() *store.Space { return c.e.store.Space("costs") }

func scriptAccount(name string) string { return "script/" + name }
func trunkAccount(name string) string  { return "trunk/" + name }

// price of a minute to a number: the rate of the longest prefix.
func price(t *config.Trunk, number string) float64 {
	best, cost := -1, 1.0
	for _, r := range t.Rates {
		if strings.HasPrefix(number, r.Name) && len(r.Name) > best {
			best, cost = len(r.Name), r.PerMinute
		}
	}
	return cost
}

// turn begins a new day when there is one.
func (c *costs) turnLocked(cfg *config.Config, now time.Time) {
	zone, err := time.LoadLocation(cfg.Project.Zone)
	if err != nil {
		zone = time.UTC
	}
	if day := now.In(zone).Format(time.DateOnly); day != c.day {
		c.day, c.sums, c.told = day, map[string]float64{}, map[string]struct{}{}
		c.forget(day)
	}
	if c.open == nil {
		c.open = map[*spending]bool{}
	}
}

// forget removes the sums of other days.
func (c *costs) forget(day string) {
	rows, err := c.space().Scan("", "", store.MaxOps)
	if err != nil {
		return // the next day tries again
	}
	var ops []store.Op
	for _, row := range rows {
		if !strings.HasPrefix(row.Key, day+" ") {
			ops = append(ops, store.Op{Key: row.Key})
		}
	}
	if len(ops) > 0 {
		c.space().ApplyLater(func(error) {}, ops...)
	}
}

// sumLocked is what an account has spent today, with what it is spending.
func (c *costs) sumLocked(account string, now time.Time) float64 {
	sum, ok := c.sums[account]
	if !ok {
		if raw, found, err := c.space().Get(c.day + " " + account); err == nil && found {
			_ = json.Unmarshal(raw, &sum) // what cannot be read counts as nothing
		}
		c.sums[account] = sum
	}
	for s := range c.open {
		if s.accounts[0] == account || s.accounts[1] == account {
			sum += s.price * minutes(now.Sub(s.since))
		}
	}
	return sum
}

// minutes are started ones, at least one.
func minutes(d time.Duration) float64 { return max(math.Ceil(d.Minutes()), 1) }

// check tells whether a dial fits into the caps of its script and trunk.
func (c *costs) check(cfg *config.Config, t *config.Trunk, script, number string) error {
	limit := cfg.ScriptLimits(script).CostPerDay
	if limit <= 0 && t.CostPerDay <= 0 {
		return nil
	}
	for _, l := range [...]spendingLimit{
		{scriptAccount(script), "scripts.limits." + script + ".cost_per_day", limit},
		{trunkAccount(t.Name), "trunks." + t.Name + ".cost_per_day", t.CostPerDay},
	} {
		now, minute := c.e.clk.Now(), price(t, number)
		spent, first := c.reached(cfg, l, minute, now)
		if first {
			c.alarm(l.name, l.most, spent)
		}
		if l.most > 0 && spent+minute > l.most {
			return fault.New(fault.Limit, "%s: %g of %g is spent today, and a minute to %s costs %g", l.name, spent, l.most, phone.Mask(number), minute).
				WithHint("raise it, or wait for tomorrow")
		}
	}
	return nil
}

// spendingLimit is a cap of an account, by the name of its key.
type spendingLimit struct {
	account, name string
	most          float64 // 0: none
}

// reached is what an account has spent today, and whether it is the first time
// today that a minute more is too much.
func (c *costs) reached(cfg *config.Config, l spendingLimit, minute float64, now time.Time) (spent float64, first bool) {
	if l.most <= 0 {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turnLocked(cfg, now)
	spent = c.sumLocked(l.account, now)
	if _, told := c.told[l.account]; told || spent+minute <= l.most {
		return spent, false
	}
	c.told[l.account] = struct{}{}
	return spent, true
}

// alarm tells that a cap is reached.
func (c *costs) alarm(name string, limit, spent float64) {
	c.e.log.Warn("no more calls today: "+name+" is reached", "limit", limit, "spent", spent)
	if data, err := json.Marshal(map[string]any{"limit": name, "value": limit, "spent": spent}); err == nil {
		c.e.emit(nil, Event{Type: "cost.reached", At: c.e.clk.Now(), Data: data})
	}
}

// follow is what a dial tells the costs of its way.
func (c *costs) follow(t *config.Trunk, script, number string) func(call.RouteNews) {
	var s *spending
	return func(n call.RouteNews) {
		c.mu.Lock()
		defer c.mu.Unlock()
		cfg, now := c.e.Config(), c.e.clk.Now()
		c.turnLocked(cfg, now)
		if s == nil && !n.Over {
			s = &spending{accounts: [2]string{scriptAccount(script), trunkAccount(t.Name)}, price: price(t, number), since: now}
			c.open[s] = true
		}
		if !n.Over {
			return
		}
		delete(c.open, s)
		if n.Answered {
			c.settleLocked(now, price(t, number)*minutes(n.Talk), scriptAccount(script), trunkAccount(t.Name))
		}
	}
}

func (c *costs) settleLocked(now time.Time, cost float64, accounts ...string) {
	for _, a := range accounts {
		open := c.open
		c.open = nil // settled sums only
		sum := c.sumLocked(a, now) + cost
		c.open = open
		c.sums[a] = sum
		raw, err := json.Marshal(sum)
		if err != nil {
			continue
		}
		day := c.day
		c.space().ApplyLater(func(err error) {
			if err != nil {
				c.e.log.Error("engine: costs", "account", a, "day", day, "err", err)
			}
		}, store.Op{Key: day + " " + a, Value: raw})
	}
}
