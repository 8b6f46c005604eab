package sip

import (
	"net/netip"
	"slices"
	"strings"
)

// leg is what a request inside a dialog is built from (RFC 3261 §12.1): the
// dialog identifiers, the remote target and the route set.
type leg struct {
	callID    string
	local     string // From value of our requests, without tag
	remote    string // To value of our requests, without tag
	localTag  string
	remoteTag string
	target    string   // URI
	routes    []string // route set in our order, name-addr values
}

// inboundLeg takes the dialog from a received INVITE.
func inboundLeg(m *message) leg {
	return leg{
		callID: m.callID, local: m.to, remote: m.from, localTag: m.toTag, remoteTag: m.fromTag,
		target: m.contact, routes: m.recordRoutes,
	}
}

// answeredBy takes the dialog from a response to the INVITE of l.
func (l leg) answeredBy(m *message) leg {
	l.remoteTag = m.toTag
	if m.contact != "" {
		l.target = m.contact
	}
	l.routes = slices.Clone(m.recordRoutes)
	slices.Reverse(l.routes)
	return l
}

// addressed is the Request-URI and the Route values of a request on the leg. A
// strict router as first hop takes the Request-URI's place (§12.2.1.1).
func (l leg) addressed() (uri string, routes []string) {
	if len(l.routes) == 0 {
		return l.target, nil
	}
	first, _, err := parseNameAddr(l.routes[0])
	if err != nil {
		return l.target, nil
	}
	if _, loose := first.Param("lr"); loose {
		return l.target, l.routes
	}
	routes = append(slices.Clone(l.routes[1:]), "<"+l.target+">")
	return first.URI(), routes
}

// next is the URI that decides where a request on the leg is sent.
func (l leg) next() string {
	if len(l.routes) > 0 {
		if a, _, err := parseNameAddr(l.routes[0]); err == nil {
			return a.URI()
		}
	}
	return l.target
}

// nextHop decides where a request inside a dialog goes. peer is where the
// peer's messages come from; it is used for hosts that are names (the peer's
// messages came from what the name means), for users behind NAT, and for
// private addresses of a public peer. TCP prefers the connection that is there.
func nextHop(uri string, peer hop, user bool) hop {
	a, err := parseURI(uri)
	if err != nil {
		return peer
	}
	ip, err := netip.ParseAddr(a.Host)
	if err != nil || ip.IsUnspecified() {
		return peer
	}
	ip = ip.Unmap()
	from := peer.addr.Addr()
	if from.IsValid() && (user || ip.IsPrivate() && !from.IsPrivate() && !from.IsLoopback()) {
		return peer
	}
	h := hop{transport: "udp"}
	switch t, _ := a.Param("transport"); {
	case strings.EqualFold(t, "tls"), a.Scheme == "sips":
		h.transport = "tls"
	case isWS(strings.ToLower(t)):
		return peer // nobody can be called there: the connection that is there is the way
	case strings.EqualFold(t, "tcp"):
		h.transport = "tcp"
	case t == "" && ip == from:
		h.transport = peer.transport
	}
	if h.stream() && peer.stream() && ip == from {
		return peer
	}
	port := uint16(a.Port)
	if port == 0 {
		port = defaultPort(h.transport)
	}
	h.addr = netip.AddrPortFrom(ip, port)
	return h
}
