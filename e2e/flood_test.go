package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// What a flood is, and what it may cost.
const (
	floodRate  = 20000     // messages a second
	floodRSS   = 500 << 20 // bytes of the main process at any time
	floodTick  = 10 * time.Millisecond
	floodAfter = time.Minute // after which the soak looks at the memory again
)

var floodMethods = []string{"INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE"}

// flooder sends well-formed requests from its sockets until ctx ends.
type flooder struct {
	conns []*net.UDPConn
	to    netip.AddrPort
	sent  atomic.Int64
}

// newFlooder opens sockets on that many addresses of 127.0.0.0/8: to the server
// they are so many sources, and none of them reads what it is answered.
func newFlooder(t testing.TB, to netip.AddrPort, sources int) *flooder {
	t.Helper()
	f := &flooder{to: to}
	for i := range sources {
		ip := net.IPv4(127, 3, byte(i>>8), byte(i))
		if sources == 1 {
			ip = net.IPv4(127, 0, 0, 3)
		}
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ip})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadBuffer(4096)
		f.conns = append(f.conns, c)
	}
	return f
}

func (f *flooder) close() {
	for _, c := range f.conns {
		_ = c.Close()
	}
}

// run sends at floodRate, methods in turn, as far as the machine can.
func (f *flooder) run(ctx context.Context, methods []string) {
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	began, n := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := int(time.Since(began).Seconds() * floodRate)
		for ; n < due && ctx.Err() == nil; n++ {
			c := f.conns[n%len(f.conns)]
			if _, err := c.WriteToUDPAddrPort([]byte(f.message(methods[n%len(methods)], c, n)), f.to); err == nil {
				f.sent.Add(1)
			}
		}
	}
}

func (f *flooder) message(method string, c *net.UDPConn, n int) string {
	user := fmt.Sprintf("u%d", n%5000)
	return fmt.Sprintf("%[1]s sip:%[2]s@%[3]s SIP/2.0\r\nVia: SIP/2.0/UDP %[4]s;rport;branch=z9hG4bK%[5]x\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%[2]s@%[3]s>;tag=%[6]x\r\nTo: <sip:%[2]s@%[3]s>\r\nCall-ID: %[5]x@flood\r\nCSeq: 1 %[1]s\r\n"+
		"Contact: <sip:%[2]s@%[4]s>\r\nContent-Length: 0\r\n\r\n", method, user, f.to, c.LocalAddr(), rand.Uint64(), n)
}

// floodResult is one row of docs/RELIABILITY.md.
type floodResult struct {
	sent                int64
	before, most, after int64
	setups              []time.Duration
}

func (r *floodResult) percentile(p float64) time.Duration {
	if len(r.setups) == 0 {
		return 0
	}
	slices.Sort(r.setups)
	return r.setups[min(int(p*float64(len(r.setups))), len(r.setups)-1)]
}

// flooded floods a project while calls run and a trusted caller places others.
func flooded(t testing.TB, p *project, methods []string, sources int, lasts time.Duration) (r floodResult) {
	t.Helper()
	f := newFlooder(t, p.sip, sources)
	defer f.close()
	pid := p.cmd.Process.Pid
	r.before = p.memory(pid)
	ctx, cancel := context.WithTimeout(context.Background(), lasts)
	defer cancel()
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); f.run(ctx, methods) }()
	go func() {
		defer wg.Done()
		for ctx.Err() == nil {
			r.most = max(r.most, p.memory(pid))
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	ua := phone.New(t, "+79000007000", "127.0.0.1")
	for ctx.Err() == nil {
		began := time.Now()
		c := ua.Call(p.uri("plays"), p.sip)
		c.Talk(testLimit)
		r.setups = append(r.setups, time.Since(began))
		c.Hangup()
		c.Answer(200, "BYE", testLimit)
	}
	wg.Wait()
	r.sent, r.after = f.sent.Load(), p.memory(pid)
	return r
}

// TestFlood: from one source and from many, requests of every kind at 20,000 a
// second; calls that run go on, a trusted caller gets through, and the memory
// has a bound. The soak runs each method for a minute beside 100 calls, holds the
// audio to what it may lose, and prints the rows of docs/RELIABILITY.md.
func TestFlood(t *testing.T) {
	soaks := os.Getenv("LOOPSTART_SOAK") != ""
	beside, many, lasts, groups := 5, 400, 1500*time.Millisecond, [][]string{floodMethods}
	if soaks {
		beside, many, lasts, groups = 100, 5000, time.Minute, nil
		for _, m := range floodMethods {
			groups = append(groups, []string{m})
		}
	}
	p := serve(t, files{"plays.ts": crashScripts["steady.ts"]}, conf{sip: `trust: [127.0.0.1/32], users: {"101": {password: "pass-101"}}`, rest: "limits: {cps: 1000}"})
	ua := phone.New(t, "+79000007100", "127.0.0.1")
	playing := make([]*phone.Call, beside)
	for i := range playing {
		playing[i] = ua.Call(p.uri("plays"), p.sip)
		playing[i].Talk(testLimit)
	}
	t.Logf("| flood | sources | sent/s | frames lost | set-up p50 | set-up p99 | RSS before | RSS during | RSS 60 s after |")
	for _, methods := range groups {
		for _, sources := range []int{1, many} {
			r := flooded(t, p, methods, sources, lasts)
			if r.most > floodRSS {
				t.Errorf("%v from %d: %d MB", methods, sources, r.most>>20)
			}
			if len(r.setups) == 0 || r.sent < 1000 {
				t.Errorf("%v from %d: %d calls were set up beside %d messages", methods, sources, len(r.setups), r.sent)
			}
			for _, c := range playing {
				if c.IsOver() {
					t.Fatalf("%v from %d: a call beside is over", methods, sources)
				}
			}
			lost := "not counted"
			if soaks {
				lost = fmt.Sprintf("%.3f %%", checkLost(t, playing)*100)
				time.Sleep(floodAfter)
				r.after = p.memory(p.cmd.Process.Pid)
			}
			t.Logf("| %s | %d | %.0f | %s | %s | %s | %d MB | %d MB | %d MB |", strings.Join(methods, "+"), sources, float64(r.sent)/lasts.Seconds(), lost,
				r.percentile(0.5).Round(time.Millisecond), r.percentile(0.99).Round(time.Millisecond), r.before>>20, r.most>>20, r.after>>20)
		}
	}
	for _, c := range playing {
		c.Hangup()
	}
	if text := p.metrics(t); !strings.Contains(text, "loopstart_sip_messages_limited_total") || strings.Contains(text, "loopstart_sip_messages_limited_total 0\n") {
		t.Error("no message was dropped")
	}
}

// metrics is the text of GET /metrics.
func (p *project) metrics(t testing.TB) string {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+p.http.String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestIdleConnections holds many silent TCP connections open: UDP does not notice,
// and others still get in by TCP. 5,000 in the soak.
func TestIdleConnections(t *testing.T) {
	count := 300
	if os.Getenv("LOOPSTART_SOAK") != "" {
		count = 5000
	}
	p := serve(t, files{"plays.ts": crashScripts["steady.ts"]}, conf{sip: `trust: [127.0.0.1/32]`})
	for i := range count {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 4, byte(i/50>>8), byte(i/50))}, Timeout: testLimit}
		c, err := d.Dial("tcp", p.sip.String())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		if i%2 == 1 {
			_, _ = c.Write([]byte("INVITE sip:half@a.message SIP/2.0\r\nVia: "))
		}
	}
	for _, tcp := range []bool{false, true} {
		ua := phone.New(t, "+79000007200", "127.0.0.1")
		ua.TCP = tcp
		c := ua.Call(p.uri("plays"), p.sip)
		c.Talk(testLimit)
		c.Hangup()
		c.Answer(200, "BYE", testLimit)
	}
}
