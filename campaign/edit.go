package campaign

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// ContactPatch changes one contact that is open; nil fields stay as they are.
// Numbers are E.164 (see Import, which makes them so).
type ContactPatch struct {
	Phones   []string        `json:"phones,omitempty"`
	Zone     *string         `json:"zone,omitempty"`
	Priority *int            `json:"priority,omitempty"`
	At       *time.Time      `json:"at,omitempty"`
	Expires  *time.Time      `json:"expires,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// Added is what became of contacts that were added.
type Added struct {
	Accepted   int       `json:"accepted"`
	Duplicates int       `json:"duplicates"`
	Rejected   []Refusal `json:"rejected"`
}

// Add appends contacts, at any time but after Cancel. Those whose number or
// key is in the campaign already are duplicates and change nothing. It returns
// when all others are on disk. A completed campaign runs again.
func (c *Campaign) Add(entries []Entry) (Added, error) {
	c.take()
	defer c.give()
	if c.row.State == Cancelled {
		return Added{}, errState("add contacts", c.row.State)
	}
	var done Added
	seen := map[string]bool{}
	var changes []Change
	now, seq := c.deps.Clock.Now(), c.row.Seq
	for _, e := range entries {
		k := c.contactOf(e.Contact, now)
		switch dup, err := c.duplicate(k, seen); {
		case err != nil:
			return done, err
		case dup:
			done.Duplicates++
			continue
		case !c.roomFor(QueueOf(k)):
			done.Rejected = append(done.Rejected, Refusal{Line: e.Line, Phone: k.Phone(), Code: string(fault.Limit), Message: "too many zones and priorities"})
			continue
		}
		seq++
		k.Seq = seq
		changes = append(changes, Change{New: k})
	}
	saved, err := c.write(c.row, changes)
	done.Accepted = saved
	c.Wake()
	return done, err
}

// contactOf is a contact as it is stored when it is new.
func (c *Campaign) contactOf(k Contact, now time.Time) *Contact {
	if k.Key == "" {
		k.Key = k.Phone()
	}
	if k.Priority == 0 {
		k.Priority = c.row.Spec.Priority
	}
	k.Zone = c.zoneName(k.Zone, k.Phone())
	k.State, k.Next = Waiting, now
	if k.At.After(now) {
		k.Next = k.At
	}
	k.Next = k.Next.UTC()
	return &k
}

// duplicate reports whether the campaign has the contact, and remembers it
// among those of this call.
func (c *Campaign) duplicate(k *Contact, seen map[string]bool) (bool, error) {
	names := []string{"k" + k.Key}
	if c.row.Spec.Dedupe == DedupePhone {
		for _, p := range k.Phones {
			names = append(names, "p"+p)
		}
	}
	for _, n := range names {
		if seen[n] {
			return true, nil
		}
		find := c.deps.Repo.SeqOfKey
		if n[0] == 'p' {
			find = c.deps.Repo.SeqOfPhone
		}
		if _, ok, err := find(c.id, n[1:]); err != nil || ok {
			return ok, err
		}
	}
	for _, n := range names {
		seen[n] = true
	}
	return false, nil
}

// Change patches an open contact that is not in a call.
func (c *Campaign) Change(key string, p ContactPatch) (*Contact, error) {
	return c.edit(key, func(k *Contact) error {
		if p.Priority != nil && (*p.Priority < -MaxPriority || *p.Priority > MaxPriority) {
			return fault.New(fault.Invalid, "priority: %d is not %d to %d", *p.Priority, -MaxPriority, MaxPriority)
		}
		if len(p.Phones) > MaxPhones || len(p.Data) > MaxData {
			return fault.New(fault.Limit, "a contact has at most %d numbers and %d bytes of data", MaxPhones, MaxData)
		}
		if p.Phones != nil {
			k.Phones, k.Turn, k.Bad = slices.Clone(p.Phones), 0, nil
		}
		if p.Zone != nil {
			if err := CheckZone(*p.Zone); err != nil {
				return err
			}
			k.Zone = c.zoneName(*p.Zone, k.Phone())
		}
		set(&k.Priority, p.Priority)
		set(&k.Expires, p.Expires)
		if p.At != nil {
			k.At, k.Next = *p.At, later(*p.At, c.deps.Clock.Now()).UTC()
		}
		if p.Data != nil {
			k.Data = p.Data
		}
		return nil
	})
}

// Remove closes an open contact as cancelled. One in a call is given up and
// not dialled again.
func (c *Campaign) Remove(key string) (*Contact, error) {
	k, err := c.edit(key, func(k *Contact) error {
		c.finish(k, ReasonCancelled)
		return nil
	})
	if fault.CodeOf(err) != fault.Conflict || k == nil || k.State != Dialing {
		return k, err
	}
	c.take()
	defer c.give()
	if f := c.flight[k.Last().ID]; f != nil {
		f.dropped = true
		c.deps.Dialer.Cancel(f.attempt.ID)
		return f.contact, nil
	}
	return k, err
}

// edit changes a waiting contact.
func (c *Campaign) edit(key string, change func(*Contact) error) (*Contact, error) {
	c.take()
	defer c.give()
	old, err := c.Contact(key)
	switch {
	case err != nil:
		return nil, err
	case old.State != Waiting:
		return old, fault.New(fault.Conflict, "contact %q is %s", key, old.State)
	}
	k := old.clone()
	if err := change(k); err != nil {
		return old, err
	}
	if _, err := c.write(c.row, []Change{{Old: old, New: k}}); err != nil {
		return old, err
	}
	c.Wake()
	return k, nil
}
