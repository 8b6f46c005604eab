package engine

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/sip"
)

// Referral implements call.Dialer: where a party is sent by a transfer. A
// number goes to the party's own trunk, in its format; to a party with no trunk
// a number or a user is an address of ours, so that its phone calls us again.
func (d dialer) Referral(r call.DialRequest, trunk, peer string) (string, error) {
	if strings.HasPrefix(r.Target, "sip:") || strings.HasPrefix(r.Target, "sips:") {
		if a, err := sip.ParseAddress(r.Target); err != nil || a.Host == "" {
			return "", fault.New(fault.Invalid, "transfer: %q is no SIP URI", r.Target).WithHint("write sip:user@host")
		}
		return r.Target, nil
	}
	cfg := d.e.Config()
	if _, ok := cfg.Group(r.Target); ok {
		return "", fault.New(fault.Invalid, "transfer: %q is a group, which nobody can be sent to", r.Target).WithHint("use call.connect(%q)", r.Target)
	}
	number := phone.Normalize(r.Target, cfg.Project.Country)
	if _, user := cfg.User(r.Target); user {
		number = r.Target
	} else if !phone.Dialable(strings.TrimPrefix(number, "+")) {
		return "", fault.New(fault.NotFound, "transfer: no user or number %q", r.Target).WithHint("write a number, a name of sip.users or sip:user@host")
	} else if t, ok := cfg.Trunk(trunk); ok {
		return d.trunkReferral(cfg, t, number)
	}
	return "sip:" + number + "@" + d.ownAddress(peer), nil
}

// trunkReferral is a number as the trunk dials it; only where it may be dialled,
// since the trunk's owner pays.
func (d dialer) trunkReferral(cfg *config.Config, t *config.Trunk, number string) (string, error) {
	if _, ok := destination(cfg, t, number); !ok {
		return "", fault.New(fault.Denied, "transfer: trunk %s may not dial %s", t.Name, phone.Mask(number)).
			WithHint("add its prefix to destinations of the trunk in loopstart.yaml")
	}
	host := t.Domain
	if host == "" {
		host, _, _ = strings.Cut(t.Address, ";")
	}
	return "sip:" + phone.Format(number, phone.Style(t.Format), cfg.Project.Country) + "@" + host, nil
}

// ownAddress is where a party at peer reaches us.
func (d dialer) ownAddress(peer string) string {
	remote, _ := parseHost(peer)
	local := d.e.sip.LocalAddr("udp")
	host := d.e.sip.AdvertisedFor(remote)
	if !host.IsValid() {
		host = local.Addr()
	}
	if local.Port() == sipPort || local.Port() == 0 {
		return bracketed(host)
	}
	return net.JoinHostPort(host.String(), strconv.Itoa(int(local.Port())))
}

// sipPort is what an address without a port means (RFC 3261 §19.1.2).
const sipPort = 5060

func bracketed(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}
