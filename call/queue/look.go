package queue

import (
	"slices"
	"time"
)

// Look rings free agents for those who wait: first those of higher priority,
// then those who came first. One for whom nobody can be rung keeps nobody
// behind him waiting.
func (c *Core) Look(now time.Time) {
	c.rested(now)
	if len(c.order) == 0 {
		return
	}
	reach := map[string]Reach{}
	for _, e := range c.order {
		if e.offered != "" || e.group.gone || e.req.Back && !c.out.Open(e.req.Group) {
			continue
		}
		all := e.group.Ring == "all"
		if !all && len(e.ringing) > 0 {
			continue
		}
		free := c.free(now, e, reach)
		if len(free) == 0 {
			continue
		}
		if !all {
			free = free[:1]
		}
		for _, a := range free {
			c.ring(now, e, a)
		}
	}
}

// ring takes an agent for e.
func (c *Core) ring(now time.Time, e *entry, a *agent) {
	a.serves, a.since = e.id, now
	e.ringing = append(e.ringing, a.name)
	e.why = ""
	c.totals.Rings++
	if e.group.Ring == "round_robin" {
		e.group.next = slices.Index(e.group.Members, a.name) + 1
	}
	c.effect(Effect{ID: e.id, Agent: a.name, Each: e.group.Each, Why: c.because(now, e, a)})
	c.tell(Event{Type: "agent.ringing", Agent: a.name}, e)
}

// because says why it is this agent.
func (c *Core) because(now time.Time, e *entry, a *agent) string {
	switch e.group.Ring {
	case "all":
		return "all who are free"
	case "round_robin":
		return "next in turn"
	case "serial":
		return "first of the list who is free"
	}
	idle := "no talk yet"
	if !a.ended.IsZero() {
		idle = "idle for " + now.Sub(a.ended).Round(time.Second).String()
	}
	if e.group.Ring == "skills" && len(e.req.Skills) > 0 {
		return "best skills, " + idle
	}
	return "longest idle: " + idle
}

// free is the agents who can be rung for e now, the best one first.
func (c *Core) free(now time.Time, e *entry, reach map[string]Reach) []*agent {
	g := e.group
	var out []*agent
	for i := range g.Members {
		a := c.agents[g.Members[(i+g.start())%len(g.Members)]]
		if !a.able(e) || a.obstacle(now) != "" || slices.Contains(out, a) {
			continue
		}
		r, known := reach[a.name]
		if !known {
			r = c.out.Reach(a.name)
			reach[a.name] = r
		}
		if r == Free {
			out = append(out, a)
		}
	}
	idle := func(a, b *agent) int { return a.ended.Compare(b.ended) }
	switch g.Ring {
	case "longest_idle":
		slices.SortStableFunc(out, idle)
	case "skills":
		slices.SortStableFunc(out, func(a, b *agent) int {
			if d := b.level(e) - a.level(e); d != 0 {
				return d
			}
			return idle(a, b)
		})
	}
	return out
}

// start is the first member of the next round.
func (g *group) start() int {
	if g.Ring != "round_robin" {
		return 0
	}
	return g.next
}

// rested tells of agents whose wrap-up has ended.
func (c *Core) rested(now time.Time) {
	for _, name := range c.names() {
		a := c.agents[name]
		if !a.restUntil.IsZero() && !now.Before(a.restUntil) {
			a.restUntil = time.Time{}
			if a.obstacle(now) == "" {
				a.since = now
				c.events = append(c.events, Event{Type: "agent.ready", Agent: name})
			}
		}
	}
}

// names is all agents, sorted.
func (c *Core) names() []string {
	out := make([]string, 0, len(c.agents))
	for name := range c.agents {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Next is when the core has to be looked at again with nothing told to it;
// false for never.
func (c *Core) Next(now time.Time) (at time.Time, ok bool) {
	soonest := func(t time.Time) {
		if t.After(now) && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	for _, a := range c.agents {
		soonest(a.restUntil)
		if len(c.order) > 0 {
			soonest(a.asideUntil)
		}
	}
	if slices.ContainsFunc(c.order, func(e *entry) bool { return e.offered == "" && !e.group.gone }) {
		soonest(now.Add(Poll))
	}
	return at, ok
}

// Others says who of the group is not rung for one who waits, and why; "" when
// that has been said and is the same.
func (c *Core) Others(now time.Time, id ID) string {
	e := c.entries[id]
	if e == nil {
		return ""
	}
	var list []string
	for _, m := range e.group.Members {
		a := c.agents[m]
		if why := c.obstacle(now, e, a); why != "" && a.serves != id {
			list = append(list, m+" "+why)
		}
	}
	words := join(list)
	if words == e.why {
		return ""
	}
	e.why = words
	return words
}

// obstacle is why an agent is not rung for e, in words; "" when it can be.
func (c *Core) obstacle(now time.Time, e *entry, a *agent) string {
	switch o := a.obstacle(now); {
	case !a.able(e):
		return "lacks the skills"
	case o == "away" && a.reason != "":
		return "paused: " + a.reason
	case o == "wrap_up":
		return "rests after a talk"
	case o == "aside":
		return a.asideReason
	case o == "ringing":
		return "rings for somebody else"
	case o == "talking":
		return "talks"
	case o != "":
		return o
	}
	switch c.out.Reach(a.name) {
	case Busy:
		return "is in another call"
	case Unregistered:
		return "is not registered"
	}
	return ""
}
