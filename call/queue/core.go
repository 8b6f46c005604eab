package queue

import (
	"slices"
	"strings"
	"time"
)

// Limits of one core.
const (
	MaxWaiting = 10_000
	MaxLeft    = 10_000
)

// How long an agent is put aside when it could not be rung at once.
const (
	AsideBusy   = 10 * time.Second // its phone says busy
	AsideFailed = 30 * time.Second // its phone does not answer the network
	AsideLeast  = 5 * time.Second
)

// Poll is how often agents are looked at again whose phones are away or busy,
// while somebody waits for them.
const Poll = time.Second

// Group is one line and who serves it.
type Group struct {
	Name         string
	Members      []string      // agents' names, in the order of the configuration
	Ring         string        // all, serial, longest_idle, round_robin, skills
	Each         time.Duration // ring time of one agent
	WrapUp       time.Duration // rest after a talk
	MaxWaiting   int
	PauseAfter   int           // calls missed in a row; 0 never pauses
	ServiceLevel time.Duration // answered within it counts as served well
}

// Reach is what the outside knows of an agent's phone.
type Reach string

// Reaches of a phone.
const (
	Free         Reach = ""
	Busy         Reach = "busy"         // in another call
	Unregistered Reach = "unregistered" // no phone is there
)

// Outside is what a core asks about the world.
type Outside struct {
	Reach func(agent string) Reach
	Open  func(group string) bool
	// Day names the day of an instant, by which figures are kept.
	Day func(time.Time) string
}

// Request is somebody who wants to be served.
type Request struct {
	Group    string
	Call     string // id of the call
	From     string // the caller's number
	Priority int    // higher ones first
	Skills   map[string]int
	// Back is a place kept for somebody who is called back: it is served only
	// while the group is open.
	Back bool
	// Arrived and Seq are those of a place that is kept; zero for a new one.
	Arrived time.Time
	Seq     uint64
}

// ID names one who waits.
type ID uint64

// Effect is something to be done for one who waits.
type Effect struct {
	ID    ID
	Stop  bool // stop ringing the agent; else ring it
	Agent string
	Each  time.Duration
	Why   string // in words, for the timeline
}

// Event is something that others may want to hear of.
type Event struct {
	Type     string // queue.entered, agent.ringing, …
	Group    string
	Agent    string
	Call     string
	From     string
	Position int
	WaitMs   int64
	Reason   string
}

// entry is one who waits, is rung for, or talks.
type entry struct {
	id      ID
	req     Request
	group   *group
	seq     uint64
	arrived time.Time
	ringing []string // agents, in the order in which they were rung
	offered string   // the agent who has picked up and is asked first
	agent   string   // who talks
	began   time.Time
	why     string // the last account of who is not rung
}

// group is a line in use.
type group struct {
	Group
	next   int // of round_robin
	recent []time.Duration
	day    Day
	gone   bool // not in the configuration any more
}

// Core is all lines and all agents.
type Core struct {
	out     Outside
	groups  map[string]*group
	agents  map[string]*agent
	entries map[ID]*entry
	order   []*entry // who waits, as they are served
	ids     ID
	seq     uint64
	effects []Effect
	events  []Event
	totals  Totals
}

// Totals count what has happened over all groups since the start.
type Totals struct {
	Offered, Answered, Abandoned, TimedOut, Full, Closed, Misses, Pauses, Rings int64
	Forgotten                                                                   int64 // places beyond MaxLeft
}

// New makes a core without groups.
func New(o Outside) *Core {
	return &Core{out: o, groups: map[string]*group{}, agents: map[string]*agent{}, entries: map[ID]*entry{}}
}

// Configure puts groups and the skills of agents into force; skills also names
// agents of no group. Who waits in a
// group that is gone goes on waiting until it leaves.
func (c *Core) Configure(now time.Time, groups []Group, skills map[string]map[string]int) {
	for _, g := range c.groups {
		g.gone = true
	}
	for _, g := range groups {
		have := c.groups[g.Name]
		if have == nil {
			have = &group{}
			c.groups[g.Name] = have
		}
		have.Group, have.gone = g, false
		for _, m := range g.Members {
			if c.agents[m] == nil {
				c.agents[m] = &agent{name: m, since: now}
			}
		}
	}
	for name := range skills {
		if c.agents[name] == nil {
			c.agents[name] = &agent{name: name, since: now}
		}
	}
	for name, a := range c.agents {
		a.skills = skills[name]
	}
	for name, g := range c.groups {
		if g.gone && !slices.ContainsFunc(c.order, func(e *entry) bool { return e.group == g }) {
			delete(c.groups, name)
		}
	}
}

// Enter puts somebody in line. The status is "" for one who waits, else closed
// or full, with no id. Somebody for whom an agent is free never finds a line
// full.
func (c *Core) Enter(now time.Time, r Request) (ID, string) {
	g := c.groups[r.Group]
	if g == nil || !r.Back && !c.out.Open(r.Group) {
		if g != nil {
			c.today(g, now).Closed++
		}
		c.totals.Closed++
		return 0, "closed"
	}
	if c.full(now, g, r) {
		c.today(g, now).Full++
		c.totals.Full++
		return 0, "full"
	}
	c.ids++
	e := &entry{id: c.ids, req: r, group: g, seq: r.Seq, arrived: r.Arrived}
	if e.arrived.IsZero() {
		e.arrived = now
	}
	if e.seq == 0 {
		c.seq++
		e.seq = c.seq
	}
	c.seq = max(c.seq, e.seq)
	c.entries[e.id] = e
	c.insert(e)
	if !r.Back {
		c.today(g, now).Offered++
		c.totals.Offered++
	}
	c.tell(Event{Type: "queue.entered", Position: c.position(e)}, e)
	return e.id, ""
}

func (c *Core) full(now time.Time, g *group, r Request) bool {
	if len(c.order) >= MaxWaiting {
		return true
	}
	if r.Back {
		return false
	}
	waiting, trial := 0, &entry{req: r, group: g}
	for _, e := range c.order {
		if e.group == g && !e.req.Back {
			waiting++
		}
	}
	if waiting < g.MaxWaiting {
		return false
	}
	return waiting > 0 || !slices.ContainsFunc(g.Members, func(m string) bool {
		a := c.agents[m]
		return a.able(trial) && a.obstacle(now) == "" && c.out.Reach(m) == Free
	})
}

// insert keeps the order of service: priority, then arrival.
func (c *Core) insert(e *entry) {
	i, _ := slices.BinarySearchFunc(c.order, e, before)
	c.order = slices.Insert(c.order, i, e)
}

func before(a, b *entry) int {
	switch {
	case a.req.Priority != b.req.Priority:
		return b.req.Priority - a.req.Priority
	case a.seq < b.seq:
		return -1
	case a.seq > b.seq:
		return 1
	}
	return 0
}

func (c *Core) drop(e *entry) {
	c.order = slices.DeleteFunc(c.order, func(x *entry) bool { return x == e })
}

// SetPriority moves one who waits.
func (c *Core) SetPriority(id ID, priority int) {
	e := c.entries[id]
	if e == nil || e.agent != "" {
		return
	}
	c.drop(e)
	e.req.Priority = priority
	c.insert(e)
}

// Position is the place in its line, from 1; 0 for one who does not wait.
func (c *Core) Position(id ID) int {
	if e := c.entries[id]; e != nil && e.agent == "" {
		return c.position(e)
	}
	return 0
}

func (c *Core) position(e *entry) int {
	n := 0
	for _, x := range c.order {
		if x.group == e.group {
			n++
		}
		if x == e {
			return n
		}
	}
	return n + 1
}

// Leave takes one out of line: abandoned, timeout, key, callback, … or the end
// of what it waited for. Agents who ring for it are free again.
func (c *Core) Leave(now time.Time, id ID, how string) {
	e := c.entries[id]
	if e == nil {
		return
	}
	if e.agent != "" {
		c.Over(now, id)
		return
	}
	delete(c.entries, id)
	c.drop(e)
	for _, name := range e.ringing {
		c.agents[name].rest(now)
		c.effect(Effect{ID: id, Stop: true, Agent: name})
	}
	if e.offered != "" {
		c.agents[e.offered].rest(now)
	}
	d := c.today(e.group, now)
	switch {
	case e.req.Back:
	case how == "timeout":
		d.TimedOut++
		c.totals.TimedOut++
	case how == "key":
		d.Keys++
	default:
		d.Abandoned++
		c.totals.Abandoned++
	}
	if !e.req.Back {
		d.Longest(now.Sub(e.arrived))
	}
	kind := "queue.left"
	if how == "abandoned" {
		kind = "queue.abandoned"
	}
	c.tell(Event{Type: kind, Reason: how, WaitMs: now.Sub(e.arrived).Milliseconds()}, e)
}

// Answered says that an agent has picked up and is asked or told something
// before the talk.
func (c *Core) Answered(id ID, name string) {
	e := c.entries[id]
	if e == nil || !slices.Contains(e.ringing, name) || e.offered != "" {
		return
	}
	e.ringing = slices.DeleteFunc(e.ringing, func(s string) bool { return s == name })
	e.offered = name
	c.agents[name].misses = 0
}

// Failed says that an agent was rung in vain: no_answer, busy, rejected, failed,
// or cancelled when it was not its fault.
func (c *Core) Failed(now time.Time, id ID, name, how string) {
	e, a := c.entries[id], c.agents[name]
	if e == nil || a == nil || a.serves != id {
		return
	}
	e.ringing = slices.DeleteFunc(e.ringing, func(s string) bool { return s == name })
	if e.offered == name {
		e.offered = ""
	}
	a.rest(now)
	each := max(e.group.Each, AsideLeast)
	switch how {
	case "busy":
		a.aside(now.Add(AsideBusy), "busy")
	case "rejected":
		a.aside(now.Add(each), "rejected the call")
	case "no_answer":
		a.aside(now.Add(each), "did not answer")
		c.missed(now, e, a)
	case "failed":
		a.aside(now.Add(AsideFailed), "could not be reached")
		c.missed(now, e, a)
	default:
		return
	}
	c.tell(Event{Type: "agent.missed", Agent: name, Reason: how}, e)
}

// missed counts a call that an agent did not take, and pauses one who misses
// too many: unless nobody else of the group would be left.
func (c *Core) missed(now time.Time, e *entry, a *agent) {
	a.misses++
	c.totals.Misses++
	c.today(e.group, now).Misses++
	if n := e.group.PauseAfter; n <= 0 || a.misses < n {
		return
	}
	others := slices.ContainsFunc(e.group.Members, func(m string) bool {
		x := c.agents[m]
		return m != a.name && !x.away && c.out.Reach(m) != Unregistered
	})
	if !others {
		return
	}
	c.totals.Pauses++
	a.away, a.reason, a.since = true, "missed "+plural(a.misses)+" in a row", now
	c.tell(Event{Type: "agent.paused", Agent: a.name, Reason: a.reason}, e)
}

func plural(n int) string {
	if n == 1 {
		return "1 call"
	}
	return itoa(n) + " calls"
}

// Talking says that an agent talks with who waited. Others who ring are free.
func (c *Core) Talking(now time.Time, id ID, name string) {
	e, a := c.entries[id], c.agents[name]
	if e == nil || a == nil || a.serves != id || e.agent != "" {
		return
	}
	for _, other := range e.ringing {
		if other != name {
			c.agents[other].rest(now)
			c.effect(Effect{ID: id, Stop: true, Agent: other})
		}
	}
	if e.offered != "" && e.offered != name {
		c.agents[e.offered].rest(now)
	}
	e.ringing, e.offered, e.agent, e.began = nil, "", name, now
	c.drop(e)
	a.talking, a.since, a.misses, a.asideUntil = true, now, 0, time.Time{}
	wait := now.Sub(e.arrived)
	d := c.today(e.group, now)
	if e.req.Back {
		d.Callbacks++
	} else {
		d.Answered++
		c.totals.Answered++
		d.WaitMs += wait.Milliseconds()
		d.Longest(wait)
		if wait <= e.group.ServiceLevel {
			d.InTime++
		}
	}
	c.tell(Event{Type: "queue.answered", Agent: name, WaitMs: wait.Milliseconds()}, e)
}

// Over says that a talk has ended: the agent rests for its wrap-up.
func (c *Core) Over(now time.Time, id ID) {
	e := c.entries[id]
	if e == nil || e.agent == "" {
		return
	}
	delete(c.entries, id)
	a := c.agents[e.agent]
	a.rest(now)
	a.ended = now
	a.restUntil = now.Add(e.group.WrapUp)
	talk := now.Sub(e.began)
	d := c.today(e.group, now)
	d.TalkMs += talk.Milliseconds()
	d.Talks++
	e.group.handled(talk + e.group.WrapUp)
	c.tell(Event{Type: "queue.done", Agent: a.name, WaitMs: e.began.Sub(e.arrived).Milliseconds()}, e)
	if e.group.WrapUp > 0 {
		c.tell(Event{Type: "agent.wrap_up", Agent: a.name}, e)
	}
}

// Talked says that an agent has talked outside of a line, by connect: longest
// idle and wrap-up count it.
func (c *Core) Talked(now time.Time, name string) {
	a := c.agents[name]
	if a == nil {
		return
	}
	a.ended, a.misses = now, 0
	for _, g := range c.groups {
		if slices.Contains(g.Members, name) {
			a.restUntil = later(a.restUntil, now.Add(g.WrapUp))
		}
	}
}

// Drain gives what is to be done and told since the last time.
func (c *Core) Drain() ([]Effect, []Event) {
	effects, events := c.effects, c.events
	c.effects, c.events = nil, nil
	return effects, events
}

func (c *Core) effect(e Effect) { c.effects = append(c.effects, e) }

func (c *Core) tell(ev Event, e *entry) {
	ev.Group, ev.Call, ev.From = e.req.Group, e.req.Call, e.req.From
	c.events = append(c.events, ev)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func join(list []string) string { return strings.Join(list, ", ") }
