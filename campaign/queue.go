package campaign

import (
	"slices"
	"time"
)

// queue is the head of one queue in memory: the entries up to pos that are
// still in it. What the store holds after pos has not been read.
type queue struct {
	ahead []Due
	pos   Due
	more  bool // the store may hold entries after pos
}

// insert adds an entry if it lies in the part that has been read.
func (q *queue) insert(d Due) {
	if q.more && q.pos.Before(d) {
		return // read from the store when its turn comes; pos itself is not read again
	}
	i, found := slices.BinarySearchFunc(q.ahead, d, compareDue)
	if found {
		return
	}
	q.ahead = slices.Insert(q.ahead, i, d)
	if len(q.ahead) > 2*Ahead { // forget the far end; it is in the store
		q.ahead = slices.Clone(q.ahead[:Ahead])
		q.pos, q.more = q.ahead[Ahead-1], true
	} else if q.pos.Before(d) {
		q.pos = d
	}
}

func (q *queue) remove(d Due) {
	if i, found := slices.BinarySearchFunc(q.ahead, d, compareDue); found {
		q.ahead = slices.Delete(q.ahead, i, i+1)
	}
}

func compareDue(a, b Due) int {
	switch {
	case a.Before(b):
		return -1
	case b.Before(a):
		return 1
	}
	return 0
}

// zone is one zone of a campaign and whether its window is open.
type zone struct {
	loc         *time.Location
	open        bool
	from, until time.Time // the answer holds in [from, until)
}

func (z *zone) forget() { z.from, z.until = time.Time{}, time.Time{} }

// zoneOf is the zone of that name; one that cannot be read is the fallback.
func (c *Campaign) zoneOf(name string) *zone {
	if z := c.zones[name]; z != nil {
		return z
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		if loc, err = time.LoadLocation(c.deps.Zone); err != nil {
			loc = time.UTC
		}
	}
	z := &zone{loc: loc}
	if len(c.zones) < MaxQueues {
		c.zones[name] = z
	}
	return z
}

// zoneName is the zone that counts for a new contact. What beginnings of
// numbers tell is remembered, for it is read from the plans of the world.
func (c *Campaign) zoneName(own, number string) string {
	asked := c.row.Spec.Zone
	if own != "" && own != ZoneCallee || asked != "" && asked != ZoneCallee || len(number) < zoneDigits {
		return ZoneOf(own, asked, number, c.deps.Zone)
	}
	name, ok := c.known[number[:zoneDigits]]
	if !ok {
		name = ZoneOf("", "", number, c.deps.Zone)
		if len(c.known) < maxKnown {
			c.known[number[:zoneDigits]] = name
		}
	}
	return name
}

const (
	zoneDigits = 7 // of an E.164 number with its plus sign: what phone.Zone looks at
	maxKnown   = 65_536
)

// allowed reports whether people in the zone may be called now.
func (c *Campaign) allowed(name string, now time.Time) bool {
	z := c.zoneOf(name)
	if z.from.IsZero() || now.Before(z.from) || !now.Before(z.until) {
		z.open = c.open(now, z.loc)
		z.from, z.until = now, c.edge(now, z.loc)
	}
	return z.open
}

// open asks the campaign's window and the project's quiet hours.
func (c *Campaign) open(at time.Time, loc *time.Location) bool {
	return c.window.IsOpen(at, loc) && (c.deps.Quiet.IsZero() || !c.deps.Quiet.week.Shows(at, loc))
}

func (c *Campaign) edge(at time.Time, loc *time.Location) time.Time {
	e := c.window.edge(at, loc)
	if !c.deps.Quiet.IsZero() {
		if q := c.deps.Quiet.week.Edge(at, loc); q.Before(e) {
			return q
		}
	}
	return e
}

// roomFor makes sure of a queue for a contact, within MaxQueues.
func (c *Campaign) roomFor(k Queue) bool {
	if c.queues[k] == nil {
		if len(c.queues) >= MaxQueues {
			return false
		}
		c.queues[k] = &queue{}
	}
	return true
}

// head is the contact to look at next, of those that are due where people may
// be called: the highest priority, of these one with an appointed time, and
// each Fairness-th time the one due longest of all.
func (c *Campaign) head(now time.Time) (k Queue, d Due, ok bool, err error) {
	fair := (c.picks+1)%Fairness == 0
	for name, q := range c.queues {
		if len(q.ahead) == 0 && q.more {
			if err := c.refill(name, q); err != nil {
				return k, d, false, err
			}
		}
		if len(q.ahead) == 0 || q.ahead[0].Next.After(now) || !c.allowed(name.Zone, now) {
			continue
		}
		if !ok || sooner(name, q.ahead[0], k, d, fair) {
			k, d, ok = name, q.ahead[0], true
		}
	}
	return k, d, ok, nil
}

// sooner reports whether a's entry x goes before b's entry y.
func sooner(a Queue, x Due, b Queue, y Due, fair bool) bool {
	if !fair && a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	if !fair && a.Timed != b.Timed {
		return a.Timed
	}
	return x.Before(y)
}

func (c *Campaign) refill(k Queue, q *queue) error {
	found, err := c.deps.Repo.Due(c.id, k, q.pos, Ahead)
	if err != nil {
		return err
	}
	if q.more = len(found) == Ahead; len(found) > 0 {
		q.pos = found[len(found)-1]
	}
	q.ahead = found
	return nil
}

// planned moves a contact between queues after a change is on disk.
func (c *Campaign) planned(old, k *Contact) {
	if old != nil && old.State == Waiting {
		if q := c.queues[QueueOf(old)]; q != nil {
			q.remove(Due{old.Next, old.Seq})
		}
	}
	if k != nil && k.State == Waiting {
		name := QueueOf(k)
		if c.queues[name] == nil {
			c.queues[name] = &queue{}
		}
		c.queues[name].insert(Due{k.Next, k.Seq})
	}
}
