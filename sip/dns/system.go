package dns

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// SystemTTL is how long an answer of the system's resolver, or of the hosts
// file, is believed: neither tells.
const SystemTTL = time.Minute

// maxFile is how much of /etc/hosts and /etc/resolv.conf is read, in bytes.
const maxFile = 1 << 20

// System is the part of *net.Resolver that is used.
type System interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func (c *Client) systemAddrs(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	found, err := c.o.System.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, 0, fromSystem(err, host, "A")
	}
	var out []netip.Addr
	for _, family := range []bool{true, false} {
		for _, a := range found[:min(len(found), MaxRecords)] {
			if a = a.Unmap(); a.Is4() == family {
				out = append(out, a)
			}
		}
	}
	return out, SystemTTL, nil
}

func (c *Client) systemSRV(ctx context.Context, name string) ([]SRV, time.Duration, error) {
	_, found, err := c.o.System.LookupSRV(ctx, "", "", name)
	if err != nil {
		return nil, 0, fromSystem(err, name, "SRV")
	}
	var out []SRV
	for _, s := range found[:min(len(found), MaxRecords)] {
		out = append(out, SRV{s.Priority, s.Weight, s.Port, undot(s.Target)})
	}
	return out, SystemTTL, nil
}

// fromSystem tells "no such record" from "DNS does not answer".
func fromSystem(err error, name, kind string) error {
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return &Missing{Name: undot(name), Type: kind}
	}
	return err
}

// lines calls f with the fields of each line of a file, comments cut off.
func lines(file string, f func(fields []string)) {
	r, err := os.Open(file)
	if err != nil {
		return // as if it were empty
	}
	defer r.Close()
	s := bufio.NewScanner(io.LimitReader(r, maxFile))
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		line, _, _ = strings.Cut(line, ";")
		if fields := strings.Fields(line); len(fields) > 1 {
			f(fields)
		}
	}
}

// inHosts looks a name up in the hosts file, IPv4 first.
func inHosts(file, host string) (out []netip.Addr) {
	host = undot(host)
	var six []netip.Addr
	lines(file, func(fields []string) {
		a, err := netip.ParseAddr(fields[0])
		if err != nil || len(out)+len(six) == MaxRecords {
			return
		}
		for _, name := range fields[1:] {
			switch {
			case !strings.EqualFold(undot(name), host):
			case a.Unmap().Is4():
				out = append(out, a.Unmap())
				return
			default:
				six = append(six, a)
				return
			}
		}
	})
	return append(out, six...)
}

// resolvConf reads the system's name servers.
func resolvConf() []netip.AddrPort { return serversIn("/etc/resolv.conf") }

// dnsPort is where name servers listen.
const dnsPort = 53

func serversIn(file string) (out []netip.AddrPort) {
	lines(file, func(fields []string) {
		a, err := netip.ParseAddr(fields[1])
		if fields[0] == "nameserver" && err == nil && len(out) < MaxServers {
			out = append(out, netip.AddrPortFrom(a, dnsPort))
		}
	})
	return out
}
