package sip

import (
	"cmp"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/resolve"
)

// MaxNumber is how long a dialled number or name may be, in characters.
const MaxNumber = 64

// planTrunk addresses a call through a trunk; an unknown one is
// fault.NotFound. The number is used as it is, whatever its format, as long as
// it can be nothing but a number or a name: dial-string tricks end here.
func (e *Endpoint) planTrunk(o Outgoing) (plan, error) {
	t := find(*e.live.Load(), o.Target.Trunk)
	if t == nil {
		return plan{}, fault.New(fault.NotFound, "sip: no trunk %s", o.Target.Trunk)
	}
	number, err := dialled(o.Target.Number)
	if err != nil {
		return plan{}, err
	}
	route, next := t.callRoute()
	p := plan{
		request: t.requestURI(number), to: Address{User: number, Host: t.domain()},
		contactUser: t.cfg.Username, route: route, next: next,
		auth: t.auth, trunk: t.cfg.Name, session: t.cfg.Session,
	}
	if o.Target.Host != "" {
		if err := p.elsewhere(o.Target.Host, t.cfg.Proxy != ""); err != nil {
			return plan{}, err
		}
	}
	p.from, p.headers = t.present(o.From)
	if o.Hide {
		p.from, p.headers = t.hide(o.From)
	}
	p.headers = append(p.headers, t.forwarded(o.Passed, number)...)
	return p, nil
}

// elsewhere addresses the call to another host of the trunk. What the registrar
// told of the way does not hold for it; an outbound proxy stays.
func (p *plan) elsewhere(host string, proxied bool) error {
	a, err := ParseAddress("sip:" + host)
	if err != nil {
		return fault.New(fault.Invalid, "sip: a redirection: %w", err)
	}
	p.request.Host, p.request.Port = a.Host, a.Port
	if !proxied {
		p.route, p.next = nil, Address{Host: a.Host, Port: a.Port, Params: p.next.Params}
	}
	return nil
}

// dialled checks a number or name and escapes it for the user part of a URI.
func dialled(number string) (string, error) {
	if number == "" || len(number) > MaxNumber {
		return "", fault.New(fault.Invalid, "sip: the number to call has %d characters, 1 to %d are allowed", len(number), MaxNumber)
	}
	for i := range len(number) {
		c := number[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("+*#._-", rune(c)) {
			return "", fault.New(fault.Invalid, "sip: the number to call holds %q", c).
				WithHint("digits, letters and + * # . _ - are allowed")
		}
	}
	return strings.ReplaceAll(number, "#", "%23"), nil
}

// domain is the host of From, To and our address of record.
func (t *trunk) domain() string { return cmp.Or(t.cfg.Domain, t.address.Host) }

// requestURI is user at the trunk's address; with no user it is the registrar.
func (t *trunk) requestURI(user string) Address {
	a := addressOf(t.address)
	a.User = user
	return a
}

// addressOf is a target as URIs on the wire have it: "ws" stands for WebSocket
// with TLS, too (RFC 7118 §5.2).
func addressOf(t resolve.Target) Address {
	a := Address{Host: t.Host, Port: t.Port}
	switch {
	case isWS(t.Transport):
		a.Params = "transport=ws"
	case t.Transport != "":
		a.Params = "transport=" + t.Transport
	}
	return a
}

// nextOf is a target as [Endpoint.resolve] reads it.
func nextOf(t resolve.Target) Address {
	a := Address{Host: t.Host, Port: t.Port}
	if t.Transport != "" {
		a.Params = "transport=" + t.Transport
	}
	if t.Path != "" {
		a.Params += ";path=" + t.Path
	}
	return a
}

// route is the preloaded Route of an outbound proxy (RFC 3261 §8.1.2).
func (t *trunk) route() []string {
	if t.cfg.Proxy == "" {
		return nil
	}
	a := addressOf(t.next)
	a.Params = strings.TrimPrefix(a.Params+";lr", ";")
	return []string{a.String()}
}

// present places the caller number where the trunk wants it: in From, or in a
// header of its own with our account in From (RFC 3325, RFC 3323).
func (t *trunk) present(from Address) (Address, []Header) {
	from.Host = cmp.Or(from.Host, t.domain())
	account := Address{Display: from.Display, User: cmp.Or(t.cfg.Username, from.User), Host: from.Host}
	if from.User == "" {
		return account, nil
	}
	switch t.cfg.Present {
	case "pai":
		return account, []Header{{"P-Asserted-Identity", from.String()}}
	case "ppi":
		return account, []Header{{"P-Preferred-Identity", from.String()}}
	case "rpid":
		return account, []Header{{"Remote-Party-ID", from.String() + ";party=calling;screen=no;privacy=off"}}
	}
	return from, nil
}

// anonymous is From of a caller who hides the number (RFC 3323 §4.1.1.3).
var anonymous = Address{Display: "Anonymous", User: "anonymous", Host: "anonymous.invalid"}

// hide keeps the number from the callee; the trunk gets it in a header of its
// own, because it has to know who calls, and takes it out (RFC 3325 §7).
func (t *trunk) hide(from Address) (Address, []Header) {
	privacy := Header{"Privacy", "id"}
	if from.User == "" {
		from.User = t.cfg.Username
	}
	if from.User == "" {
		return anonymous, []Header{privacy}
	}
	from.Host, from.Display = cmp.Or(from.Host, t.domain()), ""
	switch t.cfg.Present {
	case "pai":
		return anonymous, []Header{{"P-Asserted-Identity", from.String()}, privacy}
	case "rpid":
		return anonymous, []Header{{"Remote-Party-ID", from.String() + ";party=calling;screen=no;privacy=full"}, privacy}
	}
	return anonymous, []Header{{"P-Preferred-Identity", from.String()}, privacy}
}

// forwarded tells the trunk for whom a call was meant first (RFC 5806,
// RFC 7044).
func (t *trunk) forwarded(first, number string) (out []Header) {
	user, err := dialled(first)
	if err != nil {
		return nil
	}
	was := Address{User: user, Host: t.domain()}
	if t.cfg.Forwarded == "diversion" || t.cfg.Forwarded == "both" {
		out = append(out, Header{"Diversion", was.String() + ";reason=unconditional;counter=1"})
	}
	if t.cfg.Forwarded == "history-info" || t.cfg.Forwarded == "both" {
		now := t.requestURI(number)
		now.Params = strings.TrimPrefix(now.Params+";cause=302", ";")
		out = append(out, Header{"History-Info", was.String() + ";index=1, " + now.String() + ";index=1.1"})
	}
	return out
}
