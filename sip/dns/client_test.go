package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/loopstart/loopstart/sip/dns/dnstest"
)

func newServer(t *testing.T) *dnstest.Server {
	t.Helper()
	s, err := dnstest.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// words are all three answers about a name.
func words(ctx context.Context, c *Client, name string) string {
	var out []string
	say := func(what any, ttl time.Duration, err error) {
		if m, ok := AsMissing(err); ok {
			out = append(out, fmt.Sprintf("none %s", m.TTL))
		} else if err != nil {
			out = append(out, "failed")
		} else {
			out = append(out, fmt.Sprintf("%v %s", what, ttl))
		}
	}
	n, ttl, err := c.NAPTR(ctx, name)
	say(n, ttl, err)
	s, ttl, err := c.SRV(ctx, name)
	say(s, ttl, err)
	a, ttl, err := c.Addrs(ctx, name)
	say(a, ttl, err)
	return strings.Join(out, " | ")
}

func TestRecords(t *testing.T) {
	s := newServer(t)
	c := New(Options{Servers: s.Servers, Hosts: "/dev/null"})
	s.Absent(30 * time.Second)
	minute, hour := time.Minute, time.Hour
	s.Set("all.test", dnstest.Addr(hour, "2001:db8::1"), dnstest.Addr(minute, "192.0.2.1"), dnstest.SRV(hour, 1, 2, 3, "Host.test"),
		dnstest.RawNAPTR(hour, 10, 20, "s", "SIP+D2U", "!a!b!", "_sip._udp.all.test"))
	s.Set("alias.test", dnstest.Alias(20*time.Second, "ALL.test"))
	s.Set("one.test", dnstest.Alias(hour, "two.test"))
	s.Set("two.test", dnstest.Alias(hour, "one.test"))
	s.Set("self.test", dnstest.Alias(hour, "self.test"))
	s.Set("lost.test", dnstest.Alias(hour, "nowhere.test"))
	s.Set("empty.test")
	s.Set("off.test", dnstest.SRV(hour, 0, 0, 0, ""))
	s.Set("zero.test", dnstest.Addr(0, "192.0.2.9"))
	for name, want := range map[string]string{
		"all.test":                        "[{10 20 s SIP+D2U !a!b! _sip._udp.all.test}] 1h0m0s | [{1 2 3 host.test}] 1h0m0s | [192.0.2.1 2001:db8::1] 1m0s",
		"alias.test":                      "[{10 20 s SIP+D2U !a!b! _sip._udp.all.test}] 20s | [{1 2 3 host.test}] 20s | [192.0.2.1 2001:db8::1] 20s",
		"one.test":                        "failed | failed | failed",
		"self.test":                       "failed | failed | failed",
		"lost.test":                       "none 30s | none 30s | none 30s",
		"empty.test":                      "none 30s | none 30s | none 30s",
		"unknown.test":                    "none 30s | none 30s | none 30s",
		"off.test":                        "none 30s | [{0 0 0 }] 1h0m0s | none 30s",
		"zero.test":                       "none 30s | none 30s | [192.0.2.9] 1ns",
		strings.Repeat("a", 64) + ".test": "failed | failed | failed",
	} {
		if got := words(within(t), c, name); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// Nobody but the asked server can answer, and it only to the question.
func TestWrongAnswers(t *testing.T) {
	other := dnsmessage.MustNewName("bank.test.")
	poison := dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: other, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 60},
		Body:   &dnsmessage.AResource{A: [4]byte{6, 6, 6, 6}},
	}
	bad := func(change func(*dnsmessage.Message)) dnstest.Wrong {
		return func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			forged := *right
			forged.Answers = []dnsmessage.Resource{poison}
			forged.Answers[0].Header.Name = right.Questions[0].Name
			change(&forged)
			return []*dnsmessage.Message{&forged, right}
		}
	}
	for name, tc := range map[string]struct {
		wrong dnstest.Wrong
		want  string
	}{
		"another id":   {bad(func(m *dnsmessage.Message) { m.ID++ }), "[192.0.2.1]"},
		"a question":   {bad(func(m *dnsmessage.Message) { m.Response = false }), "[192.0.2.1]"},
		"another name": {bad(func(m *dnsmessage.Message) { m.Questions = []dnsmessage.Question{{Name: other, Type: 1, Class: 1}} }), "[192.0.2.1]"},
		"another type": {bad(func(m *dnsmessage.Message) {
			m.Questions = []dnsmessage.Question{{Name: m.Questions[0].Name, Type: 16, Class: 1}}
		}), "[192.0.2.1]"},
		"no question": {bad(func(m *dnsmessage.Message) { m.Questions = nil }), "[192.0.2.1]"},
		"foreign records": {func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			right.Answers = append([]dnsmessage.Resource{poison}, right.Answers...)
			return []*dnsmessage.Message{right}
		}, "[192.0.2.1]"},
		"foreign only": {func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			right.Answers = []dnsmessage.Resource{poison}
			return []*dnsmessage.Message{right}
		}, "none"},
		"in additional": {func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			right.Answers, right.Additionals = nil, right.Answers
			return []*dnsmessage.Message{right}
		}, "none"},
		"cut short": {func(_, right *dnsmessage.Message, tcp bool) []*dnsmessage.Message {
			right.Truncated = !tcp
			return []*dnsmessage.Message{right}
		}, "[192.0.2.1]"},
		"cut on TCP, too": {func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			right.Truncated = true
			return []*dnsmessage.Message{right}
		}, "failed"},
		"server failure": {func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			right.RCode = dnsmessage.RCodeServerFailure
			return []*dnsmessage.Message{right}
		}, "failed"},
		"only strays": {func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message { right.ID++; return strays(right) }, "failed"},
		"no EDNS": {func(q, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			if len(q.Additionals) > 0 {
				right.RCode, right.Questions, right.Answers = dnsmessage.RCodeFormatError, nil, nil
			}
			return []*dnsmessage.Message{right}
		}, "[192.0.2.1]"},
		"too many records": {func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
			right.Answers = many(right.Answers[0:1], right.Questions[0].Name)
			return []*dnsmessage.Message{right}
		}, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Set("h.test", dnstest.Addr(time.Minute, "192.0.2.1"))
			s.Answer(func(q, right *dnsmessage.Message, tcp bool) []*dnsmessage.Message {
				if len(right.Answers) == 0 {
					return []*dnsmessage.Message{right} // the AAAA question
				}
				return tc.wrong(q, right, tcp)
			})
			c := New(Options{Servers: s.Servers, Hosts: "/dev/null"})
			found, _, err := c.Addrs(within(t), "h.test")
			got := fmt.Sprint(found)
			if _, none := AsMissing(err); none {
				got = "none"
			} else if err != nil {
				got = "failed"
			}
			if got != tc.want {
				t.Fatalf("%s (%v), want %s", got, err, tc.want)
			}
			if strings.HasPrefix(name, "cut") && s.TCP() == 0 {
				t.Fatal("TCP was not tried")
			}
		})
	}
}

func strays(m *dnsmessage.Message) (out []*dnsmessage.Message) {
	for range MaxStray {
		out = append(out, m)
	}
	return out
}

func many(one []dnsmessage.Resource, name dnsmessage.Name) (out []dnsmessage.Resource) {
	for range MaxRecords + 1 {
		one[0].Header.Name = name
		out = append(out, one[0])
	}
	return out
}

// The second server answers when the first does not, and is the first to be
// asked from then on.
func TestNextServer(t *testing.T) {
	dead, good := newServer(t), newServer(t)
	dead.Answer(func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
		right.RCode = dnsmessage.RCodeRefused
		return []*dnsmessage.Message{right}
	})
	good.Set("h.test", dnstest.SRV(time.Minute, 1, 1, 1, "x.test"))
	c := New(Options{Servers: func() []netip.AddrPort { return []netip.AddrPort{dead.Addr, good.Addr} }, Hosts: "/dev/null"})
	for range 3 {
		if _, _, err := c.SRV(within(t), "h.test"); err != nil {
			t.Fatal(err)
		}
	}
	if dead.Asked("h.test") != 1 || good.Asked("h.test") != 3 {
		t.Fatalf("%d and %d questions", dead.Asked("h.test"), good.Asked("h.test"))
	}
}

func TestSilentServerIsGivenUp(t *testing.T) {
	s := newServer(t)
	s.Answer(func(_, _ *dnsmessage.Message, _ bool) []*dnsmessage.Message { return nil })
	c := New(Options{Servers: s.Servers, Hosts: "/dev/null"})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := c.NAPTR(ctx, "h.test"); err == nil {
		t.Fatal("an answer of nobody")
	} else if _, none := AsMissing(err); none {
		t.Fatalf("silence is taken for absence: %v", err)
	}
}

// sys is the system's resolver: it knows one plain name and one search domain.
type sys struct{ fails bool }

func (s sys) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "asterisk" || host == "pbx.voip" {
		return []netip.Addr{netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("10.0.0.5")}, nil
	}
	return nil, &net.DNSError{Name: host, IsNotFound: !s.fails}
}

func (s sys) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if name == "_sip._udp.asterisk" {
		return "", []*net.SRV{{Target: "a.test.", Port: 7}}, nil
	}
	return "", nil, &net.DNSError{Name: name, IsNotFound: !s.fails}
}

func TestSystemAndHosts(t *testing.T) {
	s := newServer(t)
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("# comment\n::7 fixed.test\n192.0.2.7 x FIXED.test # here\nnonsense fixed.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Set("fixed.test", dnstest.Addr(time.Hour, "192.0.2.99"))
	c := New(Options{Servers: s.Servers, Hosts: hosts, System: sys{}})
	none := New(Options{Servers: func() []netip.AddrPort { return nil }, Hosts: hosts, System: sys{fails: true}})
	for _, tc := range []struct {
		c          *Client
		name, want string
	}{
		{c, "fixed.test", "none 0s | none 0s | [192.0.2.7 ::7] 1m0s"},
		{c, "asterisk", "none 0s | none 0s | [10.0.0.5 2001:db8::5] 1m0s"},
		{c, "_sip._udp.asterisk", "none 0s | [{0 0 7 a.test}] 1m0s | none 0s"},
		{c, "pbx.voip", "none 0s | none 0s | [10.0.0.5 2001:db8::5] 1m0s"},
		{c, "h.test", "none 0s | none 0s | none 0s"},
		{none, "h.test", "failed | failed | failed"},
		{none, "pbx.voip", "failed | failed | [10.0.0.5 2001:db8::5] 1m0s"},
	} {
		if got := words(within(t), tc.c, tc.name); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestServersOfResolvConf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	text := "search a b\nnameserver 192.0.2.53 # one\nnameserver ::1\nnameserver what\nnameserver\n; nameserver 1.1.1.1\nnameserver 192.0.2.54\nnameserver 192.0.2.55\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(serversIn(file)), "[192.0.2.53:53 [::1]:53 192.0.2.54:53]"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	if got := serversIn(file + "-not"); got != nil {
		t.Fatalf("%v of no file", got)
	}
}

func FuzzRead(f *testing.F) {
	name := dnsmessage.MustNewName("h.test.")
	for _, r := range []dnsmessage.Resource{
		dnstest.Addr(time.Hour, "192.0.2.1"), dnstest.Alias(time.Hour, "h.test"), dnstest.SRV(1, 1, 1, 1, "x.test"), dnstest.NAPTR(1, 1, 1, "SIP+D2U", "x.test"),
	} {
		r.Header.Name = name
		m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Questions: []dnsmessage.Question{{Name: name, Type: r.Header.Type, Class: 1}}, Answers: []dnsmessage.Resource{r}}
		if b, err := m.Pack(); err == nil {
			f.Add(b, uint16(r.Header.Type))
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte, kind uint16) {
		question, err := ask(name, dnsmessage.Type(kind), false)
		if err != nil || len(answer) < 2 {
			return
		}
		answer[0], answer[1] = question[0], question[1]
		r, err := read(question, answer)
		if err != nil {
			return
		}
		if r.size() > MaxRecords || r.missing == (r.size() > 0 || r.alias != "") || r.ttl < 0 {
			t.Fatalf("%+v", r)
		}
		for _, n := range r.naptr {
			if len(n.Replacement) > maxName || strings.ContainsAny(n.Replacement, " \r\n") {
				t.Fatalf("%+v", n)
			}
		}
	})
}
