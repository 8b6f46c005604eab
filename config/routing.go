package config

import (
	"time"

	"github.com/loopstart/loopstart/internal/schedule"
)

// Group is a set of people who are rung together.
type Group struct {
	Name       string        `yaml:"-"`
	Members    []string      `yaml:"members" required:"yes" doc:"Users or numbers."`
	Ring       string        `yaml:"ring" default:"all" enum:"all serial longest_idle round_robin skills" doc:"Who is rung, and in which order."`
	Each       time.Duration `yaml:"each" least:"100ms" default:"20s" doc:"How long one member is rung."`
	WrapUp     time.Duration `yaml:"wrap_up" least:"100ms" zero:"yes" default:"0s" doc:"Rest after a talk, in which the member is not rung."`
	Hours      string        `yaml:"hours" doc:"Schedule in which the group is rung."`
	MaxWaiting int           `yaml:"max_waiting" default:"30" range:"0..10000" doc:"Callers who may wait in the queue."`

	PauseAfter   int           `yaml:"pause_after" default:"3" range:"0..100" doc:"Calls missed in a row after which the queue pauses a member, unless it is the last one; 0: never."`
	ServiceLevel time.Duration `yaml:"service_level" least:"100ms" default:"20s" doc:"Waits up to it count as answered in time."`
}

// Schedule is opening hours as written and as parsed.
type Schedule struct {
	Name   string   `yaml:"-"`
	Open   []Open   `yaml:"open,keyed" doc:"Hours by weekdays: mon-fri, sat, \"mon,wed\"."`
	Closed []string `yaml:"closed" doc:"Dates or ranges of dates on which it is closed."`
	Extra  []string `yaml:"extra" doc:"Hours on top, on closed dates too: \"2026-11-07 10:00-14:00\"."`
	Zone   string   `yaml:"zone" doc:"IANA time zone; default: the project's."`

	Hours *schedule.Schedule `yaml:"-"` // what the texts above mean; never nil after Load
}

// Open is the hours of some weekdays.
type Open struct {
	Name  string   // mon-fri
	Hours []string `yaml:",inline"` // "09:00-18:00"
}

// Route says what happens with an incoming call. The match fields are lists
// of which one must match; an empty list matches everything.
type Route struct {
	To       []string       `yaml:"to" some:"leave the key out to match everything" doc:"Called numbers; * stands for any characters."`
	From     []string       `yaml:"from" some:"leave the key out to match everything" doc:"Caller numbers; * stands for any characters."`
	User     []string       `yaml:"user" some:"leave the key out to match everything" doc:"Registered users who call; * stands for any characters."`
	Trunk    []string       `yaml:"trunk" some:"leave the key out to match everything" doc:"Trunks the call came through."`
	Hours    string         `yaml:"hours" doc:"Schedule in which the route holds; !name: outside of it."`
	Script   string         `yaml:"script" doc:"Script that takes the call."`
	Connect  []string       `yaml:"connect" doc:"Groups, users, numbers or {to}, rung together."`
	Reject   int            `yaml:"reject" range:"400..699" doc:"SIP status that refuses the call."`
	Data     map[string]any `yaml:"data" doc:"call.data of the script."`
	Record   bool           `yaml:"record" doc:"Record the talk of connect."`
	MaxCalls int            `yaml:"max_calls" range:"0..1000000" doc:"Calls at once on this route; more get 486. 0: no limit."`
	Fallback []Action       `yaml:"fallback" doc:"What runs when the script fails."`

	Place string `yaml:"-"` // loopstart.yaml:LINE:COL
}

// Action is one step of a fallback; exactly one field is set.
type Action struct {
	Say     string   `yaml:"say" doc:"Text that is spoken."`
	Play    string   `yaml:"play" doc:"File, URL, tone:440 or silence:3s."`
	Connect []string `yaml:"connect" doc:"Groups, users or numbers, rung together."`
	Reject  int      `yaml:"reject" range:"400..699" doc:"SIP status, if the call is not answered yet."`
	Hangup  bool     `yaml:"hangup" doc:"End the call."`
}
