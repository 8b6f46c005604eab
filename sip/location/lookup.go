package location

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Lookup returns the live bindings of a user, best first.
func (t *Table) Lookup(user string) []Binding {
	t.mu.Lock()
	defer t.mu.Unlock()
	return ordered(alive(t.users[user], t.o.Clock.Now()))
}

// At is how many bindings came from an address; some may have expired.
func (t *Table) At(a netip.Addr) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at[a]
}

// Users returns the names that have a live binding, sorted.
func (t *Table) Users() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Clock.Now()
	var out []string
	for user, list := range t.users {
		if len(alive(list, now)) > 0 {
			out = append(out, user)
		}
	}
	slices.Sort(out)
	return out
}

// Drop removes the bindings for which gone is true, among those from one address
// over one transport, and returns them.
func (t *Table) Drop(source netip.AddrPort, transport string, gone func(Binding) bool) (dropped []Binding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at[source.Addr()] == 0 {
		return nil
	}
	for user, list := range t.users {
		var left []Binding
		for _, b := range list {
			if b.Source == source && b.Transport == transport && gone(b) {
				dropped = append(dropped, b)
			} else {
				left = append(left, b)
			}
		}
		if n := len(list) - len(left); n > 0 {
			t.stats.Removed += uint64(n)
			t.putLocked(user, len(list), left)
		}
	}
	return dropped
}

// Keep removes the bindings of every user for whom keep is false.
func (t *Table) Keep(keep func(user string) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for user, list := range t.users {
		if !keep(user) {
			t.stats.Removed += uint64(len(list))
			t.putLocked(user, len(list), nil)
		}
	}
}

func alive(list []Binding, now time.Time) []Binding {
	out := make([]Binding, 0, len(list))
	for _, b := range list {
		if b.Expires.After(now) {
			out = append(out, b)
		}
	}
	return out
}

func (t *Table) sweepLocked(user string, now time.Time) {
	list := t.users[user]
	left := alive(list, now)
	if len(left) < len(list) {
		t.stats.Expired += uint64(len(list) - len(left))
		t.putLocked(user, len(list), left)
	}
}

func (t *Table) sweepAllLocked(now time.Time) {
	for user := range t.users {
		t.sweepLocked(user, now)
	}
}

// identity is what makes two contacts the same binding: the phone's instance
// (RFC 5626 §6) or else the URI.
func identity(c Contact) string {
	if c.Instance != "" {
		return "instance " + c.Instance + " " + c.RegID
	}
	return canonical(c.URI)
}

// canonical reduces a URI to what RFC 3261 §19.1.4 compares and phones keep
// stable: scheme, user, host, port and transport. Other parameters (rinstance,
// ob, line) change from start to start of the same phone; two of them differ
// only when both hold the same address, and then the newer is right.
func canonical(uri string) string {
	uri = strings.TrimSpace(uri)
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return uri
	}
	rest, _, _ = strings.Cut(rest, "?")
	user, hostport := "", rest
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, hostport = rest[:i+1], rest[i+1:]
	}
	hostport, params, _ := strings.Cut(hostport, ";")
	return strings.ToLower(scheme) + ":" + user + strings.ToLower(hostport) + transportOf(params)
}

func transportOf(params string) string {
	for _, p := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "transport") {
			return ";" + strings.ToLower(strings.TrimSpace(value))
		}
	}
	return ""
}
