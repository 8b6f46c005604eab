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

// DefaultTLSPort is that over TLS.
const DefaultTLSPort = 5061

// Target is what a request is for.
type Target struct {
	Host      string // name, IPv4, or IPv6 with or without brackets
	Port      int    // 0: by NAPTR and SRV, else DefaultPort
	Transport string // udp, tcp, tls; "": what NAPTR or SRV says, else udp
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
// each with an optional ";transport=udp|tcp|tls", as trunk addresses are written.
func ParseTarget(s string) (Target, bool) {
	s, params, _ := strings.Cut(strings.TrimSpace(s), ";")
	t := Target{Host: s, Transport: transport(params)}
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

func transport(params string) string {
	for _, p := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "transport") {
			return strings.ToLower(strings.TrimSpace(value))
		}
	}
	return ""
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
	if t.Port == 0 && t.Transport == "tls" {
		return DefaultTLSPort
	}
	if t.Port == 0 {
		return DefaultPort
	}
	return uint16(t.Port)
}

func (t Target) orUDP() string {
	if t.Transport == "" {
		return "udp"
	}
	return t.Transport
}
