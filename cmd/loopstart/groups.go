package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/duration"
)

var groupsVerb = verb{
	name: "groups", args: "[ls|show NAME]", summary: "who waits in queues and who serves them",
	details: "ls shows each group with its line, its agents and the figures of today. show lists who waits and how each agent stands:\n" +
		"ready, ringing, talking, wrap_up, aside (did not take its last call), busy, away or unregistered.",
	run: runGroups,
}

var usersVerb = verb{
	name: "users", args: "[ls|ready NAME|away NAME]", summary: "who takes calls of queues and groups",
	details: "away takes a user out of queues and groups until ready; it is kept over a restart. A talk in progress is not touched.",
	run:     runUsers,
}

func runGroups(_ context.Context, m *Main, args []string) error {
	return onNamed("groups", "group", args, m.listGroups, action{"show", m.showGroup})
}

func (m *Main) listGroups() error {
	c, err := m.client("")
	if err != nil {
		return err
	}
	var out struct{ Groups []engine.GroupState }
	if err := c.get("/v1/groups", &out); err != nil {
		return err
	}
	return m.answer(out.Groups, func() {
		if len(out.Groups) == 0 {
			m.progress("no groups; see groups in %s", config.FileName)
			return
		}
		t := table{head: []string{"GROUP", "OPEN", "WAITING", "LONGEST", "AGENTS", "TODAY", "IN TIME", "WAIT", "TALK"}}
		for _, g := range out.Groups {
			ready := 0
			for _, one := range g.Members {
				if one.State == "ready" {
					ready++
				}
			}
			level := "-"
			if g.ServiceLevel != nil {
				level = fmt.Sprintf("%.0f%%", *g.ServiceLevel*100)
			}
			t.add(g.Name, yesNo(g.Open), fmt.Sprint(len(g.Waiting)), roundSeconds(g.LongestWaitMs), fmt.Sprintf("%d of %d ready", ready, len(g.Members)),
				fmt.Sprintf("%d offered, %d answered, %d abandoned", g.Counts.Offered, g.Counts.Answered, g.Counts.Abandoned), level,
				roundSeconds(g.AverageWaitMs), roundSeconds(g.AverageTalkMs))
		}
		t.print(m)
	})
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func roundSeconds(ms int64) string {
	return duration.Format((time.Duration(ms) * time.Millisecond).Round(time.Second))
}

func (m *Main) showGroup(name string) error {
	c, err := m.client("")
	if err != nil {
		return err
	}
	var g engine.GroupState
	if err := c.get("/v1/groups/"+url.PathEscape(name), &g); err != nil {
		return err
	}
	return m.answer(g, func() {
		waiting := table{head: []string{"#", "FROM", "WAITS", "PRIORITY", "RINGING", "CALL"}}
		for _, w := range g.Waiting {
			from := w.From
			if w.Callback {
				from += " (call-back)"
			}
			waiting.add(fmt.Sprint(w.Position), from, roundSeconds(w.WaitMs), fmt.Sprint(w.Priority), strings.Join(w.Ringing, ", "), w.Call)
		}
		if len(g.Waiting) > 0 {
			waiting.print(m)
		} else {
			m.progress("nobody waits")
		}
		agents := table{head: []string{"AGENT", "STATE", "SINCE", "DETAIL"}}
		for _, a := range g.Members {
			agents.add(a.Name, a.State, a.Since.Local().Format(time.TimeOnly), clean(strings.TrimSpace(a.Reason+" "+a.Call)))
		}
		agents.print(m)
	})
}

func runUsers(_ context.Context, m *Main, args []string) error {
	set := func(state string) action {
		return action{state, func(user string) error { return m.setUser(user, state) }}
	}
	return onNamed("users", "user", args, m.listUsers, set("ready"), set("away"))
}

func (m *Main) listUsers() error {
	c, err := m.client("")
	if err != nil {
		return err
	}
	var out struct{ Users []engine.UserState }
	if err := c.get("/v1/users", &out); err != nil {
		return err
	}
	return m.answer(out.Users, func() {
		if len(out.Users) == 0 {
			m.progress("no users; see sip.users in %s", config.FileName)
			return
		}
		m.userTable(out.Users...)
	})
}

func (m *Main) userTable(users ...engine.UserState) {
	t := table{head: []string{"USER", "NAME", "STATE", "SINCE", "GROUPS", "DETAIL"}}
	for _, u := range users {
		t.add(u.Name, u.Display, u.State, u.Since.Local().Format(time.TimeOnly), strings.Join(u.Groups, ", "), clean(u.Reason))
	}
	t.print(m)
}

func (m *Main) setUser(name, state string) error {
	c, err := m.client("")
	if err != nil {
		return err
	}
	var u engine.UserState
	if err := c.exchange("PUT", "/v1/users/"+url.PathEscape(name), map[string]string{"state": state}, &u); err != nil {
		return err
	}
	return m.answer(u, func() { m.userTable(u) })
}
