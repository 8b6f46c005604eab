package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// soaking skips a test that is for make soak only.
func soaking(t *testing.T) {
	t.Helper()
	if os.Getenv("LOOPSTART_SOAK") == "" {
		t.Skip("for make soak")
	}
}

// standing is what a process holds.
type standing struct{ goroutines, files, bytes int64 }

func (p *project) standing(t testing.TB) (s standing) {
	t.Helper()
	for line := range strings.Lines(p.metrics(t)) {
		if v, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			s.goroutines, _ = strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		}
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	s.files, s.bytes = int64(len(list)), p.memory(p.cmd.Process.Pid)
	return s
}

func (s standing) String() string {
	return fmt.Sprintf("%d goroutines | %d descriptors | %d MB", s.goroutines, s.files, s.bytes>>20)
}

// What 50,000 calls may leave behind.
const (
	manyCalls  = 50000
	atOnce     = 60
	manyPart   = 2500 // of them, by phones that are new
	warmUp     = 5000
	moreThings = 40       // goroutines, and descriptors
	moreMemory = 1.1      // times what the first calls left
	slack      = 64 << 20 // and this: what the store gathers before it writes
)

// TestManyCalls places 50,000 calls one after another, 60 at a time, and finds
// goroutines, descriptors and memory where the first 5,000 left them. Fewer, when
// LOOPSTART_SOAK_CALLS or the time of LOOPSTART_SOAK_FOR says so.
func TestManyCalls(t *testing.T) {
	soaking(t)
	n := manyCalls
	if given, err := strconv.Atoi(os.Getenv("LOOPSTART_SOAK_CALLS")); err == nil {
		n = given
	}
	p := serve(t, files{"short.ts": `export default async (call) => { await call.answer(); await call.play("tone:500/100ms"); }`}, conf{rest: "limits: {cps: 5000}"})
	until := time.Now().Add(floodTime("LOOPSTART_SOAK_FOR", time.Hour))
	calls := func(n int) (placed int) { // a subtest for each part, so that its phones are forgotten
		for ; placed < n && time.Now().Before(until) && !t.Failed(); placed += manyPart {
			t.Run(fmt.Sprint("from ", placed), func(t *testing.T) { placeCalls(t, p, "short", manyPart) })
		}
		return placed
	}
	calls(min(n, warmUp))
	time.Sleep(time.Minute) // transactions last 32 s
	before := p.standing(t)
	began := time.Now()
	n = calls(n)
	took := time.Since(began)
	during := p.standing(t)
	var after standing
	eventually(t, "what calls took to come back", 3*time.Minute, func() bool {
		time.Sleep(10 * time.Second) // a look is work itself, and the program gives memory back when it has none
		after = p.standing(t)
		return after.goroutines <= before.goroutines+moreThings && after.files <= before.files+moreThings &&
			float64(after.bytes) <= float64(before.bytes)*moreMemory+slack
	})
	p.empty(t)
	t.Logf("| calls | calls/s | before | at the end | after |")
	t.Logf("| %d | %.0f | %s | %s | %s |", n, float64(n)/took.Seconds(), before, during, after)
}

// outsideAddress is an address of this machine that is not loopback.
func outsideAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

// TestSIPVicious lets the well-known scanner look for users and passwords: it
// finds no user, and its address is banned.
func TestSIPVicious(t *testing.T) {
	soaking(t)
	svwar, svcrack := need(t, "svwar"), need(t, "svcrack")
	ip := outsideAddress(t)
	p := serve(t, files{"steady.ts": crashScripts["steady.ts"]}, conf{ip: ip, sip: `trust: [127.0.0.1/32], users: {"101": {password: "Zq7-pass-101"}, "104": {password: "x9-pass"}}`})
	port := strconv.Itoa(int(p.sip.Port()))
	for _, method := range []string{"REGISTER", "INVITE", "OPTIONS"} {
		out, _ := exec.Command("timeout", "60", svwar, "-p", port, "-e", "90-120", "-m", method, "-D", ip).CombinedOutput()
		text := string(out)
		if strings.Contains(text, "| 101") != strings.Contains(text, "| 102") {
			t.Errorf("svwar -m %s tells 101 from 102:\n%s", method, text)
		}
	}
	out, _ := exec.Command("timeout", "60", svcrack, "-p", port, "-u", "101", "-r", "1000-1200", ip).CombinedOutput()
	if strings.Contains(string(out), "Zq7") {
		t.Errorf("svcrack:\n%s", out)
	}
	var got struct {
		Bans []struct{ Source, Reason string }
	}
	if code := p.api("GET", "/v1/bans", nil, &got); code != 200 || len(got.Bans) == 0 || got.Bans[0].Source != ip {
		t.Errorf("%d %+v", code, got)
	}
}
