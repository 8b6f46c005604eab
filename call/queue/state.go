package queue

import "time"

// State is a group as it stands.
type State struct {
	Name    string    `json:"name"`
	Open    bool      `json:"open"`
	Ring    string    `json:"ring"`
	Waiting []Waiting `json:"waiting"`
	Members []Member  `json:"members"`
	Counts  Day       `json:"counts"`
	// ServiceLevel is the share of today's callers who were answered in time,
	// 0–1; absent before the first.
	ServiceLevel   *float64 `json:"service_level,omitempty"`
	AverageWaitMs  int64    `json:"average_wait_ms"`
	AverageTalkMs  int64    `json:"average_talk_ms"`
	LongestWaitMs  int64    `json:"longest_wait_ms"` // of those who wait now
	ExpectedWaitMs *int64   `json:"expected_wait_ms,omitempty"`
}

// Waiting is one who waits.
type Waiting struct {
	Position int       `json:"position"`
	Call     string    `json:"call,omitempty"`
	From     string    `json:"from"`
	Priority int       `json:"priority"`
	Since    time.Time `json:"since"`
	WaitMs   int64     `json:"wait_ms"`
	Callback bool      `json:"callback,omitempty"`
	Ringing  []string  `json:"ringing,omitempty"`
}

// Member is an agent as it stands.
type Member struct {
	Name   string         `json:"name"`
	State  string         `json:"state"` // ready, ringing, talking, wrap_up, aside, busy, away, unregistered
	Since  time.Time      `json:"since"`
	Reason string         `json:"reason,omitempty"`
	Call   string         `json:"call,omitempty"` // the caller's, while it rings or talks
	Skills map[string]int `json:"skills,omitempty"`
	Misses int            `json:"misses,omitempty"` // in a row
	Until  *time.Time     `json:"until,omitempty"`  // of wrap_up and aside
	Groups []string       `json:"groups,omitempty"`
}

// State is a group as it stands; false when there is none of that name.
func (c *Core) State(now time.Time, name string) (State, bool) {
	g := c.groups[name]
	if g == nil {
		return State{}, false
	}
	d := *c.today(g, now)
	s := State{Name: name, Open: c.out.Open(name), Ring: g.Ring, Waiting: []Waiting{}, Members: []Member{}, Counts: d}
	for _, e := range c.order {
		if e.group != g {
			continue
		}
		wait := now.Sub(e.arrived).Milliseconds()
		s.LongestWaitMs = max(s.LongestWaitMs, wait)
		w := Waiting{
			Position: len(s.Waiting) + 1, Call: e.req.Call, From: e.req.From, Priority: e.req.Priority, Since: e.arrived, WaitMs: wait, Callback: e.req.Back,
			Ringing: append([]string(nil), e.ringing...),
		}
		if e.offered != "" {
			w.Ringing = append(w.Ringing, e.offered)
		}
		s.Waiting = append(s.Waiting, w)
	}
	for _, m := range g.Members {
		one, _ := c.Member(now, m)
		s.Members = append(s.Members, one)
	}
	if ended := d.Answered + d.Abandoned + d.TimedOut; ended > 0 {
		level := float64(d.InTime*1000/ended) / 1000
		s.ServiceLevel = &level
	}
	if d.Answered > 0 {
		s.AverageWaitMs = d.WaitMs / int64(d.Answered)
	}
	if d.Talks > 0 {
		s.AverageTalkMs = d.TalkMs / int64(d.Talks)
	}
	if wait, known := c.Expected(now, name, len(s.Waiting)+1); known {
		ms := wait.Milliseconds()
		s.ExpectedWaitMs = &ms
	}
	return s, true
}

// Member is an agent as it stands; false when there is none of that name.
func (c *Core) Member(now time.Time, name string) (Member, bool) {
	a := c.agents[name]
	if a == nil {
		return Member{}, false
	}
	m := Member{Name: name, State: a.obstacle(now), Since: a.since, Reason: a.reason, Skills: a.skills, Misses: a.misses}
	if e := c.entries[a.serves]; e != nil {
		m.Call = e.req.Call
	}
	switch m.State {
	case "wrap_up":
		at := a.restUntil
		m.Until = &at
	case "aside":
		at := a.asideUntil
		m.Until, m.Reason = &at, a.asideReason
	case "":
		if m.State = "ready"; c.out.Reach(name) != Free {
			m.State = string(c.out.Reach(name))
		}
	}
	return m, true
}

// Groups is the names of all groups in force; an agent's when one is named.
func (c *Core) Groups(agent string) (names []string) {
	for name, g := range c.groups {
		if g.gone {
			continue
		}
		for _, m := range g.Members {
			if agent == "" || m == agent {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// Totals are the counts since the start.
func (c *Core) Totals() Totals { return c.totals }

// Waits is how many wait over all groups.
func (c *Core) Waits() int { return len(c.order) }
