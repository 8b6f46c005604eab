package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
)

// lines counts the calls on each trunk: max_calls of both directions, of which
// max_out may be ours, and max_cps new ones of ours a second. So campaigns leave
// lines for callers, who wait for a turn rather than for a campaign.
type lines struct {
	mu     sync.Mutex
	trunks map[string]*trunkLines
}

// trunkLines is one trunk's calls, and the tokens of its rate.
type trunkLines struct {
	in, out int
	rate    share
	rest    rest
	rests   uint64 // begun
	total   tally  // since the start
	daily   tally  // of day
	day     string
}

func (l *lines) of(name string) *trunkLines {
	if l.trunks == nil {
		l.trunks = map[string]*trunkLines{}
	}
	t := l.trunks[name]
	if t == nil {
		t = &trunkLines{}
		l.trunks[name] = t
	}
	return t
}

// MaxTurnWait is how long a dial for somebody who waits in a call may wait for
// its turn on a trunk that has reached max_cps; a later one is refused.
const MaxTurnWait = 3 * time.Second

// seize takes a line for a dial of ours. free gives it back and may be called
// more than once; a rate that was used is not given back. A dial for somebody
// who waits in a call goes before ordered calls: beyond the rate it gets the
// next turn, wait from now.
func (l *lines) seize(t *config.Trunk, now time.Time, ordered bool) (free func(), wait time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.of(t.Name)
	if err = have.full(t, now); err == nil && ordered {
		err = have.left(t, now)
	}
	if !ordered && fault.CodeOf(err) == fault.Rate {
		if wait = have.wait(t); wait <= MaxTurnWait {
			err = nil
		}
	}
	if err != nil {
		return nil, 0, err
	}
	have.out++
	have.rate.tokens--
	have.rest.try(now)
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		have.out--
	}), wait, nil
}

// wait is when there will be a token for one who asks now, behind those who
// have borrowed theirs.
func (h *trunkLines) wait(t *config.Trunk) time.Duration {
	return time.Duration((1 - h.rate.tokens) / t.MaxCPS * float64(time.Second))
}

// turn refills the rate of a trunk and tells whether a token is left. What was
// borrowed is paid back in full, unlike that of share.rate.
func (h *trunkLines) turn(now time.Time, perSecond float64) bool {
	return h.rate.refill(now, perSecond, max(perSecond, 1), MaxTurnWait.Seconds()*perSecond)
}

// full tells which limit keeps another dial off the trunk, or nil.
func (h *trunkLines) full(t *config.Trunk, now time.Time) error {
	switch {
	case t.MaxCalls > 0 && h.in+h.out >= t.MaxCalls:
		return fault.New(fault.Limit, "trunks.%s.max_calls: %d calls at once", t.Name, t.MaxCalls)
	case t.MaxOut > 0 && h.out >= t.MaxOut:
		return fault.New(fault.Limit, "trunks.%s.max_out: %d outgoing calls at once", t.Name, t.MaxOut)
	case t.MaxCPS > 0 && !h.turn(now, t.MaxCPS):
		return fault.New(fault.Rate, "trunks.%s.max_cps: %g new outgoing calls a second", t.Name, t.MaxCPS)
	}
	return nil
}

// left tells that the trunk is left alone after its failures, or nil.
func (h *trunkLines) left(t *config.Trunk, now time.Time) error {
	if !h.rest.resting(now) {
		return nil
	}
	return fault.New(fault.Limit, "trunk %s %s", t.Name, h.rest.words())
}

// refund gives the part of the rate back that a dial would have used.
func (l *lines) refund(t *config.Trunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(t.Name).rate.tokens++
}

// peek tells what keeps an ordered dial off the trunk now, or nil.
func (l *lines) peek(t *config.Trunk, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.of(t.Name).full(t, now); err != nil {
		return err
	}
	return l.of(t.Name).left(t, now)
}

// arrive takes a line for a call from the trunk.
func (l *lines) arrive(t *config.Trunk) (free func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.of(t.Name)
	if t.MaxCalls > 0 && have.in+have.out >= t.MaxCalls {
		return nil, fault.New(fault.Limit, "trunks.%s.max_calls: %d calls at once", t.Name, t.MaxCalls)
	}
	have.in++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		have.in--
	}), nil
}

// state is how many calls are on a trunk.
func (l *lines) state(name string) (in, out int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.of(name)
	return t.in, t.out
}

// reserve takes a line for the first route of a place that has one, and leaves
// out the routes before it: an attempt is begun, and counted, only when it can
// be dialled. Places with no trunk need no line.
func (e *Engine) reserve(p *call.Place) (free func(), err error) {
	cfg, now := e.Config(), e.clk.Now()
	for i, r := range p.Routes {
		t, ok := cfg.Trunk(r.Trunk)
		if !ok {
			p.Routes = slices.Clone(p.Routes[i:])
			return func() {}, nil
		}
		var line func()
		if line, _, err = e.lines.seize(t, now, true); err == nil {
			p.Routes = slices.Clone(p.Routes[i:])
			p.Routes[0].Seize = func() (func(), time.Duration, error) { return line, 0, nil }
			return line, nil
		}
	}
	return nil, err
}
