package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// Callers at once who are refused.
const refusedAtOnce = 10

// TestRefusals: beyond limits.calls, beyond max_calls of a route, and while the
// program drains, callers are refused at once, and told when to come back where
// another time is the answer. In the soak the times are printed for
// docs/RELIABILITY.md; the bar there is 50 ms.
func TestRefusals(t *testing.T) {
	p := serve(t, files{"steady.ts": crashScripts["steady.ts"], "narrow.ts": crashScripts["steady.ts"]}, conf{
		rest: "limits: {calls: 2, cps: 10000}\nroutes: [{to: narrow, script: narrow, max_calls: 1}, {to: steady, script: steady}]",
	})
	ua := phone.New(t, "+79000008400", "127.0.0.1")
	ua.Call(p.uri("narrow"), p.sip).Talk(testLimit)
	t.Logf("| INVITE beyond | answer | Retry-After | INVITEs | p50 | p99 | slowest |")
	row := func(what, user string, code int, again bool) {
		t.Helper()
		times, after := refusals(t, p, user, code, soak(3, 100))
		if (after != "") != again {
			t.Errorf("%s: Retry-After: %q", what, after)
		}
		t.Logf("| %s | %d | %s | %d | %s | %s | %s |", what, code, after, len(times), percentile(times, 0.5).Round(100*time.Microsecond),
			percentile(times, 0.99).Round(100*time.Microsecond), slices.Max(times).Round(100*time.Microsecond))
	}
	row("`routes[].max_calls`", "narrow", 486, false)
	ua.Call(p.uri("steady"), p.sip).Talk(testLimit)
	row("`limits.calls`", "steady", 503, true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "draining", testLimit, func() bool { return strings.Contains(p.log.String(), "draining") })
	row("SIGTERM", "steady", 503, true)
	if text := p.metrics(t); strings.Contains(text, "loopstart_sip_requests_drained_total 0\n") {
		t.Error("refusals while draining are not counted")
	}
}

// refusals places n calls of each caller, and tells how long their answers took.
func refusals(t *testing.T, p *project, user string, code, n int) (times []time.Duration, retryAfter string) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range refusedAtOnce {
		ua := phone.New(t, fmt.Sprintf("+790000084%02d", 10+i), "127.0.0.1")
		ua.Patient = true
		offer := phone.NewMedia(t, ua.Addr.Addr()).Offer()
		wg.Go(func() {
			for range n {
				began := time.Now()
				m := ua.Dial(p.uri(user), p.sip, offer).Answer(code, "INVITE", testLimit)
				took := time.Since(began)
				mu.Lock()
				times, retryAfter = append(times, took), m.Get("retry-after")
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return times, retryAfter
}
