package sdp

import (
	"net/netip"
	"strings"
)

// maxName is how long the name of a host may be (RFC 1035 §2.3.4).
const maxName = 253

// hostName is s if it has the form of a host's name, else "".
func hostName(s string) string {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > maxName {
		return ""
	}
	last := ""
	for last = range strings.SplitSeq(s, ".") {
		if last == "" || len(last) > 63 || last[0] == '-' || strings.Trim(last, nameLetters) != "" {
			return ""
		}
	}
	if digits(last) { // a damaged address
		return ""
	}
	return s
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// At gives a description with a name its address.
func (r *Remote) At(a netip.Addr) {
	r.Addr = netip.AddrPortFrom(a, r.Addr.Port())
	if !r.RTCP.Addr().IsValid() && r.RTCP.Port() != 0 {
		r.RTCP = netip.AddrPortFrom(a, r.RTCP.Port())
	}
}
