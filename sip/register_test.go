package sip

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/sip/digest"
)

// provider is a trunk's registrar on a wire.
type provider struct {
	*wire
	guard *digest.Server
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	return &provider{wire: newWire(t), guard: digest.NewServer(digest.ServerOptions{
		Realm: "provider", Secret: []byte("0123456789abcdef"), Clock: clock.System(), Random: &counter{},
	})}
}

// open opens an endpoint whose goodbyes are answered.
func (p *provider) open(cfg Config) (*Endpoint, *clock.Virtual, chan RegisterEvent) {
	p.t.Helper()
	ended := make(chan struct{})
	e, v, events := openWire(p.t, cfg)
	p.t.Cleanup(func() {
		go func() {
			defer close(ended)
			for m, err := p.next(wireWait); err == nil; m, err = p.next(wireWait) {
				p.answer(m, 200, "OK")
			}
		}()
		e.Close() // again by openWire, which then finds nothing to do
		_ = p.udp.Close()
		if p.tcp != nil {
			_ = p.tcp.Close()
		}
		<-ended
	})
	return e, v, events
}

type counter struct{ n byte }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		c.n++
		p[i] = c.n
	}
	return len(p), nil
}

// trunk is the configuration that registers at p.
func (p *provider) trunk() Trunk {
	return Trunk{
		Name: "mango", Address: p.addr().String(), Domain: "example.ru", Username: "7926", AuthUser: "7926@example.ru",
		Password: "secret", Register: true, Expires: 5 * time.Minute,
	}
}

// judge verifies a REGISTER and answers it: 401 or 200.
func (p *provider) judge(m wireMessage, extra ...string) (passed bool) {
	p.t.Helper()
	user, v := p.guard.Verify(digest.Request{Method: "REGISTER", URI: strings.Fields(m.line)[1]}, m.headers.All("Authorization"),
		func(user string) (string, bool) { return "secret", user == "7926@example.ru" })
	if v != digest.Passed {
		p.challenge(m, v == digest.Stale)
		return false
	}
	if user != "7926@example.ru" {
		p.t.Fatalf("proved to be %q", user)
	}
	contact := "Contact: <sip:other@h>;expires=9999"
	if m.get("Contact") != "" {
		contact += ", " + m.get("Contact") + ";expires=" + m.get("Expires")
	}
	p.answer(m, 200, "OK", append(extra, contact)...)
	return true
}

func (p *provider) challenge(m wireMessage, stale bool) {
	p.t.Helper()
	var headers []string
	for _, c := range p.guard.Challenges(stale) {
		headers = append(headers, "WWW-Authenticate: "+c)
	}
	p.answer(m, 401, "Unauthorized", headers...)
}

// registerPass sees a registration through and returns its last REGISTER.
func (p *provider) registerPass() wireMessage {
	p.t.Helper()
	for {
		m := p.receive()
		if m.method() != "REGISTER" {
			p.t.Fatal(m.line)
		}
		if p.judge(m) {
			return m
		}
	}
}

// advance moves virtual time beside the test, which has to answer what falls due.
func advance(v *clock.Virtual, d time.Duration) (done chan struct{}) {
	done = make(chan struct{})
	go func() { defer close(done); v.Advance(d) }()
	return done
}

func TestTrunkRegistersRefreshesAndLeaves(t *testing.T) {
	p := newProvider(t)
	e, v, events := p.open(Config{Trunks: []Trunk{p.trunk()}, Register: true, Agent: "test/1"})
	first := p.receive()
	if first.line != "REGISTER sip:"+p.addr().String()+" SIP/2.0" || first.get("Authorization") != "" {
		t.Fatalf("%s %v", first.line, first.headers)
	}
	for name, want := range map[string]string{
		"From": "<sip:7926@example.ru>;tag=", "To": "<sip:7926@example.ru>", "Expires": "300", "User-Agent": "test/1",
		"Contact": "<sip:7926@127.0.0.1:" + fmt.Sprint(e.LocalAddr("udp").Port()) + ";ls=",
	} {
		if got := first.get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if st := e.Trunks()[0]; st.Registered || st.Words != "registering" {
		t.Fatalf("%+v", st)
	}
	p.judge(first)
	second := p.registerPass()
	if second.get("Call-ID") != first.get("Call-ID") || second.get("CSeq") != "2 REGISTER" {
		t.Fatalf("%s %s", second.get("Call-ID"), second.get("CSeq"))
	}
	ev := event(t, events)
	if ev.Trunk != "mango" || ev.State != "registered" || ev.Expires != 5*time.Minute || ev.Contact != second.get("Contact") {
		t.Fatalf("%+v", ev)
	}
	v.Settle()
	if st := e.Trunks()[0]; !st.Registered || !st.Reachable || st.Words != "registered until 10:05:00" || st.Address != p.addr() {
		t.Fatalf("%+v", st)
	}
	p.silence(50 * time.Millisecond)

	done := advance(v, 5*time.Minute-time.Second)
	refresh := p.receive()
	if refresh.get("CSeq") != "3 REGISTER" || !strings.Contains(refresh.get("Authorization"), "nc=00000002") {
		t.Fatalf("a refresh carries credentials: %v", refresh.headers)
	}
	p.judge(refresh)
	<-done
	if st := e.Trunks()[0]; !st.Registered || !st.Until.After(wireStart.Add(5*time.Minute)) {
		t.Fatalf("%+v", st)
	}
	if len(events) != 0 {
		t.Fatalf("a refresh is news: %+v", <-events)
	}

	closed := make(chan struct{})
	go func() { defer close(closed); e.Close() }()
	if last := p.registerPass(); last.get("Expires") != "0" {
		t.Fatalf("%v", last.headers)
	}
	<-closed
	if ev := event(t, events); ev.State != "unregistered" {
		t.Fatalf("%+v", ev)
	}
}

// CVE-2020-28242: a registrar that changes its nonce each time gets two
// requests and no more, then a pause.
func TestTrunkNonceThatChangesEachTime(t *testing.T) {
	p := newProvider(t)
	_, v, events := p.open(Config{Trunks: []Trunk{p.trunk()}, Register: true})
	for range 2 {
		p.challenge(p.receive(), false)
	}
	if ev := event(t, events); ev.State != "refused" || ev.Code != 401 || !strings.Contains(ev.Reason, "rejected") {
		t.Fatalf("%+v", ev)
	}
	p.silence(50 * time.Millisecond)
	v.Settle()
	v.Advance(3 * time.Minute)
	p.silence(50 * time.Millisecond)
	done := advance(v, 2*time.Minute)
	m := p.receive()
	if m.get("Authorization") != "" {
		t.Fatal("rejected credentials are sent again")
	}
	p.answer(m, 403, "Forbidden")
	<-done
}

func TestTrunkStaleNonce(t *testing.T) {
	p := newProvider(t)
	_, _, events := p.open(Config{Trunks: []Trunk{p.trunk()}, Register: true})
	p.challenge(p.receive(), false)
	p.challenge(p.receive(), true)
	p.judge(p.receive())
	if ev := event(t, events); ev.State != "registered" {
		t.Fatalf("%+v", ev)
	}
}

// Credentials go to the realm the trunk names and to no other.
func TestTrunkRealm(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Realm = "mine"
	_, _, events := p.open(Config{Trunks: []Trunk{c}, Register: true})
	p.challenge(p.receive(), false)
	if ev := event(t, events); ev.State != "refused" || !strings.Contains(ev.Reason, "realm") {
		t.Fatalf("%+v", ev)
	}
	p.silence(50 * time.Millisecond)
}

func TestTrunkWithoutPassword(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Password = ""
	_, _, events := p.open(Config{Trunks: []Trunk{c}, Register: true})
	p.challenge(p.receive(), false)
	if ev := event(t, events); ev.State != "refused" || ev.Reason != errNoPassword.Error() {
		t.Fatalf("%+v", ev)
	}
}

func TestTrunkMinExpiresAndRetryAfter(t *testing.T) {
	p := newProvider(t)
	e, v, events := p.open(Config{Trunks: []Trunk{p.trunk()}, Register: true})
	p.answer(p.receive(), 423, "Interval Too Brief", "Min-Expires: 1800")
	m := p.receive()
	if m.get("Expires") != "1800" {
		t.Fatal(m.get("Expires"))
	}
	p.answer(m, 503, "Busy", "Retry-After: 120 (maintenance)")
	if ev := event(t, events); ev.State != "failed" || ev.Code != 503 {
		t.Fatalf("%+v", ev)
	}
	v.Settle()
	if st := e.Trunks()[0]; st.Registered || st.Reachable || st.Words != "503 Busy, next try in 2m0s" || !st.Next.Equal(wireStart.Add(2*time.Minute)) {
		t.Fatalf("%+v", st)
	}
	done := advance(v, 2*time.Minute)
	p.registerPass()
	<-done
	if ev := event(t, events); ev.State != "registered" || ev.Expires != 30*time.Minute {
		t.Fatalf("%+v", ev)
	}
}

func TestTrunkRegistersOverTCP(t *testing.T) {
	p := newProvider(t)
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := p.trunk()
	c.Address = l.Addr().String() + ";transport=tcp"
	_, _, events := p.open(Config{Trunks: []Trunk{c}, Register: true})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p.tcp, p.read = conn, bufio.NewReader(conn)
	m := p.registerPass()
	if !strings.Contains(m.get("Contact"), ";transport=tcp;ls=") || !strings.HasPrefix(m.get("Via"), "SIP/2.0/TCP") {
		t.Fatalf("%v", m.headers)
	}
	if ev := event(t, events); ev.State != "registered" {
		t.Fatalf("%+v", ev)
	}
}

func TestTrunkOutboundProxy(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Address, c.Proxy = "registrar.example", p.addr().String()
	p.open(Config{Trunks: []Trunk{c}, Register: true})
	m := p.registerPass()
	if m.line != "REGISTER sip:registrar.example SIP/2.0" || m.get("Route") != "<sip:"+p.addr().String()+";lr>" {
		t.Fatalf("%s, Route %s", m.line, m.get("Route"))
	}
}

// With Register false, as in dev, nothing leaves by itself.
func TestTrunksAreQuietUntilToldToRegister(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Options = 30 * time.Second
	e, v, _ := p.open(Config{Trunks: []Trunk{c}})
	v.Advance(10 * time.Minute)
	p.silence(50 * time.Millisecond)
	if st := e.Trunks()[0]; st.Registers || st.Checked || st.Words != "not checked" {
		t.Fatalf("%+v", st)
	}
	if err := e.Update(Config{Trunks: []Trunk{c}, Register: true}); err != nil {
		t.Fatal(err)
	}
	if m := p.receive(); m.method() != "REGISTER" && m.method() != "OPTIONS" {
		t.Fatal(m.line)
	}
}

func TestTrunkRemovedByUpdateUnregisters(t *testing.T) {
	p := newProvider(t)
	e, v, events := p.open(Config{Trunks: []Trunk{p.trunk()}, Register: true})
	p.registerPass()
	event(t, events)
	v.Settle()
	done := make(chan error)
	go func() { done <- e.Update(Config{Register: true}) }()
	if m := p.registerPass(); m.get("Expires") != "0" {
		t.Fatal(m.get("Expires"))
	}
	if err := <-done; err != nil || len(e.Trunks()) != 0 {
		t.Fatal(err)
	}
}

// An INVITE to our registered Contact is the trunk's from whatever address.
func TestInviteByRegisteredContact(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // not this machine
	e, _, events := p.open(Config{Trunks: []Trunk{c}, Register: true})
	contact, err := ParseAddress(p.registerPass().get("Contact"))
	if err != nil {
		t.Fatal(err)
	}
	event(t, events)
	other := newWire(t)
	if name, ok := e.trunkFor(other.addr(), contact); !ok || name != "mango" {
		t.Fatalf("%q", name)
	}
	m := other.ask(e.LocalAddr("udp"), "INVITE", contact.URI(), "caller", "Contact: <sip:a@h>")
	if m.code() != 486 {
		t.Fatalf("%s", m.line)
	}
	in := find(*e.live.Load(), "mango").lastInbound()
	if in == nil || in.Places[0] != (NumberPlace{"request-uri", "7926"}) || in.Places[1] != (NumberPlace{"to", "caller"}) {
		t.Fatalf("%+v", in)
	}
	contact.Params = ""
	if m := other.ask(e.LocalAddr("udp"), "INVITE", contact.URI(), "caller", "Contact: <sip:a@h>"); m.code() != 403 {
		t.Fatalf("without the mark: %s", m.line)
	}
}

func TestTrunkOptions(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Register, c.Options = false, 30*time.Second
	e, v, _ := p.open(Config{Trunks: []Trunk{c}, Register: true})
	m := p.receive()
	if m.line != "OPTIONS sip:"+p.addr().String()+" SIP/2.0" || m.get("Authorization") != "" {
		t.Fatal(m.line)
	}
	p.answer(m, 401, "Unauthorized", `WWW-Authenticate: Digest realm="r", nonce="n"`)
	v.Settle()
	if st := e.Trunks()[0]; !st.Checked || !st.Reachable || st.Words != "reachable" || st.Code != 401 {
		t.Fatalf("%+v", st)
	}
	done := advance(v, 30*time.Second)
	again := p.receive()
	if again.get("Call-ID") == m.get("Call-ID") {
		t.Fatal("the same Call-ID")
	}
	p.answer(again, 503, "Service Unavailable")
	<-done
	if st := e.Trunks()[0]; st.Reachable || st.Words != "not reachable: 503 Service Unavailable" {
		t.Fatalf("%+v", st)
	}
	if since := e.Trunks()[0].Since; !since.After(wireStart) {
		t.Fatalf("since %v", since)
	}
}

func TestCheckTrunk(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	e, _, _ := p.open(Config{Trunks: []Trunk{c}})
	result := make(chan TrunkReport)
	check := func() {
		go func() {
			r, err := e.CheckTrunk(context.Background(), "mango")
			if err != nil {
				t.Error(err)
			}
			result <- r
		}()
	}
	lines := func(r TrunkReport) string {
		var out []string
		for _, s := range r.Steps {
			out = append(out, fmt.Sprintf("%s %d %v: %s", s.What, s.Code, s.OK, s.Words))
		}
		return strings.Join(out, "\n")
	}

	check()
	p.answer(p.receive(), 200, "OK")
	for m := p.receive(); ; m = p.receive() {
		if m.get("Contact") != "" || m.get("Expires") != "" {
			t.Fatalf("a check changes bindings: %v", m.headers)
		}
		if p.judge(m) {
			break
		}
	}
	if got, want := lines(<-result), "resolve 0 true: packets go to udp://"+p.addr().String()+
		"\noptions 200 true: the trunk answers\nregister 401 true: it asks for credentials\nregister 200 true: the account is accepted"; got != want {
		t.Fatalf("%s", got)
	}

	e.noteInvite("mango", Address{User: "7926"}, Headers{{"To", "<sip:+7495@h>"}})
	check()
	p.answer(p.receive(), 403, "Forbidden")
	p.answer(p.receive(), 403, "Forbidden")
	r := <-result
	if got := lines(r); !strings.Contains(got, "options 403 true") || !strings.Contains(got, "register 403 false: refused") {
		t.Fatal(got)
	}
	if r.Inbound == nil || len(r.Inbound.Places) != 2 {
		t.Fatalf("%+v", r.Inbound)
	}

	check()
	p.answer(p.receive(), 200, "OK")
	for range 2 {
		p.challenge(p.receive(), false)
	}
	if got := lines(<-result); !strings.HasSuffix(got, "register 401 false: our credentials were rejected") {
		t.Fatal(got)
	}
	if _, err := e.CheckTrunk(context.Background(), "none"); err == nil {
		t.Fatal("no such trunk")
	}
}

func TestCheckTrunkThatDoesNotResolve(t *testing.T) {
	e, _, _ := openWire(t, Config{Trunks: []Trunk{{Name: "t", Address: "nowhere.invalid", Username: "u"}}})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := e.CheckTrunk(ctx, "t")
	if err != nil || len(r.Steps) != 1 || r.Steps[0].OK || r.Steps[0].Words == "" {
		t.Fatalf("%+v %v", r, err)
	}
}

// A call through the trunk carries credentials when challenged, from the
// trunk's address only.
func TestCallThroughTrunk(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Register = false
	e, _, _ := p.open(Config{Trunks: []Trunk{c}})
	d, err := e.Dial(Outgoing{Target: Target{Trunk: "mango", Number: "+79161112233"}, From: Address{User: "+74951234567"}, Body: []byte("v=0\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	m := p.receive()
	if m.line != "INVITE sip:+79161112233@"+p.addr().String()+" SIP/2.0" || !strings.HasPrefix(m.get("From"), "<sip:+74951234567@example.ru>") ||
		m.get("To") != "<sip:+79161112233@example.ru>" || !strings.HasPrefix(m.get("Contact"), "<sip:7926@127.0.0.1:") {
		t.Fatalf("%s %v", m.line, m.headers)
	}
	p.challenge(m, false)
	if ack := p.receive(); ack.method() != "ACK" {
		t.Fatal(ack.line)
	}
	again := p.receive()
	if again.method() != "INVITE" || !strings.Contains(again.get("Authorization"), `username="7926@example.ru"`) {
		t.Fatalf("%s %v", again.line, again.headers)
	}
	p.answer(again, 486, "Busy Here")
	p.receive()
	for range d.Events() {
	}
}

// A trunk that challenges every INVITE anew gets two of them, and the call
// ends with its 401.
func TestCallToTrunkThatNeverAccepts(t *testing.T) {
	p := newProvider(t)
	c := p.trunk()
	c.Register = false
	e, _, _ := p.open(Config{Trunks: []Trunk{c}})
	d, err := e.Dial(Outgoing{Target: Target{Trunk: "mango", Number: "112"}, Body: []byte("v=0\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		m := p.receive()
		if m.method() != "INVITE" {
			t.Fatal(m.line)
		}
		p.challenge(m, false)
		if ack := p.receive(); ack.method() != "ACK" {
			t.Fatal(ack.line)
		}
	}
	var last Event
	for ev := range d.Events() {
		last = ev
	}
	if last.Kind != Ended || last.Code != 401 {
		t.Fatalf("%+v", last)
	}
	p.silence(50 * time.Millisecond)
}
