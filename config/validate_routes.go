package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

func (v checker) routes() {
	for i, r := range v.c.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		v.routeMatch(path, r)
		v.routeAction(path, r)
		for k, a := range r.Fallback {
			v.fallback(fmt.Sprintf("%s.fallback[%d]", path, k), a)
		}
	}
}

func (v checker) routeMatch(path string, r Route) {
	for key, patterns := range map[string][]string{"to": r.To, "from": r.From, "user": r.User} {
		for _, p := range patterns {
			if !isPattern(p) {
				v.fail(path+"."+key, `a number, a name, or a pattern such as "+7495*"`, "%q matches nothing", p)
			}
		}
	}
	for _, u := range r.User {
		if _, ok := v.c.User(u); !ok && !strings.Contains(u, "*") {
			v.fail(path+".user", didYouMean(u, v.c.userNames()), "there is no user %q", u)
		}
	}
	for _, t := range r.Trunk {
		if _, ok := v.c.Trunk(t); !ok && !strings.Contains(t, "*") {
			v.fail(path+".trunk", didYouMean(t, v.c.trunkNames()), "there is no trunk %q", t)
		}
	}
	v.hours(path+".hours", r.Hours)
}

func (v checker) routeAction(path string, r Route) {
	actions := 0
	for _, set := range []bool{r.Script != "", len(r.Connect) > 0, r.Reject != 0} {
		if set {
			actions++
		}
	}
	if actions != 1 {
		v.fail(path, "a route has exactly one of script, connect and reject", "%d actions", actions)
	}
	if len(r.Data) > 0 && r.Script == "" {
		v.fail(path+".data", "only a script gets data", "there is no script")
	}
	if r.Reject != 0 && len(r.Fallback) > 0 {
		v.fail(path+".fallback", "remove it", "a rejected call has no fallback")
	}
	if r.Script != "" && !isName(r.Script) {
		v.fail(path+".script", "the file's name without its ending", "%q cannot be a script", r.Script)
	}
	v.targets(path+".connect", r.Connect)
}

func (v checker) fallback(path string, a Action) {
	actions := 0
	for _, set := range []bool{a.Say != "", a.Play != "", len(a.Connect) > 0, a.Reject != 0, a.Hangup} {
		if set {
			actions++
		}
	}
	if actions != 1 {
		v.fail(path, "a step has exactly one of say, play, connect, reject and hangup", "%d actions", actions)
	}
	v.targets(path+".connect", a.Connect)
}

// targets checks what connect dials. Digits that are too short for a number
// must be a user, a group, or a destination some trunk allows on purpose.
func (v checker) targets(path string, targets []string) {
	for i, t := range targets {
		at := v.c.placeOf(fmt.Sprintf("%s[%d]", path, i))
		if strings.ContainsAny(t, "{}") {
			if rest := placeholders.Replace(t); strings.ContainsAny(rest, "{}") {
				v.add(at, fmt.Sprintf("%s: %q has an unknown placeholder", path, t), "known are {to}, {from} and {user}")
			}
			continue
		}
		_, user := v.c.User(t)
		_, group := v.c.Group(t)
		if user || group || isNumber(t) || strings.HasPrefix(t, "sip:") || v.shortNumber(t) {
			continue
		}
		v.add(at, fmt.Sprintf("%s: %q is no group, no user and no number", path, t), didYouMean(t, slices.Concat(v.c.groupNames(), v.c.userNames())))
	}
}

func (v checker) shortNumber(t string) bool {
	if !isDigits(t, 2) {
		return false
	}
	return slices.ContainsFunc(v.c.Trunks, func(trunk Trunk) bool {
		return slices.ContainsFunc(trunk.Destinations, func(p string) bool { return strings.HasPrefix(t, p) })
	})
}

var placeholders = strings.NewReplacer("{to}", "", "{from}", "", "{user}", "")

// CheckScripts lists the routes, script limits and tokens that name a script
// which is not among the known ones. Load does not look at the scripts folder,
// since at run time a missing script is a refused call and no reason to stop.
func (c *Config) CheckScripts(known []string) []*fault.Error {
	var out []*fault.Error
	miss := func(path, at, name string) {
		if slices.Contains(known, name) {
			return
		}
		e := fault.New(fault.Invalid, "%s: there is no script %q", path, name).WithExit(fault.ExitConfig).At(at, "")
		if hint := didYouMean(name, known); hint != "" {
			e = e.WithHint("%s", hint)
		}
		out = append(out, e)
	}
	where := func(path string) string { return (&report{file: c.file()}).where(c.placeOf(path)) }
	for i, r := range c.Routes {
		if path := fmt.Sprintf("routes[%d].script", i); r.Script != "" {
			miss(path, where(path), r.Script)
		}
	}
	for _, l := range c.Scripts.Limits {
		path := "scripts.limits." + l.Name
		miss(path, where(path), l.Name)
	}
	for _, t := range c.HTTP.Tokens {
		for _, s := range t.Scripts {
			path := "http.tokens." + t.Name + ".scripts"
			miss(path, where(path), s)
		}
	}
	return out
}
