package weburl

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// mapper is UTS 46 as browsers use it: mapping and checks, but no STD3 rules.
var mapper = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false))

// forbidden in the host of a special URL; others may hold all but these too,
// except the percent sign.
const forbidden = "\x00\t\n\r #/:<>?@[\\]^|"

func parseHost(text string, isSpecial bool) (string, bool) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		return "[" + hexIPv6(addr) + "]", true
	}
	if !isSpecial {
		return Escape(text, inControl), !strings.ContainsAny(text, forbidden)
	}
	name := Decode(text)
	if !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError) {
		return "", false
	}
	if isASCII(name) {
		name = strings.ToLower(name)
	}
	if ascii, err := mapper.ToASCII(name); err == nil && ascii != "" {
		name = ascii
	} else if !isASCII(name) || strings.Contains(name, "xn--") {
		return "", false
	}
	if strings.ContainsAny(name, forbidden+"%\x7f") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return "", false
	}
	if numeric(name) {
		return parseIPv4(name)
	}
	return name, true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// hexIPv6 is RFC 5952 without the dotted form, which the standard never writes.
func hexIPv6(a netip.Addr) string {
	if !a.Is4In6() {
		return a.String()
	}
	b := a.As16()
	return "::ffff:" + strconv.FormatUint(uint64(b[12])<<8|uint64(b[13]), 16) + ":" + strconv.FormatUint(uint64(b[14])<<8|uint64(b[15]), 16)
}

// numeric tells whether the last label is a number: then the host is IPv4 or
// nothing.
func numeric(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	if last != "" && strings.Trim(last, "0123456789") == "" {
		return true
	}
	_, err := ipv4Number(last)
	return strings.HasPrefix(last, "0x") && err == nil
}

// ipv4Number reads decimal, octal (0…) and hexadecimal (0x…) numbers.
func ipv4Number(s string) (uint64, error) {
	switch {
	case s == "0x":
		return 0, nil
	case strings.HasPrefix(s, "0x"):
		return strconv.ParseUint(s[2:], 16, 64)
	case len(s) > 1 && s[0] == '0':
		return strconv.ParseUint(s[1:], 8, 64)
	}
	return strconv.ParseUint(s, 10, 64)
}

func parseIPv4(host string) (string, bool) {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(labels) > 4 {
		return "", false
	}
	var address uint64
	for i, label := range labels {
		n, err := ipv4Number(label)
		if err != nil || label == "" {
			return "", false
		}
		if i < len(labels)-1 {
			if n > 255 {
				return "", false
			}
			address |= n << (8 * (3 - i))
			continue
		}
		if n >= 1<<(8*(5-len(labels))) {
			return "", false
		}
		address |= n
	}
	return netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)}).String(), true
}
