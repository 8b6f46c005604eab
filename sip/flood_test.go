package sip

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

func TestLimiter(t *testing.T) {
	l, now := newLimiter(), testStart
	a := netip.MustParseAddr("192.0.2.1")
	for range UnknownBurst {
		if !l.allow(a, unknownSource, false, now) {
			t.Fatal("refused within the burst")
		}
	}
	if l.allow(a, unknownSource, true, now) {
		t.Fatal("allowed beyond the burst")
	}
	if !l.allow(a, peerSource, false, now) {
		t.Fatal("a peer pays from the bucket of strangers")
	}
	l.spare(a, now)
	if !l.allow(a, unknownSource, false, now) {
		t.Fatal("a user's address is limited like a stranger's")
	}
	for i := range 2 * UserBurst {
		if !l.allow(a, unknownSource, false, now) {
			break
		} else if i > UserBurst {
			t.Fatal("a user's address has no limit")
		}
	}
	if later := now.Add(knownFor); !l.allow(a, unknownSource, false, later) || l.isKnown(a, later) {
		t.Fatal("the bucket is not refilled, or the user is known for ever")
	}
}

// 50,000 forged sources leave the filter as large as it was, use up the total
// of strangers, and take nothing from those who have proved their address.
func TestLimiterUnderForgedSources(t *testing.T) {
	l, now := newLimiter(), testStart
	honest := netip.MustParseAddr("198.51.100.9")
	rng := rand.New(rand.NewPCG(1, 2))
	passed, mine := 0, 0
	for i := range 50000 { // 2.5 s at 20,000/s
		n := rng.Uint32()
		if l.allow(netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)}), unknownSource, false, now) {
			passed++
		}
		if i%5000 == 0 && l.allow(honest, unknownSource, true, now) {
			mine++
		}
		now = now.Add(50 * time.Microsecond)
	}
	if passed > 4*UnknownTotalRate {
		t.Errorf("%d of forged sources got through", passed)
	}
	if mine != 10 {
		t.Errorf("who answered our nonce got %d of 10 through", mine)
	}
	if l.known.size() > 0 || len(l.cells[unknownSource]) != FloodCells {
		t.Error("the table has grown")
	}
}

func TestSniff(t *testing.T) {
	s := sniff([]byte("\r\nREGISTER sip:pbx SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKa, SIP/2.0/UDP i;branch=z9hG4bKb\r\n" +
		"f: <sip:a@h>;Tag=ft\r\nTo: <sip:a@h>;tag=tt;x\r\ni : call \r\nUSER-AGENT: my Friendly-Scanner/2\r\n" +
		"Authorization: Digest cnonce=\"no\", nonce=\"yes\"\r\n\r\nCall-ID: body"))
	got := fmt.Sprintf("%s %s %s %s %s %s %v", s.method, s.callID, s.fromTag, s.toTag, s.branch, s.nonce, s.scanner)
	if want := "REGISTER call ft tt z9hG4bKa yes true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if s := sniff([]byte("SIP/2.0 200 OK\r\nFrom: <sip:a@h>;tag=x\r\n\r\n")); !s.response || string(s.fromTag) != "x" || s.scanner {
		t.Errorf("%+v", s)
	}
	msg := []byte(strings.Repeat("X: y\r\n", 20) + "\r\n")
	if n := testing.AllocsPerRun(50, func() { sniff(msg) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z\r\nTo: <sip:a>;tag=\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\nAuthorization: nonce=\"\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := sniff(data)
		for _, part := range [][]byte{s.callID, s.fromTag, s.toTag, s.branch, s.nonce} {
			if bytes.ContainsAny(part, "\r\n") && bytes.IndexByte(part, '\n') >= 0 {
				t.Fatalf("%q spans lines", part)
			}
		}
	})
}

// A To tag that is not ours buys nothing: only dialogs that are up pass.
func TestMadeUpTagsAreLimited(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.Trust = nil })
	p := r.peer()
	for i := range 4 * UnknownBurst {
		c := p.newCall()
		p.raw(strings.Replace(c.message("BYE", 2, fmt.Sprint("z9hG4bKtag", i), ""), "\r\nCall-ID", ";x=y\r\nCall-ID", 1))
	}
	eventually(t, "the limit bites", func() bool { return r.Stats().Limited > UnknownBurst })
	if n := r.transactions.Load(); n > 2*UnknownBurst {
		t.Fatalf("%d transactions", n)
	}
}

// The answers to a user that exists and to one that does not are the same in
// every method, but for what is random in them.
func TestNoAnswerTellsWhoExists(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	random := func(m wireMessage) string {
		var out []string
		for _, h := range m.headers {
			v := h.Value
			switch longName(h.Name) {
			case "via", "call-id", "from", "to", "cseq":
				continue
			case "www-authenticate":
				v = "challenge of " + fmt.Sprint(strings.Count(v, ","))
			}
			out = append(out, h.Name+": "+v)
		}
		return m.line + "\n" + strings.Join(out, "\n")
	}
	for _, method := range []string{"REGISTER", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"} {
		var got []string
		for _, user := range []string{"101", "nobody"} {
			p := newPhone(t, e, user, "wrong")
			first := p.ask(p.to, method, "sip:"+user+"@pbx", user, "Contact: "+p.contact)
			answers := random(first)
			if first.code() == 401 {
				answers += "\n" + random(p.ask(p.to, method, "sip:"+user+"@pbx", user, "Contact: "+p.contact, p.credentials(method, "sip:"+user+"@pbx", first)))
			}
			got = append(got, answers)
		}
		if got[0] != got[1] {
			t.Errorf("%s: a user gets\n%s\nand nobody gets\n%s", method, got[0], got[1])
		}
		if method == "REGISTER" && !strings.Contains(got[0], "403") {
			t.Errorf("a wrong password gets\n%s", got[0])
		}
	}
}

func TestStrikes(t *testing.T) {
	b, now := newBans(), testStart
	a := netip.MustParseAddr("203.0.113.9")
	var ban *Ban
	for i := range StrikesToBan {
		if ban = b.strike(a, 1, true, "x", time.Minute, now); (ban != nil) != (i == StrikesToBan-1) {
			t.Fatalf("after %d strikes: %+v", i+1, ban)
		}
	}
	if held, proven := b.holds(a, now); !held || !proven || !ban.Until.Equal(now.Add(time.Minute)) {
		t.Fatalf("%+v", ban)
	}
	if held, _ := b.holds(a, ban.Until); held {
		t.Fatal("a ban has no end")
	}
	for range StrikesToBan {
		ban = b.strike(a, 1, true, "x", time.Minute, now)
	}
	if ban.Until.Sub(now) != 2*time.Minute || ban.Repeated != 1 {
		t.Fatalf("the second ban: %+v", ban)
	}
	if list := b.current(now); len(list) != 1 || !b.lift(a) || b.lift(a) || b.any.Load() {
		t.Fatalf("%+v", list)
	}
	// Strikes that lie far apart do not add up.
	for range StrikesToBan + 5 {
		if now = now.Add(StrikeWindow / 4); b.strike(a, 1, true, "x", time.Minute, now) != nil {
			t.Fatal("old strikes count")
		}
	}
}

func TestBansAreBounded(t *testing.T) {
	b, now := newBans(), testStart
	for i := range MaxBans + 100 {
		b.strike(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), StrikesToBan, true, "x", time.Hour+time.Duration(i)*time.Second, now)
	}
	if n := len(b.current(now)); n != MaxBans {
		t.Fatalf("%d bans", n)
	}
	if held, _ := b.holds(netip.MustParseAddr("10.0.0.0"), now); held {
		t.Fatal("the ban that ends first did not give way")
	}
	if b.suspects.size() > MaxSuspects {
		t.Fatal("suspects grow")
	}
}

// banned asks inspect what becomes of a message from an address.
func passes(e *Endpoint, from, text string, stream bool) bool {
	var m rawMessage
	var out bytes.Buffer
	ok, _ := e.inspect(&m, []byte(text), netip.MustParseAddrPort(from+":5060"), stream, &out)
	return ok
}

func request(method, agent string) string {
	return method + " sip:100@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK" + token(4) + "\r\nFrom: <sip:100@h>;tag=1\r\nTo: <sip:100@h>\r\nCall-ID: " +
		token(4) + "\r\nCSeq: 1 " + method + "\r\nMax-Forwards: 70\r\nUser-Agent: " + agent + "\r\nContent-Length: 0\r\n\r\n"
}

// A scanner is banned, by what it calls itself; forged, it silences nobody for
// long, and never a trunk, a trusted address, a registered phone or this machine.
func TestScannersAreBanned(t *testing.T) {
	told := make(chan Ban, 10)
	trunk := netip.MustParsePrefix("198.51.100.0/24")
	e, v, _ := openWireWith(t, Config{Users: twoUsers, Trust: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Trunks: []Trunk{{Name: "t", Address: "198.51.100.1", Allow: []netip.Prefix{trunk}}}}, func(d *Deps) { d.Banned = func(b Ban) { told <- b } })
	for _, from := range []string{"192.0.2.7", "198.51.100.7", "127.0.0.9"} {
		passes(e, from, request("OPTIONS", "friendly-scanner"), false)
		if !passes(e, from, request("OPTIONS", "phone"), false) || len(e.Bans()) != 0 {
			t.Errorf("%s is banned", from)
		}
	}
	const bad = "203.0.113.5"
	if passes(e, bad, request("OPTIONS", "friendly-scanner"), false) || passes(e, bad, request("INVITE", "phone"), false) {
		t.Fatal("a scanner gets through")
	}
	if b := <-told; b.Source.String() != bad || b.Proven || b.Until.Sub(b.Since) != ForgeableBan {
		t.Fatalf("%+v", b)
	}
	if !passes(e, bad, request("REGISTER", "phone"), false) {
		t.Fatal("a phone cannot register although anybody may have forged its address")
	}
	if passes(e, bad, request("OPTIONS", "sipcli/v1.8"), true) || len(told) != 0 && !(<-told).Proven {
		t.Fatal("the same over TCP")
	}
	const tcp = "203.0.113.6"
	passes(e, tcp, request("OPTIONS", "pplsip"), true)
	if b := <-told; b.Source.String() != tcp || !b.Proven || b.Until.Sub(b.Since) != DefaultBanTime {
		t.Fatalf("%+v", b)
	}
	if passes(e, tcp, request("REGISTER", "phone"), true) {
		t.Fatal("a proven ban lets REGISTER through")
	}
	if s := e.Stats(); s.Bans < 2 || s.Banned == 0 || s.Scanners < 2 {
		t.Fatalf("%+v", s)
	}
	v.Advance(DefaultBanTime)
	if !passes(e, tcp, request("REGISTER", "phone"), true) || len(e.Bans()) != 0 {
		t.Fatal("a ban has no end")
	}
}

// Guessing passwords bans the guesser, unless it is this machine: the same
// failures counted for a foreign address.
func TestGuessingIsCounted(t *testing.T) {
	e, v, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "guess")
	for range StrikesToBan + 2 {
		m := p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact)
		if m.code() != 401 {
			t.Fatal(m.line)
		}
		c := p.credentials("REGISTER", "sip:pbx", m)
		_, value, _ := strings.Cut(c, ": ")
		if !e.answered([]string{value}, netip.MustParseAddrPort("127.0.0.1:1")) || e.answered([]string{value}, netip.MustParseAddrPort("203.0.113.9:1")) {
			t.Fatal("the nonce does not tell to whom it was given")
		}
		if m = p.ask(p.to, "REGISTER", "sip:pbx", "101", "Contact: "+p.contact, c); m.code() != 403 {
			t.Fatal(m.line)
		}
		v.Advance(5 * time.Second) // the buckets are full again
	}
	if len(e.Bans()) != 0 {
		t.Fatal("loopback is banned")
	}
	for range StrikesToBan {
		e.strike(netip.MustParseAddr("203.0.113.9"), 1, true, "wrong user name or password")
	}
	if list := e.Bans(); len(list) != 1 || !list[0].Proven || !e.LiftBan(list[0].Source) {
		t.Fatalf("%+v", list)
	}
}

// When all places are taken, who has not said a word makes room for who does.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	r := newRig(t, nil)
	r.hub.mu.Lock()
	r.hub.most = 4
	r.hub.mu.Unlock()
	talks := dialTCP(t, r.LocalAddr("tcp"))
	talks.raw(options(r, 1, "Content-Length: 0\r\n\r\n"))
	talks.final("OPTIONS")
	for range 8 {
		c, err := net.Dial("tcp", r.LocalAddr("tcp").String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	eventually(t, "places are taken and given up", func() bool { s := r.Stats(); return s.Connections == 4 && s.ConnsRefused == 5 })
	late := dialTCP(t, r.LocalAddr("tcp"))
	late.raw(options(r, 2, "Content-Length: 0\r\n\r\n"))
	late.final("OPTIONS")
	talks.raw(options(r, 3, "Content-Length: 0\r\n\r\n"))
	talks.final("OPTIONS")
}

// What strangers ask for is answered and forgotten: no transaction is left, and
// what was asked again is answered again with the same tag.
func TestStrangersLeaveNoTransaction(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.Trust, c.Users = nil, twoUsers })
	c, err := net.Dial("udp", r.LocalAddr("udp").String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	ask := func(method, branch, toTag, more string) string {
		_, _ = fmt.Fprintf(c, "%[1]s sip:101@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bK%[2]s\r\nMax-Forwards: 70\r\nFrom: <sip:101@127.0.0.1>;tag=f\r\n"+
			"To: <sip:101@127.0.0.1>%[3]s\r\nCall-ID: %[2]s\r\nCSeq: 1 %[1]s\r\nContact: <sip:a@127.0.0.1:9>\r\n%[4]sContent-Length: 0\r\n\r\n", method, branch, toTag, more)
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		return string(buf[:n])
	}
	for _, method := range []string{"INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "REFER", "BYE", "CANCEL"} {
		var tags [2]string
		for i := range tags {
			m, err := parseWire(bufio.NewReader(strings.NewReader(ask(method, method, "", ""))))
			if err != nil {
				t.Fatal(err)
			}
			_, tags[i], _ = strings.Cut(m.get("To"), ";tag=")
		}
		if tags[0] == "" || tags[0] != tags[1] {
			t.Errorf("%s: the tags of two answers are %q", method, tags)
		}
	}
	for _, method := range []string{"INVITE", "MESSAGE"} {
		if answer := ask(method, "require"+method, "", "Require: magic\r\n"); !strings.Contains(answer, " 420 ") {
			t.Error(answer)
		}
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if n, err := c.Read(buf); err == nil {
			t.Errorf("%s: repeated to a stranger: %s", method, buf[:n])
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	if answer := ask("BYE", "unknown", ";tag=made-up", ""); !strings.Contains(answer, " 481 ") {
		t.Error(answer)
	}
	forged := "Authorization: Digest username=\"101\", realm=\"x\", nonce=\"made-up\", uri=\"sip:x\", response=\"00000000000000000000000000000000\"\r\n"
	if answer := ask("REGISTER", "forged", "", forged); !strings.Contains(answer, " 401 ") && !strings.Contains(answer, " 403 ") {
		t.Error(answer)
	}
	eventually(t, "transactions of strangers end", func() bool { return r.transactions.Load() == 0 && r.busy.of(netip.MustParseAddr("127.0.0.1")) == 0 })
}

// A message of a flood costs the filter no memory: from one source, from forged
// ones, and from one that is banned.
func TestFilterAllocatesNothing(t *testing.T) {
	for _, c := range floods {
		one := c.open(t)
		if n := testing.AllocsPerRun(1000, one); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func BenchmarkFlood(b *testing.B) {
	for _, c := range floods {
		b.Run(c.name, func(b *testing.B) {
			one := c.open(b)
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}

type floodCase struct {
	name    string
	sources int
	banned  bool
}

var floods = []floodCase{{"one", 1, false}, {"forged", 5000, false}, {"banned", 1, true}}

// open is an endpoint whose filter drops what one call of the result gives it.
func (c floodCase) open(t testing.TB) (one func()) {
	e, err := Open(Config{Listen: []Listener{listen("udp", "127.0.0.1:0")}}, Deps{Clock: clock.NewVirtual(testStart)}) // time stands: nothing is refilled
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	text := []byte(strings.Replace(opt("Contact: <sip:a@192.0.2.1:5060>", "User-Agent: x", "Content-Length: 0"), "OPTIONS", "INVITE", 2))
	at := func(n int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}), 5060)
	}
	if c.banned {
		e.bans.strike(at(0).Addr(), StrikesToBan, true, "test", time.Hour, e.clk.Now())
	}
	var m rawMessage
	var out bytes.Buffer
	n := 0
	one = func() {
		n++
		e.inspect(&m, text, at(n%c.sources), false, &out)
	}
	for range 2 * (UnknownTotalRate + UnknownBurst) { // the buckets are empty
		one()
	}
	return one
}

// What a scanner does in somebody else's name, or from behind the same NAT, takes
// nothing from who is known there: a trunk, a trusted host, a phone.
func TestBansCannotBeTurned(t *testing.T) {
	at := func(a string) netip.Addr { return netip.MustParseAddr(a) }
	const trunk, trusted, nat, login = "198.51.100.7", "192.0.2.7", "203.0.113.20", "203.0.113.21"
	saved := Binding{User: "101", Contact: "sip:101@10.0.0.5", Source: netip.MustParseAddrPort(nat + ":5060"), Transport: "udp", Expires: wireStart.Add(time.Hour)}
	e, v, _ := openWireWith(t, Config{Users: twoUsers, Trust: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Trunks: []Trunk{{Name: "t", Address: "198.51.100.1", Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}}}, func(d *Deps) { d.Saved = []Binding{saved} })
	e.limiter.spare(at(login), v.Now()) // a user has logged in there
	attacks := []struct {
		name string
		text func() string
	}{
		{"a scanner's name", func() string { return request("OPTIONS", "friendly-scanner") }},
		{"a scanner's From", func() string {
			return strings.Replace(request("INVITE", "phone"), "<sip:100@h>;tag", "\"sipvicious\" <sip:100@1.1.1.1>;tag", 1)
		}},
		{"a name that stands in From of a call", func() string {
			return strings.Replace(request("INVITE", "phone"), "<sip:100@h>;tag", "\"friendly-scanner\" <sip:100@h>;tag", 1)
		}},
	}
	for _, a := range []string{trunk, trusted, nat, login} {
		for _, attack := range attacks {
			for range StrikesToBan {
				passes(e, a, attack.text(), false)
			}
			if !passes(e, a, request("INVITE", "phone"), false) || len(e.Bans()) != 0 {
				t.Errorf("%s silences %s", attack.name, a)
			}
			v.Advance(5 * time.Second) // the buckets are full again
		}
		for range 2 * StrikesToBan {
			e.strike(at(a), 1, true, "wrong user name or password")
		}
		if len(e.Bans()) != 0 {
			t.Errorf("wrong passwords silence %s", a)
		}
	}
	// A trunk that is not answered by its address yet: its address was banned
	// before it was configured.
	const later = "203.0.113.30"
	passes(e, later, request("OPTIONS", "friendly-scanner"), true)
	cfg := *e.cfg.Load()
	cfg.Trunks = append(cfg.Trunks, Trunk{Name: "later", Address: "203.0.113.30", Allow: []netip.Prefix{netip.MustParsePrefix(later + "/32")}})
	if passes(e, later, request("INVITE", "phone"), false) {
		t.Fatal("no ban")
	}
	if err := e.Update(cfg); err != nil {
		t.Fatal(err)
	}
	if !passes(e, later, request("INVITE", "phone"), false) {
		t.Error("a ban from before silences a trunk")
	}
}

// A restart lifts no ban of a proven address; it forgets those that are over,
// that may be forged, and that now would hit somebody who is trusted.
func TestBansSurviveARestart(t *testing.T) {
	kept := map[netip.Addr]Ban{}
	keep := func(d *Deps) {
		d.KeepBan = func(b Ban, holds bool) {
			if delete(kept, b.Source); holds {
				kept[b.Source] = b
			}
		}
	}
	const bad, forged = "203.0.113.6", "203.0.113.7"
	e, _, _ := openWireWith(t, Config{}, keep)
	passes(e, bad, request("OPTIONS", "friendly-scanner"), true)
	passes(e, forged, request("OPTIONS", "friendly-scanner"), false)
	first := kept[netip.MustParseAddr(bad)]
	if len(kept) != 1 || len(e.Bans()) != 2 || !first.Proven {
		t.Fatalf("%+v of %+v", kept, e.Bans())
	}
	saved := []Ban{first}
	for _, a := range []string{"127.0.0.9", "192.0.2.7", "203.0.113.8"} {
		b := first
		b.Source = netip.MustParseAddr(a)
		if a == "203.0.113.8" {
			b.Until = testStart
		}
		saved = append(saved, b)
		kept[b.Source] = b
	}
	e, _, _ = openWireWith(t, Config{Trust: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, func(d *Deps) { keep(d); d.SavedBans = saved })
	if list := e.Bans(); len(list) != 1 || list[0].Source.String() != bad || !list[0].Until.Equal(first.Until) || len(kept) != 1 {
		t.Fatalf("%+v, kept %+v", list, kept)
	}
	if passes(e, bad, request("OPTIONS", "phone"), false) || passes(e, bad, request("REGISTER", "phone"), true) {
		t.Error("the restart has lifted the ban")
	}
	if !e.LiftBan(netip.MustParseAddr(bad)) || len(kept) != 0 || !passes(e, bad, request("OPTIONS", "phone"), false) {
		t.Error("a lifted ban holds")
	}
	passes(e, bad, request("OPTIONS", "friendly-scanner"), true)
	if again := kept[netip.MustParseAddr(bad)]; again.Until.Sub(again.Since) != 2*DefaultBanTime {
		t.Errorf("the second ban lasts %s", again.Until.Sub(again.Since))
	}
}

// What is kept has the bound of what holds: each new ban beyond it ends one.
func TestMaxBans(t *testing.T) {
	b, kept := newBans(), 0
	b.keep = func(_ Ban, holds bool) {
		if kept--; holds {
			kept += 2
		}
	}
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}) }
	for i := range MaxBans + 10 {
		b.strike(at(i), StrikesToBan, true, "test", time.Hour, testStart.Add(time.Duration(i)*time.Millisecond))
	}
	if len(b.list) != MaxBans || kept != MaxBans || b.list[at(0)] != nil || b.list[at(MaxBans)] == nil {
		t.Fatalf("%d bans, %d kept", len(b.list), kept)
	}
	saved := b.current(testStart)
	extra := saved[0]
	extra.Source = netip.MustParseAddr("198.51.100.1")
	again, ended := newBans(), 0
	again.keep = func(Ban, bool) { ended++ }
	again.restore(append(saved, extra), func(netip.Addr) bool { return true }, testStart)
	if len(again.list) != MaxBans || ended != 1 {
		t.Fatalf("%d bans, %d ended", len(again.list), ended)
	}
}
