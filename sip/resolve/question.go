package resolve

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/dns"
)

// naptrPatience is how long NAPTR is waited for: some routers' name servers
// never answer for types that they do not know. It is enough for two servers.
const naptrPatience = 2500 * time.Millisecond

// errNowhere tells that DNS knows the service, but no place of it.
var errNowhere = errors.New("its SRV records lead nowhere")

// services are those of RFC 3263 §4.1 and RFC 7118 §7, and their transports.
var services = map[string]string{"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls", "SIP+D2W": "ws", "SIPS+D2W": "wss"}

// record is one SRV record with its addresses, or the addresses of a bare name.
type record struct {
	transport        string
	order            int // sets of records in the order of the domain's NAPTR, else of our preference
	priority, weight uint16
	port             uint16
	addrs            []netip.Addr
}

// walk is one way through DNS.
type walk struct {
	l       Lookup
	t       Target
	can     []string // transports that we can send over
	ttl     time.Duration
	records []record
	refused bool  // DNS says that the service is not there
	failed  error // DNS did not answer at some point
}

// ask does the DNS work of RFC 3263 §4 for one target, and tells how long what
// it found is valid.
func ask(ctx context.Context, l Lookup, t Target, can []string) ([]record, time.Duration, error) {
	w := &walk{l: l, t: t, can: can, ttl: MostTTL}
	err := w.run(ctx)
	return w.records, w.ttl, err
}

func (w *walk) run(ctx context.Context) error {
	if w.t.Port == 0 {
		for order, s := range w.places(ctx) {
			w.service(ctx, order, s)
		}
		switch {
		case len(w.records) > 0:
			return nil
		case w.failed != nil:
			return broken(w.t.Host, w.failed)
		case w.refused:
			return fault.New(fault.Network, "resolve %s: %w", w.t.Host, errNowhere)
		}
	}
	addrs, err := w.addrs(ctx, w.t.Host)
	if err != nil {
		return broken(w.t.Host, err)
	}
	w.records = []record{{transport: w.t.orUDP(), port: w.t.port(), addrs: addrs}}
	return nil
}

// place is a name to ask SRV for.
type place struct {
	name, transport string
	last            bool // only if the others have nothing
}

// places are what the domain's NAPTR rules name, best first, else the usual
// names of the transports.
func (w *walk) places(ctx context.Context) []place {
	if w.t.Transport == "" {
		if rules := w.rules(ctx); len(rules) > 0 {
			return rules
		}
	}
	var out []place
	for _, p := range []place{
		{name: "_sip._udp.", transport: "udp"}, {name: "_sip._tcp.", transport: "tcp"}, {name: "_sips._tcp.", transport: "tls", last: true},
		{name: "_sip._ws.", transport: "ws", last: true}, {name: "_sips._ws.", transport: "wss", last: true},
	} {
		if w.t.Transport == p.transport || w.t.Transport == "" && slices.Contains(w.can, p.transport) {
			p.name += w.t.Host
			p.last = p.last && w.t.Transport == ""
			out = append(out, p)
		}
	}
	return out
}

// rules are the NAPTR records for transports that we can. A domain that has
// rules for others only is asked for as if it had none: it may still answer.
func (w *walk) rules(ctx context.Context) (out []place) {
	ctx, cancel := context.WithTimeout(ctx, naptrPatience)
	defer cancel()
	found, ttl, err := w.l.NAPTR(ctx, w.t.Host)
	if _, none := dns.AsMissing(err); err != nil && !none {
		w.shorten(MostMissing) // not Fresh: the wait is long where it happens, and happens always
		return nil
	}
	if err != nil {
		w.absent(err)
		return nil
	}
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	for _, n := range found {
		tp := services[strings.ToUpper(n.Services)]
		if !strings.EqualFold(n.Flags, "s") || n.Pattern != "" || !slices.Contains(w.can, tp) || !validHost(n.Replacement) || len(out) == MaxServices {
			continue
		}
		out = append(out, place{name: n.Replacement, transport: tp})
	}
	w.shorten(ttl)
	return out
}

// service asks for the places of one service. No record at all is no error; a
// record "." says that the service is not there (RFC 2782).
func (w *walk) service(ctx context.Context, order int, p place) {
	if p.last && (len(w.records) > 0 || w.refused) {
		return
	}
	srvs, ttl, err := w.l.SRV(ctx, p.name)
	if err != nil {
		if _, none := dns.AsMissing(err); !none && !p.last {
			w.failed = cmp.Or(w.failed, err)
		}
		w.absent(err)
		return
	}
	w.shorten(ttl)
	before := len(w.records)
	for _, s := range srvs[:min(len(srvs), MaxHops)] {
		if s.Target == "" || s.Port == 0 || !validHost(s.Target) {
			continue
		}
		addrs, err := w.addrs(ctx, s.Target)
		if err != nil {
			if _, none := dns.AsMissing(err); !none {
				w.failed = cmp.Or(w.failed, err)
			}
			continue // the others of the set may do
		}
		w.records = append(w.records, record{transport: p.transport, order: order, priority: s.Priority, weight: s.Weight, port: s.Port, addrs: addrs})
	}
	w.refused = w.refused || len(srvs) > 0 && len(w.records) == before
}

// addrs returns IPv4 addresses before IPv6 ones: a listener of the family is
// looked for by the caller, and IPv4 is the one every trunk has.
func (w *walk) addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, ttl, err := w.l.Addrs(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = &dns.Missing{Name: host, Type: "A"}
	}
	if err != nil {
		w.absent(err)
		return nil, err
	}
	w.shorten(ttl)
	return addrs[:min(len(addrs), MaxHops)], nil
}

func (w *walk) shorten(ttl time.Duration) { w.ttl = min(w.ttl, max(ttl, LeastTTL)) }

// absent notes how long something may be believed to be missing. What cannot
// be told is asked again with the rest, after [Fresh] at the latest.
func (w *walk) absent(err error) {
	ttl := Fresh
	if m, ok := dns.AsMissing(err); ok && m.TTL > 0 {
		ttl = max(m.TTL, FreshFailure)
	}
	w.shorten(ttl)
}

func broken(host string, err error) error {
	return fault.New(fault.Network, "resolve %s: %w", host, err).
		WithHint("check the spelling of %s and the machine's DNS", host)
}
