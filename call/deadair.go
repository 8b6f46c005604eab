package call

import "time"

// watchAir looks, as long as the call lasts, whether anybody hears anything:
// neither a prompt or music for the other party, nor a voice from any.
func (c *Call) watchAir() {
	if c.deps.DeadAir > 0 {
		c.after(c.deps.DeadAir, c.checkAir)
	}
}

func (c *Call) checkAir() {
	l := c.main
	if c.ending || l == nil || l.state != legUp {
		return
	}
	limit, silent := c.deps.DeadAir, c.silence()
	switch {
	case silent >= limit && !c.dead:
		c.dead = true
		c.deps.Counters.DeadAir.Add(1)
		c.note("media", "", "dead air: nobody has heard anything for "+silent.Round(time.Second).String(), "")
		c.notify("media", map[string]any{"call": l.name, "state": "silent"})
		c.deps.Observer.DeadAir(c, silent)
	case silent < limit && c.dead:
		c.dead = false
		c.note("media", "", "something is heard again", "")
		c.notify("media", map[string]any{"call": l.name, "state": "heard"})
	}
	next := limit
	if silent < limit {
		next = limit - silent
	}
	c.after(next, c.checkAir)
}

// silence is how long nothing was heard on any leg. A party that is on hold
// hears nothing by intent, and people in a conference may think.
func (c *Call) silence() time.Duration {
	now := c.clk.Now()
	last := c.main.answeredAt
	for _, l := range c.legs {
		if l.state != legUp {
			continue
		}
		if l.held || l.holding || l.room != nil {
			return 0
		}
		if at := l.session.LastSound(); at.After(last) {
			last = at
		}
	}
	return now.Sub(last)
}
