package engine

import (
	"strings"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/sip"
)

// redirectFollow is trunks.X.redirect and sip.users.X.redirect that go where a
// 3xx sends a call.
const redirectFollow = "follow"

// follow is the Follow of a dial through a trunk: a number is dialled by the same
// rules as any other, a name only at a host of the trunk itself.
func (d dialer) follow(t *config.Trunk, r call.DialRequest) func(sip.Address) ([]call.Route, error) {
	if t.Redirect != redirectFollow {
		return nil
	}
	return func(a sip.Address) ([]call.Route, error) {
		cfg := d.e.Config()
		t, ok := cfg.Trunk(t.Name) // as it is now
		if !ok {
			return nil, fault.New(fault.NotFound, "no trunk any more")
		}
		ours := a.Scheme == "" && d.e.hostOf(t, a.Host)
		number, err := redirectNumber(cfg, a)
		switch {
		case err == nil && ours:
			return d.detour(cfg, t, a, number, r)
		case err == nil:
			return d.byRules(cfg, number, r)
		case ours && isName(a.User):
			return []call.Route{d.elsewhere(cfg, t, a, a.User, r)}, nil
		}
		return nil, err
	}
}

// detour is a number at another host of the same trunk.
func (d dialer) detour(cfg *config.Config, t *config.Trunk, a sip.Address, number string, r call.DialRequest) ([]call.Route, error) {
	if err := d.e.mayUserDial(cfg, r, number); err != nil {
		return nil, err
	}
	m := r
	m.Trunk = t.Name
	if _, err := d.e.namedTrunk(cfg, number, m); err != nil {
		return nil, err
	}
	if err := d.e.costs.check(cfg, t, r.Script, number); err != nil {
		return nil, err
	}
	return []call.Route{d.elsewhere(cfg, t, a, number, r)}, nil
}

// elsewhere is a route through the trunk to the host that a Contact names.
func (d dialer) elsewhere(cfg *config.Config, t *config.Trunk, a sip.Address, number string, r call.DialRequest) call.Route {
	route := d.route(cfg, t, number, r)
	host := sip.Address{Host: a.Host, Port: a.Port}
	route.Outgoing.Target.Host = strings.TrimPrefix(host.URI(), "sip:")
	return route
}

// byRules is a number as if it had been dialled in place of the first.
func (d dialer) byRules(cfg *config.Config, number string, r call.DialRequest) ([]call.Route, error) {
	if err := d.e.mayUserDial(cfg, r, number); err != nil {
		return nil, err
	}
	places, err := d.number(cfg, number, r)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	return places[0].Routes, nil
}

// followUser is the Follow of a dial to a user's phone, which somebody has set
// to forward: what the user may dial, the phone may forward to, whatever host it
// names.
func (d dialer) followUser(u *config.User, r call.DialRequest) func(sip.Address) ([]call.Route, error) {
	if u.Redirect != redirectFollow {
		return nil
	}
	r.User = u.Name
	return func(a sip.Address) ([]call.Route, error) {
		cfg := d.e.Config()
		if _, ok := cfg.User(a.User); ok && a.Scheme != "tel" {
			if err := d.e.mayDialUser(cfg, r); err != nil {
				return nil, err
			}
			var out []call.Route
			for _, p := range d.user(a.User, r) {
				out = append(out, p.Routes...)
			}
			if len(out) == 0 {
				return nil, fault.New(fault.Unavailable, "nobody is registered for %s", a.User)
			}
			return out, nil
		}
		number, err := redirectNumber(cfg, a)
		if err != nil {
			return nil, err
		}
		return d.byRules(cfg, number, r)
	}
}

// redirectNumber is the number that a Contact names.
func redirectNumber(cfg *config.Config, a sip.Address) (string, error) {
	number := phone.Normalize(a.User, cfg.Project.Country)
	switch {
	case a.Scheme == "sips":
		return "", fault.New(fault.Denied, "sips: addresses are not dialled")
	case a.Scheme == "tel" && strings.Contains(strings.ToLower(a.Params), "phone-context"):
		return "", fault.New(fault.Denied, "a number with a context is not dialled")
	case !phone.Dialable(strings.TrimPrefix(number, "+")):
		return "", fault.New(fault.Denied, "%q is neither a number nor a name at a host of the trunk", a.User)
	}
	return number, nil
}

// isName tells whether the user of a Contact can be no number, however it is
// written: dial strings must not come past the destinations as names.
func isName(user string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	user = strings.ToLower(user)
	return user != "" && strings.IndexByte(letters, user[0]) >= 0 && strings.Trim(user, letters+"0123456789._-") == ""
}

// hostOf tells whether a host is one of the trunk's own.
func (e *Engine) hostOf(t *config.Trunk, host string) bool {
	for _, known := range []string{t.Address, t.Proxy, t.Domain} {
		known, _, _ = strings.Cut(known, ";")
		if a, err := sip.ParseAddress("sip:" + known); known != "" && err == nil && strings.EqualFold(a.Host, host) {
			return true
		}
	}
	ip, ok := parseHost(host)
	if !ok {
		return false
	}
	for _, p := range t.Allow {
		if p.Contains(ip.Unmap()) {
			return true
		}
	}
	for _, s := range e.sip.Trunks() {
		if s.Name == t.Name && s.Address.IsValid() && s.Address.Addr().Unmap() == ip.Unmap() {
			return true
		}
	}
	return false
}
