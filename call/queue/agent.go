package queue

import (
	"strconv"
	"time"
)

// agent is somebody who serves: one state over all groups, so that an agent of
// several is rung once.
type agent struct {
	name    string
	skills  map[string]int
	away    bool
	reason  string // why it is away, when it did not say so itself
	serves  ID     // whose phone call rings or talks; 0 for none
	talking bool
	since   time.Time // of the state
	ended   time.Time // of the last talk

	restUntil   time.Time // wrap-up
	asideUntil  time.Time // it could not be rung
	asideReason string
	misses      int // calls in a row that it did not take
}

// rest ends ringing or talking.
func (a *agent) rest(now time.Time) { a.serves, a.talking, a.since = 0, false, now }

func (a *agent) aside(until time.Time, why string) { a.asideUntil, a.asideReason = until, why }

// able tells whether the agent has what is asked for.
func (a *agent) able(e *entry) bool {
	for skill, level := range e.req.Skills {
		if a.skills[skill] < max(level, 1) {
			return false
		}
	}
	return true
}

// level is how well the agent knows what is asked for.
func (a *agent) level(e *entry) (sum int) {
	for skill := range e.req.Skills {
		sum += a.skills[skill]
	}
	return sum
}

// obstacle is why the agent itself is not rung now, "" for nothing; the
// outside is asked apart.
func (a *agent) obstacle(now time.Time) string {
	switch {
	case a.talking:
		return "talking"
	case a.serves != 0:
		return "ringing"
	case a.away:
		return "away"
	case now.Before(a.restUntil):
		return "wrap_up"
	case now.Before(a.asideUntil):
		return "aside"
	}
	return ""
}

// SetState makes an agent ready or away. It reports whether there is such an
// agent.
func (c *Core) SetState(now time.Time, name, state string) bool {
	a := c.agents[name]
	if a == nil {
		return false
	}
	away := state == "away"
	if a.away != away {
		c.events = append(c.events, Event{Type: "agent." + state, Agent: name})
		a.since = now
	}
	a.away, a.reason = away, ""
	if !away {
		a.misses, a.asideUntil = 0, time.Time{}
	}
	return true
}

// Restore puts back a state that an earlier process knew.
func (c *Core) Restore(name string, away bool, reason string, since time.Time) {
	if a := c.agents[name]; a != nil {
		a.away, a.reason, a.since = away, reason, since
	}
}

// Away tells whether an agent takes no calls, and why.
func (c *Core) Away(name string) (away bool, reason string, since time.Time) {
	if a := c.agents[name]; a != nil {
		return a.away, a.reason, a.since
	}
	return false, "", time.Time{}
}

// Ready tells whether connect may ring a member now.
func (c *Core) Ready(now time.Time, name string) bool {
	a := c.agents[name]
	return a == nil || !a.away && a.serves == 0 && !now.Before(a.restUntil)
}

// Idle is when a member's last talk ended; zero for none.
func (c *Core) Idle(name string) time.Time {
	if a := c.agents[name]; a != nil {
		return a.ended
	}
	return time.Time{}
}

func itoa(n int) string { return strconv.Itoa(n) }
