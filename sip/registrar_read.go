package sip

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/sip/location"
)

// readRegister reads what a REGISTER asks for.
func readRegister(req *gosip.Request, user string, source netip.AddrPort) (location.Register, error) {
	r := location.Register{
		User: user, CallID: req.CallID().Value(), CSeq: req.CSeq().SeqNo, Source: source,
		Path:    lists(req, "Path"),
		Expires: -1,
	}
	if h := req.GetHeader("User-Agent"); h != nil {
		r.Agent = clip(h.Value(), 120)
	}
	if h := req.GetHeader("Expires"); h != nil {
		r.Expires = readSeconds(h.Value())
	}
	for _, value := range append(lists(req, "Contact"), lists(req, "m")...) {
		if value == "*" {
			r.Star = true
			continue
		}
		c, err := readContact(value)
		if err != nil {
			return r, err
		}
		r.Contacts = append(r.Contacts, c)
	}
	return r, nil
}

var errContactScheme = errors.New("sip: a Contact that is no sip URI")

// readContact reads one element of a Contact header.
func readContact(value string) (location.Contact, error) {
	a, params, err := parseNameAddr(value)
	if err != nil {
		return location.Contact{}, err
	}
	_, uri, _ := cutDisplay(strings.TrimSpace(value))
	if scheme, _, _ := strings.Cut(strings.TrimLeft(uri, "< "), ":"); !strings.EqualFold(scheme, "sip") {
		return location.Contact{}, errContactScheme // nothing we could call
	}
	c := location.Contact{URI: a.URI(), Q: 1000, Expires: -1}
	if v, ok := param(params, "expires"); ok {
		c.Expires = readSeconds(v)
	}
	if v, ok := param(params, "q"); ok {
		if q, err := strconv.ParseFloat(v, 64); err == nil && q >= 0 && q <= 1 {
			c.Q = int(q * 1000)
		}
	}
	c.Instance, _ = param(params, "+sip.instance")
	c.RegID, _ = param(params, "reg-id")
	c.Instance = clip(c.Instance, 256)
	return c, nil
}

// readSeconds reads delta-seconds; what cannot be read counts as absent.
func readSeconds(s string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	if err != nil {
		return -1
	}
	return time.Duration(n) * time.Second
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// values returns the values of all fields of that name.
func values(m interface{ GetHeaders(string) []gosip.Header }, name string) []string {
	var out []string
	for _, h := range m.GetHeaders(name) {
		out = append(out, h.Value())
	}
	return out
}

// lists returns the elements of all fields of a header that holds a list of
// addresses, split at commas outside quotes and brackets.
func lists(m interface{ GetHeaders(string) []gosip.Header }, name string) []string {
	var out []string
	for _, value := range values(m, name) {
		out = append(out, splitList(value)...)
	}
	return out
}

func splitList(s string) []string {
	var out []string
	begin, quoted, angle := 0, false, false
	add := func(item string) {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle:
			add(s[begin:i])
			begin = i + 1
		}
	}
	add(s[min(begin, len(s)):])
	return out
}

// unescapeUser decodes %hh in a user part (RFC 3261 §19.1.4 compares decoded).
func unescapeUser(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
