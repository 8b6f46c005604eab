package queue

import "time"

// Day is what one group came to on one day.
type Day struct {
	Date      string `json:"date"`
	Offered   int    `json:"offered"`   // came into the line
	Answered  int    `json:"answered"`  // talked
	Abandoned int    `json:"abandoned"` // left before
	TimedOut  int    `json:"timed_out"`
	Keys      int    `json:"keys"` // left by a key
	Full      int    `json:"full"`
	Closed    int    `json:"closed"`
	Callbacks int    `json:"callbacks"` // called back and talked
	Lost      int    `json:"lost"`      // waited when the process ended
	Misses    int    `json:"misses"`    // rung in vain
	InTime    int    `json:"in_time"`   // answered within the service level
	WaitMs    int64  `json:"wait_ms"`   // of all who were answered
	LongestMs int64  `json:"longest_wait_ms"`
	Talks     int    `json:"talks"`
	TalkMs    int64  `json:"talk_ms"`
}

// Longest keeps the longest wait.
func (d *Day) Longest(wait time.Duration) { d.LongestMs = max(d.LongestMs, wait.Milliseconds()) }

// today is the figures of the day, new ones at its beginning.
func (c *Core) today(g *group, now time.Time) *Day {
	if date := c.out.Day(now); g.day.Date != date {
		g.day = Day{Date: date}
	}
	return &g.day
}

// Today is a copy of a group's figures.
func (c *Core) Today(now time.Time, name string) (Day, bool) {
	g := c.groups[name]
	if g == nil {
		return Day{}, false
	}
	return *c.today(g, now), true
}

// RestoreDay puts back figures of today that an earlier process kept.
func (c *Core) RestoreDay(now time.Time, name string, d Day) {
	if g := c.groups[name]; g != nil && d.Date == c.out.Day(now) {
		g.day = d
	}
}

// Lost counts one who waited when an earlier process ended.
func (c *Core) Lost(now time.Time, name string) {
	if g := c.groups[name]; g != nil {
		c.today(g, now).Lost++
	}
}

// recentTalks is how many talks the expected wait is reckoned from.
const recentTalks = 20

func (g *group) handled(d time.Duration) {
	if g.recent = append(g.recent, d); len(g.recent) > recentTalks {
		g.recent = g.recent[1:]
	}
}

// handling is how long an agent is occupied by one talk, from the recent ones,
// else from today's; false when there was none.
func (g *group) handling() (time.Duration, bool) {
	if len(g.recent) == 0 {
		if g.day.Talks == 0 {
			return 0, false
		}
		return time.Duration(g.day.TalkMs/int64(g.day.Talks))*time.Millisecond + g.WrapUp, true
	}
	var sum time.Duration
	for _, d := range g.recent {
		sum += d
	}
	return sum / time.Duration(len(g.recent)), true
}

// Expected is how long the n-th of a line will wait, as far as the recent talks
// tell: the agents who work take one caller each in that time. It is not known
// before the first talk, or when nobody works.
func (c *Core) Expected(now time.Time, name string, n int) (time.Duration, bool) {
	g := c.groups[name]
	if g == nil || n < 1 {
		return 0, false
	}
	working, idle := 0, 0
	for _, m := range g.Members {
		a := c.agents[m]
		if a.away || c.out.Reach(m) == Unregistered {
			continue
		}
		working++
		if a.obstacle(now) == "" && c.out.Reach(m) == Free {
			idle++
		}
	}
	each, known := g.handling()
	switch {
	case working == 0:
		return 0, false
	case n <= idle:
		return 0, true
	case !known:
		return 0, false
	}
	return each * time.Duration(n) / time.Duration(working), true
}
