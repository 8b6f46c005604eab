package campaign

import (
	"slices"
	"time"
)

// pick decides on contacts that are due, as far as pacing lets it. more is
// true when it stopped only because a step is long enough.
func (c *Campaign) pick(now time.Time) (acts []act, more bool) {
	c.lines = false
	for range StepBatch {
		if !c.mayDial(now, acts) {
			return acts, false
		}
		k, d, ok, err := c.head(now)
		if err != nil {
			c.halt(err)
			return acts, false
		}
		if !ok {
			return acts, false
		}
		c.queues[k].remove(d)
		a, taken, err := c.consider(d, now)
		switch {
		case err != nil:
			c.queues[k].insert(d)
			c.halt(err)
			return acts, false
		case c.lines:
			c.queues[k].insert(d)
			return acts, false
		case taken:
			c.picks++
			c.pace.spend()
		}
		if a != nil {
			acts = append(acts, *a)
		}
	}
	return acts, true
}

// mayDial checks max_calls, max_cps and pause_after.
func (c *Campaign) mayDial(now time.Time, acts []act) bool {
	s := &c.row.Spec
	begun := 0
	for _, a := range acts {
		if a.begins {
			begun++
		}
	}
	if len(c.flight)+begun >= s.MaxCalls || !c.pace.ready(now, s.MaxCPS) {
		return false
	}
	return !c.rehearsed(begun)
}

// rehearsed reports whether pause_after lets no other attempt begin: those
// that are being prepared are on their way.
func (c *Campaign) rehearsed(begun int) bool {
	if c.row.Spec.PauseAfter <= 0 {
		return false
	}
	for _, f := range c.flight {
		if !f.intent {
			begun++
		}
	}
	return c.row.Counts.Attempts-c.row.Since.Attempts+int64(begun) >= int64(c.row.Spec.PauseAfter)
}

// consider decides on one contact that is due: nothing (it has gone), a change
// to write, or an attempt (taken).
func (c *Campaign) consider(d Due, now time.Time) (a *act, taken bool, err error) {
	old, ok, err := c.deps.Repo.Contact(c.id, d.Seq)
	if err != nil || !ok || old.State != Waiting || !old.Next.Equal(d.Next) {
		return nil, false, err
	}
	if c.flight[AttemptID(c.id, d.Seq, len(old.Attempts)+1)] != nil {
		return nil, false, nil // changed while it is being prepared, which reads it again
	}
	n := old.clone()
	if c.shut(n, now) {
		return &act{change: Change{Old: old, New: n}, put: true}, false, nil
	}
	v, err := c.choose(n, now)
	if err != nil {
		return nil, false, err
	}
	if v.index < 0 {
		v.settle(c, n)
		return &act{change: Change{Old: old, New: n}, put: true}, false, nil
	}
	f := &flight{attempt: c.attempt(n, v.index, now), contact: old}
	if c.deps.Lines != nil && !c.deps.Lines.Take(f.attempt) {
		c.deps.Phones.Release(f.attempt.To, f.attempt.ID)
		c.lines = true
		return nil, false, nil
	}
	if p, ok := c.deps.Dialer.(Preparer); ok {
		c.flight[f.attempt.ID] = f
		p.Prepare(f.attempt)
		return nil, true, nil
	}
	return c.claim(f, n, now), true, nil
}

// claim is the intent of an attempt.
func (c *Campaign) claim(f *flight, n *Contact, now time.Time) *act {
	a := f.attempt
	f.attempt.Data = n.Data
	n.State, n.Next, n.Reason = Dialing, time.Time{}, ""
	n.Attempts = append(n.Attempts, Made{ID: a.ID, At: now, Phone: a.To})
	n.Turn = (slices.Index(n.Phones, a.To) + 1) % len(n.Phones)
	return &act{
		change: Change{Old: f.contact, New: n, Dial: &Dial{At: now, By: a.ID}, Phone: a.To},
		flight: f, begins: true, put: true,
	}
}

func (c *Campaign) attempt(k *Contact, index int, now time.Time) Attempt {
	s := &c.row.Spec
	n := len(k.Attempts) + 1
	return Attempt{
		ID: AttemptID(c.id, k.Seq, n), Order: OrderID(c.id, k.Seq), Campaign: c.id, Key: k.Key, N: n, Of: s.Attempts,
		To: k.Phones[index], From: s.From, Hide: s.Hide, Trunk: s.Trunk, Script: s.Script, Zone: k.Zone, Priority: k.Priority, Data: k.Data,
		Timeout: time.Duration(s.Timeout), After: s.DeliveredAfter, Callback: s.Callback, At: now,
		retry: s.Retry, more: len(k.Phones)-len(k.Bad) > 1,
	}
}

// shut closes or puts off a contact that may not be dialled whatever number
// it is, and reports whether it did.
func (c *Campaign) shut(k *Contact, now time.Time) bool {
	switch {
	case c.expired(k.Expires, now), c.expired(c.row.Spec.Expires, now):
		c.finish(k, ReasonExpired)
	case len(k.Attempts) >= c.row.Spec.Attempts:
		c.finish(k, "")
	case c.row.Spec.DailyCap > 0 && c.today(k, now) >= c.row.Spec.DailyCap:
		k.Next, k.Reason = c.midnight(k.Zone, now), ReasonDailyCap
	default:
		return false
	}
	return true
}

// today counts the attempts on the present day of the contact's zone.
func (c *Campaign) today(k *Contact, now time.Time) (n int) {
	loc := c.zoneOf(k.Zone).loc
	y, m, d := now.In(loc).Date()
	for _, a := range k.Attempts {
		if ay, am, ad := a.At.In(loc).Date(); ay == y && am == m && ad == d {
			n++
		}
	}
	return n
}

// midnight is the beginning of the next day in the zone.
func (c *Campaign) midnight(name string, now time.Time) time.Time {
	loc := c.zoneOf(name).loc
	y, m, d := now.In(loc).Date()
	t := time.Date(y, m, d+1, 0, 0, 0, 0, loc)
	for !t.After(now) { // a day that the clocks cut short
		t = t.Add(time.Hour)
	}
	return t.UTC()
}

// verdict is which number of a contact may be dialled now, and if none, why
// not and when to look again.
type verdict struct {
	index   int // -1: none
	again   time.Time
	reason  string
	stopped bool
}

// choose finds the number whose turn it is, and holds it.
func (c *Campaign) choose(k *Contact, now time.Time) (verdict, error) {
	v := verdict{index: -1}
	put := func(at time.Time, why string) {
		if v.again.IsZero() || at.Before(v.again) {
			v.again, v.reason = at, why
		}
	}
	for i := range k.Phones {
		index := (k.Turn + i) % len(k.Phones)
		number := k.Phones[index]
		if slices.Contains(k.Bad, index) {
			continue
		}
		if c.deps.Stop != nil {
			stopped, err := c.deps.Stop.Has(number)
			if err != nil {
				c.log.Error("campaign: the stop-list cannot be read: nobody is dialled", "err", err)
				put(now.Add(unsureDelay), ReasonStopList)
				continue
			}
			if stopped {
				v.stopped = true
				continue
			}
		}
		id := AttemptID(c.id, k.Seq, len(k.Attempts)+1)
		if !c.deps.Phones.Hold(number, id) {
			put(now.Add(inCallDelay), ReasonInCall)
			continue
		}
		at, err := c.frequency(number, now)
		if err != nil || at.After(now) {
			c.deps.Phones.Release(number, id)
			if err != nil {
				return v, err
			}
			put(at, ReasonFrequency)
			continue
		}
		v.index = index
		return v, nil
	}
	return v, nil
}

// settle writes a verdict that found no number into the contact.
func (v verdict) settle(c *Campaign, k *Contact) {
	switch {
	case !v.again.IsZero():
		k.Next, k.Reason = v.again.UTC(), v.reason
	case v.stopped:
		c.finish(k, ReasonStopList)
	default:
		c.finish(k, ReasonBadNumber)
	}
}

// frequency is when the frequency caps let the number be dialled.
func (c *Campaign) frequency(number string, now time.Time) (time.Time, error) {
	if len(c.row.Spec.Frequency)+len(c.deps.Caps) == 0 {
		return now, nil
	}
	dials, err := c.deps.Repo.Dials(number)
	if err != nil {
		return now, err
	}
	return AllowedBy(slices.Concat(c.row.Spec.Frequency, c.deps.Caps), dials, now), nil
}

// AllowedBy is the first instant not before now at which another dial keeps to
// all the caps. Dials are oldest first.
func AllowedBy(caps []Rate, dials []Dial, now time.Time) time.Time {
	at := now
	for _, r := range caps {
		if r.Calls < 1 || len(dials) < r.Calls {
			continue
		}
		// The dial that has to have left the period for one more to fit in.
		oldest := dials[len(dials)-r.Calls]
		at = later(at, oldest.At.Add(time.Duration(r.Per)))
	}
	return at
}

// prepared are the attempts that the Preparer has let through, put off or
// ended. What was true before it was asked is looked at again.
func (c *Campaign) prepared(now time.Time) (acts []act) {
	for _, f := range c.heard {
		if f.decision == nil {
			continue
		}
		old, ok, err := c.deps.Repo.Contact(c.id, f.contact.Seq)
		if err != nil {
			c.halt(err)
			return acts
		}
		if !ok || old.State != Waiting {
			c.abandon(f)
			continue
		}
		f.contact = old
		if a := c.proceed(f, old.clone(), now); a != nil {
			acts = append(acts, *a)
		}
	}
	return acts
}

func (c *Campaign) proceed(f *flight, n *Contact, now time.Time) *act {
	d := *f.decision
	if d.Data != nil && len(d.Data) <= MaxData {
		n.Data = d.Data
	}
	over := &act{change: Change{Old: f.contact, New: n}, flight: f}
	switch {
	case f.dropped || c.row.State == Cancelled:
		c.finish(n, ReasonCancelled)
		return over
	case d.Skip != "":
		c.finish(n, ReasonSkipped+": "+d.Skip)
		return over
	case c.shut(n, now):
		return over
	case d.Later > 0:
		n.Next, n.Reason = now.Add(d.Later), ReasonLater
		return over
	case c.row.State != Running || !slices.Contains(n.Phones, f.attempt.To):
		c.abandon(f)
		return nil
	case !c.allowed(n.Zone, now):
		n.Reason = ReasonWindow
		return over
	}
	if c.deps.Stop != nil {
		if stopped, err := c.deps.Stop.Has(f.attempt.To); err != nil || stopped {
			n.Next = now // looked at afresh, by the other numbers too
			if err != nil {
				n.Next, n.Reason = now.Add(unsureDelay), ReasonStopList
			}
			return over
		}
	}
	f.attempt.At = now
	return c.claim(f, n, now)
}
