package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// exchange is the provider of a campaign: it answers INVITEs by rule and keeps
// its own log of them, which is the truth.
type exchange struct {
	conn net.PacketConn
	mu   sync.Mutex
	log  map[string][]dialled // by number
	seen map[string]bool      // Call-IDs
}

// dialled is one INVITE that came in.
type dialled struct {
	callID   string
	answered bool
}

var (
	sipNumber = regexp.MustCompile(`^INVITE sip:(\+?\d+)@`)
	sipHeader = func(name string) *regexp.Regexp { return regexp.MustCompile(`(?mi)^` + name + `:\s*(.*?)\r?$`) }
	viaLine   = sipHeader("Via")
	callID    = sipHeader("Call-ID")
	cseqLine  = sipHeader("CSeq")
	fromLine  = sipHeader("From")
	toLine    = sipHeader("To")
)

// newExchange listens. Numbers whose last digit is 0 to 3 answer, 4 to 6 are
// busy at first, 7 to 9 always.
func newExchange(t testing.TB, ip string) *exchange {
	conn, err := net.ListenPacket("udp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{conn: conn, log: map[string][]dialled{}, seen: map[string]bool{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.serve()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return x
}

func (x *exchange) serve() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := x.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		x.take(string(buf[:n]), from)
	}
}

func (x *exchange) take(m string, from net.Addr) {
	switch {
	case strings.HasPrefix(m, "INVITE "):
		number := sipNumber.FindStringSubmatch(m)
		if number == nil {
			return
		}
		if x.invited(number[1], callID.FindStringSubmatch(m)[1]) {
			x.reply(m, from, "200 OK", fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n", hostOf(x.conn.LocalAddr())))
		} else {
			x.reply(m, from, "486 Busy Here", "")
		}
	case strings.HasPrefix(m, "BYE "), strings.HasPrefix(m, "CANCEL "), strings.HasPrefix(m, "OPTIONS "):
		x.reply(m, from, "200 OK", "")
	}
}

func hostOf(a net.Addr) string {
	host, _, _ := net.SplitHostPort(a.String())
	return host
}

// invited logs an INVITE, once however often it is sent, and decides.
func (x *exchange) invited(number, id string) (answered bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.seen[id] {
		for _, d := range x.log[number] {
			if d.callID == id {
				return d.answered
			}
		}
	}
	last := number[len(number)-1]
	answered = last <= '3' || last <= '6' && len(x.log[number]) > 0
	x.seen[id] = true
	x.log[number] = append(x.log[number], dialled{id, answered})
	return answered
}

func (x *exchange) reply(m string, to net.Addr, status, body string) {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	for _, via := range viaLine.FindAllStringSubmatch(m, -1) {
		fmt.Fprintf(&b, "Via: %s\r\n", via[1])
	}
	target := toLine.FindStringSubmatch(m)[1]
	if !strings.Contains(target, "tag=") {
		target += ";tag=x"
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:x@%s>\r\n", fromLine.FindStringSubmatch(m)[1], target,
		callID.FindStringSubmatch(m)[1], cseqLine.FindStringSubmatch(m)[1], x.conn.LocalAddr())
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	_, _ = x.conn.WriteTo([]byte(b.String()), to)
}

// count is how many calls have come.
func (x *exchange) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.seen)
}

// campaignState is GET /v1/campaigns/{id}.
type campaignState struct {
	State  string
	Reason string
	Counts struct {
		Contacts, Waiting, Dialing, Done int
		Outcomes                         map[string]int
	}
}

// contactState is one row of GET …/contacts.
type contactState struct {
	Key, Phone, State, Outcome, Reason string
	Attempts                           []struct{ ID, Outcome string }
}

func (p *project) campaign(id string) (c campaignState) {
	p.api("GET", "/v1/campaigns/"+id, nil, &c)
	return c
}

func (p *project) contacts(id string) (out []contactState) {
	for cursor := ""; ; {
		var page struct {
			Contacts []contactState
			Next     string
		}
		if code := p.api("GET", "/v1/campaigns/"+id+"/contacts?limit=1000&cursor="+cursor, nil, &page); code != 200 {
			p.t.Fatalf("contacts: %d", code)
		}
		if out, cursor = append(out, page.Contacts...), page.Next; cursor == "" {
			return out
		}
	}
}

// soak is how much longer the long runs are: LOOPSTART_SOAK=1 of make soak.
func soak(short, long int) int {
	if os.Getenv("LOOPSTART_SOAK") != "" {
		return long
	}
	return short
}

// TestCampaignKill9 kills the program again and again while it calls a list:
// nobody is lost, nobody is called beyond the cap or after they answered,
// everybody ends with a stated outcome, and every restart works at once.
func TestCampaignKill9(t *testing.T) {
	t.Parallel()
	const attempts, atOnce = 3, 8
	people, kills := soak(40, 500), soak(5, 200)
	x := newExchange(t, "127.0.0.75")
	p := serve(t, files{"tell.ts": `export default async (call) => { await call.play("tone:500/100ms"); }`}, conf{
		rest: fmt.Sprintf("trunks:\n  x: {address: \"%s\", options: off, destinations: [\"+7\"], max_calls: 50, max_cps: 1000}\n", x.conn.LocalAddr()),
	})
	var made struct{ ID string }
	if code := p.api("POST", "/v1/campaigns", map[string]any{
		"script": "tell", "trunk": "x", "attempts": attempts, "retry": map[string]string{"default": "300ms"}, "max_calls": atOnce, "max_cps": soak(25, 10),
	}, &made); code != 201 {
		t.Fatalf("POST /v1/campaigns: %d", code)
	}
	list := make([]map[string]any, people)
	for i := range list {
		list[i] = map[string]any{"phone": "+7916" + fmt.Sprintf("%07d", i)}
	}
	if code := p.api("POST", "/v1/campaigns/"+made.ID+"/contacts", map[string]any{"contacts": list}, nil); code != 200 {
		t.Fatalf("contacts: %d", code)
	}
	p.api("POST", "/v1/campaigns/"+made.ID+"/start", nil, nil)

	killed := 0
	for ; killed < kills && p.campaign(made.ID).State == "running"; killed++ {
		// Somewhere in the next few calls, and a random moment behind that.
		until, deadline := x.count()+rand.IntN(atOnce), time.Now().Add(3*time.Second)
		for x.count() < until && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.IntN(30_000)) * time.Microsecond)
		_ = p.cmd.Process.Kill()
		<-p.over
		p.start() // fails the test if it does not come up
	}
	eventually(t, "the end of the campaign", time.Duration(soak(60, 600))*time.Second, func() bool { return p.campaign(made.ID).State == "completed" })
	t.Logf("%d kills, %d calls", killed, x.count())
	x.check(t, p.contacts(made.ID), people, attempts, killed*atOnce)
}

// check compares what the campaign says with what the provider has seen.
func (x *exchange) check(t *testing.T, contacts []contactState, people, attempts, most int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(contacts) != people {
		t.Errorf("%d contacts of %d are left", len(contacts), people)
	}
	unknown := 0
	for _, k := range contacts {
		calls := x.log[k.Phone]
		if k.State != "done" || k.Outcome == "" {
			t.Errorf("%s: %s %q", k.Phone, k.State, k.Outcome)
		}
		if len(calls) > attempts || len(k.Attempts) > attempts || len(calls) > len(k.Attempts) {
			t.Errorf("%s: %d calls, %d attempts, the cap is %d", k.Phone, len(calls), len(k.Attempts), attempts)
		}
		for i, d := range calls {
			if d.answered && i < len(calls)-1 {
				t.Errorf("%s has answered and was called again", k.Phone)
			}
		}
		for _, a := range k.Attempts {
			if a.Outcome == "" {
				t.Errorf("%s: attempt %s has no outcome", k.Phone, a.ID)
			}
			if a.Outcome == "unknown" {
				unknown++
			}
		}
		if last, err := strconv.Atoi(k.Phone[len(k.Phone)-1:]); err == nil && last <= 3 && k.Outcome != "delivered" && k.Outcome != "unknown" {
			t.Errorf("%s is %s", k.Phone, k.Outcome)
		}
	}
	if unknown > most {
		t.Errorf("%d attempts are unknown, at most %d were in flight", unknown, most)
	}
}

// TestCampaignDrain stops the program with SIGTERM while it calls a list: the
// calls in progress end as they would have, and the next process goes on with
// the others.
func TestCampaignDrain(t *testing.T) {
	t.Parallel()
	const people = 12
	x := newExchange(t, "127.0.0.76")
	p := serve(t, files{"tell.ts": `export default async (call) => { await call.play("tone:500/700ms"); }`}, conf{
		rest: fmt.Sprintf("trunks:\n  x: {address: \"%s\", options: off, destinations: [\"+7\"], max_cps: 1000}\n", x.conn.LocalAddr()),
	})
	var made struct{ ID string }
	p.api("POST", "/v1/campaigns", map[string]any{"script": "tell", "attempts": 2, "max_calls": 4}, &made)
	list := make([]map[string]any, people)
	for i := range list {
		list[i] = map[string]any{"phone": "+7916" + fmt.Sprintf("%06d0", i)} // they all answer
	}
	p.api("POST", "/v1/campaigns/"+made.ID+"/contacts", map[string]any{"contacts": list}, nil)
	p.api("POST", "/v1/campaigns/"+made.ID+"/start", nil, nil)
	eventually(t, "the first calls", 10*time.Second, func() bool { return x.count() >= 4 })
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(20 * time.Second); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if n := x.count(); n == people {
		t.Fatal("all were called before the end")
	}
	p.start()
	eventually(t, "the end of the campaign", 30*time.Second, func() bool { return p.campaign(made.ID).State == "completed" })
	if c := p.campaign(made.ID); c.Counts.Outcomes["delivered"] != people {
		t.Errorf("%+v", c.Counts)
	}
	x.check(t, p.contacts(made.ID), people, 1, 0)
}
