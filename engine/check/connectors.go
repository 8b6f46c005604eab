package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
)

// connectors finds scripts that a route leads to and whose connector is not
// configured. Others may be for dev and tests.
func (c *checking) connectors() {
	configured := map[string]bool{"loopstart:bitrix24": c.cfg.Bitrix24 != nil, "loopstart:retailcrm": c.cfg.RetailCRM != nil}
	routed := func(script string) bool {
		return slices.ContainsFunc(c.cfg.Routes, func(r config.Route) bool { return r.Script == script })
	}
	for _, s := range c.scripts {
		for _, m := range s.Uses {
			if have, known := configured[m]; known && !have && routed(s.Name) {
				name := strings.TrimPrefix(m, "loopstart:")
				c.add(Finding{Level: LevelWarning, Area: areaConfig, Code: fault.NotFound, Script: s.Name,
					Message: fmt.Sprintf("script %s uses %s, and %s is not in the configuration: it works in dev and in tests only", s.Name, m, name),
					Hint:    "add " + name + ": {…} to loopstart.yaml, see docs/" + name + ".md"})
			}
		}
	}
}
