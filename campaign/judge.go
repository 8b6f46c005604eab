package campaign

import "fmt"

// defaultSample is how many attempts stop_when waits for.
const defaultSample = 20

// judge pauses a campaign that has made its first calls, or whose rates have
// left their bands.
func (c *Campaign) judge() {
	if c.row.State != Running {
		return
	}
	reason, row := "", c.row
	switch s := c.row.Spec; {
	case s.PauseAfter > 0 && row.Counts.Attempts-row.Since.Attempts >= int64(s.PauseAfter):
		reason = fmt.Sprintf("the first %d calls are made", s.PauseAfter)
		row.Spec.PauseAfter = 0
	case s.StopWhen != nil:
		reason = s.StopWhen.broken(row.Counts, row.Since)
	}
	if reason == "" {
		return
	}
	row.State, row.Reason = Paused, reason
	if err := c.deps.Repo.PutRow(row); err != nil {
		c.halt(err)
		return
	}
	c.row = row
	c.log.Warn("campaign: paused by itself: " + reason)
	c.show()
}

// broken says which rate has left its band, "" when none has.
func (s *StopWhen) broken(n, since Counts) string {
	sample := int64(s.After)
	if sample == 0 {
		sample = defaultSample
	}
	// Attempts in progress have no say yet.
	ended := n.Attempts - n.Dialing - since.Attempts + since.Dialing
	answered, keyed := n.Answered-since.Answered, n.Keyed-since.Keyed
	if why := s.AnswerRate.outside("answer rate", answered, ended, sample); why != "" {
		return why
	}
	return s.KeyRate.outside("key rate", keyed, answered, sample)
}

func (b *Band) outside(name string, part, of, sample int64) string {
	if b == nil || of < sample || of == 0 {
		return ""
	}
	rate := float64(part) / float64(of)
	switch {
	case rate < b.Min:
		return fmt.Sprintf("%s %.0f%% is below %.0f%% after %d calls", name, rate*100, b.Min*100, of)
	case b.Max > 0 && rate > b.Max:
		return fmt.Sprintf("%s %.0f%% is above %.0f%% after %d calls", name, rate*100, b.Max*100, of)
	}
	return ""
}
