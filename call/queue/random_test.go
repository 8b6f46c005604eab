package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// crowd is 1,000 callers and 50 agents of three groups, with everything that
// can happen to them, in virtual time.
type crowd struct {
	t      *testing.T
	core   *Core
	rnd    *rand.Rand
	now    time.Time
	todo   []deed
	reach  map[string]Reach
	busyBy map[string]ID // whom an agent rings for or talks with
	ended  map[ID]string
	open   map[ID]Request
	order  []ID // as they entered
	talks  int
}

type deed struct {
	at time.Time
	n  int // of equal times the first comes first
	do func()
}

func (c *crowd) in(d time.Duration, f func()) {
	c.todo = append(c.todo, deed{c.now.Add(d), len(c.todo), f})
}

func (c *crowd) between(min, max time.Duration) time.Duration {
	return min + time.Duration(c.rnd.Int64N(int64(max-min)))
}

func (c *crowd) enter(n int) {
	r := Request{Group: []string{"a", "b", "c"}[n%3], Call: itoa(n), Priority: c.rnd.IntN(3), Back: n%17 == 0}
	id, status := c.core.Enter(c.now, r)
	if status != "" {
		if id != 0 || r.Back {
			c.t.Errorf("caller %d: %s with id %d", n, status, id)
		}
		return
	}
	c.open[id] = r
	c.order = append(c.order, id)
	c.settle()
	if n%5 == 0 {
		c.in(c.between(time.Second, 5*time.Minute), func() { c.leave(id, "abandoned") })
	}
	if n%7 == 0 {
		c.in(c.between(0, time.Minute), func() { c.core.SetPriority(id, c.rnd.IntN(5)) })
	}
}

// leave is a caller who hangs up, if it still waits.
func (c *crowd) leave(id ID, how string) {
	if c.ended[id] != "" {
		return
	}
	for name, of := range c.busyBy {
		if of == id {
			delete(c.busyBy, name)
		}
	}
	c.core.Leave(c.now, id, how)
	c.end(id, how)
}

func (c *crowd) end(id ID, how string) {
	if c.ended[id] != "" {
		c.t.Errorf("%d has ended twice: %s, %s", id, c.ended[id], how)
	}
	c.ended[id] = how
	delete(c.open, id)
}

// settle takes the effects of what has just happened.
func (c *crowd) settle() {
	c.core.Look(c.now)
	effects, _ := c.core.Drain()
	for _, e := range effects {
		if e.Stop {
			if c.busyBy[e.Agent] == e.ID {
				delete(c.busyBy, e.Agent)
			}
			continue
		}
		if of, rung := c.busyBy[e.Agent]; rung {
			c.t.Fatalf("%s is rung for %d while it is busy with %d", e.Agent, e.ID, of)
		}
		if c.reach[e.Agent] != Free {
			c.t.Fatalf("%s is rung and %s", e.Agent, c.reach[e.Agent])
		}
		if _, waits := c.open[e.ID]; !waits {
			c.t.Fatalf("%s is rung for %d, who does not wait", e.Agent, e.ID)
		}
		c.busyBy[e.Agent] = e.ID
		c.first(e.ID, e.Agent)
		c.rung(e.ID, e.Agent)
	}
}

// rung decides what an agent does with a ring.
func (c *crowd) rung(id ID, agent string) {
	fate := c.rnd.IntN(10)
	c.in(c.between(100*time.Millisecond, 20*time.Second), func() {
		if c.busyBy[agent] != id {
			return
		}
		if fate < 3 {
			delete(c.busyBy, agent)
			c.core.Failed(c.now, id, agent, []string{"no_answer", "busy", "failed"}[fate])
			return
		}
		c.core.Answered(id, agent)
		c.core.Talking(c.now, id, agent)
		c.talks++
		for name, of := range c.busyBy {
			if of == id && name != agent {
				delete(c.busyBy, name)
			}
		}
		c.in(c.between(time.Second, 3*time.Minute), func() {
			if c.ended[id] != "" {
				return
			}
			delete(c.busyBy, agent)
			c.core.Over(c.now, id)
			c.end(id, "talked")
		})
	})
}

// first checks that nobody who could have had the agent stands before the one
// it is rung for.
func (c *crowd) first(id ID, agent string) {
	for _, e := range c.core.order {
		if e.id == id {
			return
		}
		wants := e.offered == "" && (e.group.Ring == "all" || len(e.ringing) == 0)
		if wants && slices.Contains(e.group.Members, agent) {
			c.t.Fatalf("%s is rung for %d before %d", agent, id, e.id)
		}
	}
}

func (c *crowd) run(until time.Time) {
	for {
		slices.SortFunc(c.todo, func(a, b deed) int {
			if d := a.at.Compare(b.at); d != 0 {
				return d
			}
			return a.n - b.n
		})
		at, ok := c.core.Next(c.now)
		if len(c.todo) > 0 && (!ok || !c.todo[0].at.After(at)) {
			d := c.todo[0]
			c.todo = c.todo[1:]
			c.now = d.at
			d.do()
		} else if ok && !at.After(until) {
			c.now = at
		} else {
			return
		}
		c.settle()
		if !slices.IsSortedFunc(c.core.order, before) {
			c.t.Fatal("the line is not in order")
		}
	}
}

func TestCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine for long: not for the race detector, which runs the short tests")
	}
	c := &crowd{t: t, rnd: rand.New(rand.NewPCG(7, 12)), now: start, reach: map[string]Reach{}, busyBy: map[string]ID{}, ended: map[ID]string{}, open: map[ID]Request{}}
	c.core = New(Outside{Reach: func(a string) Reach { return c.reach[a] }, Open: func(string) bool { return true }, Day: func(time.Time) string { return "d" }})
	var agents []string
	for i := range 50 {
		agents = append(agents, itoa(100+i))
	}
	c.core.Configure(c.now, []Group{
		{Name: "a", Ring: "longest_idle", Members: agents[:30], Each: 20 * time.Second, WrapUp: 5 * time.Second, MaxWaiting: 500, PauseAfter: 3},
		{Name: "b", Ring: "all", Members: agents[20:40], Each: 20 * time.Second, MaxWaiting: 500, PauseAfter: 3},
		{Name: "c", Ring: "round_robin", Members: agents[30:], Each: 15 * time.Second, WrapUp: time.Second, MaxWaiting: 20, PauseAfter: 3},
	}, nil)
	for n := range 1000 {
		c.in(c.between(0, 20*time.Minute), func() { c.enter(n) })
	}
	for range 200 { // agents come, go and are in other calls
		agent := agents[c.rnd.IntN(len(agents))]
		what := c.rnd.IntN(4)
		at := c.between(0, 20*time.Minute)
		c.in(at, func() {
			switch what {
			case 0:
				c.core.SetState(c.now, agent, "away")
			case 1:
				c.core.SetState(c.now, agent, "ready")
			case 2:
				c.reach[agent] = Busy
			case 3:
				c.reach[agent] = Unregistered
			}
		})
		c.in(at+c.between(time.Second, time.Minute), func() { c.reach[agent] = Free; c.core.SetState(c.now, agent, "ready") })
	}
	c.in(21*time.Minute, func() {
		for _, a := range agents {
			c.reach[a] = Free
			c.core.SetState(c.now, a, "ready")
		}
	})
	c.run(start.Add(24 * time.Hour))
	for _, id := range c.order {
		if c.ended[id] == "" {
			t.Errorf("caller %d was lost", id)
		}
	}
	if c.talks < 500 || len(c.busyBy) != 0 || len(c.core.entries) != 0 || c.core.Waits() != 0 {
		t.Errorf("%d talks, %d busy, %d entries left", c.talks, len(c.busyBy), len(c.core.entries))
	}
	counts := c.core.Totals()
	if counts.Offered != counts.Answered+counts.Abandoned {
		t.Errorf("figures do not add up: %+v", counts)
	}
}

// TestLimit: beyond MaxWaiting a line is full, kept places too.
func TestLimit(t *testing.T) {
	s := newSheet()
	s.core.Configure(s.now, []Group{{Name: "a", Members: []string{"1"}, MaxWaiting: MaxWaiting * 2}}, nil)
	for range MaxWaiting {
		if _, status := s.core.Enter(s.now, Request{Group: "a", Back: true}); status != "" {
			t.Fatal(status)
		}
	}
	for _, back := range []bool{false, true} {
		if _, status := s.core.Enter(s.now, Request{Group: "a", Back: back}); status != "full" {
			t.Errorf("back %v: %q", back, status)
		}
	}
	if s.core.Totals().Full != 2 {
		t.Errorf("%+v", s.core.Totals())
	}
}
