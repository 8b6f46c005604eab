package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/dns"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

type bench struct {
	*Resolver
	dns   *nameServer
	clock *clock.Virtual
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dns: newDNS(t), clock: clock.NewVirtual(start)}
	b.Resolver = New(Options{Lookup: b.dns.client(), Clock: b.clock, Roll: func(int) int { return 0 }})
	t.Cleanup(b.Close)
	return b
}

func (b *bench) hops(t *testing.T, target string) string {
	t.Helper()
	tg, ok := ParseTarget(target)
	if !ok {
		t.Fatalf("target %q", target)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	hops, err := b.Resolve(ctx, tg)
	if err != nil {
		return string(fault.CodeOf(err))
	}
	return text(hops)
}

func text(hops []Hop) string {
	var out []string
	for _, h := range hops {
		out = append(out, h.String())
	}
	return strings.Join(out, " ")
}

func TestParseTarget(t *testing.T) {
	for _, tc := range []struct {
		in, want string // want: host port transport
	}{
		{"sip.example.ru", "sip.example.ru 0 "},
		{" sip.example.ru:5080;transport=TCP;x ", "sip.example.ru 5080 tcp"},
		{"192.0.2.1", "192.0.2.1 0 "},
		{"192.0.2.1:5070;transport=udp", "192.0.2.1 5070 udp"},
		{"[2001:db8::1]", "2001:db8::1 0 "},
		{"[2001:db8::1]:5070", "2001:db8::1 5070 "},
		{"2001:db8::1", "2001:db8::1 0 "},
		{"host_1.local", "host_1.local 0 "},
		{"", "bad"},
		{":5060", "bad"},
		{"host:0", "bad"},
		{"host:70000", "bad"},
		{"host:sip", "bad"},
		{"ho st", "bad"},
		{"user@host", "bad"},
		{"[::1", "bad"},
		{strings.Repeat("a", 254), "bad"},
		{"h;transport=ws;path=/" + strings.Repeat("a", MaxPath-1), "h 0 ws"},
		{"h;transport=ws;path=/" + strings.Repeat("a", MaxPath), "bad"},
	} {
		got := "bad"
		if tg, ok := ParseTarget(tc.in); ok {
			got = fmt.Sprintf("%s %d %s", tg.Host, tg.Port, tg.Transport)
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestResolve(t *testing.T) {
	b := newBench(t)
	d := b.dns
	d.service("_sip._udp.trunk.test.", srv(20, 0, 5060, "backup.test."), srv(10, 0, 5070, "main.test."))
	d.service("_sip._tcp.trunk.test.", srv(10, 0, 5080, "main.test."))
	d.service("_sip._tcp.tcponly.test.", srv(1, 1, 5061, "main.test."))
	d.service("_sip._udp.none.test.", srv(0, 0, 0, ""))
	d.service("_sip._udp.dangling.test.", srv(1, 1, 5060, "nowhere.test."))
	d.service("_sip._udp.half.test.", srv(1, 1, 5060, "nowhere.test."), srv(2, 1, 5060, "main.test."))
	d.host("main.test.", "2001:db8::7", "192.0.2.7")
	d.host("backup.test.", "192.0.2.8")
	d.host("plain.test.", "192.0.2.9")
	for _, tc := range []struct{ target, want string }{
		{"192.0.2.1", "udp://192.0.2.1:5060"},
		{"192.0.2.1:5070;transport=tcp", "tcp://192.0.2.1:5070"},
		{"[2001:db8::1]", "udp://[2001:db8::1]:5060"},
		{"plain.test", "udp://192.0.2.9:5060"},
		{"plain.test:5099;transport=tcp", "tcp://192.0.2.9:5099"},
		{"main.test", "udp://192.0.2.7:5060 udp://[2001:db8::7]:5060"},
		{"trunk.test", "udp://192.0.2.7:5070 udp://[2001:db8::7]:5070 udp://192.0.2.8:5060 tcp://192.0.2.7:5080 tcp://[2001:db8::7]:5080"},
		{"trunk.test;transport=tcp", "tcp://192.0.2.7:5080 tcp://[2001:db8::7]:5080"},
		{"tcponly.test", "tcp://192.0.2.7:5061 tcp://[2001:db8::7]:5061"},
		{"half.test", "udp://192.0.2.7:5060 udp://[2001:db8::7]:5060"},
		{"none.test", "NETWORK"},
		{"dangling.test", "NETWORK"},
		{"unknown.test", "NETWORK"},
	} {
		if got := b.hops(t, tc.target); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.target, got, tc.want)
		}
	}
	if _, err := b.Resolve(context.Background(), Target{Host: "a b"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

// Over many draws each record of one priority comes first as often as its
// weight says, and the order is drawn anew from the cache.
func TestWeights(t *testing.T) {
	records := []record{
		{transport: "udp", weight: 10, port: 1, addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
		{transport: "udp", weight: 30, port: 2, addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2")}},
		{transport: "udp", weight: 0, port: 3, addrs: []netip.Addr{netip.MustParseAddr("192.0.2.3")}},
		{transport: "udp", priority: 1, weight: 99, port: 4, addrs: []netip.Addr{netip.MustParseAddr("192.0.2.4")}},
	}
	first := map[uint16]int{}
	for at := range 41 {
		rolls := 0
		hops := arrange(records, func(n int) int {
			rolls++
			if rolls == 1 && n != 41 {
				t.Fatalf("a draw among %d", n)
			}
			return min(at, n-1)
		}, func(Hop) bool { return false })
		if len(hops) != 4 || hops[3].Addr.Port() != 4 {
			t.Fatalf("%s", text(hops))
		}
		first[hops[0].Addr.Port()]++
	}
	if first[1] != 11 || first[2] != 30 { // RFC 2782: a roll of 0 goes to the first
		t.Fatalf("%v", first)
	}
}

func TestCacheAndStale(t *testing.T) {
	b := newBench(t)
	b.dns.host("h.test.", "192.0.2.1")
	target := Target{Host: "h.test", Port: 5060}
	if got := b.Cached(target); got != nil {
		t.Fatalf("known before it was asked: %v", got)
	}
	b.hops(t, "h.test:5060")
	asked := b.dns.Asked("h.test.")
	b.clock.Advance(Fresh - time.Second)
	b.hops(t, "h.test:5060")
	if got := b.dns.Asked("h.test."); got != asked {
		t.Fatalf("%d questions within %s", got, Fresh)
	}
	b.dns.host("h.test.", "192.0.2.2")
	b.clock.Advance(time.Second)
	if got := b.hops(t, "h.test:5060"); got != "udp://192.0.2.2:5060" {
		t.Fatalf("after its time: %s", got)
	}
	b.dns.fail(true)
	b.clock.Advance(Fresh)
	if got := b.hops(t, "h.test:5060"); got != "udp://192.0.2.2:5060" {
		t.Fatalf("DNS fails: %s, want the old answer", got)
	}
	failures := b.Stats().Failures
	b.hops(t, "h.test:5060")
	if got := b.Stats(); got.Failures != failures || got.StaleServed != 2 {
		t.Fatalf("a failure is asked again at once: %+v", got)
	}
	if got := text(b.Cached(target)); got != "udp://192.0.2.2:5060" {
		t.Fatalf("cached: %s", got)
	}
	b.clock.Advance(Stale)
	if got := b.hops(t, "h.test:5060"); got != "NETWORK" {
		t.Fatalf("after an hour of failures: %s", got)
	}
	b.dns.fail(false)
	b.clock.Advance(FreshFailure)
	if got := b.hops(t, "h.test:5060"); got != "udp://192.0.2.2:5060" {
		t.Fatalf("DNS is back: %s", got)
	}
}

func TestDeadHopsComeLast(t *testing.T) {
	b := newBench(t)
	b.dns.host("h.test.", "192.0.2.1", "192.0.2.2")
	if got, want := b.hops(t, "h.test"), "udp://192.0.2.1:5060 udp://192.0.2.2:5060"; got != want {
		t.Fatalf("%s", got)
	}
	first := Hop{netip.MustParseAddrPort("192.0.2.1:5060"), "udp"}
	b.MarkDead(first, time.Minute)
	if got, want := b.hops(t, "h.test"), "udp://192.0.2.2:5060 udp://192.0.2.1:5060"; got != want {
		t.Fatalf("%s", got)
	}
	b.clock.Advance(time.Minute)
	if got, want := b.hops(t, "h.test"), "udp://192.0.2.1:5060 udp://192.0.2.2:5060"; got != want {
		t.Fatalf("after its time: %s", got)
	}
	b.MarkDead(first, time.Minute)
	b.MarkAlive(first)
	if got, want := b.hops(t, "h.test"), "udp://192.0.2.1:5060 udp://192.0.2.2:5060"; got != want {
		t.Fatalf("it answered again: %s", got)
	}
}

func TestOneQuestionForManyCallersAndOneMayGiveUp(t *testing.T) {
	b := newBench(t)
	b.dns.host("h.test.", "192.0.2.1")
	hold := make(chan struct{})
	b.dns.Answer(func(_, right *dnsmessage.Message, _ bool) []*dnsmessage.Message {
		<-hold
		return []*dnsmessage.Message{right}
	})
	target := Target{Host: "h.test", Port: 5060}
	gone, leave := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	results := make(chan string, 8)
	for range 8 {
		wg.Go(func() { results <- b.hops(t, "h.test:5060") })
	}
	left := make(chan error, 1)
	go func() { _, err := b.Resolve(gone, target); left <- err }()
	leave()
	if err := <-left; fault.CodeOf(err) != fault.Network {
		t.Fatalf("%v", err)
	}
	close(hold)
	wg.Wait()
	close(results)
	for got := range results {
		if got != "udp://192.0.2.1:5060" {
			t.Errorf("%s", got)
		}
	}
	if st := b.Stats(); st.Questions != 1 || st.Pending != 0 {
		t.Fatalf("%+v", st)
	}
}

// slow never answers by itself.
type slow struct{}

func (slow) NAPTR(ctx context.Context, _ string) ([]dns.NAPTR, time.Duration, error) {
	<-ctx.Done()
	return nil, 0, ctx.Err()
}

func (slow) SRV(ctx context.Context, _ string) ([]dns.SRV, time.Duration, error) {
	<-ctx.Done()
	return nil, 0, ctx.Err()
}

func (slow) Addrs(ctx context.Context, _ string) ([]netip.Addr, time.Duration, error) {
	<-ctx.Done()
	return nil, 0, ctx.Err()
}

func TestQuestionsAreBoundedAndEndWithClose(t *testing.T) {
	r := New(Options{Lookup: slow{}, Clock: clock.System(), Roll: func(int) int { return 0 }})
	gone, leave := context.WithCancel(context.Background())
	leave()
	for i := range MaxQuestions {
		if _, err := r.Resolve(gone, Target{Host: fmt.Sprintf("h%d", i)}); fault.CodeOf(err) != fault.Network {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if _, err := r.Resolve(gone, Target{Host: "more"}); fault.CodeOf(err) != fault.Limit {
		t.Fatalf("%v", err)
	}
	if st := r.Stats(); st.Pending != MaxQuestions || st.Refused != 1 {
		t.Fatalf("%+v", st)
	}
	r.Close()
	if st := r.Stats(); st.Pending != 0 || st.Failures != MaxQuestions {
		t.Fatalf("questions outlive Close: %+v", st)
	}
}

// one answers every name.
type one struct{ slow }

func (one) Addrs(context.Context, string) ([]netip.Addr, time.Duration, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, time.Hour, nil
}

func TestNamesAndDeadAreBounded(t *testing.T) {
	v := clock.NewVirtual(start)
	r := New(Options{Lookup: one{}, Clock: v, Roll: func(int) int { return 0 }})
	defer r.Close()
	for i := range MaxNames + 5 {
		if _, err := r.Resolve(context.Background(), Target{Host: fmt.Sprintf("h%d", i), Port: 1}); err != nil {
			t.Fatal(err)
		}
		v.Advance(time.Millisecond)
	}
	if st := r.Stats(); st.Names != MaxNames {
		t.Fatalf("%d names", st.Names)
	}
	if r.Cached(Target{Host: "h4", Port: 1}) != nil || r.Cached(Target{Host: "h5", Port: 1}) == nil {
		t.Fatal("not the oldest was forgotten")
	}
	for i := range MaxDead + 5 {
		r.MarkDead(Hop{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060), "udp"}, time.Minute)
	}
	if st := r.Stats(); st.Dead != MaxDead {
		t.Fatalf("%d dead", st.Dead)
	}
	v.Advance(time.Hour)
	r.MarkDead(Hop{netip.MustParseAddrPort("192.0.2.1:5060"), "udp"}, time.Minute)
	if st := r.Stats(); st.Dead != 1 {
		t.Fatalf("%d dead after an hour", st.Dead)
	}
}

func TestHopsAreBounded(t *testing.T) {
	var records []record
	for i := range 5 {
		var addrs []netip.Addr
		for n := range 7 {
			addrs = append(addrs, netip.AddrFrom4([4]byte{10, 0, byte(i), byte(n)}))
		}
		records = append(records, record{transport: "udp", port: 5060, addrs: addrs})
	}
	if got := len(arrange(records, func(int) int { return 0 }, func(Hop) bool { return false })); got != MaxHops {
		t.Fatalf("%d hops", got)
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("sip.example.ru:5080;transport=tcp")
	f.Add("[2001:db8::1]:5060")
	f.Fuzz(func(t *testing.T, s string) {
		tg, ok := ParseTarget(s)
		if !ok {
			return
		}
		if strings.ContainsAny(tg.Host, " \r\n@;/<>") || tg.Port < 0 || tg.Port > 65535 {
			t.Fatalf("%+v", tg)
		}
		if hops, ok := numeric(tg); ok && !hops[0].Addr.IsValid() {
			t.Fatalf("%+v", tg)
		}
	})
}
