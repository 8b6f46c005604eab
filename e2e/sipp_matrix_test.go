package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// way is how a scenario's messages travel.
type way string

const (
	overUDP  way = "udp"
	overTCP  way = "tcp"
	overTLS  way = "tls"
	overUDP6 way = "udp6"
	overTCP6 way = "tcp6"
	pieces   way = "pieces" // TCP, a few bytes at a time
)

// ways are the columns of the matrix. Every scenario goes over all of them
// with LOOPSTART_SOAK=1, and over two of them, in turn, otherwise.
var ways = []way{overUDP, overTLS, overTCP6, overTCP, overUDP6, pieces}

const (
	// matrixAtOnce is how many SIPps run at one time.
	matrixAtOnce = 10
	// matrixWays is how many ways a scenario goes in a short run.
	matrixWays = 2
)

// matrix is one engine with a listener per way, and the scenarios it meets.
type matrix struct {
	t     testing.TB
	p     *project
	v6    netip.AddrPort
	tls   netip.AddrPort
	certs *tls.Config
}

// matrixCase is one scenario of sipp/.
type matrixCase struct {
	name  string
	to    string // the user part that is called, or the trunk's name
	only  []way  // nil: all
	slow  bool   // only with LOOPSTART_SOAK=1
	args  []string
	order map[string]any // more of what is ordered, of a scenario that we call
	// What the record of the call says: code, outcome and who ended it; "" is
	// a scenario without a call, "-" any record. result is a regular expression.
	record, result string
	// What was on the wire: a number, and an expression that at least so many
	// messages of the call match.
	wire []string
}

// newMatrix makes the project; start serves it.
func newMatrix(t testing.TB, scripts files, c conf) *matrix {
	t.Helper()
	m := &matrix{t: t, p: setup(t, scripts, c)}
	m.tls = m.p.withTLS("sip.pem")
	pair, err := tls.LoadX509KeyPair(filepath.Join(m.p.dir, "sip.pem"), filepath.Join(m.p.dir, "sip.key"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	m.certs = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: x509.NewCertPool()}
	m.certs.RootCAs.AddCert(root)
	if hasIPv6() {
		m.v6 = freePort(t, "::1")
		m.listen(fmt.Sprintf("\"udp://%[1]s\", \"tcp://%[1]s\", ", m.v6))
	}
	return m
}

// listen adds listeners.
func (m *matrix) listen(more string) { m.edit("listen: [", "listen: ["+more) }

func (m *matrix) edit(from, to string) {
	m.t.Helper()
	path := filepath.Join(m.p.dir, "loopstart.yaml")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), from) {
		m.t.Fatalf("%v: no %q in\n%s", err, from, text)
	}
	m.p.write("loopstart.yaml", strings.Replace(string(text), from, to, 1))
}

// cell is a scenario on one way.
type cell struct {
	matrixCase
	way  way
	from string // the caller's number
}

// cells are the runs of a table: the n-th scenario begins with the n-th way.
func (m *matrix) cells(table []matrixCase, numbers string) (out []cell) {
	soak := os.Getenv("LOOPSTART_SOAK") == "1"
	for i, one := range table {
		if one.slow && !soak {
			continue
		}
		on := slices.DeleteFunc(slices.Clone(ways), func(w way) bool {
			return one.only != nil && !slices.Contains(one.only, w) || !m.v6.IsValid() && (w == overUDP6 || w == overTCP6)
		})
		for j, w := range on {
			if soak || (j+len(on)-i%len(on))%len(on) < matrixWays {
				out = append(out, cell{one, w, fmt.Sprintf("%s%03d", numbers, len(out))})
			}
		}
	}
	return out
}

// address is where SIPp sends to, its own address and its -t.
func (m *matrix) address(t testing.TB, w way) (to, ip, transport string) {
	switch w {
	case overTCP:
		return m.p.sip.String(), "127.0.0.1", "t1"
	case overTLS:
		return toTLS(t, m.certs, m.tls.String()).Addr().String(), "127.0.0.1", "t1"
	case overUDP6:
		return m.v6.String(), "::1", "u1"
	case overTCP6:
		return m.v6.String(), "::1", "t1"
	case pieces:
		return inPieces(t, m.p.sip.String()).Addr().String(), "127.0.0.1", "t1"
	}
	return m.p.sip.String(), "127.0.0.1", "u1"
}

// via is the transport that the messages name.
func (w way) via() string {
	return strings.ToUpper(strings.TrimSuffix(strings.Replace(string(w), "pieces", "tcp", 1), "6"))
}

// each runs the cells, some at one time, and then reports each as a subtest.
func (m *matrix) each(t *testing.T, cells []cell, run func(t testing.TB, c cell)) {
	slots, outcomes := make(chan struct{}, matrixAtOnce), make([]*quiet, len(cells))
	var wg sync.WaitGroup
	for i, c := range cells {
		slots <- struct{}{}
		q := &quiet{TB: t}
		outcomes[i] = q
		wg.Go(func() {
			defer func() { <-slots }()
			began := time.Now()
			q.run(func() { run(q, c) })
			q.took = time.Since(began)
		})
	}
	wg.Wait()
	for i, c := range cells {
		t.Run(c.name+" over "+string(c.way), func(t *testing.T) {
			t.Logf("%s", outcomes[i].took.Round(time.Millisecond))
			if q := outcomes[i]; q.failed {
				t.Error(strings.Join(q.said, "\n"))
			}
		})
	}
}

// calls runs one scenario that calls us, and looks at the record.
func (m *matrix) calls(t testing.TB, c cell) { m.callsWith(t, c, scene{}) }

// callsWith does so with the numbers that the scenario needs.
func (m *matrix) callsWith(t testing.TB, c cell, s scene) {
	to, ip, transport := m.address(t, c.way)
	s.Caller, s.Via = c.from, c.way.via()
	s.At = "[local_ip]:[local_port];transport=[transport]"
	if c.way == overTLS {
		s.At = "[local_ip]:[local_port];transport=tls"
	}
	text := s.scenario(t, c.name)
	keepScenario(t, c, text)
	args := append([]string{to, "-s", c.to, "-m", "1", "-t", transport}, c.args...)
	sipp(t, ip, text, args...).passes(t)
	if c.record != "" {
		m.recorded(t, c, m.p.in(t).ended(c.from))
	}
}

func (m *matrix) recorded(t testing.TB, c cell, r record) {
	t.Helper()
	if got := fmt.Sprintf("%d %s %s", r.Code, r.Outcome, r.EndedBy); c.record != "-" && got != c.record {
		t.Errorf("the record says %q, want %q", got, c.record)
	}
	if ok, err := regexp.MatchString(c.result, string(r.Result)); err != nil || !ok {
		t.Errorf("result %s, want %s", r.Result, c.result)
	}
	if len(c.wire) > 0 {
		m.seen(t, r.ID, c.wire)
	}
}

// seen looks at the call's messages, as the console and "calls show --sip" do.
func (m *matrix) seen(t testing.TB, id string, wire []string) {
	t.Helper()
	var ladder struct {
		Messages []struct{ Text, Direction string }
	}
	if code := m.p.in(t).api("GET", "/v1/calls/"+id+"/sip", nil, &ladder); code != 200 {
		t.Fatalf("GET sip: %d", code)
	}
	for _, w := range wire {
		var least int
		times, pattern, _ := strings.Cut(w, " ")
		if _, err := fmt.Sscan(times, &least); err != nil {
			t.Fatal(err)
		}
		re, n, lines := regexp.MustCompile("(?s)"+pattern), 0, ""
		for _, one := range ladder.Messages {
			first, _, _ := strings.Cut(one.Text, "\r\n")
			lines += one.Direction + " " + first + "\n"
			if re.MatchString(one.Text) {
				n++
			}
		}
		if n < least {
			t.Errorf("%d messages match %s, want %d:\n%s", n, pattern, least, lines)
		}
	}
}

func keepScenario(t testing.TB, c cell, text string) {
	dir := os.Getenv("LOOPSTART_SIPP_OUT")
	if dir == "" {
		return
	}
	text = `<?xml version="1.0" encoding="UTF-8" ?>` + "\n<scenario name=\"" + c.name + "\">\n" + text + "</scenario>\n"
	if err := os.WriteFile(filepath.Join(dir, c.name+"."+string(c.way)+".xml"), []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

// quiet is a test that is reported later.
type quiet struct {
	testing.TB
	mu     sync.Mutex
	said   []string
	failed bool
	over   []func()
	dirs   string
	took   time.Duration
}

type fatal struct{}

func (q *quiet) run(f func()) {
	defer func() {
		for _, c := range slices.Backward(q.over) {
			c()
		}
		if r := recover(); r != nil && r != (fatal{}) {
			panic(r)
		}
	}()
	f()
}

func (q *quiet) Helper() {}
func (q *quiet) note(text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.said, q.failed = append(q.said, text), true
}
func (q *quiet) Error(args ...any)            { q.note(fmt.Sprint(args...)) }
func (q *quiet) Errorf(f string, args ...any) { q.note(fmt.Sprintf(f, args...)) }
func (q *quiet) Fatal(args ...any)            { q.note(fmt.Sprint(args...)); panic(fatal{}) }
func (q *quiet) Fatalf(f string, args ...any) { q.note(fmt.Sprintf(f, args...)); panic(fatal{}) }
func (q *quiet) Cleanup(f func())             { q.over = append(q.over, f) }
