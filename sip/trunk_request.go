package sip

import (
	"context"
	"slices"
	"strconv"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
)

// deadFor is how long a hop that did not answer stands behind the others.
const deadFor = 60 * time.Second

// outside is a request of ours to a trunk outside any dialog.
type outside struct {
	method    gosip.RequestMethod
	user      string // of the Request-URI
	callID    string
	fromTag   string
	cseq      uint32
	contact   string // Contact value; empty: none
	expires   string // Expires value; empty: none
	supported string // option tags of a REGISTER
	fields    []digest.Field
}

// build makes the message; the transport adds Via.
func (t *trunk) build(o outside) (*gosip.Request, error) {
	var uri gosip.Uri
	if err := gosip.ParseUri(t.requestURI(o.user).URI(), &uri); err != nil {
		return nil, fault.New(fault.Invalid, "sip: trunk %s: %w", t.cfg.Name, err)
	}
	req := gosip.NewRequest(o.method, uri)
	add := func(name, value string) {
		if value != "" {
			req.AppendHeader(gosip.NewHeader(name, value))
		}
	}
	for _, r := range t.route() {
		add("Route", r)
	}
	self := Address{User: t.cfg.Username, Host: t.domain()}
	to := self
	if o.method != gosip.REGISTER {
		to.User = o.user
	}
	add("From", self.String()+";tag="+o.fromTag)
	add("To", to.String())
	add("Call-ID", o.callID)
	req.AppendHeader(&gosip.CSeqHeader{SeqNo: o.cseq, MethodName: o.method})
	add("Max-Forwards", "70")
	add("User-Agent", t.e.agent())
	if o.method == gosip.REGISTER {
		add("Supported", o.supported)
	}
	add("Contact", o.contact)
	add("Expires", o.expires)
	for _, f := range o.fields {
		add(f.Name, f.Value)
	}
	return req, nil
}

// contact is our registered Contact for a hop, with the mark by which its
// calls are known.
func (t *trunk) contact(h hop) string {
	host, port := t.e.sentBy(h)
	a := Address{User: t.cfg.Username, Host: host, Port: int(port), Params: contactMark + "=" + t.token}
	if l := t.learnt.Load(); l != nil && l.own.IsValid() && !h.stream() {
		a.Host, a.Port = l.own.Addr().String(), int(l.own.Port())
	}
	switch {
	case isWS(h.transport):
		a.Params = "transport=ws;" + a.Params
		return a.String() + ";reg-id=1;+sip.instance=\"<urn:uuid:" + t.instance + ">\""
	case h.stream():
		a.Params = "transport=" + h.transport + ";" + a.Params
	}
	return a.String()
}

// options are the tags of what a REGISTER can: Path always (RFC 3327 §5.1), and
// flows where calls can come by our own connection only (RFC 5626 §4.2).
func (h hop) options() string {
	if isWS(h.transport) {
		return "path, outbound"
	}
	return "path"
}

// pick resolves the trunk and takes the best hop that a socket of ours can
// reach.
func (t *trunk) pick(ctx context.Context) (hop, error) {
	hops, err := t.e.resolveTarget(ctx, t.next)
	if err != nil {
		return hop{}, err
	}
	t.noteSources()
	best := hops[0]
	if i := slices.IndexFunc(hops, t.e.reaches); i >= 0 {
		best = hops[i]
	}
	t.state.setHop(best)
	return best, nil
}

// reaches tells whether we have a socket for the hop's address family. TCP
// connections are opened as needed.
func (e *Endpoint) reaches(h hop) bool {
	return h.stream() || e.socketFor(h.addr.Addr()) != nil
}

// exchange sends o to h and notes whether h is alive.
func (t *trunk) exchange(ctx context.Context, o outside, h hop) (*gosip.Response, error) {
	req, err := t.build(o)
	if err != nil {
		return nil, err
	}
	res, err := t.e.send(ctx, req, []hop{h}, nil)
	switch {
	case err == nil && res.StatusCode == 503:
		t.e.resolver.MarkDead(h.resolved(), deadFor)
	case err == nil:
		t.e.resolver.MarkAlive(h.resolved())
		if c := t.e.hub.lookup(h.addr.String()); c != nil && h.stream() {
			c.keep() // calls of the trunk come by this connection
		}
	case ctx.Err() == nil:
		t.e.resolver.MarkDead(h.resolved(), deadFor)
	}
	return res, err
}

// challengesOf collects the challenge headers of a 401 or 407.
func challengesOf(res *gosip.Response) (fields []digest.Field, stale bool) {
	for _, name := range [...]string{"WWW-Authenticate", "Proxy-Authenticate"} {
		for _, v := range values(res, name) {
			fields = append(fields, digest.Field{Name: name, Value: v})
			c, err := digest.ParseChallenge(v)
			stale = stale || err == nil && c.Stale
		}
	}
	return fields, stale
}

// secondsOf reads a header in seconds, such as Min-Expires or Retry-After; 0
// when it is not there.
func secondsOf(res *gosip.Response, name string) time.Duration {
	h := res.GetHeader(name)
	if h == nil {
		return 0
	}
	digits := 0
	for digits < len(h.Value()) && h.Value()[digits] >= '0' && h.Value()[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseUint(h.Value()[:digits], 10, 31) // Retry-After may have a comment behind
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
