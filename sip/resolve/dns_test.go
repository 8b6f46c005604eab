package resolve

import (
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/loopstart/loopstart/sip/dns"
	"github.com/loopstart/loopstart/sip/dns/dnstest"
)

// nameServer is one on loopback whose records live a minute.
type nameServer struct{ *dnstest.Server }

func newDNS(t *testing.T) *nameServer {
	t.Helper()
	s, err := dnstest.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &nameServer{s}
}

// client is the system's resolver pointed at d.
func (d *nameServer) client() *dns.Client {
	return dns.New(dns.Options{Servers: d.Servers, Hosts: "/dev/null"})
}

func (d *nameServer) service(name string, records ...dnsmessage.Resource) { d.Set(name, records...) }

func (d *nameServer) host(name string, addrs ...string) {
	var out []dnsmessage.Resource
	for _, a := range addrs {
		out = append(out, dnstest.Addr(time.Minute, a))
	}
	d.Set(name, out...)
}

// fail makes all answers SERVFAIL.
func (d *nameServer) fail(on bool) {
	if !on {
		d.Answer(nil)
		return
	}
	d.Answer(func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
		right.RCode = dnsmessage.RCodeServerFailure
		return []*dnsmessage.Message{right}
	})
}

func srv(priority, weight, port uint16, target string) dnsmessage.Resource {
	return dnstest.SRV(time.Minute, priority, weight, port, target)
}
