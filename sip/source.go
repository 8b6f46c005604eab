package sip

import "net/netip"

// OriginKind says why a request is let in.
type OriginKind uint8

// The origins of a dialog. Nobody is the zero value: an outgoing call.
const (
	Nobody      OriginKind = iota
	FromTrunk              // a trunk's source address or our registered Contact there
	FromUser               // a user with credentials
	FromTrusted            // a source in Config.Trust
)

// Origin is who sent an INVITE.
type Origin struct {
	Kind      OriginKind
	Name      string // of the trunk or user
	Source    netip.AddrPort
	Transport string // "udp" or "tcp"
}

// String is the kind's name.
func (k OriginKind) String() string {
	switch k {
	case FromTrunk:
		return "trunk"
	case FromUser:
		return "user"
	case FromTrusted:
		return "trusted"
	}
	return "nobody"
}
