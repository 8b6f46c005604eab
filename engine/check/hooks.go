package check

import (
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/scripts"
)

// hookSecrets finds hooks that nobody could use: what signs them is not set.
func (c *checking) hookSecrets(entry scripts.Entry, st *engine.Static) {
	if st.Hook == nil || st.Hook.Sign == nil {
		return
	}
	for _, name := range st.Hook.Sign.Secret {
		if _, ok := c.cfg.Secret(name); !ok {
			c.add(Finding{Level: LevelError, Area: areaScript, Script: entry.Name, Code: fault.NotFound,
				Message: "config.hook.sign: there is no secret " + name, Hint: "add it to secrets in loopstart.yaml"})
		}
	}
}
