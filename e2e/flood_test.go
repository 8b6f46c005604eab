package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// What a flood is, and what it may cost.
const (
	floodRate   = 20000                 // messages a second
	floodRSS    = 500 << 20             // bytes of the main process at any time
	floodBeside = 100                   // calls that play meanwhile, in the soak
	floodBrief  = 20 * time.Second      // the others, and the look at memory after them
	floodPause  = 20 * time.Millisecond // of the trusted caller between two calls
)

// floodKinds are what the soak floods with for a minute each, and floodOthers
// what it floods with all together, for less.
var (
	floodKinds  = []string{"INVITE", "REGISTER", "OPTIONS"}
	floodOthers = []string{"SUBSCRIBE", "MESSAGE", "ACK", "BYE", "CANCEL", "response", "garbage"}
)

// floodTime is a time of the soak, which a shorter trial may change.
func floodTime(variable string, otherwise time.Duration) time.Duration {
	d, err := time.ParseDuration(os.Getenv(variable))
	if err != nil {
		return otherwise
	}
	return d
}

// floodResult is one row of docs/RELIABILITY.md.
type floodResult struct {
	sent                int64
	before, most, after int64
	setups              []time.Duration
	lost                string
}

func percentile(of []time.Duration, p float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	of = slices.Sorted(slices.Values(of))
	return of[min(int(p*float64(len(of))), len(of)-1)]
}

// flooded floods a project while calls run and a trusted caller places others.
func flooded(t testing.TB, p *project, kinds []string, sources, beside int, lasts, rest time.Duration) (r floodResult) {
	t.Helper()
	pid, ua := p.cmd.Process.Pid, phone.New(t, "+79000007100", "127.0.0.1")
	ua.Patient = true
	playing := make([]*phone.Call, beside)
	for i := range playing {
		playing[i] = ua.Call(p.uri("plays"), p.sip)
		playing[i].Talk(testLimit)
	}
	f := newFlooder(t, p.sip, kinds, sources)
	r.before = p.memory(pid)
	ctx, cancel := context.WithTimeout(context.Background(), lasts)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { f.run(ctx) })
	wg.Go(func() {
		for every(ctx, 50*time.Millisecond) {
			r.most = max(r.most, p.memory(pid))
		}
	})
	caller := phone.New(t, "+79000007000", "127.0.0.1")
	caller.Patient = true
	for every(ctx, floodPause) {
		began := time.Now()
		c := caller.Call(p.uri("plays"), p.sip)
		c.Talk(testLimit)
		r.setups = append(r.setups, time.Since(began))
		c.Hangup()
		c.Answer(200, "BYE", testLimit)
		c.Media.Close()
	}
	wg.Wait()
	r.sent, r.lost = f.sent.Load(), "not counted"
	if beside == floodBeside {
		r.lost = fmt.Sprintf("%.3f %%", checkLost(t, playing)*100)
	}
	time.Sleep(rest)
	r.after = p.memory(pid)
	for _, c := range playing {
		if c.IsOver() {
			t.Fatalf("%v from %d: a call beside is over", kinds, sources)
		}
		c.Hangup()
		c.Answer(200, "BYE", testLimit)
		c.Media.Close()
	}
	return r
}

// every waits for d, and tells whether ctx still runs.
func every(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// TestFlood: from one source and from many, requests of every kind at 20,000 a
// second; calls that run go on, a trusted caller gets through, and the memory
// has a bound. The soak takes a minute for each kind beside 100 calls, holds the
// audio to what it may lose, and prints the rows of docs/RELIABILITY.md.
func TestFlood(t *testing.T) {
	beside, many, lasts, rest := 5, 400, 1500*time.Millisecond, time.Duration(0)
	groups := [][]string{append(slices.Clone(floodKinds), floodOthers...)}
	if os.Getenv("LOOPSTART_SOAK") != "" {
		beside, many, groups = floodBeside, 5000, [][]string{floodOthers}
		lasts, rest = floodTime("LOOPSTART_FLOOD", time.Minute), floodTime("LOOPSTART_FLOOD_REST", time.Minute)
		for _, kind := range floodKinds {
			groups = append(groups, []string{kind})
		}
		if only := os.Getenv("LOOPSTART_FLOOD_KINDS"); only != "" {
			groups = [][]string{strings.Split(only, ",")}
		}
	}
	p := serve(t, files{"plays.ts": crashScripts["steady.ts"]}, conf{sip: `trust: [127.0.0.1/32], users: {"101": {password: "pass-101"}}`, rest: "limits: {cps: 1000}"})
	t.Logf("| flood | sources | sent/s | frames lost | set-ups | p50 | p99 | memory before | during | after | that is |")
	for _, kinds := range groups {
		for _, sources := range []int{1, many} {
			lasts, rest := lasts, rest
			if len(kinds) > 1 && rest > 0 {
				lasts, rest = min(lasts, floodBrief), min(rest, floodBrief)
			}
			t.Run(fmt.Sprintf("%s from %d", strings.Join(kinds, "+"), sources), func(t *testing.T) {
				r := flooded(t, p, kinds, sources, beside, lasts, rest)
				if r.most > floodRSS {
					t.Errorf("%d MB", r.most>>20)
				}
				if len(r.setups) == 0 || r.sent < 1000 {
					t.Errorf("%d calls were set up beside %d messages", len(r.setups), r.sent)
				}
				t.Logf("| %s | %d | %.0f | %s | %d | %s | %s | %d MB | %d MB | %d MB | %s |", strings.Join(kinds, ", "), sources, float64(r.sent)/lasts.Seconds(), r.lost, len(r.setups),
					percentile(r.setups, 0.5).Round(time.Millisecond), percentile(r.setups, 0.99).Round(time.Millisecond), r.before>>20, r.most>>20, r.after>>20, rest)
			})
		}
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
	before := p.memory(p.cmd.Process.Pid)
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
	var took []time.Duration
	for _, tcp := range []bool{false, true} {
		ua := phone.New(t, "+79000007200", "127.0.0.1")
		ua.TCP = tcp
		began := time.Now()
		c := ua.Call(p.uri("plays"), p.sip)
		c.Talk(testLimit)
		took = append(took, time.Since(began).Round(time.Millisecond))
		c.Hangup()
		c.Answer(200, "BYE", testLimit)
	}
	t.Logf("| silent TCP connections | set-up over UDP | over TCP | memory before | with them |")
	t.Logf("| %d | %s | %s | %d MB | %d MB |", count, took[0], took[1], before>>20, p.memory(p.cmd.Process.Pid)>>20)
}
