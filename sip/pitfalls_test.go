package sip

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// The tests of this file are named after the pitfalls of the library below us:
// each shows that one of them does not reach our callers.

func TestP1RequestsAreHandledInOrder(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	const bursts, each = 100, 4
	for burst := range bursts {
		for range each {
			c.request("INFO", fmt.Sprint(c.seq), "Content-Type: application/dtmf")
		}
		for i := range each {
			ev := expect(t, d, Info)
			if want := fmt.Sprint(2 + burst*each + i - 1); string(ev.Body) != want {
				t.Fatalf("burst %d: %s, want %s", burst, ev.Body, want)
			}
			p.response(200, "INFO")
		}
	}
	if s := r.Stats(); s.OutOfOrder != 0 {
		t.Fatalf("%+v", s)
	}
}

// The ACK and the re-INVITE that follows it at once may reach us swapped.
func TestP1AckAndReinvite(t *testing.T) {
	r := newRig(t, nil)
	for range 50 {
		p := r.peer()
		c := p.newCall()
		c.invite()
		d := r.incoming()
		_ = d.Accept([]byte(sdp("answer")))
		c.to = p.response(200, "INVITE").get("To")
		c.ack("")
		c.request("INVITE", sdp("again"))
		ev := expect(t, d, Offered)
		_ = d.Respond(ev.ID, 200, []byte(sdp("ok")))
		p.next("200 to the re-INVITE", func(w packet) bool { return w.code() == 200 && w.get("CSeq") == "2 INVITE" })
		c.ack("")
		d.Hangup()
		p.answer(p.request("BYE"), 200, "OK", "", "")
	}
}

// A callee's first requests tell us where its numbers begin.
func TestP1FirstRequestsOfACallee(t *testing.T) {
	r := newRig(t, nil)
	for range 30 {
		p, d, inv := r.connected()
		c := back(p, inv, "b1")
		for i := range 4 {
			c.request("INFO", fmt.Sprint(i), "Content-Type: application/dtmf")
		}
		for i := range 4 {
			if ev := expect(t, d, Info); string(ev.Body) != fmt.Sprint(i) {
				t.Fatalf("%s, want %d", ev.Body, i)
			}
		}
		d.Hangup()
		p.answer(p.request("BYE"), 200, "OK", "", "")
	}
}

func TestP1GapIsHeldAndGivenUp(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p, c, d := r.established()
	info := func(seq int) {
		p.raw(c.message("INFO", seq, "", fmt.Sprint(seq), "Content-Type: application/dtmf"))
	}
	info(4)
	info(3)
	eventually(t, "both are held", func() bool { return r.Stats().Reordered == 2 })
	noEvent(t, d, Info, 10*time.Millisecond)
	info(2) // the missing one
	for _, want := range []string{"2", "3", "4"} {
		if ev := expect(t, d, Info); string(ev.Body) != want {
			t.Fatalf("%s, want %s", ev.Body, want)
		}
	}
	info(7)
	eventually(t, "it is held", func() bool { return r.Stats().Reordered == 3 })
	v.Advance(gapWait)
	if ev := expect(t, d, Info); string(ev.Body) != "7" {
		t.Fatalf("%s", ev.Body)
	}
	info(6)
	p.response(500, "INFO")
	if s := r.Stats(); s.OutOfOrder != 1 {
		t.Fatalf("%+v", s)
	}
}

// P2, P3, P4, P5, P16 and P23 are TestAnswerWithOfferIsAcknowledgedByAccept,
// TestForks, TestCancelCrosses200, TestManyProvisionals, TestTargetRefresh and
// TestRingTimeout; P6 is TestNextOverridesTheWay.

func TestP7RetransmissionOf2xx(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	p.response(200, "INVITE")
	var total time.Duration
	for _, wait := range []float64{0.5, 1, 2, 4, 4, 4, 4, 4, 4, 4} {
		step := time.Duration(wait * float64(time.Second))
		v.Advance(step - time.Millisecond)
		p.quiet(2*time.Millisecond, func(w packet) bool { return w.code() == 200 })
		v.Advance(time.Millisecond)
		p.response(200, "INVITE")
		total += step
	}
	v.Advance(timer64 - total)
	c.to = p.request("BYE").get("From")
	if ev := expectAfterBye(t, v, d); ev.Reason != ReasonTimeout || !ev.Remote || ev.Code != 408 {
		t.Fatalf("%+v", ev)
	}
}

func expectAfterBye(t *testing.T, v *clock.Virtual, d *Dialog) Event {
	t.Helper()
	left := v.Now()
	v.Advance(endedWait)
	ev := expect(t, d, Ended)
	if !ev.At.Equal(left) { // nobody talks while the BYE waits for its answer
		t.Errorf("ended at %v, the BYE went at %v", ev.At, left)
	}
	return ev
}

func TestP8LargeMessages(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	var long []string
	for i := range 30 {
		long = append(long, fmt.Sprintf("Record-Route: <sip:proxy%d.%s.example.com;lr>", i, strings.Repeat("x", 60)))
	}
	c.invite(long...)
	d := r.incoming()
	answer := sdp("answer") + strings.Repeat("a=fmtp:8 "+strings.Repeat("y", 80)+"\r\n", 30)
	_ = d.Accept([]byte(answer))
	if w := p.response(200, "INVITE"); w.body != answer || len(w.all("Record-Route")) != 30 {
		t.Fatal("the answer is cut")
	}
	// Requests too: a provider that speaks only UDP gets its long INVITE.
	out, inv := r.dial(p, func(o *Outgoing) { o.Body = []byte(answer) })
	if inv.body != answer {
		t.Fatal("the INVITE is cut")
	}
	p.answer(inv, 486, "Busy", "x", "")
	expect(t, out, Ended)
}

func TestP9RequestsLeaveFromTheListener(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		t.Run(bind, func(t *testing.T) {
			r := newRig(t, func(c *Config, _ *Deps) { c.Listen = []Listener{listen("udp", bind)} })
			p := newPeer(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), r.LocalAddr("udp").Port()))
			d, inv := r.dial(p, nil)
			want := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), r.LocalAddr("udp").Port())
			if inv.from.AddrPort() != want {
				t.Fatalf("from %v, want %v", inv.from, want)
			}
			if !strings.Contains(inv.get("Contact"), want.String()) || !strings.Contains(inv.get("Via"), want.String()) {
				t.Fatalf("Contact %s, Via %s", inv.get("Contact"), inv.get("Via"))
			}
			p.answer(inv, 486, "Busy", "x", "")
			expect(t, d, Ended)
		})
	}
}

// A wildcard socket answers from the address it was spoken to.
func TestP9WildcardAnswersFromTheRightAddress(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.Listen = []Listener{listen("udp", "0.0.0.0:0")} })
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.7"), r.LocalAddr("udp").Port())
	p := newPeer(t, to)
	c := p.newCall()
	p.raw(c.message("OPTIONS", 1, "", ""))
	if w := p.response(200, "OPTIONS"); w.from.AddrPort() != to {
		t.Fatalf("answered from %v, asked %v", w.from, to)
	}
	p.raw("OPTIONS sip:x SIP/7.0\r\nVia: SIP/2.0/UDP " + p.addr().String() + ";rport;branch=z9hG4bKx\r\n\r\n")
	if w := p.next("505", func(w packet) bool { return w.code() == 505 }); w.from.AddrPort() != to {
		t.Fatalf("answered from %v, asked %v", w.from, to)
	}
}

func TestP10SourcesAreForgotten(t *testing.T) {
	r := newRig(t, nil)
	pool := r.tp.Pool("udp")
	base := pool.Size()
	for range 50 {
		p := r.peer()
		p.raw("garbage\r\n\r\n")
		p.raw("SIP/2.0 200 OK\r\n\r\n")
		_ = p.conn.Close()
	}
	r.transports.mu.Lock()
	r.sources = newRecent(8, func(s string, _ *udpSocket) { pool.Delete(s) })
	r.transports.mu.Unlock()
	for range 40 {
		p := r.peer()
		c := p.newCall()
		p.raw(c.message("OPTIONS", 1, "", ""))
		p.response(200, "OPTIONS")
	}
	if n := pool.Size(); n > base+1+8 {
		t.Fatalf("%d entries, %d before", n, base)
	}
	if s := r.Stats(); s.Sources > 8 || s.Malformed < 100 {
		t.Fatalf("%+v", s)
	}
}

func TestP11GarbageDoesNotEndTheListener(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	for _, s := range []string{
		"", "\x00", "\x00\x00\x00", "\r\n\r\n", "x", "INVITE", "INVITE sip:x SIP/2.0", "INVITE sip:x SIP/2.0\r\n\r\n",
		"SIP/2.0 200 OK\r\nVia\r\n\r\n", strings.Repeat("\xff", 60000), "ACK sip:x SIP/2.0\r\nCSeq: -1 ACK\r\n\r\n",
	} {
		p.raw(s)
	}
	c := p.newCall()
	p.raw(c.message("OPTIONS", 1, "", ""))
	p.response(200, "OPTIONS")
}

func TestP12ContextOfTransactionsIsNotUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "ServerTransactionContext"+"(") {
			t.Errorf("%s uses the context that is cancelled from its start", f)
		}
	}
}

func TestP13OneToTag(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Provisional(180, "", nil)
	ringing := p.response(180, "INVITE")
	c.cancel()
	cancelled, ended := p.response(200, "CANCEL"), p.response(487, "INVITE")
	if a, b, c := ringing.tag("To"), cancelled.tag("To"), ended.tag("To"); a == "" || a != b || a != c {
		t.Fatalf("180 %q, 200 to CANCEL %q, 487 %q", a, b, c)
	}
	c.ackFailure(ended)
}

func TestP14UnknownDialogIs481(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	for _, method := range []string{"BYE", "INFO", "UPDATE", "INVITE", "OPTIONS", "REFER", "NOTIFY", "MESSAGE", "PRACK", "SUBSCRIBE"} {
		c := p.newCall()
		c.to += ";tag=gone"
		p.raw(c.message(method, 7, "", ""))
		p.response(481, method)
	}
	c := p.newCall()
	c.to += ";tag=gone"
	c.ack("")
	p.quiet(20*time.Millisecond, func(w packet) bool { return true })
}

func TestP15RequestsBeforeTheAck(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	c.to = p.response(200, "INVITE").get("To")
	c.request("INFO", "5", "Content-Type: application/dtmf")
	p.response(200, "INFO")
	c.request("UPDATE", "")
	p.response(200, "UPDATE")
	p.raw(c.message("ACK", 3, "", "")) // not the number of the INVITE
	noEvent(t, d, Confirmed, 20*time.Millisecond)
	p.raw(c.message("ACK", 1, "", ""))
	expect(t, d, Confirmed)
}

// An ACK of a 2xx with the branch of its INVITE (RFC 2543, and phones).
func TestAckWithTheBranchOfItsInvite(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	c.to = p.response(200, "INVITE").get("To")
	p.raw(c.message("ACK", 1, c.branch, ""))
	expect(t, d, Confirmed)
}

func trunkOf(p *peer) func(*Config, *Deps) {
	return func(c *Config, _ *Deps) {
		c.Trunks = []Trunk{{Name: "t", Address: p.addr().String(), Username: "u", Password: "secret"}}
	}
}

// proves checks a digest response by hand (RFC 2617 without qop).
func proves(t *testing.T, w packet, name, nonce string) {
	t.Helper()
	sum := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	want := sum(sum("u:r:secret") + ":" + nonce + ":" + sum(w.method()+":"+w.uri()))
	if v := w.get(name); !strings.Contains(v, `response="`+want+`"`) {
		t.Fatalf("%s of %s: %q, want %s", name, w.start, v, want)
	}
}

func TestP17DigestOnEveryRequest(t *testing.T) {
	p := newPeer(t, netip.AddrPort{})
	r := newRig(t, trunkOf(p))
	d, err := r.Dial(Outgoing{Target: Target{Trunk: "t", Number: "+79161234567"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	inv := p.request("INVITE")
	p.answer(inv, 407, "Proxy Authentication Required", "x1", "",
		`Proxy-Authenticate: Digest realm="r", nonce="n0", algorithm=UNKNOWN-9`,
		`Proxy-Authenticate: Digest realm="r", nonce="n1", algorithm=MD5`)
	p.request("ACK")
	second := p.request("INVITE")
	proves(t, second, "Proxy-Authorization", "n1")
	if second.get("CSeq") != "2 INVITE" || second.tag("From") != inv.tag("From") || second.branch() == inv.branch() {
		t.Fatalf("%+v", second)
	}
	p.answer(second, 407, "Proxy Authentication Required", "x2", "", `Proxy-Authenticate: Digest realm="r", nonce="n2", stale=true`)
	p.request("ACK")
	third := p.request("INVITE")
	proves(t, third, "Proxy-Authorization", "n2")
	p.answer(third, 200, "OK", "b1", sdp("answer"))
	expect(t, d, Answered)
	if ack := p.request("ACK"); ack.get("CSeq") != "3 ACK" || ack.get("Proxy-Authorization") == "" {
		t.Fatalf("%+v", ack)
	}
	for i, act := range map[string]func(){
		"INVITE": func() { _ = d.Reoffer([]byte(sdp("more"))) },
		"INFO":   func() { _ = d.Info("application/dtmf", []byte("1")) },
		"REFER":  func() { _ = d.Refer("sip:x@example.com") },
	} {
		act()
		challengeOnce(t, p, i, "k"+i)
	}
	d.Hangup(Header{"Reason", "Q.850;cause=16"})
	if bye := challengeOnce(t, p, "BYE", "kb"); bye.get("Reason") == "" {
		t.Fatal("the retry lost its Reason")
	}
	expect(t, d, Ended)
}

func challengeOnce(t *testing.T, p *peer, method, nonce string) packet {
	t.Helper()
	first := p.request(method)
	p.answer(first, 401, "Unauthorized", "", "", `WWW-Authenticate: Digest realm="r", nonce="`+nonce+`"`)
	again := p.next("retry", func(w packet) bool { return w.method() == method && w.get("CSeq") != first.get("CSeq") })
	proves(t, again, "Authorization", nonce)
	p.answer(again, 200, "OK", "", "")
	return again
}

// A caller that challenges our BYE learns nothing.
func TestNoCredentialsForInboundCalls(t *testing.T) {
	p := newPeer(t, netip.AddrPort{})
	r := newRig(t, trunkOf(p))
	p.to = net.UDPAddrFromAddrPort(r.LocalAddr("udp"))
	c := p.newCall()
	c.invite()
	d := r.incoming()
	if d.Origin().Kind != FromTrunk || d.Origin().Name != "t" {
		t.Fatalf("%+v", d.Origin())
	}
	_ = d.Accept([]byte(sdp("answer")))
	c.to = p.response(200, "INVITE").get("To")
	c.ack("")
	expect(t, d, Confirmed)
	d.Hangup()
	bye := p.request("BYE")
	p.answer(bye, 401, "Unauthorized", "", "", `WWW-Authenticate: Digest realm="r", nonce="n"`)
	p.quiet(40*time.Millisecond, func(w packet) bool { return w.get("Authorization") != "" || w.get("CSeq") == "2 BYE" })
	expect(t, d, Ended)
}

// Nor does a Contact elsewhere that a callee of the trunk names.
func TestNoCredentialsElsewhere(t *testing.T) {
	p := newPeer(t, netip.AddrPort{})
	r := newRig(t, trunkOf(p))
	thief := newPeerOn(t, "127.0.0.9:0", r.LocalAddr("udp"))
	d, err := r.Dial(Outgoing{Target: Target{Trunk: "t", Number: "100"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	inv := p.request("INVITE")
	p.answer(inv, 200, "OK", "b1", sdp("answer"), "Contact: <sip:x@"+thief.addr().String()+">")
	expect(t, d, Answered)
	thief.request("ACK")
	d.Hangup()
	bye := thief.request("BYE")
	thief.answer(bye, 401, "Unauthorized", "", "", `WWW-Authenticate: Digest realm="r", nonce="n"`)
	thief.quiet(40*time.Millisecond, func(w packet) bool { return w.get("Authorization") != "" })
	expect(t, d, Ended)
}

func TestP19PanicCostsOneCall(t *testing.T) {
	armed := true
	r := newRig(t, func(_ *Config, d *Deps) {
		next := d.Incoming
		d.Incoming = func(d *Dialog) {
			if armed {
				armed = false
				panic("a defect")
			}
			next(d)
		}
	})
	p := r.peer()
	bad := p.newCall()
	bad.invite()
	bad.ackFailure(p.response(503, "INVITE"))
	good := p.newCall()
	good.invite()
	r.incoming()
	if s := r.Stats(); s.Panics != 1 || s.Inbound != 2 {
		t.Fatalf("%+v", s)
	}
	eventually(t, "the broken call is gone", func() bool { return r.Stats().Dialogs == 1 })
}

// P20 is transport_test.go.

func TestP21StrayResponses(t *testing.T) {
	r := newRig(t, nil)
	p, d, inv := r.connected()
	stray := inv
	stray.fields = append([]string{"Via: SIP/2.0/UDP " + r.LocalAddr("udp").String() + ";branch=z9hG4bKunknown"}, stray.fields...)
	for i, f := range stray.fields[1:] {
		if strings.HasPrefix(f, "Via:") {
			stray.fields = append(stray.fields[:i+1], stray.fields[i+2:]...)
			break
		}
	}
	p.answer(stray, 200, "OK", "b1", sdp("answer")) // as if its transaction were gone
	p.request("ACK")
	p.answer(stray, 180, "Ringing", "b1", "")
	p.answer(stray, 500, "No", "b1", "")
	noEvent(t, d, Ended, 20*time.Millisecond)
	if s := r.Stats(); s.LateAnswers != 1 {
		t.Fatalf("%+v", s)
	}
}

// sipgo calls back on CANCEL under its lock: many at once must not deadlock.
func TestP22ManyCancels(t *testing.T) {
	r := newRig(t, nil)
	var wg sync.WaitGroup
	for range 20 {
		p := r.peer()
		wg.Go(func() {
			c := p.newCall()
			c.invite()
			for range 5 {
				c.cancel()
			}
			p.next("487", func(w packet) bool { return w.code() == 487 })
		})
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case d := <-r.calls:
				_ = d.Provisional(180, "", nil)
				_ = d.Provisional(183, "", []byte(sdp("x")))
			case <-stop:
				return
			}
		}
	}()
	wg.Wait()
	eventually(t, "no dialog is left", func() bool { return r.Stats().Dialogs == 0 })
	close(stop)
	<-stopped
}
