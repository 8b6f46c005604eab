package campaign

import (
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// act is one thing a step has decided: a change to write, and what follows
// once it is on disk.
type act struct {
	change Change
	flight *flight // begins (change.New is dialling) or ends (it is not)
	begins bool
	put    bool // the contact was taken out of its queue in memory
}

// Step takes in what has happened, decides, writes it in one go, and dials
// what was written. It returns when it wants to be called again; zero: not
// before something happens.
func (c *Campaign) Step() (next time.Time) {
	c.hush()
	c.take()
	defer c.give()
	now := c.now()
	c.drain()
	if now.Before(c.retry) && c.retry.Sub(now) <= diskRetry { // else the clock was set back
		return c.retry
	}
	before := c.row
	acts := c.results(now)
	acts = append(acts, c.prepared(now)...)
	more := false
	switch {
	case c.row.State == Cancelled:
		acts, more = c.sweep(acts, ReasonCancelled)
	case c.expired(c.row.Spec.Expires, now):
		acts, more = c.sweep(acts, ReasonExpired)
	case c.row.State == Running:
		var picked []act
		picked, more = c.pick(now)
		acts = append(acts, picked...)
	}
	ok := c.commit(before, acts)
	c.heard = slices.DeleteFunc(c.heard, func(f *flight) bool {
		return c.flight[f.attempt.ID] != f || f.result == nil && f.decision == nil
	})
	if !ok {
		return c.retry
	}
	c.judge()
	if more || c.noted() {
		return now
	}
	return c.nextWake(now)
}

// noted reports whether something has come in since the step began.
func (c *Campaign) noted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.in) > 0
}

// now is the time without its monotonic reading: what is compared with times
// on disk has to follow the wall clock.
func (c *Campaign) now() time.Time { return c.deps.Clock.Now().UTC() }

func (c *Campaign) expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// drain moves the notes to the flights they belong to.
func (c *Campaign) drain() {
	c.mu.Lock()
	in := c.in
	c.in = nil
	c.mu.Unlock()
	for _, n := range in {
		f := c.flight[n.id]
		switch {
		case f == nil:
		case n.result != nil && f.result == nil && f.intent:
			f.result = n.result
			c.heard = append(c.heard, f)
		case n.decision != nil && f.decision == nil && !f.intent:
			f.decision = n.decision
			c.heard = append(c.heard, f)
		}
	}
}

// results are the ends of attempts, in the order in which they came.
func (c *Campaign) results(now time.Time) (acts []act) {
	for _, f := range c.heard {
		if f.result != nil {
			k := c.ended(f.contact, *f.result, now, f.dropped)
			acts = append(acts, act{change: Change{Old: f.contact, New: k}, flight: f})
		}
	}
	return acts
}

// ended is the contact after the result of its last attempt.
func (c *Campaign) ended(old *Contact, r Result, now time.Time, dropped bool) *Contact {
	k := old.clone()
	a := k.Last()
	a.Outcome, a.Code, a.Answered, a.Keyed = r.Outcome, r.Code, r.Answered, r.Keyed
	a.TalkMs, a.HeardMs, a.Percent = r.TalkMs, r.HeardMs, r.Percent
	if r.Result != nil {
		k.Result = r.Result
	}
	k.Reason = ""
	if i := slices.Index(k.Phones, a.Phone); r.Outcome == BadNumber && i >= 0 && !slices.Contains(k.Bad, i) {
		k.Bad = append(k.Bad, i)
	}
	next, again := c.row.Spec.Retry.Next(r.Outcome, len(k.Attempts), c.row.Spec.Attempts, r.Retry, now)
	next = later(next, now.Add(r.Pause))
	if r.Outcome == BadNumber && r.Retry == nil && len(k.Bad) < len(k.Phones) && len(k.Attempts) < c.row.Spec.Attempts {
		next, again = now, true // nobody was rung: the next number at once
	}
	switch {
	case dropped || c.row.State == Cancelled:
		c.finish(k, ReasonCancelled)
	case !again:
		c.finish(k, "")
	case c.expired(k.Expires, next) || c.expired(c.row.Spec.Expires, next):
		c.finish(k, ReasonExpired)
	default:
		k.State, k.Next = Waiting, next.UTC()
	}
	return k
}

// finish closes a contact: its outcome is that of the last attempt, or
// not_called.
func (c *Campaign) finish(k *Contact, reason string) {
	k.State, k.Next, k.Reason, k.Closed = Done, time.Time{}, reason, c.now()
	k.Outcome = NotCalled
	if a := k.Last(); a != nil && a.Outcome != "" {
		k.Outcome = a.Outcome
		if reason == ReasonCancelled && a.Outcome == Delivered {
			k.Reason = ""
		}
	}
}

// sweep closes what waits, a batch at a time.
func (c *Campaign) sweep(acts []act, reason string) ([]act, bool) {
	busy := map[uint64]bool{}
	for _, f := range c.flight {
		busy[f.contact.Seq] = true
	}
	for k, q := range c.queues {
		for len(acts) < sweepBatch {
			if len(q.ahead) == 0 && q.more {
				if err := c.refill(k, q); err != nil {
					c.halt(err)
					return acts, false
				}
			}
			if len(q.ahead) == 0 {
				break
			}
			d := q.ahead[0]
			q.ahead = q.ahead[1:]
			old, ok, err := c.deps.Repo.Contact(c.id, d.Seq)
			if err != nil {
				q.insert(d)
				c.halt(err)
				return acts, false
			}
			if !ok || busy[d.Seq] || old.State != Waiting {
				continue
			}
			n := old.clone()
			c.finish(n, reason)
			acts = append(acts, act{change: Change{Old: old, New: n}, put: true})
		}
	}
	return acts, len(acts) >= sweepBatch
}

// commit writes the acts and carries out those that are on disk. It reports
// false when the disk refused some: the campaign is paused then.
func (c *Campaign) commit(before Row, acts []act) bool {
	row := c.row
	changes := make([]Change, len(acts))
	for i := range acts {
		changes[i] = acts[i].change
	}
	saved, err := 0, error(nil)
	switch {
	case len(changes) > 0:
		saved, err = c.write(row, changes)
	case row.State != before.State || row.Reason != before.Reason:
		if err = c.deps.Repo.PutRow(row); err == nil {
			c.row = row
			c.show()
		}
	}
	for i, a := range acts {
		if i < saved {
			c.done(a)
		} else {
			c.undo(a)
		}
	}
	if err != nil {
		c.halt(err)
		return false
	}
	return true
}

// write stores changes with the row, and brings memory up to what is on disk.
func (c *Campaign) write(row Row, changes []Change) (saved int, err error) {
	if len(changes) == 0 {
		return 0, nil
	}
	stored, saved, err := c.deps.Repo.Commit(row, changes)
	if saved > 0 {
		c.row = stored
	}
	for _, ch := range changes[:saved] {
		c.planned(ch.Old, ch.New)
	}
	if saved > 0 {
		c.show()
		for _, ch := range changes[:saved] {
			if c.deps.Closed != nil && ch.New != nil && ch.New.State == Done && (ch.Old == nil || ch.Old.State != Done) {
				c.deps.Closed(c.row, *ch.New)
			}
		}
	}
	return saved, err
}

// done carries out an act that is on disk.
func (c *Campaign) done(a act) {
	switch f := a.flight; {
	case f == nil:
	case a.begins:
		f.intent, f.decision, f.contact = true, nil, a.change.New
		c.flight[f.attempt.ID] = f
		c.deps.Dialer.Dial(f.attempt)
	default:
		delete(c.flight, f.attempt.ID)
		c.deps.Phones.Release(f.attempt.To, f.attempt.ID)
		if !f.intent && c.deps.Lines != nil {
			c.deps.Lines.Give(f.attempt)
		}
	}
}

// undo forgets an act that the disk has refused. A result stays with its
// flight until the disk takes it.
func (c *Campaign) undo(a act) {
	if a.begins {
		c.abandon(a.flight)
		return
	}
	if a.put {
		k := a.change.Old
		c.planned(nil, k)
	}
}

// abandon puts the contact of an attempt that was not begun back in its place.
func (c *Campaign) abandon(f *flight) {
	delete(c.flight, f.attempt.ID)
	c.deps.Phones.Release(f.attempt.To, f.attempt.ID)
	if c.deps.Lines != nil {
		c.deps.Lines.Give(f.attempt)
	}
	c.planned(nil, f.contact)
}

// halt pauses the campaign in memory because of the disk; what the disk will
// not take is offered again.
func (c *Campaign) halt(err error) {
	now := c.now()
	c.retry = now.Add(diskRetry)
	if c.row.State == Running {
		c.log.Error("campaign: paused: the store refuses", "err", err)
		c.row.State, c.row.Reason = Paused, string(fault.CodeOf(err))+": "+err.Error()
		c.show()
	}
}

// nextWake is when there is something to do again.
func (c *Campaign) nextWake(now time.Time) (at time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if c.row.State != Running {
		if c.row.State != Draft && c.row.Counts.Waiting > 0 {
			sooner(c.row.Spec.Expires)
		}
		return at
	}
	sooner(c.row.Spec.Expires)
	if len(c.flight) >= c.row.Spec.MaxCalls || c.rehearsed(0) {
		return at // a result or a decision will wake us
	}
	for k, q := range c.queues {
		if len(q.ahead) == 0 {
			continue
		}
		t := later(q.ahead[0].Next, now)
		if !c.allowed(k.Zone, now) {
			t = later(t, c.zones[k.Zone].until)
		}
		sooner(t)
	}
	if at.IsZero() {
		return at
	}
	if c.lines {
		at = later(at, now.Add(lineNap))
	}
	return later(at, now.Add(c.pace.wait()))
}
