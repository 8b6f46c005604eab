package sip

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// MaxContacts is how many Contacts of one answer are read.
const MaxContacts = 16

// Contacts reads the Contact fields of a message, the highest q first and
// otherwise in their order (RFC 3261 §20.10). What cannot be read is left out.
func Contacts(h Headers) []Address {
	type contact struct {
		at Address
		q  float64
	}
	var found []contact
	for _, line := range h.All("Contact") {
		for _, text := range splitList(line) {
			a, params, err := parseNameAddr(text)
			if err != nil || len(found) == MaxContacts {
				continue
			}
			found = append(found, contact{a, preference(params)})
		}
	}
	slices.SortStableFunc(found, func(a, b contact) int { return cmp.Compare(b.q, a.q) })
	out := make([]Address, len(found))
	for i, c := range found {
		out[i] = c.at
	}
	return out
}

// preference is the q of a Contact: 0 to 1, and 1 where there is none.
func preference(params string) float64 {
	text, ok := param(params, "q")
	q, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || q < 0 || q > 1 {
		return 1
	}
	return q
}

// RetryAfter is how many seconds the sender of a final answer asks to be left
// alone (RFC 3261 §20.33); 0 when it does not.
func RetryAfter(h Headers) int {
	digits := strings.TrimSpace(h.Get("Retry-After"))
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i] // a comment or duration may follow
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}
