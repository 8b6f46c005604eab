package campaign

import "github.com/loopstart/loopstart/internal/fault"

// Erase removes every contact that has the number, with its attempts, and
// reports how many. The counters of the campaign no longer have them. A contact
// in a call is CONFLICT.
func (c *Campaign) Erase(number string) (n int, err error) {
	c.take()
	defer c.give()
	for {
		seq, ok, err := c.deps.Repo.SeqOfPhone(c.id, number)
		if err != nil || !ok {
			return n, err
		}
		k, ok, err := c.deps.Repo.Contact(c.id, seq)
		switch {
		case err != nil:
			return n, err
		case !ok:
			return n, fault.New(fault.Internal, "campaign %s: contact %d is found by its number and is not there", c.id, seq)
		case k.State == Dialing:
			return n, fault.New(fault.Conflict, "campaign %s calls this number right now", c.id).WithHint("try again when the call is over")
		}
		if _, err := c.write(c.row, []Change{{Old: k}}); err != nil {
			return n, err
		}
		n++
	}
}
