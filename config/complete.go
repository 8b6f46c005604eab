package config

import (
	"slices"

	"strings"

	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/schedule"
)

// complete fills in the defaults that depend on other keys.
func (c *Config) complete() {
	for i := range c.Trunks {
		t := &c.Trunks[i]
		if t.AuthUser == "" {
			t.AuthUser = t.Username
		}
		if t.MaxOut == 0 {
			t.MaxOut = t.MaxCalls
		}
		if len(t.Codecs) == 0 {
			t.Codecs = c.Media.Codecs
		}
		for _, a := range t.Accounts {
			if a.Number != "" && !slices.Contains(t.From, a.Number) {
				t.From = append(t.From, a.Number)
			}
		}
		if home := phone.Prefix(c.Project.Country); len(t.Destinations) == 0 && home != "" {
			t.Destinations = []string{home}
		}
	}
	for i := range c.Numbers {
		c.Numbers[i].Name = phone.Normalize(c.Numbers[i].Name, c.Project.Country)
	}
	for i := range c.Schedules {
		if c.Schedules[i].Zone == "" {
			c.Schedules[i].Zone = c.Project.Zone
		}
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		r.To, r.From = c.numbers(r.To), c.numbers(r.From)
	}
}

// numbers brings patterns without a star into the form that calls have.
func (c *Config) numbers(patterns []string) []string {
	out := make([]string, len(patterns))
	for i, p := range patterns {
		if out[i] = p; !strings.Contains(p, "*") {
			out[i] = phone.Normalize(p, c.Project.Country)
		}
	}
	return out
}

// spec is a schedule in the words of package schedule.
func (s *Schedule) spec() schedule.Spec {
	spec := schedule.Spec{Closed: s.Closed, Extra: s.Extra, Zone: s.Zone}
	for _, o := range s.Open {
		spec.Open = append(spec.Open, schedule.Days{Days: o.Name, Hours: o.Hours})
	}
	return spec
}
