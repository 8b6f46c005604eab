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

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
)

var twoUsers = []User{{Name: "101", Password: "secret"}, {Name: "102", Password: "other"}, {Name: "open"}}

// challenges reads the challenge headers of a 401.
func challenges(t *testing.T, m wireMessage) []digest.Challenge {
	t.Helper()
	var out []digest.Challenge
	for _, v := range m.headers.All("WWW-Authenticate") {
		c, err := digest.ParseChallenge(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func stale(t *testing.T, m wireMessage) bool {
	t.Helper()
	c := challenges(t, m)
	return m.code() == 401 && len(c) == 2 && c[0].Stale && c[1].Stale
}

func TestRegisterWithDigest(t *testing.T) {
	e, v, events := openWire(t, Config{Users: twoUsers, Realm: "pbx"})
	p := newPhone(t, e, "101", "secret")
	first := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact)
	c := challenges(t, first)
	if first.code() != 401 || len(c) != 2 || c[0].Algorithm != digest.MD5 || c[1].Algorithm != digest.SHA256 || c[0].Realm != "pbx" || c[0].Stale {
		t.Fatalf("%s %+v", first.line, c)
	}
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.MD5} {
		challenged := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact)
		var only Headers
		for _, h := range challenged.headers {
			if h.Name != "WWW-Authenticate" || strings.Contains(h.Value, "algorithm="+string(algorithm)+",") {
				only = append(only, h)
			}
		}
		challenged.headers = only
		m := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact, "Expires: 60", p.credentials("REGISTER", "sip:pbx", challenged))
		if m.code() != 200 || m.get("Contact") != "<sip:101@10.9.8.7:5060>;expires=60" {
			t.Fatalf("%s: %s, Contact %s", algorithm, m.line, m.get("Contact"))
		}
	}
	list := e.Bindings("101")
	if len(list) != 1 || list[0].Source != p.addr() || list[0].Transport != "udp" {
		t.Fatalf("%+v", list)
	}
	if ev := event(t, events); ev.User != "101" || ev.State != "registered" || ev.Source != p.addr() || ev.Expires != time.Minute {
		t.Fatalf("%+v", ev)
	}
	v.Advance(59 * time.Second)
	if len(e.Bindings("101")) != 1 {
		t.Fatal("gone a second early")
	}
	v.Advance(time.Second)
	if len(e.Bindings("101")) != 0 {
		t.Fatal("alive after its time")
	}
	if len(events) != 0 {
		t.Fatalf("a refresh is news: %+v", <-events)
	}
}

// TestARefreshFromAnotherHostIsNews: a phone that has gone to another network.
func TestARefreshFromAnotherHostIsNews(t *testing.T) {
	var told []RegisterEvent
	e := &Endpoint{deps: Deps{Register: func(ev RegisterEvent) { told = append(told, ev) }}}
	at := func(source string) []Binding { return []Binding{{ID: "1", Source: netip.MustParseAddrPort(source)}} }
	e.tellChanges("101", at("192.0.2.1:5060"), at("192.0.2.1:5062"))
	if len(told) != 0 {
		t.Fatalf("another port is news: %+v", told)
	}
	e.tellChanges("101", at("192.0.2.1:5060"), at("198.51.100.7:5060"))
	if len(told) != 1 || told[0].State != "registered" || told[0].Source.String() != "198.51.100.7:5060" {
		t.Fatalf("%+v", told)
	}
}

func TestRegisterQueriesAndRemoves(t *testing.T) {
	e, _, events := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	p.contact = `"A, B" <sip:101@10.9.8.7:5060>;q=0.5, <sip:101@10.9.8.6>;expires=120`
	if m := p.register(60); m.code() != 200 || len(m.headers.All("Contact")) != 2 {
		t.Fatalf("%s %v", m.line, m.headers)
	}
	query := p.proven("REGISTER", "sip:pbx")
	if got := strings.Join(query.headers.All("Contact"), " "); got != "<sip:101@10.9.8.6>;expires=120 <sip:101@10.9.8.7:5060>;expires=60;q=0.500" {
		t.Fatal(got)
	}
	p.contact = "*"
	if m := p.register(60); m.code() != 400 {
		t.Fatal(m.line)
	}
	if m := p.register(0); m.code() != 200 || len(m.headers.All("Contact")) != 0 || len(e.Bindings("101")) != 0 {
		t.Fatal(m.line)
	}
	var states []string
	for range 4 {
		states = append(states, event(t, events).State)
	}
	if got := strings.Join(states, " "); got != "registered registered unregistered unregistered" {
		t.Fatal(got)
	}
}

func TestRegisterTooBrief(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	if m := p.register(10); m.code() != 423 || m.get("Min-Expires") != "30" {
		t.Fatalf("%s, Min-Expires %q", m.line, m.get("Min-Expires"))
	}
	p.contact = "<mailto:a@b>"
	if m := p.register(60); m.code() != 400 || len(e.Bindings("101")) != 0 {
		t.Fatal(m.line)
	}
}

// What a guesser sees does not depend on whether the user exists.
func TestUnknownUserLooksLikeWrongPassword(t *testing.T) {
	e, _, events := openWire(t, Config{Users: twoUsers, Realm: "pbx"})
	shape := func(m wireMessage) string {
		var names []string
		for _, h := range m.headers {
			names = append(names, h.Name)
		}
		return m.line + " " + strings.Join(names, ",")
	}
	var seen []string
	for _, user := range []string{"101", "999", "open"} { // "open" has no password, so nobody can prove to be it
		p := newPhone(t, e, user, "guess")
		for _, method := range []string{"REGISTER", "INVITE"} {
			uri := map[string]string{"REGISTER": "sip:pbx", "INVITE": "sip:200@pbx"}[method]
			challenged := p.ask(p.to, "REGISTER", uri, user, "Contact: "+p.contact)
			refused := p.ask(p.to, method, uri, user, "Contact: "+p.contact, p.credentials(method, uri, challenged))
			if challenged.code() != 401 || refused.code() != 403 {
				t.Fatalf("%s of %s: %s, then %s", method, user, challenged.line, refused.line)
			}
			seen = append(seen, method+shape(challenged)+shape(refused))
		}
		if ev := event(t, events); ev.State != "refused" || ev.User != user || ev.Code != 403 {
			t.Fatalf("%+v", ev)
		}
	}
	if seen[0] != seen[2] || seen[0] != seen[4] || seen[1] != seen[3] || seen[1] != seen[5] {
		t.Fatalf("the answers differ:\n%s", strings.Join(seen, "\n"))
	}
}

func TestRegisterReplayAndStaleNonce(t *testing.T) {
	e, v, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	if m := p.register(3600); m.code() != 200 {
		t.Fatal(m.line)
	}
	replay := p.answered[0].Name + ": " + p.answered[0].Value
	m := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: <sip:evil@h>", replay)
	if !stale(t, m) || len(e.Bindings("101")) != 1 {
		t.Fatalf("a replay is answered %s", m.line)
	}
	if st := e.UserStats(); st.Digest.Passed != 1 || st.Digest.Stale != 1 || st.Bindings.Added != 1 {
		t.Fatalf("%+v", st)
	}
	next := p.client.Begin(digest.Request{Method: "REGISTER", URI: "sip:pbx"}).Fields()[0]
	if m := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact, next.Name+": "+next.Value); m.code() != 200 {
		t.Fatalf("nc 2 with the same nonce: %s", m.line)
	}
	v.Advance(digest.MaxLifetime + time.Second)
	next = p.client.Begin(digest.Request{Method: "REGISTER", URI: "sip:pbx"}).Fields()[0]
	m = p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact, next.Name+": "+next.Value)
	if !stale(t, m) {
		t.Fatalf("an old nonce: %s", m.line)
	}
	if m := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact, p.credentials("REGISTER", "sip:pbx", m)); m.code() != 200 {
		t.Fatalf("the fresh nonce: %s", m.line)
	}
}

func TestOtherRealmAndOtherUser(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers, Realm: "pbx"})
	p := newPhone(t, e, "101", "secret")
	m := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact,
		`Authorization: Digest username="101", realm="elsewhere", nonce="n", uri="sip:pbx", response="00"`)
	if m.code() != 401 || stale(t, m) {
		t.Fatal(m.line)
	}
	// 102 proves to be 102 and asks for the calls of 101.
	q := newPhone(t, e, "102", "other")
	m = q.ask(q.to, "REGISTER", "sip:pbx", "101", "Contact: "+q.contact)
	m = q.ask(q.to, "REGISTER", "sip:pbx", "101", "Contact: "+q.contact, q.credentials("REGISTER", "sip:pbx", m))
	if m.code() != 403 || len(e.Bindings("101")) != 0 {
		t.Fatal(m.line)
	}
}

func TestInviteOfUsers(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	if m := p.proven("INVITE", "sip:200@pbx", "Contact: "+p.contact); m.code() != 486 {
		t.Fatalf("a user's call reached %s, not the application", m.line)
	}
	stranger := newPhone(t, e, "alice", "x")
	if m := stranger.ask(stranger.to, "INVITE", "sip:200@pbx", "alice", "Contact: "+stranger.contact); m.code() != 401 {
		t.Fatalf("a stranger who claims to be ours: %s", m.line)
	} else if m = stranger.ask(stranger.to, "INVITE", "sip:200@pbx", "alice", "Contact: "+stranger.contact, stranger.credentials("INVITE", "sip:200@pbx", m)); m.code() != 403 {
		t.Fatalf("a stranger with credentials: %s", m.line)
	}
	// The credentials of one number do not dial another.
	challenged := p.ask(p.to, "INVITE", "sip:200@pbx", "101", "Contact: "+p.contact)
	if m := p.ask(p.to, "INVITE", "sip:8101234@pbx", "101", "Contact: "+p.contact, p.credentials("INVITE", "sip:200@pbx", challenged)); m.code() != 403 {
		t.Fatal(m.line)
	}
	// From says 102, the credentials say 101.
	if m := p.ask(p.to, "INVITE", "sip:200@pbx", "102", "Contact: "+p.contact, p.credentials("INVITE", "sip:200@pbx", challenged)); m.code() == 486 {
		t.Fatal("a user calls as another")
	}
}

// Behind NAT the Contact is unreachable: the INVITE goes where the REGISTER
// came from, with the Contact as its Request-URI.
func TestCallToUserGoesToItsSource(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	if _, err := e.Dial(Outgoing{Target: Target{User: "101"}}); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("%v", err)
	}
	p := newPhone(t, e, "101", "secret")
	if m := p.register(60, "Path: <sip:edge.example;lr>", "User-Agent: phone/1"); m.code() != 200 || m.get("Path") == "" {
		t.Fatal(m.line)
	}
	id := e.Bindings("101")[0].ID
	for _, target := range []Target{{User: "101"}, {User: "101", Binding: id}} {
		d, err := e.Dial(Outgoing{Target: target, From: Address{User: "200", Display: "Anna"}, Body: []byte("v=0\r\n")})
		if err != nil {
			t.Fatal(err)
		}
		m := p.receive()
		if m.line != "INVITE sip:101@10.9.8.7:5060 SIP/2.0" || m.get("Route") != "<sip:edge.example;lr>" || !strings.HasPrefix(m.get("From"), `"Anna" <sip:200@127.0.0.1`) {
			t.Fatalf("%s %v", m.line, m.headers)
		}
		p.answer(m, 486, "Busy Here")
		if ack := p.receive(); ack.method() != "ACK" {
			t.Fatal(ack.line)
		}
		for range d.Events() { // until Ended
		}
	}
	if _, err := e.Dial(Outgoing{Target: Target{User: "101", Binding: "none"}}); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("%v", err)
	}
}

func TestRegisterOverTCP(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "tcp", e.LocalAddr("tcp").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.tcp, p.read = c, bufio.NewReader(c)
	p.contact = fmt.Sprintf("<sip:101@%s;transport=tcp>", c.LocalAddr())
	if m := p.register(60); m.code() != 200 {
		t.Fatal(m.line)
	}
	if b := e.Bindings("101"); len(b) != 1 || b[0].Transport != "tcp" || b[0].Source.String() != c.LocalAddr().String() {
		t.Fatalf("%+v", b)
	}
	out, err := e.Dial(Outgoing{Target: Target{User: "101"}, Body: []byte("v=0\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	m := p.receive() // by the connection of the REGISTER
	if m.method() != "INVITE" {
		t.Fatal(m.line)
	}
	p.answer(m, 486, "Busy Here")
	for range out.Events() {
	}
}

func TestUpdateTakesUsersAway(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	if m := p.register(60); m.code() != 200 {
		t.Fatal(m.line)
	}
	if err := e.Update(Config{Users: []User{{Name: "102", Password: "other"}}}); err != nil {
		t.Fatal(err)
	}
	if len(e.Bindings("101")) != 0 {
		t.Fatal("still reachable")
	}
	if m := p.register(60); m.code() != 403 {
		t.Fatal(m.line)
	}
}

// A registered phone on a trusted source is its user and not just trusted, so
// that routes for users have its calls; nobody else there is.
func TestUserOnATrustedSource(t *testing.T) {
	origins := make(chan Origin, 1)
	cfg := Config{Users: twoUsers, Trust: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	e, _, _ := openWireWith(t, cfg, func(d *Deps) {
		d.Incoming = func(d *Dialog) { origins <- d.Origin(); _ = d.Reject(486, "Busy Here") }
	})
	p := newPhone(t, e, "101", "secret")
	origin := func(from *phone, claimed string, extra ...string) Origin {
		t.Helper()
		if m := from.ask(p.to, "INVITE", "sip:200@pbx", claimed, append(extra, "Contact: "+p.contact)...); m.code() != 486 {
			t.Fatal(m.line)
		}
		return <-origins
	}
	if o := origin(p, "101"); o.Kind != FromTrusted {
		t.Errorf("before REGISTER: %+v", o)
	}
	if m := p.register(60); m.code() != 200 {
		t.Fatal(m.line)
	}
	if o := origin(p, "101"); o.Kind != FromUser || o.Name != "101" {
		t.Errorf("the phone: %+v", o)
	}
	if o := origin(p, "102"); o.Kind != FromTrusted {
		t.Errorf("as another user: %+v", o)
	}
	if o := origin(p, "101", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx"); o.Kind != FromTrusted {
		t.Errorf("relayed: %+v", o)
	}
	other := newPhone(t, e, "101", "secret")
	if o := origin(other, "101"); o.Kind != FromTrusted {
		t.Errorf("from another port: %+v", o)
	}
	challenged := other.ask(other.to, "REGISTER", "sip:200@pbx", "101")
	if o := origin(other, "101", other.credentials("INVITE", "sip:200@pbx", challenged)); o.Kind != FromUser {
		t.Errorf("with a password: %+v", o)
	}
}
