package resolve

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// record is one SRV record with its addresses, or the addresses of a bare name.
type record struct {
	transport        string
	order            int // transports in the order of our preference
	priority, weight uint16
	port             uint16
	addrs            []netip.Addr
}

// ask does the DNS work of RFC 3263 §4 for one target.
func ask(ctx context.Context, l Lookup, t Target) ([]record, error) {
	if t.Port == 0 {
		records, err := askSRV(ctx, l, t)
		if len(records) > 0 || err != nil {
			return records, err
		}
	}
	addrs, err := askAddrs(ctx, l, t.Host)
	if err != nil {
		return nil, err
	}
	return []record{{transport: t.orUDP(), port: t.port(), addrs: addrs}}, nil
}

// askSRV asks for the service over each allowed transport. No record at all is
// no error; a record "." says that the service is not there (RFC 2782).
func askSRV(ctx context.Context, l Lookup, t Target) ([]record, error) {
	transports := []string{"udp", "tcp"}
	if t.Transport != "" {
		transports = []string{t.Transport}
	}
	var out []record
	var refused bool
	for i, proto := range transports {
		service, network := "sip", proto
		if proto == "tls" {
			service, network = "sips", "tcp" // RFC 3263 §4.2
		}
		_, srvs, err := l.LookupSRV(ctx, service, network, t.Host)
		if err != nil && !missing(err) && len(out) == 0 {
			return nil, failed(t.Host, err)
		}
		for _, srv := range srvs[:min(len(srvs), MaxHops)] {
			if srv.Target == "." {
				refused = true
				continue
			}
			addrs, err := askAddrs(ctx, l, strings.TrimSuffix(srv.Target, "."))
			if err != nil {
				continue // the others of the set may do
			}
			out = append(out, record{transport: proto, order: i, priority: srv.Priority, weight: srv.Weight, port: srv.Port, addrs: addrs})
		}
		if err == nil && len(srvs) > 0 && len(out) == 0 {
			refused = true
		}
	}
	if refused && len(out) == 0 {
		return nil, fault.New(fault.Network, "resolve %s: its SRV records lead nowhere", t.Host)
	}
	return out, nil
}

// askAddrs returns IPv4 addresses before IPv6 ones: a listener of the family
// is looked for by the caller, and IPv4 is the one every trunk has.
func askAddrs(ctx context.Context, l Lookup, host string) ([]netip.Addr, error) {
	addrs, err := l.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, failed(host, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
	addrs = addrs[:min(len(addrs), MaxHops)]
	if len(addrs) == 0 {
		return nil, fault.New(fault.Network, "resolve %s: no address", host)
	}
	return addrs, nil
}

// missing tells "no such record" from "DNS does not answer".
func missing(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

func failed(host string, err error) error {
	return fault.New(fault.Network, "resolve %s: %w", host, err).
		WithHint("check the spelling of %s and the machine's DNS", host)
}

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
