package resolve

import (
	"cmp"
	"net/netip"
	"slices"
)

// arrange draws an order: transport, priority, then weight at random
// (RFC 2782), dead hops last. roll(n) returns a number in [0,n).
func arrange(records []record, roll func(n int) int, dead func(Hop) bool) []Hop {
	left := slices.Clone(records)
	var good, bad []Hop
	for len(left) > 0 && len(good)+len(bad) < MaxHops {
		i := draw(left, roll)
		for _, a := range left[i].addrs {
			hop := Hop{Addr: netip.AddrPortFrom(a, left[i].port), Transport: left[i].transport}
			if dead(hop) {
				bad = append(bad, hop)
			} else {
				good = append(good, hop)
			}
		}
		left = slices.Delete(left, i, i+1)
	}
	all := append(good, bad...)
	return all[:min(len(all), MaxHops)]
}

// draw picks the next record among those of the best transport and priority.
func draw(left []record, roll func(n int) int) int {
	best := slices.MinFunc(left, compare)
	total := 0
	for _, r := range left {
		if compare(r, best) == 0 {
			total += int(r.weight)
		}
	}
	at := roll(total + 1)
	last := 0
	for i, r := range left {
		if compare(r, best) != 0 {
			continue
		}
		last = i
		if at -= int(r.weight); at <= 0 {
			break
		}
	}
	return last
}

func compare(a, b record) int {
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.priority, b.priority))
}
