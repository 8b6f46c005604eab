package config

import (
	"fmt"
	"strings"
)

// Incoming is what routes look at. Numbers are normalised; a field that the
// call does not have is empty, and no pattern matches an empty field.
type Incoming struct {
	To    string // called number or user part of the Request-URI
	From  string // caller's number
	User  string // name of the registered user who calls
	Trunk string // trunk the call came through
}

// Match returns the first route that fits, and otherwise nil with the reason
// for a log line, which holds no numbers of the call. open tells whether a
// schedule is open at the moment of the call.
func (c *Config) Match(in Incoming, open func(schedule string) bool) (route *Route, why string) {
	var misses []string
	for i := range c.Routes {
		r := &c.Routes[i]
		miss := r.miss(in, open)
		if miss == "" {
			return r, ""
		}
		misses = append(misses, fmt.Sprintf("%s: %s", r.Place, miss))
	}
	if len(misses) == 0 {
		return nil, "there are no routes"
	}
	return nil, "no route matches: " + strings.Join(misses, ", ")
}

// miss is the first field that does not match, or "".
func (r *Route) miss(in Incoming, open func(string) bool) string {
	switch {
	case !matchAny(r.To, in.To):
		return "to"
	case !matchAny(r.From, in.From):
		return "from"
	case !matchAny(r.User, in.User):
		return "user"
	case !matchAny(r.Trunk, in.Trunk):
		return "trunk"
	}
	if name, negated := strings.CutPrefix(r.Hours, "!"); name != "" && open(name) == negated {
		return "hours " + r.Hours
	}
	return ""
}

func matchAny(patterns []string, value string) bool {
	for _, p := range patterns {
		if value != "" && glob(p, value) {
			return true
		}
	}
	return len(patterns) == 0
}

// glob matches with * as the only special character; linear in practice and
// never exponential, since only the last star is retried.
func glob(pattern, value string) bool {
	p, v, star, retry := 0, 0, -1, 0
	for v < len(value) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, v
			p++
		case p < len(pattern) && pattern[p] == value[v]:
			p++
			v++
		case star >= 0:
			retry++
			p, v = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Targets are the connect targets of a route or an action with {to}, {from}
// and {user} filled in.
func Targets(connect []string, in Incoming) []string {
	fill := strings.NewReplacer("{to}", in.To, "{from}", in.From, "{user}", in.User)
	out := make([]string, len(connect))
	for i, t := range connect {
		out[i] = fill.Replace(t)
	}
	return out
}
