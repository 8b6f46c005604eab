package resolve

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// dns is a name server on loopback.
type dns struct {
	conn *net.UDPConn

	mu    sync.Mutex
	srv   map[string][]dnsmessage.SRVResource // by "_sip._udp.name."
	addr  map[string][]string                 // by "name."
	fail  bool
	hold  chan struct{} // answers wait for it when set
	asked map[string]int
	total int
}

func newDNS(t *testing.T) *dns {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	d := &dns{conn: conn, srv: map[string][]dnsmessage.SRVResource{}, addr: map[string][]string{}, asked: map[string]int{}}
	done := make(chan struct{})
	go func() { defer close(done); d.serve() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return d
}

// resolver is the system's resolver pointed at d.
func (d *dns) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return net.Dial("udp", d.conn.LocalAddr().String())
	}}
}

func (d *dns) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *dns) service(name string, records ...dnsmessage.SRVResource) {
	d.set(func() { d.srv[name] = records })
}

func (d *dns) host(name string, addrs ...string) { d.set(func() { d.addr[name] = addrs }) }

// questions counts what was asked for a name, A and AAAA each.
func (d *dns) questions(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[name]
}

func (d *dns) serve() {
	buf := make([]byte, 1500)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		wg.Go(func() {
			if out, err := d.reply(m).Pack(); err == nil {
				_, _ = d.conn.WriteToUDPAddrPort(out, from)
			}
		})
	}
}

func (d *dns) reply(m dnsmessage.Message) *dnsmessage.Message {
	d.mu.Lock()
	hold := d.hold
	d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	d.asked[name]++
	out := &dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	if d.fail {
		out.RCode = dnsmessage.RCodeServerFailure
		return out
	}
	_, known := d.addr[name]
	if _, service := d.srv[name]; !known && !service {
		out.RCode = dnsmessage.RCodeNameError
		return out
	}
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
	for i := range d.srv[name] {
		if q.Type == dnsmessage.TypeSRV {
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: head, Body: &d.srv[name][i]})
		}
	}
	for _, text := range d.addr[name] {
		a := netip.MustParseAddr(text)
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return out
}

func srv(priority, weight, port uint16, target string) dnsmessage.SRVResource {
	return dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)}
}
