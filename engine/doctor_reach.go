package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/sip/dns"
)

// reachWait is how long a port of ours may take to answer.
const reachWait = 2 * time.Second

// shown is one thing that peers are told in place of our own address.
type shown struct {
	key    string // of the configuration
	text   string
	addrs  []netip.Addr // of a family that we listen on
	err    error        // a name that is not found
	listen []config.Listener
	port   uint16 // 0: the listeners' own
}

// shown lists what is advertised, names looked up.
func (d *doctor) shown(ctx context.Context) (out []shown) {
	var rest []config.Listener
	for _, l := range d.cfg.SIP.Listen {
		if l.Advertise.IsValid() {
			out = append(out, d.look(ctx, "sip.listen advertise", l.Advertise, []config.Listener{l}))
		} else {
			rest = append(rest, l)
		}
	}
	for _, a := range d.cfg.SIP.Advertise {
		out = append(out, d.look(ctx, "sip.advertise", a, rest))
	}
	return out
}

func (d *doctor) look(ctx context.Context, key string, a config.Advertised, listen []config.Listener) shown {
	s := shown{key: key, text: a.String(), listen: listen, port: a.Port, addrs: []netip.Addr{a.Addr}}
	if a.Addr.IsValid() {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	found, _, err := dns.New(dns.Options{System: net.DefaultResolver}).Addrs(ctx, a.Name)
	s.err = err
	if none, ok := dns.AsMissing(err); ok {
		s.err = fmt.Errorf("the name %s is not in DNS, or has no address there", none.Name)
	}
	s.addrs = slices.DeleteFunc(slices.Clone(found), func(ip netip.Addr) bool { return !listensFor(d.cfg, ip) })
	if err == nil && len(s.addrs) == 0 {
		s.err = fmt.Errorf("%s has no address of a family that sip.listen has", a.Name)
	}
	return s
}

// advertised judges the addresses that peers are told to send to.
func (d *doctor) advertised(ctx context.Context) {
	list, local := d.shown(ctx), localAddrs()
	for _, s := range list {
		if s.err != nil {
			d.fail(s.key, "check the spelling of "+s.text+" and the machine's DNS; until it is found, calls name the interface's address", "%s", s.err)
			d.coded("ADVERTISE_UNKNOWN")
			continue
		}
		for _, a := range s.addrs {
			d.advertisedOne(s, a, local)
		}
	}
	if len(list) > 0 {
		return
	}
	const name = "sip.advertise"
	switch {
	case onlyLoopback(d.cfg):
		d.ok(name, "not set, and SIP listens on loopback only")
	case len(local) == 0:
		d.warn(name, "set sip.advertise if phones are to reach this machine", "not set, and this machine has no address but loopback")
	case onlyPrivate(local):
		d.warn(name, "behind NAT set sip.advertise to the public address, which `loopstart trunk check` tells; within one network this is right", "not set; this machine has private addresses only: %s", listAddrs(local))
		d.coded("ADVERTISE_MISSING")
	default:
		d.ok(name, "not set; calls use the interface's own: %s", listAddrs(local))
	}
}

func (d *doctor) advertisedOne(s shown, a netip.Addr, local []netip.Addr) {
	text := s.text
	if !strings.Contains(text, a.String()) {
		text += " (" + a.String() + ")"
	}
	why, hint := wrongAdvertise(d.cfg, a, local)
	switch {
	case why != "":
		d.fail(s.key, hint, "%s %s", text, why)
		d.coded("ADVERTISE_WRONG")
	case hasAddr(local, a):
		d.ok(s.key, "%s is an address of this machine", text)
	default:
		d.warn(s.key, fmt.Sprintf("right behind NAT, if the SIP ports and UDP %s are forwarded to this machine", d.cfg.Media.Ports),
			"%s is no address of this machine", text)
		d.coded("ADVERTISE_ELSEWHERE")
	}
}

// reach tries the SIP ports of the running instance at the addresses that peers
// are told. As with audio to ourselves, behind NAT silence proves nothing.
func (d *doctor) reach(ctx context.Context) {
	if !d.Running {
		return
	}
	list, local := d.shown(ctx), localAddrs()
	if len(list) == 0 && !onlyLoopback(d.cfg) {
		list = []shown{{addrs: []netip.Addr{firstOf(local)}, listen: d.cfg.SIP.Listen}}
	}
	for _, s := range list {
		for _, l := range s.listen {
			for _, a := range s.addrs {
				own := l.Addr.Addr()
				if !a.IsValid() || own.Is4() != a.Is4() || !own.IsUnspecified() && hasAddr(local, a) && own != a {
					continue
				}
				port := l.Addr.Port()
				if s.port != 0 {
					port = s.port
				}
				d.knock(ctx, l.Transport, netip.AddrPortFrom(a, port), hasAddr(local, a))
			}
		}
	}
}

// knock tries one port. ours tells that the address is this machine's.
func (d *doctor) knock(ctx context.Context, transport string, to netip.AddrPort, ours bool) {
	const name = "SIP port"
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	var err error
	if transport == "udp" {
		err = askOptions(ctx, to)
	} else {
		var c net.Conn
		if c, err = (&net.Dialer{}).DialContext(ctx, "tcp", to.String()); err == nil {
			_ = c.Close()
		}
	}
	what := transport + "://" + to.String()
	switch {
	case err == nil:
		d.ok(name, "%s answers", what)
	case ours:
		d.fail(name, "let it in: nft list ruleset, iptables -L", "%s, our own address, does not answer: a local firewall is in the way", what)
		d.coded("PORT_CLOSED")
	default:
		d.warn(name, "many routers do not send packets back in, so this proves nothing; see that it is forwarded, and let somebody outside try", "%s does not answer from here", what)
		d.coded("PORT_SILENT")
	}
}

// askOptions sends an OPTIONS and waits for any answer.
func askOptions(ctx context.Context, to netip.AddrPort) error {
	c, err := net.Dial("udp", to.String())
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	id := newID(time.Time{})
	message := strings.Join([]string{
		"OPTIONS sip:" + to.String() + " SIP/2.0", "Via: SIP/2.0/UDP " + c.LocalAddr().String() + ";rport;branch=z9hG4bK" + id,
		"From: <sip:doctor@" + to.Addr().String() + ">;tag=" + id, "To: <sip:" + to.String() + ">", "Call-ID: " + id, "CSeq: 1 OPTIONS",
		"Max-Forwards: 1", "User-Agent: loopstart doctor", "Content-Length: " + strconv.Itoa(0), "", "",
	}, "\r\n")
	if _, err := c.Write([]byte(message)); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1500))
	return err
}
