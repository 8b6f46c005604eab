package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
)

// When a trunk rests: it goes behind the others, and ordered calls that have no
// other trunk wait. After the rest one call tries it (half open); others follow
// when that one is answered by the trunk, in whatever way.
const (
	restAfter = 5                // failures in a row
	restFirst = 15 * time.Second // the first rest
	restMost  = 5 * time.Minute  // rests double up to this
)

// rest is the circuit breaker of one trunk. Its zero value is closed.
type rest struct {
	failures int       // in a row
	rests    int       // in a row
	until    time.Time // zero: it does not rest
	asked    bool      // the trunk itself has asked for the rest
	probing  bool      // a call tries it after a rest
}

// failed notes a dial that the trunk did not take: no answer at all, or a
// server error before ringing. It reports whether a rest begins.
func (r *rest) failed(now time.Time) (began bool) {
	r.failures++
	if r.failures < restAfter && !r.probing || now.Before(r.until) && !r.probing {
		return false
	}
	pause := restFirst
	for range r.rests {
		pause = min(2*pause, restMost)
	}
	r.rests++
	r.until, r.probing, r.asked = now.Add(pause), false, false
	return true
}

// asks notes a 503 with Retry-After: the trunk itself asks to be left alone
// (RFC 3261 §21.5.4), and is for so long, up to the longest rest. It reports
// whether a rest begins.
func (r *rest) asks(now time.Time, pause time.Duration) (began bool) {
	r.failures++
	began = !now.Before(r.until)
	if until := now.Add(min(pause, restMost)); until.After(r.until) {
		r.until, r.asked = until, true
	}
	r.probing = false
	return began
}

// worked notes that the trunk dealt with a dial; it reports whether a rest ends.
func (r *rest) worked() (ended bool) {
	ended = !r.until.IsZero()
	*r = rest{}
	return ended
}

// unclear notes a dial that ended before the trunk could show anything.
func (r *rest) unclear() { r.probing = false }

// rests tells whether the trunk is to be left alone.
func (r *rest) resting(now time.Time) bool {
	return !r.until.IsZero() && (r.probing || now.Before(r.until))
}

// try notes that a dial begins: after a rest it is the probe.
func (r *rest) try(now time.Time) {
	if !r.until.IsZero() && !now.Before(r.until) {
		r.probing = true
	}
}

// words say why the trunk is left alone.
func (r *rest) words() string {
	if r.probing {
		return "is tried by one call after its rest"
	}
	if r.asked {
		return fmt.Sprintf("rests until %s: it asks for that (Retry-After)", r.until.Format("15:04:05"))
	}
	return fmt.Sprintf("rests until %s: %d calls in a row failed", r.until.Format("15:04:05"), r.failures)
}

// restedLast puts trunks that rest, and those that have stopped to answer our
// OPTIONS or REGISTER, behind the others.
func (e *Engine) restedLast(list []*config.Trunk) {
	if len(list) < 2 || e.sip == nil { // sip: a configuration that is only looked at
		return
	}
	gone := map[string]bool{}
	for _, s := range e.sip.Trunks() {
		gone[s.Name] = s.Lost
	}
	now := e.clk.Now()
	rank := func(t *config.Trunk) int {
		if gone[t.Name] || e.lines.resting(t.Name, now) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b *config.Trunk) int { return rank(a) - rank(b) })
}

func (l *lines) resting(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(name).rest.resting(now)
}

// trunkRest is the data of the events trunk.resting and trunk.back.
type trunkRest struct {
	Trunk    string    `json:"trunk"`
	Failures int       `json:"failures,omitempty"` // in a row
	Until    time.Time `json:"until,omitzero"`
}

// trunkNews counts a dial, and opens and closes the trunk's circuit breaker.
func (e *Engine) trunkNews(name string, n call.RouteNews) {
	now := e.clk.Now()
	e.lines.mu.Lock()
	h := e.lines.of(name)
	if n.Over {
		e.tallies.count(name, h, func(t *tally) { t.add(n) })
	}
	var began, ended bool
	switch {
	case n.Over && !n.Answered && !n.Cancelled && n.Rang == 0 && n.Code == 503 && n.Pause > 0:
		began = h.rest.asks(now, n.Pause)
	case n.Over && !n.Answered && !n.Cancelled && n.Rang == 0 && (!n.Heard || n.Code/100 == 5):
		began = h.rest.failed(now)
	case n.Over && !n.Heard:
		h.rest.unclear()
	default:
		ended = h.rest.worked()
	}
	if began {
		h.rests++
	}
	news := trunkRest{Trunk: name, Failures: h.rest.failures, Until: h.rest.until}
	words := h.rest.words()
	e.lines.mu.Unlock()
	switch {
	case began:
		e.log.Warn("trunk "+words, "trunk", name)
		e.tellTrunk("trunk.resting", news)
	case ended:
		e.log.Info("trunk takes calls again", "trunk", name)
		e.tellTrunk("trunk.back", news)
	}
}

func (e *Engine) tellTrunk(kind string, news trunkRest) {
	data, err := json.Marshal(news)
	if err == nil {
		e.emit(nil, Event{Type: kind, At: e.clk.Now(), Data: data})
	}
}
