package location

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Apply carries out a REGISTER (RFC 3261 §10.3 steps 6–8) whole or not at all
// and returns the user's bindings after it, best first.
func (t *Table) Apply(r Register) ([]Binding, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Clock.Now()
	t.sweepLocked(r.User, now)
	before := t.users[r.User]
	if refusal := t.refuse(before, r); refusal != nil {
		t.stats.Refused++
		return nil, refusal
	}
	after := t.afterLocked(before, r, now)
	if t.total+len(after)-len(before) > t.o.Total {
		t.sweepAllLocked(now)
	}
	if grow := len(after) - len(before); grow > 0 && (t.total+grow > t.o.Total || !r.Peer && t.at[r.Source.Addr()]+grow > t.o.PerSource) {
		t.stats.Refused++
		return nil, &Refusal{Code: 503, Reason: "Too Many Registrations"}
	}
	t.storeLocked(r.User, before, after)
	return ordered(after), nil
}

// refuse checks the whole request before anything changes.
func (t *Table) refuse(before []Binding, r Register) *Refusal {
	switch {
	case r.Star && (len(r.Contacts) > 0 || r.Expires != 0):
		return &Refusal{Code: 400, Reason: "Contact * Needs Expires 0 And No Other Contact"}
	case len(r.Contacts) > MaxContacts:
		return &Refusal{Code: 400, Reason: "Too Many Contacts"}
	case len(r.Path) > MaxPath:
		return &Refusal{Code: 400, Reason: "Too Many Path Entries"}
	}
	for _, c := range r.Contacts {
		if d := wish(r, c); d > 0 && d < t.o.MinExpires {
			return &Refusal{Code: 423, Reason: "Interval Too Brief", MinExpires: t.o.MinExpires}
		}
	}
	for i := range before {
		if touched(&before[i], r) && outOfOrder(&before[i], r) {
			return &Refusal{Code: 500, Reason: "CSeq Out Of Order"}
		}
	}
	return nil
}

// outOfOrder is the ordering rule of RFC 3261 §10.3: within one Call-ID only a
// higher CSeq may change a binding.
func outOfOrder(b *Binding, r Register) bool { return b.CallID == r.CallID && r.CSeq <= b.CSeq }

func touched(b *Binding, r Register) bool {
	return r.Star || slices.ContainsFunc(r.Contacts, func(c Contact) bool { return b.is(c) })
}

// is tells whether c names the binding, by its instance or by its URI.
func (b *Binding) is(c Contact) bool {
	return b.Identity == identity(c) || canonical(b.Contact) == canonical(c.URI)
}

// wish is the expiry that the request asks for; negative when it does not.
func wish(r Register, c Contact) time.Duration {
	if c.Expires >= 0 {
		return c.Expires
	}
	return r.Expires
}

func (t *Table) lifetime(r Register, c Contact) time.Duration {
	d := wish(r, c)
	if d < 0 {
		d = t.o.Expires
	}
	return min(d, t.o.MaxExpires)
}

// afterLocked computes the user's bindings after r without storing them.
func (t *Table) afterLocked(before []Binding, r Register, now time.Time) []Binding {
	if r.Star {
		return nil
	}
	after := slices.Clone(before)
	for _, c := range r.Contacts {
		after = t.mergeLocked(after, r, c, now)
	}
	for len(after) > t.o.PerUser {
		oldest := slices.IndexFunc(after, func(b Binding) bool {
			return !slices.ContainsFunc(after, func(o Binding) bool { return o.Refreshed.Before(b.Refreshed) })
		})
		after = slices.Delete(after, oldest, oldest+1)
		t.stats.Pushed++
	}
	return after
}

// mergeLocked adds, refreshes or removes the binding of one contact. The ID
// survives a refresh, so that whoever holds it still means the same phone.
func (t *Table) mergeLocked(list []Binding, r Register, c Contact, now time.Time) []Binding {
	fresh := Binding{
		User: r.User, Contact: c.URI, Source: r.Source, Transport: r.Transport, Path: slices.Clone(r.Path),
		Q: min(max(c.Q, 0), 1000), Instance: c.Instance, Agent: r.Agent, CallID: r.CallID, CSeq: r.CSeq,
		Created: now, Refreshed: now, Identity: identity(c),
	}
	kept := list[:0]
	for _, b := range list {
		switch {
		case !b.is(c):
			kept = append(kept, b)
		case fresh.ID == "":
			fresh.ID, fresh.Created = b.ID, b.Created
		}
	}
	lifetime := t.lifetime(r, c)
	if lifetime == 0 {
		return kept
	}
	if fresh.ID == "" {
		t.nextID++
		fresh.ID = strconv.FormatUint(t.nextID, 36)
	}
	fresh.Expires = now.Add(lifetime)
	return append(kept, fresh)
}

func (t *Table) storeLocked(user string, before, after []Binding) {
	has := func(list []Binding, id string) bool {
		return slices.ContainsFunc(list, func(b Binding) bool { return b.ID == id })
	}
	for _, b := range before {
		if !has(after, b.ID) {
			t.stats.Removed++
		}
	}
	for _, b := range after {
		if !has(before, b.ID) {
			t.stats.Added++
		}
	}
	t.putLocked(user, len(before), after)
}

func (t *Table) putLocked(user string, before int, after []Binding) {
	t.total += len(after) - before
	t.countLocked(t.users[user], -1)
	t.countLocked(after, 1)
	if t.o.Changed != nil {
		t.o.Changed(user, after)
	}
	if len(after) == 0 {
		delete(t.users, user)
		return
	}
	t.users[user] = after
}

// countLocked keeps the number of bindings of each address.
func (t *Table) countLocked(list []Binding, d int) {
	for _, b := range list {
		a := b.Source.Addr()
		if t.at[a] += d; t.at[a] <= 0 {
			delete(t.at, a)
		}
	}
}

// ordered is a copy, highest q first, then the one refreshed last.
func ordered(list []Binding) []Binding {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b Binding) int {
		return cmp.Or(cmp.Compare(b.Q, a.Q), b.Refreshed.Compare(a.Refreshed), cmp.Compare(a.ID, b.ID))
	})
	return out
}
