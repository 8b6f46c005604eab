package sip

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
	"github.com/loopstart/loopstart/sip/location"
)

// defaultRealm is the digest realm when the configuration names none.
const defaultRealm = "loopstart"

// registrar is the endpoint's side of users: their accounts, the proof of who
// they are and where they can be reached.
type registrar struct {
	locations *location.Table
	guard     *digest.Server
	accounts  atomic.Pointer[map[string]User]
	pings     phonePings
}

// Binding is one place where a user can be reached.
type Binding = location.Binding

// BindingStats counts bindings.
type BindingStats = location.Stats

// UserStats counts what users and their credentials did since Open.
type UserStats struct {
	Bindings location.Stats
	Digest   digest.Stats
}

// UserStats is a snapshot of the registrar's counters.
func (e *Endpoint) UserStats() UserStats {
	return UserStats{Bindings: e.locations.Stats(), Digest: e.guard.Stats()}
}

// openRegistrar prepares users before the sockets open.
func (e *Endpoint) openRegistrar() error {
	cfg := e.cfg.Load()
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return fault.New(fault.Internal, "sip: digest secret: %w", err)
	}
	realm := cfg.Realm
	if realm == "" {
		realm = defaultRealm
	}
	e.locations = location.New(location.Options{Clock: e.clk, Saved: e.deps.Saved, Changed: e.deps.Bound})
	e.guard = digest.NewServer(digest.ServerOptions{Realm: realm, Secret: secret, Clock: e.clk, Random: rand.Reader})
	e.openPings()
	e.updateRegistrar(cfg)
	return nil
}

// closeRegistrar waits for the pings, which end with the endpoint's context.
func (e *Endpoint) closeRegistrar() { e.pings.running.Wait() }

// updateRegistrar takes a new configuration. Who is no user any more is no
// longer reachable either.
func (e *Endpoint) updateRegistrar(cfg *Config) {
	users := make(map[string]User, len(cfg.Users))
	for _, u := range cfg.Users {
		users[u.Name] = u
	}
	e.accounts.Store(&users)
	e.armPings(cfg)
	e.locations.Keep(func(user string) bool { _, ok := users[user]; return ok })
}

// password is the lookup of the digest server. A user without a password
// cannot prove anything.
func (e *Endpoint) password(user string) (string, bool) {
	u, ok := (*e.accounts.Load())[user]
	return u.Password, ok && u.Password != ""
}

func (e *Endpoint) isUser(name string) bool {
	_, ok := (*e.accounts.Load())[name]
	return ok
}

// admitUser checks the credentials of a request other than REGISTER. refusal is
// the 401 or 403 to answer with, nil when user is admitted. Nothing in it
// depends on whether a user exists: who claims to be of our domain, or comes
// from where a user has proved who it is, is challenged, and a wrong password
// and an unknown user get the same answer after the same work; a stranger is
// refused at once.
func (e *Endpoint) admitUser(req *gosip.Request, source netip.AddrPort) (user string, refusal *gosip.Response) {
	challenge := len(*e.accounts.Load()) > 0 &&
		(len(req.GetHeaders("Authorization")) > 0 || e.claimsOurs(req) || e.isUserSource(source.Addr()))
	if !challenge {
		e.strike(source.Addr(), 1, e.transportOf(req) != "udp", "calls without being a trunk or a user")
		return "", newResponse(req, 403, "Forbidden")
	}
	return e.prove(req, unescapeUser(req.From().Address.User), source)
}

// trustedUser is the user whose phone speaks from a trusted source, "" when
// none does. Nobody is challenged there: the phone is known by credentials that
// it sends unasked, or by From when the request comes straight, with one Via,
// from the very address and port that registered. What a proxy on a trusted host
// relays is its word only, and makes nobody a user.
func (e *Endpoint) trustedUser(req *gosip.Request, source netip.AddrPort) string {
	claimed := unescapeUser(req.From().Address.User)
	if !e.isUser(claimed) {
		return ""
	}
	fields := values(req, "Authorization")
	user, verdict := e.guard.Verify(digest.Request{Method: string(req.Method), URI: req.Recipient.String()}, fields, e.password)
	if verdict == digest.Passed && user == claimed {
		return user
	}
	straight := len(lists(req, "Via")) == 1
	if straight && slices.ContainsFunc(e.locations.Lookup(claimed), func(b Binding) bool {
		return b.Source == source && len(b.Path) == 0 && b.Transport == e.transportOf(req)
	}) {
		return claimed
	}
	return ""
}

// isUserSource tells whether a user is registered from an address or has proved
// who it is there.
func (e *Endpoint) isUserSource(a netip.Addr) bool {
	return e.limiter.isKnown(a, e.clk.Now()) || e.locations.At(a) > 0
}

// claimsOurs tells whether From names somebody of our domain: that of the
// Request-URI, the realm, or one of our addresses, at a port of ours.
func (e *Endpoint) claimsOurs(req *gosip.Request) bool {
	from := req.From().Address
	host := strings.ToLower(strings.Trim(from.Host, "[]"))
	cfg := e.cfg.Load()
	if from.Port != 0 && !slices.ContainsFunc(cfg.Listen, func(l Listener) bool {
		return int(l.Addr.Port()) == from.Port || int(l.Advertise.Port) == from.Port || int(e.LocalAddr(l.Transport).Port()) == from.Port
	}) {
		return false
	}
	if host == strings.ToLower(strings.Trim(req.Recipient.Host, "[]")) || cfg.Realm != "" && strings.EqualFold(host, cfg.Realm) {
		return true
	}
	return e.isOurs(host)
}

// prove verifies that the request comes from the user it claims.
func (e *Endpoint) prove(req *gosip.Request, claimed string, source netip.AddrPort) (user string, refusal *gosip.Response) {
	fields := values(req, "Authorization")
	user, verdict := e.guard.Verify(digest.Request{Method: string(req.Method), URI: req.Recipient.String()}, fields, e.password)
	switch {
	case verdict == digest.Passed && user == claimed:
		e.limiter.spare(source.Addr(), e.clk.Now())
		e.bans.lift(source.Addr())
		return user, nil
	case verdict == digest.Missing, verdict == digest.Stale:
		return "", e.challenge(req, source, verdict == digest.Stale)
	}
	e.strike(source.Addr(), 1, e.transportOf(req) != "udp" || e.answered(fields, source), "wrong user name or password")
	return "", newResponse(req, 403, "Forbidden")
}

// answered tells whether credentials answer a challenge that went to that
// address.
func (e *Endpoint) answered(fields []string, source netip.AddrPort) bool {
	return slices.ContainsFunc(fields, func(f string) bool {
		c, err := digest.ParseCredentials(f)
		return err == nil && e.guard.Answers(c.Nonce, source.Addr().String())
	})
}

// challenge asks for credentials. MD5 stands first although RFC 8760 §2.3 puts
// the strongest there: phones older than that RFC (and SIPp) read the first
// header only and give up at SHA-256; those that know both find it.
func (e *Endpoint) challenge(req *gosip.Request, source netip.AddrPort, stale bool) *gosip.Response {
	res := newResponse(req, 401, "Unauthorized")
	agent := ""
	if h := req.GetHeader("User-Agent"); h != nil {
		agent = h.Value()
	}
	for _, h := range e.challenges(source, agent, stale) {
		res.AppendHeader(gosip.NewHeader(h.Name, h.Value))
	}
	return res
}

// Challenges are the header fields of a 401 that asks the caller of a dialog for
// a password, one who was let in without.
func (e *Endpoint) Challenges(source netip.AddrPort, headers Headers) []Header {
	return e.challenges(source, headers.Get("User-Agent"), false)
}

func (e *Endpoint) challenges(source netip.AddrPort, agent string, stale bool) []Header {
	values := e.guard.ChallengesFor(source.Addr().String(), stale)
	slices.Reverse(values)
	if onlyMD5(agent) {
		values = values[:1]
	}
	out := make([]Header, len(values))
	for i, value := range values {
		out[i] = Header{"WWW-Authenticate", value}
	}
	return out
}

// onlyMD5 tells the phones that give up when one of several challenges has an
// algorithm they do not know, instead of passing over it (RFC 8760 §2.4): those
// built on libre 1, which are baresip 0 and 1.
func onlyMD5(agent string) bool {
	agent = strings.ToLower(agent)
	return strings.HasPrefix(agent, "baresip v0.") || strings.HasPrefix(agent, "baresip v1.")
}

// onRegister answers a REGISTER. It runs on its own goroutine. Every REGISTER
// is challenged, from trusted sources too, because it decides where calls go;
// an unknown user is challenged and then refused like a wrong password.
func (e *Endpoint) onRegister(req *gosip.Request, tx *gosip.ServerTx) {
	source, _ := netip.ParseAddrPort(req.Source())
	claimed := unescapeUser(req.To().Address.User)
	user, refusal := e.prove(req, claimed, source)
	if refusal != nil {
		e.dismiss(tx, req, refusal)
		if refusal.StatusCode == 403 {
			e.tellUser(RegisterEvent{User: claimed, State: "refused", Source: source, Code: 403, Reason: "wrong user name or password"})
		}
		return
	}
	r, err := readRegister(req, user, source)
	r.Transport, r.Peer = e.transportOf(req), e.knows(source.Addr())
	if err != nil {
		e.respond(tx, req, 400, "Bad Contact")
		return
	}
	before := e.locations.Lookup(user)
	after, err := e.locations.Apply(r)
	if refused, ok := err.(*location.Refusal); ok {
		e.refuseRegister(tx, req, refused)
		return
	}
	if c := e.hub.lookup(req.Source()); c != nil {
		c.keep() // calls to the user come by this connection
	}
	e.reply(tx, registered(req, after, e.clk.Now()))
	e.tellChanges(user, before, after)
}

func (e *Endpoint) refuseRegister(tx *gosip.ServerTx, req *gosip.Request, r *location.Refusal) {
	switch r.Code {
	case 423:
		e.respond(tx, req, 423, r.Reason, Header{"Min-Expires", seconds(r.MinExpires)})
	case 503:
		e.respond(tx, req, 503, r.Reason, Header{"Retry-After", "60"})
	default:
		e.respond(tx, req, r.Code, r.Reason)
	}
}

// registered is the 200: all bindings of the user with the time they have left
// (RFC 3261 §10.3 step 8).
func registered(req *gosip.Request, list []Binding, now time.Time) *gosip.Response {
	res := newResponse(req, 200, "OK")
	for _, b := range list {
		left := max(b.Expires.Sub(now), 0)
		value := fmt.Sprintf("<%s>;expires=%s", b.Contact, seconds(left))
		if b.Q != 1000 {
			value += fmt.Sprintf(";q=0.%03d", b.Q)
		}
		if b.Instance != "" {
			value += fmt.Sprintf(";+sip.instance=%s", quote(b.Instance))
		}
		res.AppendHeader(gosip.NewHeader("Contact", value))
	}
	for _, path := range values(req, "Path") {
		res.AppendHeader(gosip.NewHeader("Path", path))
	}
	return res
}

// tellChanges reports what came and what went; a refresh is no news, unless it
// comes from another host.
func (e *Endpoint) tellChanges(user string, before, after []Binding) {
	had := make(map[string]netip.Addr, len(before))
	for _, b := range before {
		had[b.ID] = b.Source.Addr()
	}
	for _, b := range after {
		if had[b.ID] != b.Source.Addr() {
			e.tellUser(RegisterEvent{User: user, State: "registered", Contact: b.Contact, Source: b.Source, Expires: b.Expires.Sub(b.Refreshed)})
		}
		delete(had, b.ID)
	}
	for _, b := range before {
		if had[b.ID].IsValid() {
			e.tellUser(RegisterEvent{User: user, State: "unregistered", Contact: b.Contact, Source: b.Source})
		}
	}
}

func (e *Endpoint) tellUser(ev RegisterEvent) {
	if e.deps.Register != nil {
		e.deps.Register(ev)
	}
}

func (e *Endpoint) reply(tx *gosip.ServerTx, res *gosip.Response) {
	if tx.Respond(res) != nil {
		e.count.writeErrors.Add(1)
	}
}

// planUser addresses a call to a registered user: to the Contact, by way of
// the address its REGISTER came from. No binding is fault.NotFound.
func (e *Endpoint) planUser(o Outgoing) (plan, error) {
	list := e.locations.Lookup(o.Target.User)
	for _, b := range list {
		if o.Target.Binding != "" && b.ID != o.Target.Binding {
			continue
		}
		request, err := ParseAddress(b.Contact)
		if err != nil {
			return plan{}, fault.New(fault.Invalid, "sip: contact of user %s: %w", o.Target.User, err)
		}
		from := o.From
		if from.Host == "" {
			from.Host = e.AdvertisedFor(b.Source.Addr()).String()
		}
		return plan{
			request: request, from: from, to: Address{User: o.Target.User, Host: from.Host}, route: b.Path,
			hops: []hop{e.hopTo(b)}, user: o.Target.User, binding: &b,
		}, nil
	}
	if !e.isUser(o.Target.User) {
		return plan{}, fault.New(fault.NotFound, "sip: no user %s", o.Target.User)
	}
	return plan{}, fault.New(fault.NotFound, "sip: user %s is not registered", o.Target.User)
}

// Bindings lists where a user is registered: highest q first, then newest.
func (e *Endpoint) Bindings(user string) []Binding { return e.locations.Lookup(user) }
