package dns

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/loopstart/loopstart/sip/dns/dnstest"
)

// TestServersLimit: a server beyond MaxServers is not asked, even when those
// before it refuse.
func TestServersLimit(t *testing.T) {
	refusing, good := newServer(t), newServer(t)
	refusing.Answer(func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
		right.RCode = dnsmessage.RCodeRefused
		return []*dnsmessage.Message{right}
	})
	good.Set("h.test", dnstest.SRV(time.Minute, 1, 1, 1, "x.test"))
	for before, found := range map[int]bool{MaxServers - 1: true, MaxServers: false} {
		list := append(slices.Repeat([]netip.AddrPort{refusing.Addr}, before), good.Addr)
		c := New(Options{Servers: func() []netip.AddrPort { return list }, Hosts: "/dev/null"})
		if _, _, err := c.SRV(within(t), "h.test"); (err == nil) != found {
			t.Errorf("behind %d others: %v", before, err)
		}
	}
}

// TestAnswerLimit: what a stream announces is not believed beyond MaxAnswer.
func TestAnswerLimit(t *testing.T) {
	for size, taken := range map[int]bool{MaxAnswer: true, MaxAnswer + 1: false} {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Write([]byte{byte(size >> 8), byte(size)})
			_, _ = theirs.Write(make([]byte, size))
			_ = theirs.Close()
		}()
		b, err := frame(ours)
		if _ = ours.Close(); (err == nil && len(b) == size) != taken {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestAliasesLimit: a chain of aliases is followed so far, whether one answer
// holds all of it or each link takes a question.
func TestAliasesLimit(t *testing.T) {
	for _, inOne := range []bool{true, false} {
		for hops, found := range map[int]bool{MaxAliases - 1: true, MaxAliases + 1: false} {
			s := newServer(t)
			var chain []dnsmessage.Resource
			for i := range hops {
				alias := dnstest.Alias(time.Minute, fmt.Sprintf("h%d.test", i+1))
				s.Set(fmt.Sprintf("h%d.test", i), alias)
				alias.Header.Name = dnsmessage.MustNewName(fmt.Sprintf("h%d.test.", i))
				chain = append(chain, alias)
			}
			end := dnstest.SRV(time.Minute, 1, 1, 1, "x.test")
			s.Set(fmt.Sprintf("h%d.test", hops), end)
			if end.Header.Name = dnsmessage.MustNewName(fmt.Sprintf("h%d.test.", hops)); inOne {
				s.Answer(func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
					right.Answers = append(slices.Clone(chain), end)
					return []*dnsmessage.Message{right}
				})
			}
			if _, _, err := New(Options{Servers: s.Servers, Hosts: "/dev/null"}).SRV(within(t), "h0.test"); (err == nil) != found {
				t.Errorf("%d aliases, in one answer %t: %v", hops, inOne, err)
			}
		}
	}
}

// TestNameLimit: RFC 1035 §2.3.4.
func TestNameLimit(t *testing.T) {
	label := append([]byte{63}, bytes.Repeat([]byte{'a'}, 63)...)
	for last, ok := range map[int]bool{maxName - 3*64: true, maxName - 3*64 + 1: false} {
		b := slices.Concat(label, label, label, []byte{byte(last)}, bytes.Repeat([]byte{'b'}, last), []byte{0})
		if name, got := readName(b); got != ok {
			t.Errorf("%d characters: %t", len(name), got)
		}
	}
}

// TestFileLimit: of a file of the system so much is read.
func TestFileLimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	const line = "nameserver 192.0.2.1"
	for pad, want := range map[int]int{maxFile - len(line): 1, maxFile - len(line) + 1: 0} {
		padding := strings.Repeat("# comment\n", pad/10) + strings.Repeat("\n", pad%10)
		if err := os.WriteFile(file, []byte(padding+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := serversIn(file); len(got) != want {
			t.Errorf("behind %d bytes: %v", pad, got)
		}
	}
}
