package netx

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/loopstart/loopstart/internal/fault"
)

// names answers DNS queries in the process: each name with its addresses, one
// answer after another, the last for ever.
type names struct {
	mu      sync.Mutex
	answers map[string][]string // by name: answers, each a list of addresses by blanks
	asked   map[string]int
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe() // no net.PacketConn: framed as over TCP
		go n.serve(theirs)
		return ours, nil
	}}
}

func (n *names) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		a := n.answer(q)
		binary.BigEndian.PutUint16(size[:], uint16(len(a)))
		if _, err := c.Write(append(size[:], a...)); err != nil {
			return
		}
	}
}

func (n *names) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	head := func(t dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: q.Name, Type: t, Class: dnsmessage.ClassINET}
	}
	for _, text := range n.of(q) {
		a := netip.MustParseAddr(text)
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head(dnsmessage.TypeA), Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && !a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head(dnsmessage.TypeAAAA), Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	if m.Answers == nil && n.answers[lower(q)] == nil {
		m.RCode = dnsmessage.RCodeNameError
	}
	out, _ := m.Pack()
	return out
}

func lower(q dnsmessage.Question) string {
	return strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
}

// of counts A queries: one look-up asks for A and AAAA.
func (n *names) of(q dnsmessage.Question) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := lower(q)
	list := n.answers[name]
	if len(list) == 0 {
		return nil
	}
	at := min(n.asked[name], len(list)-1)
	if q.Type == dnsmessage.TypeA {
		n.asked[name]++
	}
	return strings.Fields(list[at])
}

// errReached is what stands in the way of addresses that passed the check: no
// test leaves the machine.
var errReached = errors.New("reached")

// guarded is a client that connects to nothing, and what it would have.
func guarded(rules Rules, n *names) (*Client, func() []string) {
	c := New(Options{Rules: rules, Timeout: 5 * time.Second})
	var mu sync.Mutex
	var reached []string
	c.resolver = n.resolver()
	c.connect = func(address string) error {
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, address)
		return errReached
	}
	return c, func() []string {
		mu.Lock()
		defer mu.Unlock()
		list := reached
		reached = nil
		return list
	}
}

func theNames() *names {
	return &names{asked: map[string]int{}, answers: map[string][]string{
		"public.test": {"93.184.216.34"}, "private.test": {"10.0.0.7"}, "loop.test": {"127.0.0.1"}, "six.test": {"::1"}, "mapped.test": {"::ffff:127.0.0.1"},
		"meta.test": {"169.254.169.254"}, "nat64.test": {"64:ff9b::7f00:1"}, "sixtofour.test": {"2002:7f00:1::"}, "ula.test": {"fd12::1"}, "zero.test": {"0.0.0.0"},
		"mixed.test": {"93.184.216.34 127.0.0.1 ::1"}, "rebind.test": {"93.184.216.34", "127.0.0.1"}, "cgnat.test": {"100.100.100.200"},
	}}
}

// TestSSRF: whatever a script writes, nothing that is not public is dialled.
func TestSSRF(t *testing.T) {
	c, reached := guarded(Rules{}, theNames())
	denied := []string{
		"http://127.0.0.1/", "http://127.0.0.1:8780/v1/calls", "http://127.255.255.254/", "http://0.0.0.0/", "http://0.0.0.1/", "http://[::]/", "http://[::1]/",
		"http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:10.0.0.1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[2002:7f00:1::]/",
		"http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/",
		"http://[fc00::1]/", "http://[fd00:ec2::254]/", "http://100.64.0.1/", "http://100.100.100.200/", "http://192.0.0.192/", "http://198.18.0.1/", "http://224.0.0.1/", "http://[ff02::1]/", "http://[fec0::1]/", "http://[::10.0.0.1]/",
		"http://255.255.255.255/", "http://240.0.0.1/", "http://user:password@127.0.0.1/", "http://public.test@127.0.0.1/", "https://127.0.0.1/", "https://[::1]:443/",
		"http://private.test/", "http://loop.test/", "http://six.test/", "http://mapped.test/", "http://meta.test/", "http://nat64.test/", "http://sixtofour.test/", "http://ula.test/",
		"http://zero.test/", "http://cgnat.test/", "https://loop.test/", "http://LOOP.TEST/", "http://loop.test./", "http://localhost/",
	}
	for _, target := range denied {
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: target})
		if fault.CodeOf(err) != fault.Denied {
			t.Errorf("%s: %v (%s), want DENIED", target, err, fault.CodeOf(err))
		}
		if got := reached(); len(got) > 0 {
			t.Errorf("%s: would have reached %s", target, got)
		}
	}
	// Numbers in other bases are names for the resolver, and there are none.
	for _, target := range []string{
		"http://2130706433/", "http://0177.0.0.1/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://017700000001/", "http://127.1/", "http://127.0.1/", "http://0/",
		"http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/",
	} {
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: target})
		if got := reached(); err == nil || len(got) > 0 {
			t.Errorf("%s: %v, would have reached %s", target, err, got)
		}
	}
	for _, target := range []string{
		"file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "ftp://public.test/", "dict://127.0.0.1:11211/", "ldap://127.0.0.1/", "jar:http://public.test/", "data:text/plain,x",
		"unix:///var/run/docker.sock", "//public.test/", "/etc/passwd", "http:///x", "http://", "", "http://[::1", "http://a b/", "http://public.test:99999999/x", "javascript:1", "http:public.test",
	} {
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: target})
		if got := reached(); fault.CodeOf(err) != fault.Invalid && fault.CodeOf(err) != fault.Network || len(got) > 0 {
			t.Errorf("%q: %v (%s), would have reached %s", target, err, fault.CodeOf(err), got)
		}
	}
	_, err := c.Do(context.Background(), Request{Method: "GET", URL: "http://public.test/"})
	if got := reached(); !errors.Is(err, errReached) || len(got) != 1 || got[0] != "93.184.216.34:80" {
		t.Errorf("the public host: %v, reached %s", err, got)
	}
}

// TestRebinding: a name that was public a moment ago, or is also public, does
// not lead inside: what counts is the address that is dialled.
func TestRebinding(t *testing.T) {
	c, reached := guarded(Rules{}, theNames())
	ask := func(target string) fault.Code {
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: target})
		return fault.CodeOf(err)
	}
	if code, got := ask("http://rebind.test/"), reached(); code != fault.Network || fmt.Sprint(got) != "[93.184.216.34:80]" {
		t.Fatalf("first: %s, %s", code, got)
	}
	if code, got := ask("http://rebind.test/"), reached(); code != fault.Denied || len(got) > 0 {
		t.Fatalf("second: %s, %s", code, got)
	}
	ask("http://mixed.test/")
	for _, address := range reached() {
		if address != "93.184.216.34:80" {
			t.Errorf("one of several addresses: %s", address)
		}
	}
	// A name in the list may be private, and only that one.
	c, reached = guarded(Rules{Hosts: []string{"loop.test", "*.corp.test"}}, theNames())
	if code, got := ask("http://loop.test:8080/"), reached(); code != fault.Network || fmt.Sprint(got) != "[127.0.0.1:8080]" {
		t.Errorf("named: %s, %s", code, got)
	}
	for _, target := range []string{"http://127.0.0.1/", "http://private.test/", "http://public.test/", "http://corp.test/", "http://xcorp.test/", "http://loop.test.evil.test/"} {
		if code, got := ask(target), reached(); code != fault.Denied || len(got) > 0 {
			t.Errorf("%s: %s, %s", target, code, got)
		}
	}
}

// TestRedirectsInside: a public server cannot send us inside.
func TestRedirectsInside(t *testing.T) {
	var to atomic.Value
	var inside atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			inside.Add(1)
			return
		}
		w.Header().Set("Location", to.Load().(string))
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	_, port, _ := net.SplitHostPort(host(t, s))
	n := theNames()
	// The first host is named and private, so that the test has a server; the
	// others are what a redirect asks for.
	c, _ := guarded(Rules{Hosts: []string{"loop.test:" + port}}, n)
	c.connect = nil
	for _, target := range []string{
		"http://169.254.169.254/latest/meta-data/iam", "http://127.0.0.1:" + port + "/in", "http://localhost:" + port + "/in", "http://private.test/", "//[::1]:" + port + "/in", "http://loop.test:1/in",
		"file:///etc/passwd", "gopher://loop.test:" + port + "/in", "http://%zz/",
	} {
		to.Store(target)
		_, err := c.Do(context.Background(), Request{Method: "POST", URL: "http://loop.test:" + port + "/", Body: []byte("secret")})
		if err == nil {
			t.Errorf("%s: no error", target)
		}
	}
	if inside.Load() > 0 {
		t.Errorf("%d requests came in", inside.Load())
	}
}

func TestABombIsNotUnpacked(t *testing.T) {
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		zero := make([]byte, 1<<20)
		for range 1024 { // a gigabyte
			n, err := z.Write(zero)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
		_ = z.Close()
	}))
	defer s.Close()
	c := New(Options{Rules: Rules{Hosts: []string{"127.0.0.1"}}, MaxBody: 1 << 20})
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: s.URL}); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	s.CloseClientConnections()
	if sent.Load() >= 1<<30 {
		t.Error("all of it was read")
	}
}

func TestMaxHeader(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", MaxHeader+1))
	}))
	defer s.Close()
	c := New(Options{Rules: Rules{Hosts: []string{"127.0.0.1"}}})
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: s.URL}); fault.CodeOf(err) != fault.Network {
		t.Fatal(err)
	}
}
