package engine

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/store"
)

// queues are the lines in front of groups, with what of them outlives the
// process: agents who are away, the figures of the day, and the places that
// are kept for calling back. It implements call.Queues.
type queues struct {
	e      *Engine
	board  *queue.Board
	agents *store.Space // states by agent
	days   *store.Space // figures by group
	kept   *store.Space // places by id
	zone   atomic.Pointer[time.Location]

	mu    sync.Mutex
	backs map[string]*keptPlace
	names map[string]bool // the agents and groups of which rows are written
}

// agentRow is the state of an agent on disk; one that is ready has none.
type agentRow struct {
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

func (e *Engine) openQueues(cfg *config.Config) error {
	q := &e.queues
	q.e, q.backs = e, map[string]*keptPlace{}
	q.agents, q.days, q.kept = e.store.Space("agents"), e.store.Space("queue-days"), e.store.Space("callbacks")
	q.board = queue.NewBoard(e.clk, queue.Outside{Reach: q.reach, Open: q.open, Day: q.day}, q.heard)
	q.configure(cfg)
	return q.restore()
}

// configure puts the groups of a configuration into force.
func (q *queues) configure(cfg *config.Config) {
	zone, err := time.LoadLocation(cfg.Project.Zone)
	if err != nil {
		zone = time.UTC
	}
	q.zone.Store(zone)
	skills := map[string]map[string]int{}
	for _, u := range cfg.SIP.Users {
		skills[u.Name] = map[string]int{}
		for _, s := range u.Skills {
			skills[u.Name][s.Name] = s.Level
		}
	}
	var groups []queue.Group
	for _, g := range cfg.Groups {
		one := queue.Group{
			Name: g.Name, Ring: g.Ring, Each: g.Each, WrapUp: g.WrapUp, MaxWaiting: g.MaxWaiting, PauseAfter: g.PauseAfter, ServiceLevel: g.ServiceLevel,
		}
		for _, m := range g.Members {
			if name := agentName(cfg, m); !slices.Contains(one.Members, name) {
				one.Members = append(one.Members, name)
			}
		}
		groups = append(groups, one)
	}
	q.board.With(func(c *queue.Core, now time.Time) { c.Configure(now, groups, skills) })
}

// agentName is a user's name, or a number in its one form.
func agentName(cfg *config.Config, member string) string {
	if _, ok := cfg.User(member); ok {
		return member
	}
	return phone.Normalize(member, cfg.Project.Country)
}

// restore reads what an earlier process knew of agents and of today.
func (q *queues) restore() error {
	rows, err := scanAll(q.agents)
	if err != nil {
		return err
	}
	days, err := scanAll(q.days)
	if err != nil {
		return err
	}
	q.board.With(func(c *queue.Core, now time.Time) {
		for _, en := range rows {
			var r agentRow
			if json.Unmarshal(en.Value, &r) == nil {
				c.Restore(en.Key, true, r.Reason, r.Since)
			}
		}
		for _, en := range days {
			var d queue.Day
			if json.Unmarshal(en.Value, &d) == nil {
				c.RestoreDay(now, en.Key, d)
			}
		}
	})
	return nil
}

// scanAll is all rows of a small space.
func scanAll(s *store.Space) (all []store.Entry, err error) {
	for after := ""; ; {
		page, err := s.Scan("", after, 500)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all, after = append(all, page...), page[len(page)-1].Key
	}
}

// reach is what we know of an agent's phone. It is asked under the board's
// lock.
func (q *queues) reach(agent string) queue.Reach {
	u, ok := q.e.Config().User(agent)
	calls := q.e.calls.withUser(agent)
	switch {
	case !ok && calls > 0, ok && calls >= max(u.MaxCalls, 1):
		return queue.Busy
	case ok && q.e.sip != nil && len(q.e.sip.Bindings(agent)) == 0:
		return queue.Unregistered
	}
	return queue.Free
}

func (q *queues) open(group string) bool {
	g, ok := q.e.Config().Group(group)
	return ok && (g.Hours == "" || q.e.isOpen(g.Hours))
}

func (q *queues) day(at time.Time) string { return at.In(q.zone.Load()).Format(time.DateOnly) }

// find says that there is no such group, and which one may be meant.
func (q *queues) find(name string) error {
	cfg := q.e.Config()
	if _, ok := cfg.Group(name); ok {
		return nil
	}
	var names []string
	for _, g := range cfg.Groups {
		names = append(names, g.Name)
	}
	err := fault.New(fault.NotFound, "there is no group %q", name)
	if near := suggest.Nearest(name, names); near != "" {
		return err.WithHint("did you mean %s?", near)
	}
	return err.WithHint("add it to groups in loopstart.yaml")
}

// Enter implements call.Queues.
func (q *queues) Enter(r queue.Request, w queue.Waiter) (*queue.Place, string, error) {
	if err := q.find(r.Group); err != nil {
		return nil, "", err
	}
	place, status := q.board.Enter(r, w)
	return place, status, nil
}

// Phones implements call.Queues.
func (q *queues) Phones(agent string, r call.DialRequest) ([]call.Place, error) {
	return dialer{q.e}.member(q.e.Config(), r)
}

// Freed implements call.Queues.
func (q *queues) Freed() { q.board.Kick() }

// registered follows a change of registrations. It is told by those who hold
// the table of registrations, so it looks a moment later.
func (q *queues) registered() {
	if q.board != nil {
		q.e.clk.AfterFunc(0, q.board.Kick)
	}
}

// talked follows a talk that connect has made.
func (q *queues) talked(member string) {
	name := agentName(q.e.Config(), member)
	q.board.With(func(c *queue.Core, now time.Time) { c.Talked(now, name) })
}

// ready tells whether connect may ring a member.
func (q *queues) ready(member string) (ok bool) {
	name := agentName(q.e.Config(), member)
	q.board.With(func(c *queue.Core, now time.Time) { ok = c.Ready(now, name) })
	return ok
}

// heard takes the events of the board, under its lock: what is kept is queued
// for the store's next sync, nobody waits.
func (q *queues) heard(c *queue.Core, now time.Time, events []queue.Event) {
	days := map[string]bool{}
	for _, ev := range events {
		if ev.Group != "" {
			days[ev.Group] = true
		}
		q.follow(c, now, ev)
		q.publish(now, ev)
	}
	for group := range days {
		if d, ok := c.Today(now, group); ok {
			q.write(q.days, group, d)
		}
	}
}

// follow keeps what an event changes.
func (q *queues) follow(c *queue.Core, now time.Time, ev queue.Event) {
	switch ev.Type {
	case "agent.away", "agent.paused":
		_, reason, since := c.Away(ev.Agent)
		q.write(q.agents, ev.Agent, agentRow{Reason: reason, Since: since})
	case "agent.ready":
		if away, _, _ := c.Away(ev.Agent); !away {
			q.agents.ApplyLater(q.stored, store.Op{Key: ev.Agent})
		}
	case "queue.done":
		q.e.groups.talked(ev.Agent, now)
	case "queue.entered":
		q.stands(ev.Call, ev.Group)
	case "queue.answered", "queue.left", "queue.abandoned":
		q.stands(ev.Call, "")
	}
}

// stands notes in the row of a call in progress that it stands in line, so that
// its record says so if the process ends.
func (q *queues) stands(id, group string) {
	l := q.e.calls.find(id)
	if l == nil || l.back != nil {
		return
	}
	l.waits.Store(&group)
	q.e.live.put(l)
}

func (q *queues) write(s *store.Space, key string, v any) {
	raw, err := json.Marshal(v)
	if err == nil && key != "" && len(key) <= store.MaxKey/2 {
		s.ApplyLater(q.stored, store.Op{Key: key, Value: raw})
	}
}

func (q *queues) stored(err error) {
	if err != nil {
		q.e.log.Debug("engine: keep the state of a queue", "err", err)
	}
}

// publish shows an event in the feed; webhooks that name it get it too.
func (q *queues) publish(now time.Time, ev queue.Event) {
	data := map[string]any{}
	for name, v := range map[string]string{"group": ev.Group, "agent": ev.Agent, "reason": ev.Reason, "from": phone.Mask(ev.From)} {
		if v != "" {
			data[name] = v
		}
	}
	if ev.Position > 0 {
		data["position"] = ev.Position
	}
	if ev.Type != "queue.entered" && ev.Call != "" {
		data["wait_ms"] = ev.WaitMs
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return
	}
	out := Event{Type: ev.Type, At: now, Call: ev.Call, Data: raw}
	if ev.Call != "" {
		out.Order = orderOf(ev.Call)
	}
	q.e.emit(nil, out)
}

// lost counts a call that waited when an earlier process ended.
func (q *queues) lost(group string) {
	q.board.With(func(c *queue.Core, now time.Time) {
		c.Lost(now, group)
		if d, ok := c.Today(now, group); ok {
			q.write(q.days, group, d)
		}
	})
}
