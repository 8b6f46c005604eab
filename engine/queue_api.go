package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	campaignhost "github.com/loopstart/loopstart/stdlib/campaign/host"
)

// Group implements api.Groups: the state of one group, numbers masked.
func (a *surface) Group(name string) (any, error) {
	s, err := a.queues.state(name)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Groups implements api.Groups.
func (a *surface) Groups() any {
	out := []queue.State{}
	for _, g := range a.e().Config().Groups {
		if s, err := a.queues.state(g.Name); err == nil {
			out = append(out, s)
		}
	}
	return out
}

func (q *queues) state(name string) (s queue.State, err error) {
	if err = q.find(name); err != nil {
		return s, err
	}
	q.board.With(func(c *queue.Core, now time.Time) { s, _ = c.State(now, name) })
	for i := range s.Waiting {
		s.Waiting[i].From = phone.Mask(s.Waiting[i].From)
	}
	for i := range s.Members {
		s.Members[i].Name = q.shown(s.Members[i].Name)
	}
	return s, nil
}

// shown is a member's name for others to see: users by name, numbers masked.
func (q *queues) shown(name string) string {
	if _, ok := q.e.Config().User(name); ok {
		return name
	}
	return phone.Mask(name)
}

// GroupState is a group as it stands.
type GroupState = queue.State

// UserState is a user as an agent of groups.
type UserState struct {
	queue.Member
	Display    string `json:"display,omitempty"`
	Registered bool   `json:"registered"`
}

// Users implements api.Groups.
func (a *surface) Users() any {
	out := []UserState{}
	for _, u := range a.e().Config().SIP.Users {
		if s, err := a.queues.user(u.Name); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// User implements api.Groups.
func (a *surface) User(name string) (any, error) { return a.queues.user(name) }

func (q *queues) user(name string) (s UserState, err error) {
	cfg := q.e.Config()
	name = agentName(cfg, name)
	known := false
	q.board.With(func(c *queue.Core, now time.Time) {
		s.Member, known = c.Member(now, name)
		s.Groups = c.Groups(name)
	})
	u, isUser := cfg.User(name)
	if !known || !isUser && len(s.Groups) == 0 {
		return s, fault.New(fault.NotFound, "there is no user %q", name).WithHint("users are in sip.users of loopstart.yaml")
	}
	slices.Sort(s.Groups)
	if isUser {
		s.Display, s.Registered = u.Display, len(q.e.sip.Bindings(name)) > 0
	}
	return s, nil
}

// SetUser implements api.Groups: ready or away, kept over a restart.
func (a *surface) SetUser(name, state string) (any, error) { return a.queues.set(name, state) }

func (q *queues) set(name, state string) (UserState, error) {
	if state != "ready" && state != "away" {
		return UserState{}, fault.New(fault.Invalid, "state %q is neither ready nor away", state).WithHint(`write {"state": "ready"} or {"state": "away"}`)
	}
	if _, err := q.user(name); err != nil {
		return UserState{}, err
	}
	q.board.With(func(c *queue.Core, now time.Time) { c.SetState(now, agentName(q.e.Config(), name), state) })
	return q.user(name)
}

// queueMethods are those of loopstart:call that need no call.
func (e *Engine) queueMethods() map[string]campaignhost.Method {
	type arguments struct {
		Group string `json:"group"`
		Agent string `json:"agent"`
		State string `json:"state"`
	}
	method := func(f func(arguments) (any, error)) campaignhost.Method {
		return func(_ context.Context, args json.RawMessage) (any, error) {
			var a arguments
			if err := json.Unmarshal(args, &a); err != nil {
				return nil, fault.New(fault.Invalid, "%w", err)
			}
			v, err := f(a)
			if err != nil {
				return nil, err
			}
			return campaignhost.CamelCase(v)
		}
	}
	return map[string]campaignhost.Method{
		"queue.state": method(func(a arguments) (any, error) { return e.queues.state(a.Group) }),
		"agent.state": method(func(a arguments) (any, error) { return e.queues.user(a.Agent) }),
		"agent.set":   method(func(a arguments) (any, error) { return e.queues.set(a.Agent, a.State) }),
	}
}
