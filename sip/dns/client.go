package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Client asks name servers.
type Client struct {
	o    Options
	best atomic.Uint32 // the server that answered last is asked first
}

// New returns a client.
func New(o Options) *Client {
	if o.Servers == nil {
		o.Servers = resolvConf
	}
	o.Hosts = cmp.Or(o.Hosts, "/etc/hosts")
	return &Client{o: o}
}

// NAPTR returns the rules of a name, and how long they are valid.
func (c *Client) NAPTR(ctx context.Context, name string) ([]NAPTR, time.Duration, error) {
	r, err := c.lookup(ctx, name, typeNAPTR)
	if err != nil {
		return nil, 0, err
	}
	return r.naptr, r.ttl, nil
}

// SRV returns the places of a service such as _sip._udp.example.ru.
func (c *Client) SRV(ctx context.Context, name string) ([]SRV, time.Duration, error) {
	if c.local(name) {
		return c.systemSRV(ctx, name)
	}
	r, err := c.lookup(ctx, name, dnsmessage.TypeSRV)
	if err != nil {
		return nil, 0, err
	}
	return r.srv, r.ttl, nil
}

// Addrs returns the addresses of a host, IPv4 first.
func (c *Client) Addrs(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	if found := inHosts(c.o.Hosts, host); len(found) > 0 {
		return found, SystemTTL, nil
	}
	if c.local(host) {
		return c.systemAddrs(ctx, host)
	}
	found, ttl, err := c.families(ctx, host)
	if _, none := AsMissing(err); none && c.o.System != nil {
		if found, ttl, err := c.systemAddrs(ctx, host); err == nil {
			return found, ttl, nil // a search domain completes it
		}
	}
	return found, ttl, err
}

// families asks for both kinds of addresses at once. One kind is enough.
func (c *Client) families(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	type result struct {
		r   *reply
		err error
	}
	six := make(chan result, 1)
	go func() {
		r, err := c.lookup(ctx, host, dnsmessage.TypeAAAA)
		six <- result{r, err}
	}()
	r4, err4 := c.lookup(ctx, host, dnsmessage.TypeA)
	r6 := <-six
	var out []netip.Addr
	all := &reply{}
	for _, r := range []*reply{r4, r6.r} {
		if r == nil {
			continue
		}
		for _, b := range r.addrs {
			if a, ok := netip.AddrFromSlice(b); ok {
				out = append(out, a.Unmap())
			}
		}
		all.shorten(r.ttl)
	}
	if len(out) > 0 {
		return out, all.ttl, nil
	}
	if _, none := AsMissing(err4); none && r6.err != nil {
		return nil, 0, r6.err // which may be that DNS does not answer
	}
	return nil, 0, err4
}

// local tells a name that only the system can complete.
func (c *Client) local(name string) bool {
	if c.o.System == nil {
		return false
	}
	return !strings.Contains(undot(bare(name)), ".") || len(c.o.Servers()) == 0
}

// bare is the host of a service name.
func bare(name string) string {
	for strings.HasPrefix(name, "_") {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			break
		}
		name = rest
	}
	return name
}

// lookup asks for one type, following aliases that an answer does not resolve.
func (c *Client) lookup(ctx context.Context, name string, kind dnsmessage.Type) (*reply, error) {
	at := undot(name) + "."
	asked := map[string]bool{}
	ttl := &reply{}
	for range MaxAliases {
		asked[strings.ToLower(at)] = true
		r, err := c.query(ctx, at, kind)
		if err != nil {
			return nil, err
		}
		if r.missing {
			return nil, &Missing{Name: undot(name), Type: typeName(kind), TTL: r.ttl}
		}
		ttl.shorten(r.ttl)
		r.ttl = ttl.ttl
		if r.alias == "" {
			return r, nil
		}
		if asked[r.alias] {
			break
		}
		at = r.alias
	}
	return nil, fmt.Errorf("the aliases of %s lead nowhere", undot(name))
}

// query asks the servers in turn until one can tell.
func (c *Client) query(ctx context.Context, name string, kind dnsmessage.Type) (*reply, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: not a domain name", name)
	}
	servers := c.o.Servers()
	servers = servers[:min(len(servers), MaxServers)]
	if len(servers) == 0 {
		return nil, errors.New("no name server is configured")
	}
	first := int(c.best.Load()) % len(servers)
	var failed error
	for try := range Rounds * len(servers) {
		i := (first + try) % len(servers)
		r, err := c.exchange(ctx, servers[i], n, kind)
		if err == nil {
			c.best.Store(uint32(i))
			return r, nil
		}
		failed = fmt.Errorf("name server %s: %w", servers[i], err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// exchange asks one server once, over TCP too where UDP does not do.
func (c *Client) exchange(ctx context.Context, server netip.AddrPort, name dnsmessage.Name, kind dnsmessage.Type) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	r, err := over(ctx, "udp", server, name, kind, true)
	if errors.Is(err, errNoEDNS) {
		r, err = over(ctx, "udp", server, name, kind, false)
	}
	if errors.Is(err, errCut) {
		r, err = over(ctx, "tcp", server, name, kind, false)
	}
	return r, err
}

func over(ctx context.Context, network string, server netip.AddrPort, name dnsmessage.Name, kind dnsmessage.Type, edns bool) (*reply, error) {
	question, err := ask(name, kind, edns)
	if err != nil {
		return nil, err
	}
	var d net.Dialer // a socket of its own: a random port that takes packets of the server only
	conn, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r, err := converse(conn, network, question)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	}
	return r, err
}

// converse sends the question and waits for its answer among what comes.
func converse(conn net.Conn, network string, question []byte) (*reply, error) {
	if network == "tcp" {
		question = slices.Concat([]byte{byte(len(question) >> 8), byte(len(question))}, question)
	}
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	if network == "tcp" {
		answer, err := frame(conn)
		if err != nil {
			return nil, err
		}
		return read(question[2:], answer)
	}
	buf := make([]byte, MaxAnswer)
	for range MaxStray {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if r, err := read(question, buf[:n]); !errors.Is(err, errStray) {
			return r, err
		}
	}
	return nil, errStray
}
