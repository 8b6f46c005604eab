package engine

import (
	"sync"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
)

// admission decides whether another call may begin: calls at once and new
// calls a second, over all and per script, and calls at once per route.
type admission struct {
	mu       sync.Mutex
	draining bool
	all      share
	scripts  map[string]*share
	routes   map[string]*share
	Refused  int64
}

// share is the calls of one kind, and the tokens of its rate.
type share struct {
	calls  int
	tokens float64
	at     time.Time
}

// ticket is what an admitted call gives back when it ends.
type ticket struct {
	script, route string
	ordered       bool // we begin it: callers go first
}

// callerShare is the part of limits.calls, in percent, that ordered calls leave
// for callers.
const callerShare = 10

func (a *admission) ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining {
		return fault.New(fault.Unavailable, "draining")
	}
	return nil
}

func (a *admission) drain() {
	a.mu.Lock()
	a.draining = true
	a.mu.Unlock()
}

// admit takes a place for a call, or tells which limit is reached.
func (a *admission) admit(cfg *config.Config, now time.Time, t ticket, routeMax int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scripts == nil {
		a.scripts, a.routes = map[string]*share{}, map[string]*share{}
	}
	l := cfg.ScriptLimits(t.script)
	script, route := of(a.scripts, t.script), of(a.routes, t.route)
	err := a.check(cfg, now, l, script, route, t, routeMax)
	if err != nil {
		if !t.ordered { // those wait
			a.Refused++
		}
		return err
	}
	a.all.take()
	script.take()
	route.take()
	return nil
}

// peek tells whether an ordered call would be admitted now, and counts nothing.
func (a *admission) peek(cfg *config.Config, now time.Time, t ticket) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scripts == nil {
		a.scripts, a.routes = map[string]*share{}, map[string]*share{}
	}
	return a.check(cfg, now, cfg.ScriptLimits(t.script), of(a.scripts, t.script), of(a.routes, t.route), t, 0)
}

func (a *admission) check(cfg *config.Config, now time.Time, l config.ScriptLimits, script, route *share, t ticket, routeMax int) error {
	switch {
	case a.draining:
		return fault.New(fault.Unavailable, "draining: no new calls")
	case a.all.calls >= cfg.Limits.Calls:
		return fault.New(fault.Limit, "limits.calls: %d calls at once", cfg.Limits.Calls)
	case t.ordered && a.all.calls >= cfg.Limits.Calls-cfg.Limits.Calls*callerShare/100:
		return fault.New(fault.Limit, "limits.calls: %d calls at once, of which a tenth is left for callers", cfg.Limits.Calls)
	case l.Calls > 0 && script.calls >= l.Calls:
		return fault.New(fault.Limit, "scripts.limits.%s.calls: %d calls at once", t.script, l.Calls)
	case routeMax > 0 && route.calls >= routeMax:
		return fault.New(fault.Limit, "%s: max_calls: %d calls at once", t.route, routeMax)
	case !a.all.rate(now, cfg.Limits.CPS):
		return fault.New(fault.Rate, "limits.cps: %g new calls a second", cfg.Limits.CPS)
	case l.CPS > 0 && !script.rate(now, l.CPS):
		return fault.New(fault.Rate, "scripts.limits.%s.cps: %g new calls a second", t.script, l.CPS)
	}
	return nil
}

// release gives an admitted call's place back.
func (a *admission) release(t ticket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.calls--
	drop(a.scripts, t.script)
	drop(a.routes, t.route)
}

// refund gives back the place of a call that never began, and its part of the
// rate.
func (a *admission) refund(t ticket) {
	a.release(t)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.tokens++
	of(a.scripts, t.script).tokens++
}

func of(m map[string]*share, name string) *share {
	s := m[name]
	if s == nil {
		s = &share{}
		m[name] = s
	}
	return s
}

func drop(m map[string]*share, name string) {
	if s := m[name]; s != nil {
		s.calls--
	}
}

func (s *share) take() {
	s.calls++
	s.tokens--
}

// rate refills the bucket, which holds one second's worth of calls but at
// least one, and reports whether a token is left.
func (s *share) rate(now time.Time, perSecond float64) bool {
	return s.bucket(now, perSecond, max(perSecond, 1))
}

// bucket is rate for a bucket that holds full tokens.
func (s *share) bucket(now time.Time, perSecond, full float64) bool {
	return s.refill(now, perSecond, full, full)
}

// refill is bucket where at most so much debt is remembered.
func (s *share) refill(now time.Time, perSecond, full, debt float64) bool {
	if s.at.IsZero() {
		s.tokens, s.at = full, now
	}
	if passed := now.Sub(s.at); passed > 0 { // a clock that steps back refills nothing
		s.tokens, s.at = min(full, max(s.tokens, -debt)+passed.Seconds()*perSecond), now
	}
	return s.tokens >= 1
}

func (a *admission) refused() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Refused
}
