package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// MaxAddress is the longest address text that ParseAddress reads, in bytes.
const MaxAddress = 2048

// Address is a SIP or tel address with an optional display name
// (RFC 3261 §20.10 name-addr and §19.1.1 URI).
type Address struct {
	Display string // without quotes
	User    string // as on the wire, escapes kept; the number of a tel URI
	Host    string // name or IP, without brackets; empty for a tel URI
	Port    int    // 0 when not given
	Params  string // URI parameters without the leading semicolon: "transport=tcp;lr"
	Scheme  string // "" means sip; else "sips" or "tel"
}

var (
	errAddressEmpty = errors.New("the address is empty")
	errAddressLong  = errors.New("the address is too long")
	errAddressChar  = errors.New("the address holds a control character")
	errAddressQuote = errors.New("the display name has no closing quote")
	errAddressAngle = errors.New("the address has no closing >")
	errAddressURI   = errors.New("the address is no sip, sips or tel URI")
	errAddressHost  = errors.New("the host is wrong")
	errAddressPort  = errors.New("the port is wrong")
)

// ParseAddress reads `"Anna" <sip:101@host:5060;transport=tcp>`, a bare URI, or
// `user@host` without a scheme. Header parameters behind the brackets, such as
// tag, are dropped; without brackets all parameters are the URI's. The error
// says what is wrong.
func ParseAddress(s string) (Address, error) {
	if t := strings.Trim(s, lws); !strings.Contains(t, "<") && !strings.HasPrefix(t, `"`) && t != "" && len(t) < MaxAddress-1 {
		s = "<" + t + ">"
	}
	a, _, err := parseNameAddr(s)
	if err == nil && len(s) > MaxAddress-len("<sips:>") && len(a.String()) > MaxAddress {
		err = errAddressLong // once it is written out
	}
	if err != nil {
		return Address{}, fmt.Errorf("sip: address %q: %w", clip(s, 80), err)
	}
	return a, nil
}

// parseNameAddr also returns the header parameters, without leading semicolon.
func parseNameAddr(s string) (a Address, params string, err error) {
	s = strings.Trim(s, lws)
	switch {
	case s == "":
		return a, "", errAddressEmpty
	case len(s) > MaxAddress:
		return a, "", errAddressLong
	case strings.ContainsFunc(s, isControl):
		return a, "", errAddressChar
	}
	display, rest, err := cutDisplay(s)
	if err != nil {
		return a, "", err
	}
	uri := rest
	if strings.HasPrefix(rest, "<") {
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			return a, "", errAddressAngle
		}
		uri, params = rest[1:end], strings.TrimLeft(rest[end+1:], " \t;")
	} else if i := strings.IndexByte(rest, ';'); i >= 0 {
		// Without brackets everything behind the URI belongs to the header.
		uri, params = rest[:i], rest[i+1:]
	}
	a, err = parseURI(strings.Trim(uri, lws))
	a.Display = display
	return a, strings.Trim(params, lws), err
}

// cutDisplay splits off the display name; rest begins with < when there is one.
func cutDisplay(s string) (display, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		display, rest, ok := unquote(s)
		if !ok {
			return "", "", errAddressQuote
		}
		return display, strings.Trim(rest, lws), nil
	}
	if i := strings.IndexByte(s, '<'); i >= 0 {
		return strings.Trim(s[:i], lws), s[i:], nil
	}
	return "", s, nil
}

// unquote reads a quoted-string at the start of s.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

func parseURI(s string) (Address, error) {
	var a Address
	scheme, rest, ok := strings.Cut(s, ":")
	switch {
	case ok && strings.EqualFold(scheme, "sip"):
	case ok && strings.EqualFold(scheme, "sips"):
		a.Scheme = "sips"
	case ok && strings.EqualFold(scheme, "tel"):
		return parseTel(rest)
	case strings.Contains(s, "@"):
		rest = s
	default:
		return a, errAddressURI
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		a.User, rest = rest[:i], rest[i+1:]
		if a.User == "" || strings.ContainsAny(a.User, " \t<>\"") {
			return a, errAddressURI
		}
	}
	rest, _, _ = strings.Cut(rest, "?") // header part: never sent on by us
	if rest != strings.Trim(rest, lws) {
		return a, errAddressURI
	}
	rest, a.Params, _ = strings.Cut(rest, ";")
	if strings.ContainsAny(a.Params, " \t<>\"") {
		return a, errAddressURI
	}
	var err error
	a.Host, a.Port, err = splitHostPort(rest)
	return a, err
}

func parseTel(s string) (Address, error) {
	a := Address{Scheme: "tel"}
	a.User, a.Params, _ = strings.Cut(s, ";")
	if a.User == "" || strings.ContainsAny(s, " \t<>\"@") {
		return a, errAddressURI
	}
	return a, nil
}

// splitHostPort reads host, host:port, [v6] and [v6]:port.
func splitHostPort(s string) (host string, port int, err error) {
	host, tail := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, errAddressHost
		}
		host, tail = s[1:end], s[end+1:]
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
			return "", 0, errAddressHost
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, tail = s[:i], s[i:]
	}
	if host == "" || strings.ContainsAny(host, " \t<>\"@/\\,;?&=") || (tail != "" && tail[0] != ':') {
		return "", 0, errAddressHost
	}
	if tail == "" {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(tail[1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, errAddressPort
	}
	return host, int(n), nil
}

// URI is the address without the display name: sip:user@host:port;params.
func (a Address) URI() string {
	var b strings.Builder
	if a.Scheme == "" {
		b.WriteString("sip:")
	} else {
		b.WriteString(a.Scheme + ":")
	}
	b.WriteString(a.User)
	if a.Scheme != "tel" {
		if a.User != "" {
			b.WriteByte('@')
		}
		b.WriteString(hostText(a.Host))
	}
	if a.Port > 0 {
		b.WriteString(":" + strconv.Itoa(a.Port))
	}
	if a.Params != "" {
		b.WriteString(";" + a.Params)
	}
	return b.String()
}

// String is the name-addr form: "Anna" <sip:101@host>.
func (a Address) String() string {
	if a.Display == "" {
		return "<" + a.URI() + ">"
	}
	return quote(a.Display) + " <" + a.URI() + ">"
}

// Param is the value of a URI parameter, names compared without case.
func (a Address) Param(name string) (value string, ok bool) { return param(a.Params, name) }

// param finds name in "a=1;b;c=\"x\"".
func param(params, name string) (value string, ok bool) {
	for params != "" {
		var p string
		p, params = cutParam(params)
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.Trim(k, lws), name) {
			v = strings.Trim(v, lws)
			if strings.HasPrefix(v, `"`) {
				v, _, _ = unquote(v)
			}
			return v, true
		}
	}
	return "", false
}

// cutParam splits at the first semicolon outside quotes.
func cutParam(s string) (first, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// hostText puts an IPv6 literal into brackets.
func hostText(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// quoting is made once: a replacer is 30 KB.
var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quote(s string) string {
	return `"` + quoting.Replace(s) + `"`
}

// lws is linear white space (RFC 3261 §25.1); other spaces of Unicode are text.
const lws = " \t\r\n"

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// clip shortens s for an error text.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
