// Package resolve finds where a SIP request goes (RFC 3263): a numeric address
// as it is, host and port by A and AAAA, a bare host by NAPTR, then SRV, then A
// and AAAA. The transport is the target's, else the one that the domain's NAPTR
// rules prefer among those we can, else that of the SRV record.
//
// The order is that of the NAPTR rules, then of priority and weight (RFC 2782),
// drawn anew for each request, with addresses that lately did not answer at the
// end: there is always something to try.
//
// # Concurrency
//
// A [Resolver] may be used from any goroutine. [Resolver.Resolve] waits for
// DNS and must not be called by a dialog's goroutine; callers that ask for the
// same name at once share one question, and one that gives up leaves it to the
// others. [Resolver.Cached] never waits. Close ends questions under way.
//
// # Limits
//
// At most [MaxNames] names are kept, each as long as the shortest-lived record
// that its answer rests on, [LeastTTL] to [MostTTL]; that a name is missing, as
// long as its zone says, [FreshFailure] to [MostMissing]; that DNS does not
// answer, for [FreshFailure]; an old answer serves up to [Stale] then. At most
// [MaxQuestions] are under way, each at most [Patience]; a domain has at most
// [MaxServices] NAPTR rules of use and an answer [MaxHops] addresses; at most
// [MaxDead] addresses are remembered as dead.
//
// # Errors
//
// A name without addresses is a fault of code Network, too many questions one
// of code Limit.
package resolve

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/sip/dns"
)

// Limits of a Resolver.
const (
	MaxNames     = 1024
	MaxQuestions = 32
	MaxHops      = 16
	MaxDead      = 1024
	MaxServices  = 8
	LeastTTL     = time.Second
	MostTTL      = time.Hour
	Fresh        = 60 * time.Second // between two looks at names that are in use
	FreshFailure = 5 * time.Second
	MostMissing  = 5 * time.Minute
	Stale        = time.Hour
	Patience     = 6 * time.Second
)

// DefaultPort is the port of sip URIs over UDP and TCP.
const DefaultPort = 5060

// The ports of the other transports (RFC 3261 §19.1.2, RFC 7118 §5.4).
const (
	DefaultTLSPort = 5061
	DefaultWSPort  = 80
	DefaultWSSPort = 443
)

// Target is what a request is for.
type Target struct {
	Host      string // name, IPv4, or IPv6 with or without brackets
	Port      int    // 0: by NAPTR and SRV, else DefaultPort
	Transport string // udp, tcp, tls, ws, wss; "": what NAPTR or SRV says, else udp
	Path      string // of the WebSocket's address, beginning with /; "" is /
}

// Hop is one place to send a request to.
type Hop struct {
	Addr      netip.AddrPort
	Transport string
}

func (h Hop) String() string { return h.Transport + "://" + h.Addr.String() }

// Lookup asks DNS; *dns.Client does. Each answer comes with the time that it
// may be kept.
type Lookup interface {
	NAPTR(ctx context.Context, name string) ([]dns.NAPTR, time.Duration, error)
	SRV(ctx context.Context, name string) ([]dns.SRV, time.Duration, error)
	Addrs(ctx context.Context, host string) ([]netip.Addr, time.Duration, error)
}

// ParseTarget reads host, host:port, [v6], [v6]:port or a bare IPv6 address,
// each with an optional ";transport=udp|tcp|tls|ws|wss" and for the last two
// ";path=/ws", as trunk addresses are written.
func ParseTarget(s string) (Target, bool) {
	s, params, _ := strings.Cut(strings.TrimSpace(s), ";")
	t := Target{Host: s, Transport: strings.ToLower(parameter(params, "transport")), Path: parameter(params, "path")}
	if t.Path != "" && !validPath(t.Path) {
		return Target{}, false
	}
	if addr, err := netip.ParseAddr(unbracket(s)); err == nil {
		t.Host = addr.Unmap().String()
		return t, plain(addr.Zone())
	}
	if host, port, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Target{}, false
		}
		t.Host, t.Port = host, int(n)
	}
	return t, validHost(t.Host)
}

func unbracket(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		return inner[:len(inner)-1]
	}
	return host
}

func parameter(params, want string) string {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), want) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// MaxPath is the longest path of a WebSocket's address, in bytes.
const MaxPath = 256

// validPath keeps a path to what needs no escaping (RFC 3986 §3.3), so that it
// is sent as it is written.
func validPath(path string) bool {
	return len(path) <= MaxPath && path[0] == '/' && !strings.ContainsFunc(path, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("/-._~!$&'()*+,=:@", r)
	})
}

// validHost keeps anything but names and addresses away from the resolver.
func validHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return plain(addr.Zone())
	}
	if host == "" || len(host) > 253 {
		return false
	}
	return plain(host)
}

// plain reports whether a name holds nothing but what names are made of.
func plain(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '.' && r != '-' && r != '_'
	})
}

// numeric answers a target that needs no DNS.
func numeric(t Target) ([]Hop, bool) {
	addr, err := netip.ParseAddr(unbracket(t.Host))
	if err != nil {
		return nil, false
	}
	return []Hop{{Addr: netip.AddrPortFrom(addr.Unmap(), t.port()), Transport: t.orUDP()}}, true
}

func (t Target) port() uint16 {
	switch {
	case t.Port != 0:
		return uint16(t.Port)
	case t.Transport == "tls":
		return DefaultTLSPort
	case t.Transport == "ws":
		return DefaultWSPort
	case t.Transport == "wss":
		return DefaultWSSPort
	}
	return DefaultPort
}

func (t Target) orUDP() string {
	if t.Transport == "" {
		return "udp"
	}
	return t.Transport
}
