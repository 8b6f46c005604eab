// Package netx makes outgoing HTTP safe to hand to scripts: it decides which
// hosts may be reached, and checks the address that is really dialled.
//
// # Concurrency
//
// A Client may be used from any goroutine.
//
// # Limits
//
// Bodies, as they are after decompression, are cut off at Options.MaxBody with
// LIMIT, headers at [MaxHeader], redirects end after [MaxRedirects], and each
// client keeps at most [MaxIdle] idle connections.
//
// # Errors
//
// DENIED for a host that the rules forbid, NETWORK for what the network did,
// LIMIT for a body that is too long, INVALID for a URL that is none.
package netx

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Rules say which hosts a script may reach.
type Rules struct {
	// Hosts are host or host:port. With none, any public address may be
	// reached; with some, only these, also on private and loopback addresses.
	Hosts []string
}

// named reports whether the host and port of u are in the list.
func (r Rules) named(host, port string) bool {
	host = strings.ToLower(strings.Trim(host, "[]"))
	for _, h := range r.Hosts {
		h = strings.ToLower(h)
		if h == host || h == host+":"+port || h == "["+host+"]:"+port || h == "["+host+"]" {
			return true
		}
		if suffix, ok := strings.CutPrefix(h, "*."); ok && strings.HasSuffix(host, "."+suffix) {
			return true
		}
	}
	return false
}

// allows reports whether a request to the URL may begin at all.
func (r Rules) allows(u *url.URL) bool {
	return len(r.Hosts) == 0 || r.named(u.Hostname(), portOf(u))
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// reserved are ranges that no public service lives in and that the netip
// predicates do not know (RFC 6890, RFC 6052, RFC 3056, RFC 4291).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("::/96"), // IPv4-compatible
	netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("100::/64"),
}

// Public reports whether an address belongs to the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Check reports whether a request to an address may begin: INVALID for what is
// no http or https URL, DENIED for a host that the rules forbid. What a name
// leads to is known only when it is dialled; Client checks that too.
func (r Rules) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fault.New(fault.Invalid, "fetch: %q is no http or https address", address)
	}
	why := ""
	if !r.allows(u) {
		why = "the host is not in permissions.http"
	} else if a, err := netip.ParseAddr(u.Hostname()); (err == nil && !Public(a) || strings.EqualFold(u.Hostname(), "localhost")) && !r.named(u.Hostname(), portOf(u)) {
		why = "it is a private address"
	}
	if why == "" {
		return nil
	}
	return fault.New(fault.Denied, "fetch: %s: %s", u.Host, why).
		WithHint("name it in the script's config: permissions: {http: [%q]}", u.Host)
}
