package sip

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// routeTimeout bounds the name lookups of one call.
const routeTimeout = 10 * time.Second

// Dial places a call. It returns at once; progress comes as events. An unknown
// trunk or an unregistered user is fault.NotFound, a wrong target
// fault.Invalid.
func (e *Endpoint) Dial(o Outgoing) (*Dialog, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(o.Body) > MaxBody {
		return nil, fault.New(fault.Limit, "sip: an offer of %d bytes, at most %d are allowed", len(o.Body), MaxBody)
	}
	p, err := e.planFor(o)
	if err != nil {
		return nil, err
	}
	d := e.newOutbound(o, p) // whether a user is busy the caller of Dial knows: several phones of one ring at once
	if err := e.dialogs.add(d, 0); err != nil {
		if err == errTableFull {
			e.count.dialogsFull.Add(1)
		}
		d.abandon()
		return nil, fault.New(fault.Limit, "sip: dial: %w", err)
	}
	e.count.outbound.Add(1)
	e.wg.Go(d.run)
	d.route()
	return d, nil
}

// check refuses what would forge a header of the INVITE.
func (o *Outgoing) check() error {
	t := o.Target
	for _, s := range [...][2]string{
		{"the caller's name", o.From.Display}, {"the caller", o.From.User}, {"the caller's host", o.From.Host}, {"the caller's parameters", o.From.Params},
		{"the URI", t.URI}, {"the number", t.Number}, {"the user", t.User},
	} {
		if err := oneLine(s[0], s[1]); err != nil {
			return err
		}
	}
	return CheckHeaders(o.Headers)
}

// maxCalls is how many calls a user may have at one time; 0 is no limit.
func (e *Endpoint) maxCalls(user string) int {
	for _, u := range e.cfg.Load().Users {
		if u.Name == user {
			return u.MaxCalls
		}
	}
	return 0
}

// planFor addresses the call.
func (e *Endpoint) planFor(o Outgoing) (p plan, err error) {
	t := o.Target
	given := 0
	for _, s := range [...]string{t.URI, t.Trunk, t.User} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return p, fault.New(fault.Invalid, "sip: a call needs exactly one of URI, trunk and user")
	}
	switch {
	case t.Trunk != "":
		p, err = e.planTrunk(o)
	case t.User != "":
		p, err = e.planUser(o)
	default:
		p, err = planURI(o)
	}
	if err == nil && t.Next.IsValid() {
		p.hops = []hop{{transport: t.NextTransport, addr: t.Next}}
		if t.NextTransport == "" {
			p.hops[0].transport = "udp"
		}
	}
	return p, err
}

func planURI(o Outgoing) (plan, error) {
	a, err := ParseAddress(o.Target.URI)
	if err != nil {
		return plan{}, fault.New(fault.Invalid, "sip: dial: %w", err)
	}
	if a.Scheme != "" || a.Host == "" {
		return plan{}, fault.New(fault.Invalid, "sip: %s cannot be dialled", a.URI()).
			WithHint("only sip: URIs can, tel: numbers go through a trunk")
	}
	a.Display = ""
	return plan{request: a, from: o.From, to: Address{User: a.User, Host: a.Host, Port: a.Port}, contactUser: o.From.User, next: a}, nil
}

func (e *Endpoint) newOutbound(o Outgoing, p plan) *Dialog {
	d := e.newDialog(dialogKey{token(16), token(8)}, true)
	d.plan = &p
	d.user, d.account = p.user != "", p.user
	d.origin = Origin{Kind: Nobody, Name: p.trunk + p.user}
	d.request, d.from, d.to = p.request, p.from, p.to
	d.contactUser, d.maxForwards = p.contactUser, o.MaxForwards
	d.headers, d.offer = append(append(Headers(nil), p.headers...), o.Headers...), o.Body
	if d.from.Host == "" {
		d.from.Host = e.ownHost(p)
	}
	l := leg{
		callID: d.key.callID, localTag: d.key.localTag, local: d.from.String(), remote: d.to.String(),
		target: p.request.URI(), routes: p.route,
	}
	d.base = l
	d.core = newUAC(l, &o, d.headers, &d.seen, d.acceptedInfo, jitter)
	d.core.agreeTo(p.session)
	return d
}

// ownHost is the host of a From that has none: our address towards the callee,
// or when only DNS knows where that is, the public or first one.
func (e *Endpoint) ownHost(p plan) string {
	var remote netip.Addr
	if len(p.hops) > 0 {
		remote = p.hops[0].addr.Addr()
	} else if ip, err := netip.ParseAddr(p.next.Host); err == nil {
		remote = ip
	}
	a := e.publicFor("", netip.Addr{}).Addr()
	if remote.IsValid() {
		a = e.AdvertisedFor(remote)
	} else if len(e.udp) > 0 && !a.IsValid() {
		a = e.udp[0].local.Addr()
	}
	if !a.IsValid() || a.IsUnspecified() {
		return "anonymous.invalid" // RFC 3323 §4.1.1.3
	}
	return a.String()
}

// abandon forgets a dialog that never began.
func (d *Dialog) abandon() {
	d.e.untap(d)
	d.box.close()
}

// route finds the hops, in the background when names are to be looked up, and
// then begins the INVITE.
func (d *Dialog) route() {
	if len(d.plan.hops) > 0 {
		d.box.postUrgent(input{kind: inRouted, found: d.plan.hops})
		return
	}
	d.e.clk.Busy(1)
	d.e.spawn(func() {
		defer d.e.clk.Busy(-1)
		ctx, cancel := context.WithTimeout(d.e.ctx, routeTimeout)
		defer cancel()
		hops, err := d.e.resolve(ctx, d.plan.next)
		if err != nil {
			d.e.log.Info("a call found no address", "dialog", d.id, "host", d.plan.next.Host, "error", err)
		}
		d.box.postUrgent(input{kind: inRouted, found: hops})
	})
}

// datagramLimit is the size from which a request goes over TCP where the
// callee has it (RFC 3261 §18.1.1); elsewhere it is sent as fragments.
const datagramLimit = 1300

// bySize puts the places that take streams first when the INVITE is too large
// for one datagram. The others stay behind them.
func (d *Dialog) bySize(hops []hop) []hop {
	stream := slices.ContainsFunc(hops, hop.stream)
	if !stream || hops[0].stream() {
		return hops
	}
	f := effect{method: "INVITE", leg: &d.base, seq: 1, headers: append(slices.Clone([]Header(d.headers)), d.core.sessionFields()...), body: d.offer, ctype: "application/sdp"}
	req, err := d.prepare(f, hops[0])
	if err != nil || len(req.String()) <= datagramLimit {
		return hops
	}
	out := slices.Clone(hops)
	slices.SortStableFunc(out, func(a, b hop) int { return cmp.Compare(datagrams(a), datagrams(b)) })
	return out
}

func datagrams(h hop) int {
	if h.stream() {
		return 0
	}
	return 1
}
