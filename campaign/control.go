package campaign

import (
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Start lets a draft dial. Starting what runs already does nothing.
func (c *Campaign) Start() (Row, error) { return c.run("start", Draft) }

// Resume lets a paused campaign dial again; pause_after and stop_when count
// from here.
func (c *Campaign) Resume() (Row, error) { return c.run("resume", Paused) }

func (c *Campaign) run(verb string, from State) (Row, error) {
	return c.control(func(row *Row) error {
		switch row.State {
		case Running:
			return nil
		case from, Draft, Paused: // the two verbs stand in for each other
		default:
			return errState(verb, row.State)
		}
		if row.Started.IsZero() {
			row.Started = c.deps.Clock.Now().UTC()
		}
		row.State, row.Reason, row.Since, row.closed = Running, "", row.Counts, c.now()
		*row = row.Tally() // nothing may be left to do
		return nil
	})
}

// Pause lets the attempts in progress end and begins no new one.
func (c *Campaign) Pause() (Row, error) {
	return c.control(func(row *Row) error {
		switch row.State {
		case Paused:
			return nil
		case Running:
			row.State, row.Reason = Paused, ""
			return nil
		}
		return errState("pause", row.State)
	})
}

// Cancel ends the campaign for good: nothing is dialled from the moment it
// returns, attempts that nobody has answered are given up, and what waits is
// closed as cancelled.
func (c *Campaign) Cancel() (Row, error) {
	row, err := c.control(func(row *Row) error {
		if row.State == Completed {
			return errState("cancel", row.State)
		}
		if row.State != Cancelled {
			row.State, row.Reason, row.Ended = Cancelled, "", c.deps.Clock.Now().UTC()
		}
		return nil
	})
	if err != nil {
		return row, err
	}
	c.take()
	ids := sortedKeys(c.flight)
	for _, id := range ids {
		if c.flight[id].intent {
			c.deps.Dialer.Cancel(id)
		}
	}
	c.give()
	c.Wake()
	return row, nil
}

// Patch changes limits and rules from the next dial on. Attempts that are
// planned keep their time; the window holds for them at once.
func (c *Campaign) Patch(p Patch) (Row, error) {
	return c.control(func(row *Row) error {
		if row.State == Cancelled {
			return errState("change", row.State)
		}
		spec, err := p.On(row.Spec)
		if err != nil {
			return err
		}
		row.Spec = spec
		if p.PauseAfter != nil || p.StopWhen != nil {
			row.Since = row.Counts
		}
		return nil
	})
}

// control changes the row on disk and then in memory.
func (c *Campaign) control(change func(*Row) error) (Row, error) {
	c.take()
	defer c.give()
	row := c.row
	if err := change(&row); err != nil {
		return c.row, err
	}
	if err := c.deps.Repo.PutRow(row); err != nil {
		return c.row, err
	}
	c.row, c.retry = row, time.Time{}
	if err := c.settleWindow(); err != nil {
		return c.row, err
	}
	c.show()
	c.Wake()
	return c.row, nil
}

// Contact reads a contact by its key.
func (c *Campaign) Contact(key string) (*Contact, error) {
	seq, ok, err := c.deps.Repo.SeqOfKey(c.id, key)
	if err != nil {
		return nil, err
	}
	if ok {
		if k, found, err := c.deps.Repo.Contact(c.id, seq); err != nil || found {
			return k, err
		}
	}
	return nil, fault.New(fault.NotFound, "campaign %s has no contact %q", c.id, key)
}
