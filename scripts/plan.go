package scripts

import (
	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of a canary.
const (
	// MaxCanaryCalls is the longest "next N calls" that a canary may get.
	MaxCanaryCalls = 100_000
	// MaxCanaryPercent is the greatest part of new calls; all of them is what
	// promote is for.
	MaxCanaryPercent = 99
)

// Plan says which version of one script new calls get. It is a value: each
// step returns the next plan, reads no clock and touches no file.
//
// A script that is neither pinned nor has a canary follows the folder: Active
// is Latest. While it is held, saves become Latest and nothing else.
type Plan struct {
	Active   string  `json:"active,omitempty"`   // what new calls get; "" while none ever built
	Latest   string  `json:"latest,omitempty"`   // the newest content of the folder that built
	Previous string  `json:"previous,omitempty"` // what was active before
	Pinned   bool    `json:"pinned,omitempty"`   // saves are ignored until Unpin
	Canary   *Canary `json:"canary,omitempty"`
}

// Canary is a version that gets a part of the new calls: Percent of them, or
// the next Calls of them.
type Canary struct {
	Version string `json:"version,omitempty"` // "" while it waits for the next save
	Percent int    `json:"percent,omitempty"` // 1 to MaxCanaryPercent, or 0
	Calls   int    `json:"calls,omitempty"`   // 1 to MaxCanaryCalls, or 0
	Given   int    `json:"given"`             // calls it got
	Others  int    `json:"others"`            // calls that the active version got meanwhile
	Share   int    `json:"share,omitempty"`   // hundredths of a call it is owed
}

// Step is what a save comes to.
type Step string

// The steps of Plan.Saved.
const (
	StepNone   Step = ""       // as it was
	StepSwap   Step = "swap"   // new calls get it
	StepHold   Step = "hold"   // the script is held: it waits as Latest
	StepCanary Step = "canary" // a canary was waiting for it
)

// Held tells whether saves go live.
func (p Plan) Held() bool { return p.Pinned || p.Canary != nil }

// Saved is the plan after the folder's content built as a version.
func (p Plan) Saved(version string) (Plan, Step) {
	again := p.Latest == version
	p.Latest = version
	switch {
	case p.Active == "":
		return p.activate(version), StepSwap
	case p.Canary != nil && p.Canary.Version == "" && version != p.Active:
		c := *p.Canary
		c.Version = version
		p.Canary = &c
		return p, StepCanary
	case p.Held():
		if again || version == p.Active {
			return p, StepNone
		}
		return p, StepHold
	case p.Active == version:
		return p, StepNone
	}
	return p.activate(version), StepSwap
}

func (p Plan) activate(version string) Plan {
	if p.Active != version && p.Active != "" {
		p.Previous = p.Active
	}
	p.Active = version
	return p
}

// Next is the version of the next new call, and the plan after it. A share of
// percent is spread evenly: 10 is every tenth call.
func (p Plan) Next() (version string, next Plan) {
	if p.Canary == nil || p.Canary.Version == "" {
		return p.Active, p
	}
	c := *p.Canary
	p.Canary = &c
	give := c.Calls > 0 && c.Given < c.Calls
	if c.Percent > 0 {
		if c.Share += c.Percent; c.Share >= 100 {
			c.Share -= 100
			give = true
		}
	}
	if give {
		c.Given++
		return c.Version, p
	}
	c.Others++
	return p.Active, p
}

// Rollback pins a version; a canary is dropped. "" is the version that was
// active before.
func (p Plan) Rollback(version string) (Plan, error) {
	if version == "" {
		version = p.Previous
	}
	if version == "" {
		return p, fault.New(fault.Conflict, "there is no earlier version to roll back to").
			WithHint("`loopstart scripts show NAME` lists the versions that are kept")
	}
	p = p.activate(version)
	p.Pinned, p.Canary = true, nil
	return p, nil
}

// Try starts a canary. Without a version it is the folder's newest, and when
// that is active already, the next save.
func (p Plan) Try(version string, percent, calls int) (Plan, error) {
	switch {
	case (percent > 0) == (calls > 0) || percent < 0 || calls < 0:
		return p, fault.New(fault.Invalid, "a canary needs percent or calls, one of them").WithHint(`{"percent": 10} or {"calls": 20}`)
	case percent > MaxCanaryPercent:
		return p, fault.New(fault.Invalid, "percent: %d is not 1 to %d", percent, MaxCanaryPercent).WithHint("promote gives a version all calls")
	case calls > MaxCanaryCalls:
		return p, fault.New(fault.Invalid, "calls: %d is not 1 to %d", calls, MaxCanaryCalls)
	case p.Active == "":
		return p, fault.New(fault.Conflict, "the script has no working version beside which a canary could run")
	case version == p.Active:
		return p, fault.New(fault.Conflict, "version %s is active: new calls get it already", version).
			WithHint("roll back to the version before, then try this one as the canary")
	}
	if version == "" && p.Latest != p.Active {
		version = p.Latest
	}
	p.Canary = &Canary{Version: version, Percent: percent, Calls: calls}
	return p, nil
}

// Promote gives the canary all new calls. When it is the folder's newest, the
// script follows the folder again; any other stays pinned.
func (p Plan) Promote() (Plan, error) {
	if p.Canary == nil {
		return p, noCanary()
	}
	if p.Canary.Version == "" {
		return p, fault.New(fault.Conflict, "the canary still waits for the next save")
	}
	p = p.activate(p.Canary.Version)
	p.Canary, p.Pinned = nil, p.Active != p.Latest
	return p, nil
}

// Drop ends the canary. The active version stays, pinned when the folder's
// newest is another.
func (p Plan) Drop() (Plan, error) {
	if p.Canary == nil {
		return p, noCanary()
	}
	p.Canary, p.Pinned = nil, p.Pinned || p.Active != p.Latest
	return p, nil
}

func noCanary() error {
	return fault.New(fault.Conflict, "the script has no canary").WithHint("`loopstart scripts canary NAME --percent 10` starts one")
}

// Unpin makes the script follow the folder again.
func (p Plan) Unpin() (Plan, error) {
	switch {
	case p.Canary != nil:
		return p, fault.New(fault.Conflict, "the script has a canary").WithHint("promote it or drop it first")
	case !p.Pinned:
		return p, fault.New(fault.Conflict, "the script is not pinned")
	case p.Latest == "":
		return p, fault.New(fault.Conflict, "the script in the folder does not build, so there is nothing to go on with").
			WithHint("mend it first; it stays pinned to %s", p.Active)
	}
	p.Pinned = false
	return p.activate(p.Latest), nil
}

// plain tells a plan that a restart finds by itself.
func (p Plan) plain() bool { return !p.Held() && p.Previous == "" }
