package campaign

// recover settles the intents that an earlier process left: with the result
// that the call's record tells, else as unknown.
func (c *Campaign) recover() error {
	after := uint64(0)
	for {
		seqs, err := c.deps.Repo.Intents(c.id, after, sweepBatch)
		if err != nil || len(seqs) == 0 {
			return err
		}
		after = seqs[len(seqs)-1]
		var changes []Change
		for _, seq := range seqs {
			k, ok, err := c.deps.Repo.Contact(c.id, seq)
			if err != nil {
				return err
			}
			if !ok || k.State != Dialing || k.Last() == nil {
				continue
			}
			changes = append(changes, Change{Old: k, New: c.ended(k, c.lost(k), c.now(), false)})
		}
		if _, err := c.write(c.row, changes); err != nil {
			return err
		}
	}
}

// lost is the result of an attempt of an earlier process.
func (c *Campaign) lost(k *Contact) Result {
	a := k.Last()
	if c.deps.Lookup != nil {
		if r, ok := c.deps.Lookup(a.ID); ok {
			return r
		}
	}
	c.log.Warn("campaign: an attempt of unknown outcome: the process ended during it", "call", a.ID)
	return Result{Outcome: Unknown}
}
