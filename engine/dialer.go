package engine

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/sip"
)

// dialer implements call.Dialer: names become places to ring.
type dialer struct{ e *Engine }

// Dial implements call.Dialer.
func (d dialer) Dial(o sip.Outgoing) (call.Dialog, error) {
	return d.e.sip.Dial(o)
}

// Resolve implements call.Dialer: a group, a user, a number or a sip: URI.
func (d dialer) Resolve(r call.DialRequest) ([]call.Place, error) {
	if err := oneLine("the target", r.Target, "from", r.From, "trunk", r.Trunk); err != nil {
		return nil, err
	}
	cfg := d.e.Config()
	if _, ok := cfg.Trunk(r.Trunk); r.Trunk != "" && !ok {
		return nil, fault.New(fault.NotFound, "no trunk %q", r.Trunk).WithHint("trunks are %s", trunkNames(cfg))
	}
	if g, ok := cfg.Group(r.Target); ok {
		return d.group(cfg, g, r)
	}
	if _, ok := cfg.User(r.Target); ok {
		if err := d.e.mayDialUser(cfg, r); err != nil {
			return nil, err
		}
		return d.user(r.Target, r), nil
	}
	if strings.HasPrefix(r.Target, "sip:") || strings.HasPrefix(r.Target, "sips:") {
		return d.uri(cfg, r)
	}
	number := phone.Normalize(r.Target, cfg.Project.Country)
	if !phone.Dialable(strings.TrimPrefix(number, "+")) {
		return nil, fault.New(fault.NotFound, "no group, user or number %q", r.Target).WithHint("names come from groups and sip.users of loopstart.yaml")
	}
	if err := d.e.mayUserDial(cfg, r, number); err != nil {
		return nil, err
	}
	return d.number(cfg, number, r)
}

// group is its members, with ranks as its ring order says.
func (d dialer) group(cfg *config.Config, g *config.Group, r call.DialRequest) ([]call.Place, error) {
	if g.Hours != "" && !d.e.isOpen(g.Hours) {
		return nil, nil
	}
	var all []call.Place
	for i, member := range d.e.groups.ordered(g, cfg.Project.Country, d.e.clk.Now()) {
		if !d.e.queues.ready(member) {
			continue // away, or served from a line right now
		}
		m := r
		m.Target = member
		places, err := d.member(cfg, m)
		if err != nil {
			d.e.log.Warn("group member cannot be rung: "+err.Error(), "group", g.Name, "member", phone.Mask(member))
			continue
		}
		for _, p := range places {
			p.Each = g.Each
			if g.Ring != "all" {
				p.Rank = i
			}
			all = append(all, p)
		}
	}
	return all, nil
}

func (d dialer) member(cfg *config.Config, r call.DialRequest) ([]call.Place, error) {
	if _, ok := cfg.User(r.Target); ok {
		return d.user(r.Target, r), nil
	}
	return d.number(cfg, phone.Normalize(r.Target, cfg.Project.Country), r)
}

// user is every phone that is registered for a user; none is no fault: the
// user does not answer.
func (d dialer) user(name string, r call.DialRequest) []call.Place {
	cfg := d.e.Config()
	u, ok := cfg.User(name)
	if ok && u.MaxCalls > 0 && d.e.calls.withUser(name) >= u.MaxCalls {
		return nil
	}
	return d.phones(name, r)
}

// phones is user for somebody who may be in a call: a text disturbs nobody.
func (d dialer) phones(name string, r call.DialRequest) []call.Place {
	cfg := d.e.Config()
	u, ok := cfg.User(name)
	var out []call.Place
	for _, b := range d.e.sip.Bindings(name) {
		session := d.e.sessionFor(b.Source.Addr(), cfg.Media.Codecs, true)
		var follow func(sip.Address) ([]call.Route, error)
		if ok {
			session.SRTP, follow = offerSecurity(u, b.Transport), d.followUser(u, r)
		}
		out = append(out, call.Place{Name: name, Routes: []call.Route{{
			From: r.From, Peer: b.Source.Addr(),
			Outgoing: sip.Outgoing{
				Target: sip.Target{User: name, Binding: b.ID}, From: sip.Address{User: d.presented(r)}, Headers: r.Headers, Timeout: r.Timeout,
			},
			Media: session, Follow: follow,
		}}})
	}
	return out
}

// presented is the caller a user's phone shows: the asked number, else who
// called us.
func (d dialer) presented(r call.DialRequest) string {
	if r.From != "" {
		return r.From
	}
	if r.Caller != "" {
		return r.Caller
	}
	return r.Called
}

// uri is a SIP address, for scripts that may dial it.
func (d dialer) uri(cfg *config.Config, r call.DialRequest) ([]call.Place, error) {
	a, err := sip.ParseAddress(r.Target)
	if err != nil || a.Host == "" {
		return nil, fault.New(fault.Invalid, "%q is no SIP address", r.Target)
	}
	host, isIP := parseHost(a.Host)
	if !d.e.mayDialURI(r.Script, r.Version, a.Host) && !(isIP && trusted(cfg, host)) {
		return nil, fault.New(fault.Denied, "sip: address %s may not be dialled", a.Host).
			WithHint("name the host in the script's config: permissions: {sip: [%q]}, or in sip.trust", a.Host)
	}
	session := d.e.sessionFor(host, cfg.Media.Codecs, false)
	session.SRTP = addressSecurity(a)
	return []call.Place{{Name: r.Target, Routes: []call.Route{{
		From: r.From, Peer: host,
		Outgoing: sip.Outgoing{Target: sip.Target{URI: r.Target}, From: sip.Address{User: d.presented(r)}, Headers: r.Headers, Timeout: r.Timeout},
		Media:    session,
	}}}}, nil
}

func parseHost(host string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		// A name: the address is known only after resolution; media is bound to
		// where the default route leads.
		return netip.AddrFrom4([4]byte{192, 0, 2, 1}), false
	}
	return a, true
}

func trusted(cfg *config.Config, a netip.Addr) bool {
	return slices.ContainsFunc(cfg.SIP.Trust, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// number is the trunks that may carry a number, in the order in which they are
// tried.
func (d dialer) number(cfg *config.Config, number string, r call.DialRequest) ([]call.Place, error) {
	trunks, err := d.e.trunksFor(cfg, number, r)
	if err != nil {
		return nil, err
	}
	p := call.Place{Name: number}
	var refused error
	for _, t := range trunks {
		if err := d.e.costs.check(cfg, t, r.Script, number); err != nil {
			refused = err
			continue
		}
		p.Routes = append(p.Routes, d.route(cfg, t, number, r))
	}
	if len(p.Routes) == 0 && refused != nil {
		return nil, refused
	}
	return []call.Place{p}, nil
}

func (d dialer) route(cfg *config.Config, t *config.Trunk, number string, r call.DialRequest) call.Route {
	style := phone.Style(t.Format)
	from := d.e.callerNumber(cfg, t, number, r)
	names := t.Codecs
	if len(names) == 0 {
		names = cfg.Media.Codecs
	}
	remote, _ := parseHost(d.e.trunkHost(t))
	session := d.e.sessionFor(remote, names, true)
	session.Digits = digitMethod(t)
	session.SRTP = trunkSecurity(t)
	account, login := accountFor(cfg, t, from)
	user := phone.Format(from, style, cfg.Project.Country)
	if user == "" {
		user = login
	}
	spend := d.e.costs.follow(t, r.Script, number)
	passed := ""
	if r.Passed {
		passed = phone.Format(r.Called, style, cfg.Project.Country)
	}
	return call.Route{
		Trunk: t.Name, From: from, Peer: remote,
		Outgoing: sip.Outgoing{
			Hide: r.Hide, Passed: passed,
			Target: sip.Target{Trunk: account, Number: phone.Format(number, style, cfg.Project.Country)},
			From:   sip.Address{User: user}, Headers: r.Headers, Timeout: r.Timeout,
		},
		Media: session, Early: earlyMedia[t.EarlyMedia], NoteTones: t.EarlyTones == "note", Follow: d.follow(t, r),
		Seize: func() (func(), time.Duration, error) { return d.e.lines.seize(t, d.e.clk.Now(), false) },
		Tell: func(n call.RouteNews) {
			d.e.trunkNews(t.Name, n)
			spend(n)
		},
	}
}

// earlyMedia is trunks.X.early_media in the words of package call.
var earlyMedia = map[string]call.EarlyMedia{"ringback": call.EarlyRingback, "ignore": call.EarlyIgnore} // pass is the zero value

// trunkHost is the address packets to the trunk go to, once it is resolved.
func (e *Engine) trunkHost(t *config.Trunk) string {
	for _, s := range e.sip.Trunks() {
		if s.Name == t.Name && s.Address.IsValid() {
			return s.Address.Addr().String()
		}
	}
	host := t.Address
	if t.Proxy != "" {
		host = t.Proxy
	}
	host, _, _ = strings.Cut(host, ";")
	if a, err := sip.ParseAddress("sip:" + host); err == nil {
		return a.Host
	}
	return host
}

// callerNumber is what a dial presents: the number asked for, else the one
// that was called if the trunk may present it, else one of the trunk's own,
// for one contact always the same.
func (e *Engine) callerNumber(cfg *config.Config, t *config.Trunk, number string, r call.DialRequest) string {
	if r.From != "" {
		return phone.Normalize(r.From, cfg.Project.Country)
	}
	if slices.Contains(t.From, r.Called) {
		return r.Called
	}
	if len(t.From) == 0 {
		return ""
	}
	var sum uint32
	for _, b := range []byte(number) {
		sum = sum*31 + uint32(b)
	}
	return t.From[sum%uint32(len(t.From))]
}

// groups remembers whom a group rang last, for round_robin and longest_idle.
type groups struct {
	mu    sync.Mutex
	next  map[string]int
	ended map[string]time.Time // last end of a talk by member
}

func (g *groups) init() { g.next, g.ended = map[string]int{}, map[string]time.Time{} }

// ordered is the members in the order of the group's ring strategy, without
// those who rest after a talk.
func (g *groups) ordered(group *config.Group, country string, now time.Time) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	idle := func(member string) time.Time { return g.ended[phone.Normalize(member, country)] }
	members := slices.Clone(group.Members)
	switch group.Ring {
	case "round_robin":
		n := g.next[group.Name] % len(members)
		g.next[group.Name] = n + 1
		members = append(members[n:], members[:n]...)
	case "longest_idle":
		slices.SortStableFunc(members, func(a, b string) int { return idle(a).Compare(idle(b)) })
	}
	return slices.DeleteFunc(members, func(m string) bool { return now.Sub(idle(m)) < group.WrapUp })
}
