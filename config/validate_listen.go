package config

import (
	"fmt"
	"net/netip"
)

// socket is one place of the configuration that binds a port.
type socket struct {
	path   string
	stream bool // TCP, else UDP
	addr   netip.AddrPort
}

func (s socket) String() string {
	if s.stream {
		return "tcp " + s.addr.String()
	}
	return "udp " + s.addr.String()
}

// overlaps tells whether the system refuses the second of two sockets. Port 0
// is the system's choice.
func (s socket) overlaps(o socket) bool {
	a, b := s.addr.Addr().Unmap(), o.addr.Addr().Unmap()
	return s.stream == o.stream && s.addr.Port() != 0 && s.addr.Port() == o.addr.Port() && a.Is4() == b.Is4() &&
		(a == b || a.IsUnspecified() || b.IsUnspecified())
}

// listeners finds two that want the same port, and an RTP range that cannot
// carry the calls it is for.
func (v checker) listeners() {
	var all []socket
	for i, l := range v.c.SIP.Listen {
		all = append(all, socket{fmt.Sprintf("sip.listen[%d]", i), l.Transport != "udp", l.Addr})
	}
	all = append(all, socket{"http.listen", true, v.c.HTTP.Listen})
	if p := v.c.HTTP.Public; p != nil {
		all = append(all, socket{"http.public.listen", true, p.Listen})
	}
	for i, s := range all {
		for _, before := range all[:i] {
			if s.addr.IsValid() && s.overlaps(before) {
				v.fail(s.path, "give one of them another port", "%s is taken by %s", s, before.path)
				break
			}
		}
		if p := v.c.Media.Ports; !s.stream && s.addr.Port() >= p.Min && s.addr.Port() <= p.Max {
			v.c.notices = append(v.c.notices, Notice{Message: fmt.Sprintf("media.ports: %s holds the port of %s, which carries no audio then", p, s.path)})
		}
	}
	if calls, pairs := v.c.Limits.Calls, (int(v.c.Media.Ports.Max)-int(v.c.Media.Ports.Min)+1)/2; v.c.Names("limits.calls") && calls > pairs {
		v.c.notices = append(v.c.notices, Notice{Message: fmt.Sprintf("limits.calls: %d calls, but media.ports has room for the audio of %d", calls, pairs)})
	}
}
