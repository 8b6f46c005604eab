package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// dial calls the peer and returns its INVITE.
func (r *rig) dial(p *peer, change func(*Outgoing)) (*Dialog, packet) {
	r.t.Helper()
	o := Outgoing{Target: Target{URI: "sip:bob@" + p.addr().String()}, From: Address{User: "101"}, Body: []byte(sdp("offer"))}
	if change != nil {
		change(&o)
	}
	d, err := r.Dial(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return d, p.request("INVITE")
}

// connected is an outbound call that the peer answered.
func (r *rig) connected(fields ...string) (*peer, *Dialog, packet) {
	r.t.Helper()
	p := r.peer()
	d, inv := r.dial(p, nil)
	p.answer(inv, 200, "OK", "b1", sdp("answer"), fields...)
	expect(r.t, d, Answered)
	p.request("ACK")
	return p, d, inv
}

// back is the peer's side of a dialog that we placed.
func back(p *peer, inv packet, tag string) *call {
	return &call{
		p: p, id: inv.get("Call-ID"), from: inv.get("To") + ";tag=" + tag, to: inv.get("From"),
		seq: 100, target: strings.Trim(inv.get("Contact"), "<>"), transport: "UDP",
	}
}

func TestDialRefusals(t *testing.T) {
	r := newRig(t, nil)
	for name, tt := range map[string]struct {
		o    Outgoing
		code fault.Code
	}{
		"nothing":       {Outgoing{}, fault.Invalid},
		"two targets":   {Outgoing{Target: Target{URI: "sip:a@192.0.2.1", User: "b"}}, fault.Invalid},
		"no URI":        {Outgoing{Target: Target{URI: "x y"}}, fault.Invalid},
		"tel":           {Outgoing{Target: Target{URI: "tel:+7916"}}, fault.Invalid},
		"sips":          {Outgoing{Target: Target{URI: "sips:a@192.0.2.1"}}, fault.Invalid},
		"unknown trunk": {Outgoing{Target: Target{Trunk: "x", Number: "+7916"}}, fault.NotFound},
		"unknown user":  {Outgoing{Target: Target{User: "x"}}, fault.NotFound},
		"smuggling":     {Outgoing{Target: Target{URI: "sip:a@192.0.2.1"}, Headers: []Header{{"X-A", "1\r\nX-B: 2"}}}, fault.Invalid},
		"our header":    {Outgoing{Target: Target{URI: "sip:a@192.0.2.1"}, Headers: []Header{{"Via", "x"}}}, fault.Invalid},
		"compact":       {Outgoing{Target: Target{URI: "sip:a@192.0.2.1"}, Headers: []Header{{"v", "x"}}}, fault.Invalid},
		"huge":          {Outgoing{Target: Target{URI: "sip:a@192.0.2.1"}, Body: make([]byte, MaxBody+1)}, fault.Limit},
	} {
		if _, err := r.Dial(tt.o); fault.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := r.Stats().Dialogs; n != 0 {
		t.Fatalf("%d dialogs", n)
	}
}

func TestRefusedCall(t *testing.T) {
	r := newRig(t, nil)
	for _, code := range []int{302, 404, 486, 603} {
		p := r.peer()
		d, inv := r.dial(p, nil)
		p.answer(inv, code, "No", "b1", "", "Contact: <sip:else@192.0.2.1>", "X-Why: tired")
		ack := p.request("ACK")
		if ack.branch() != inv.branch() {
			t.Errorf("%d: the ACK has a branch of its own", code)
		}
		ev := expect(t, d, Ended)
		if ev.Code != code || ev.Reason != ReasonRejected || !ev.Remote || ev.Headers.Get("X-Why") != "tired" {
			t.Errorf("%+v", ev)
		}
		p.quiet(20*time.Millisecond, func(w packet) bool { return w.method() == "INVITE" })
	}
}

func TestUnresolvableAndUnreachable(t *testing.T) {
	r := newRig(t, nil)
	d, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@no.such.host.invalid"}})
	if err != nil {
		t.Fatal(err)
	}
	if ev := expect(t, d, Ended); ev.Reason != ReasonError || ev.Code != 503 {
		t.Fatalf("%+v", ev)
	}
	// Nobody listens there: TCP says so at once.
	d, err = r.Dial(Outgoing{Target: Target{URI: "sip:bob@127.0.0.1:1;transport=tcp"}})
	if err != nil {
		t.Fatal(err)
	}
	if ev := expect(t, d, Ended); ev.Reason != ReasonError || ev.Code != 503 {
		t.Fatalf("%+v", ev)
	}
}

func TestNobodyAnswers(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, _ := r.dial(p, nil)
	if ev := expect(t, d, Ended); ev.Reason != ReasonTimeout || ev.Code != 408 {
		t.Fatalf("%+v", ev) // Timer B
	}
}

func TestCancelOnlyAfterProvisional(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, nil)
	d.Hangup()
	p.quiet(60*time.Millisecond, func(w packet) bool { return w.method() == "CANCEL" })
	p.answer(inv, 100, "Trying", "", "")
	cancel := p.request("CANCEL")
	if cancel.branch() != inv.branch() || cancel.get("CSeq") != "1 CANCEL" || cancel.uri() != inv.uri() || cancel.get("To") != inv.get("To") {
		t.Fatalf("CANCEL %+v", cancel)
	}
	p.answer(cancel, 200, "OK", "b1", "")
	p.answer(inv, 487, "Request Terminated", "b1", "")
	p.request("ACK")
	if ev := expect(t, d, Ended); ev.Remote || ev.Reason != ReasonCancel || ev.Code != 487 {
		t.Fatalf("%+v", ev)
	}
}

func TestHangupTellsEndedSoonWithoutAnAnswer(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p := r.peer()
	d, inv := r.dial(p, nil)
	p.answer(inv, 180, "Ringing", "b1", "")
	expect(t, d, Provisional)
	d.Hangup()
	p.request("CANCEL")
	v.Advance(endedWait)
	if ev := expect(t, d, Ended); ev.Reason != ReasonCancel {
		t.Fatalf("%+v", ev)
	}
	v.Advance(timer64) // and the transaction is given up
	eventually(t, "the dialog is gone", func() bool { return r.Stats().Dialogs == 0 })
}

// TestSilence: with Silence a peer that sends nothing is given up early, one
// that sends so much as a 100 has its ring time, and 408 tells the two apart.
func TestSilence(t *testing.T) {
	for _, trying := range []bool{false, true} {
		v := clock.NewVirtual(testStart)
		r := newRig(t, virtual(v))
		p := r.peer()
		d, inv := r.dial(p, func(o *Outgoing) { o.Timeout, o.Silence = 20*time.Second, 8*time.Second })
		want := 408
		if trying {
			p.answer(inv, 100, "Trying", "", "")
			p.answer(inv, 180, "Ringing", "b1", "")
			expect(t, d, Provisional)
			v.Advance(8 * time.Second)
			v.Advance(12 * time.Second)
			p.answer(p.request("CANCEL"), 200, "OK", "b1", "")
			p.answer(inv, 487, "Request Terminated", "b1", "")
			want = 487
		} else {
			v.Advance(8 * time.Second)
			v.Advance(endedWait)
		}
		if ev := expect(t, d, Ended); ev.Reason != ReasonTimeout || ev.Code != want {
			t.Fatalf("%v: %+v", trying, ev)
		}
	}
}

func TestRingTimeout(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p := r.peer()
	d, inv := r.dial(p, func(o *Outgoing) { o.Timeout = 20 * time.Second })
	p.answer(inv, 180, "Ringing", "b1", "")
	expect(t, d, Provisional)
	v.Advance(19 * time.Second)
	p.quiet(20*time.Millisecond, func(w packet) bool { return w.method() == "CANCEL" })
	v.Advance(time.Second)
	p.answer(p.request("CANCEL"), 200, "OK", "b1", "")
	p.answer(inv, 487, "Request Terminated", "b1", "")
	if ev := expect(t, d, Ended); ev.Reason != ReasonTimeout || ev.Remote || ev.Code != 487 {
		t.Fatalf("%+v", ev)
	}
}

func TestCancelCrosses200(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, nil)
	p.answer(inv, 180, "Ringing", "b1", "")
	expect(t, d, Provisional)
	d.Hangup()
	cancel := p.request("CANCEL")
	p.answer(inv, 200, "OK", "b1", sdp("answer"))
	p.answer(cancel, 200, "OK", "b1", "")
	p.request("ACK")
	bye := p.request("BYE")
	if bye.tag("To") != "b1" {
		t.Fatalf("BYE %+v", bye)
	}
	p.answer(bye, 200, "OK", "", "")
	if ev := expect(t, d, Ended); ev.Reason != ReasonCancel {
		t.Fatalf("%+v", ev)
	}
}

func TestForks(t *testing.T) {
	r := newRig(t, nil)
	p, loser := r.peer(), r.peer()
	d, inv := r.dial(p, nil)
	inv2 := inv
	for i, tag := range []string{"b1", "b2", "b3"} {
		p.answer(inv, 183, "Session Progress", tag, sdp(tag))
		if ev := expect(t, d, Provisional); ev.Tag != tag || string(ev.Body) != sdp(tag) {
			t.Fatalf("%d: %+v", i, ev)
		}
	}
	p.answer(inv, 200, "OK", "b2", sdp("two"))
	if ev := expect(t, d, Answered); ev.Tag != "b2" {
		t.Fatalf("%+v", ev)
	}
	if ack := p.request("ACK"); ack.tag("To") != "b2" {
		t.Fatalf("ACK %+v", ack)
	}
	// The other fork answers as well, from a place of its own.
	loser.to = inv.from
	loser.answer(inv2, 200, "OK", "b1", sdp("one"))
	if ack := loser.request("ACK"); ack.tag("To") != "b1" {
		t.Fatalf("ACK %+v", ack)
	}
	bye := loser.request("BYE")
	if bye.tag("To") != "b1" {
		t.Fatalf("BYE %+v", bye)
	}
	loser.answer(bye, 200, "OK", "", "")
	// Its 2xx comes again: it is acknowledged again, and so is the winner's.
	loser.answer(inv2, 200, "OK", "b1", sdp("one"))
	loser.request("ACK")
	p.answer(inv, 200, "OK", "b2", sdp("two"))
	if ack := p.request("ACK"); ack.tag("To") != "b2" {
		t.Fatalf("ACK %+v", ack)
	}
	noEvent(t, d, Ended, 20*time.Millisecond)
	d.Hangup()
	if bye := p.request("BYE"); bye.tag("To") != "b2" {
		t.Fatalf("BYE %+v", bye)
	}
	if s := r.Stats(); s.ForkedEnded != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestForkThatAnswersAfterTheEnd(t *testing.T) {
	r := newRig(t, nil)
	p, d, inv := r.connected()
	d.Hangup()
	p.answer(p.request("BYE"), 200, "OK", "", "")
	expect(t, d, Ended)
	eventually(t, "the dialog is gone", func() bool { return r.Stats().Dialogs == 0 })
	late := r.peer()
	late.answer(withSource(inv), 200, "OK", "b9", sdp("late"))
	late.request("ACK")
	late.answer(late.request("BYE"), 200, "OK", "", "")
	if r.Stats().ForkedEnded != 1 {
		t.Fatalf("%+v", r.Stats())
	}
}

func withSource(w packet) packet { return w }

func TestManyProvisionals(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, nil)
	for range 40 {
		p.answer(inv, 183, "Session Progress", "b1", "")
		expect(t, d, Provisional)
	}
	p.answer(inv, 200, "OK", "b1", sdp("answer"))
	expect(t, d, Answered)
}

func TestForkLimit(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, nil)
	for i := range MaxForks + 5 {
		p.answer(inv, 180, "Ringing", fmt.Sprint("f", i), "")
		expect(t, d, Provisional)
	}
	p.answer(inv, 200, "OK", fmt.Sprint("f", MaxForks+2), sdp("answer"))
	expect(t, d, Answered)
	if n := len(d.core.client.forks); n > MaxForks {
		t.Fatalf("%d forks", n)
	}
}

func TestAnswerWithOfferIsAcknowledgedByAccept(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, func(o *Outgoing) { o.Body = nil })
	p.answer(inv, 200, "OK", "b1", sdp("theirs"))
	if ev := expect(t, d, Answered); string(ev.Body) != sdp("theirs") {
		t.Fatalf("%+v", ev)
	}
	p.quiet(30*time.Millisecond, func(w packet) bool { return w.method() == "ACK" })
	// Another request first: the ACK still carries the number of the INVITE.
	_ = d.Info("application/dtmf", []byte("5"))
	info := p.request("INFO")
	p.answer(info, 200, "OK", "", "")
	if err := d.Accept([]byte(sdp("ours"))); err != nil {
		t.Fatal(err)
	}
	ack := p.request("ACK")
	if ack.get("CSeq") != "1 ACK" || ack.body != sdp("ours") || info.get("CSeq") != "2 INFO" {
		t.Fatalf("ACK %+v after INFO %s", ack, info.get("CSeq"))
	}
	p.answer(inv, 200, "OK", "b1", sdp("theirs"))
	if again := p.request("ACK"); again.body != sdp("ours") {
		t.Fatalf("ACK again %+v", again)
	}
}

func TestTargetRefresh(t *testing.T) {
	r := newRig(t, nil)
	p, d, inv := r.connected()
	moved := r.peer()
	c := back(p, inv, "b1")
	c.request("INVITE", sdp("move"), "Contact: <sip:bob@"+moved.addr().String()+">")
	ev := expect(t, d, Offered)
	_ = d.Respond(ev.ID, 200, []byte(sdp("ok")))
	p.response(200, "INVITE")
	c.ack("")
	eventually(t, "the new target", func() bool { return d.RemoteTarget().Port == int(moved.addr().Port()) })
	_ = d.Info("application/dtmf", []byte("1"))
	moved.answer(moved.request("INFO"), 200, "OK", "", "", "Contact: <sip:bob@"+moved.addr().String()+">")
	// An UPDATE moves it back.
	c.request("UPDATE", "")
	p.response(200, "UPDATE")
	d.Hangup()
	p.answer(p.request("BYE"), 200, "OK", "", "")
	expect(t, d, Ended)
}

func TestRouteSetOfUAC(t *testing.T) {
	r := newRig(t, nil)
	for _, strict := range []bool{false, true} {
		proxy := r.peer()
		p, d, _ := func() (*peer, *Dialog, packet) {
			first := "<sip:" + proxy.addr().String() + ";lr>"
			if strict {
				first = "<sip:" + proxy.addr().String() + ">"
			}
			p := r.peer()
			d, inv := r.dial(p, nil)
			p.answer(inv, 200, "OK", "b1", sdp("answer"), "Record-Route: <sip:far@192.0.2.9;lr>,"+first)
			expect(t, d, Answered)
			return p, d, inv
		}()
		ack := proxy.request("ACK")
		target, routes := ack.uri(), strings.Join(ack.all("Route"), ",")
		wantTarget := "sip:bob@" + p.addr().String()
		wantRoutes := "<sip:" + proxy.addr().String() + ";lr>,<sip:far@192.0.2.9;lr>"
		if strict {
			wantTarget, wantRoutes = "sip:"+proxy.addr().String(), "<sip:far@192.0.2.9;lr>,<sip:bob@"+p.addr().String()+">"
		}
		if target != wantTarget || routes != wantRoutes {
			t.Errorf("strict %v: %s, %s", strict, target, routes)
		}
		d.Hangup()
		proxy.answer(proxy.request("BYE"), 200, "OK", "", "")
		expect(t, d, Ended)
	}
}

func TestNextOverridesTheWay(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, func(o *Outgoing) {
		o.Target = Target{URI: "sip:bob@192.0.2.77", Next: p.addr()}
	})
	if inv.uri() != "sip:bob@192.0.2.77" {
		t.Fatal(inv.uri())
	}
	p.answer(inv, 180, "Ringing", "b1", "")
	expect(t, d, Provisional)
	d.Hangup()
	if c := p.request("CANCEL"); c.uri() != "sip:bob@192.0.2.77" {
		t.Fatal(c.uri())
	}
	p.answer(inv, 487, "Request Terminated", "b1", "")
	expect(t, d, Ended)
}

func TestByeFromCallee(t *testing.T) {
	r := newRig(t, nil)
	p, d, inv := r.connected()
	c := back(p, inv, "b1")
	stranger := *c
	stranger.from = "<sip:x@example.com>;tag=zzz"
	stranger.request("BYE", "")
	p.response(481, "BYE")
	c.request("BYE", "", "Reason: SIP;cause=200")
	p.response(200, "BYE")
	if ev := expect(t, d, Ended); !ev.Remote || ev.Reason != ReasonBye || ev.Headers.Get("Reason") == "" {
		t.Fatalf("%+v", ev)
	}
}

// The BYE that follows an answer at once may be looked at before the answer.
func TestByeRightAfterAnswer(t *testing.T) {
	r := newRig(t, nil)
	for range 50 {
		p := r.peer()
		d, inv := r.dial(p, nil)
		c := back(p, inv, "b1")
		p.to = inv.from
		p.answer(inv, 200, "OK", "b1", sdp("answer"))
		c.request("BYE", "")
		p.response(200, "BYE")
		expect(t, d, Answered)
		if ev := expect(t, d, Ended); !ev.Remote || ev.Reason != ReasonBye {
			t.Fatalf("%+v", ev)
		}
	}
}

func TestStrangersRequestBeforeTheAnswer(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p := r.peer()
	d, inv := r.dial(p, nil)
	p.answer(inv, 180, "Ringing", "b1", "")
	expect(t, d, Provisional)
	c := back(p, inv, "who")
	c.request("INFO", "5", "Content-Type: application/dtmf")
	eventually(t, "it waits", func() bool { v.Settle(); at, ok := v.Next(); return ok && at.Equal(testStart.Add(gapWait)) })
	v.Advance(gapWait)
	p.response(481, "INFO")
	c = back(p, inv, "b1")
	c.request("INFO", "5", "Content-Type: application/dtmf")
	eventually(t, "it waits", func() bool { v.Settle(); at, ok := v.Next(); return ok && at.Equal(testStart.Add(2*gapWait)) })
	v.Advance(gapWait)
	p.response(200, "INFO")
	expect(t, d, Info)
	// A BYE whose answer comes even later still ends that fork.
	c.request("BYE", "")
	eventually(t, "it waits", func() bool { v.Settle(); at, ok := v.Next(); return ok && at.Equal(testStart.Add(3*gapWait)) })
	v.Advance(gapWait)
	p.response(200, "BYE")
	p.answer(inv, 200, "OK", "b1", sdp("answer"))
	p.request("ACK")
	expect(t, d, Answered)
	if ev := expect(t, d, Ended); ev.Reason != ReasonBye || !ev.Remote {
		t.Fatalf("%+v", ev)
	}
}

func TestCrossingByes(t *testing.T) {
	r := newRig(t, nil)
	p, d, inv := r.connected()
	d.Hangup()
	bye := p.request("BYE")
	c := back(p, inv, "b1")
	c.request("BYE", "")
	p.response(200, "BYE")
	p.answer(bye, 481, "Gone", "", "")
	if ev := expect(t, d, Ended); ev.Reason != ReasonBye {
		t.Fatalf("%+v", ev)
	}
}

func TestInfoIsSentInOrder(t *testing.T) {
	r := newRig(t, nil)
	p, d, _ := r.connected()
	for i := range 5 {
		if err := d.Info("application/dtmf", []byte{byte('0' + i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		w := p.request("INFO")
		if w.body != fmt.Sprint(i) || w.get("Content-Type") != "application/dtmf" {
			t.Fatalf("%d: %+v", i, w)
		}
		p.quiet(5*time.Millisecond, func(n packet) bool { return n.method() == "INFO" && n.get("CSeq") != w.get("CSeq") })
		p.answer(w, 200, "OK", "", "")
	}
}

func TestTCPCall(t *testing.T) {
	r := newRig(t, nil)
	s := dialTCP(t, r.LocalAddr("tcp"))
	p := r.peer() // only for its message writer
	c := p.newCall()
	c.transport = "TCP"
	c.target = "sip:bob@" + r.LocalAddr("tcp").String() + ";transport=tcp"
	contact := "Contact: <sip:alice@" + s.conn.LocalAddr().String() + ";transport=tcp>"
	s.raw(c.message("INVITE", 1, "z9hG4bKtcp", c.offer, contact))
	d := r.incoming()
	if d.Origin().Transport != "tcp" {
		t.Fatalf("%+v", d.Origin())
	}
	_ = d.Accept([]byte(sdp("answer")))
	ok := s.final("INVITE")
	if !strings.Contains(ok.get("Contact"), "transport=tcp") || !strings.Contains(ok.get("Contact"), r.LocalAddr("tcp").String()) {
		t.Fatal(ok.get("Contact"))
	}
	c.to = ok.get("To")
	s.raw(c.message("ACK", 1, "", "", contact))
	expect(t, d, Confirmed)
	d.Hangup()
	bye := s.request("BYE") // on the same connection
	s.raw(strings.Replace("SIP/2.0 200 OK\r\nVia: "+bye.get("Via")+"\r\nFrom: "+bye.get("From")+"\r\nTo: "+bye.get("To")+
		"\r\nCall-ID: "+bye.get("Call-ID")+"\r\nCSeq: "+bye.get("CSeq")+"\r\nContent-Length: 0\r\n\r\n", "\x00", "", 1))
	if ev := expect(t, d, Ended); ev.Reason != ReasonBye {
		t.Fatalf("%+v", ev)
	}
}

func TestIPv6(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) {
		c.Listen = append(c.Listen, listen("udp", "[::1]:0"), listen("tcp", "[::1]:0"))
	})
	six := r.udp[1].local
	p := newPeer(t, six)
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	ok := p.response(200, "INVITE")
	if !strings.Contains(ok.get("Contact"), six.String()) {
		t.Fatal(ok.get("Contact"))
	}
	c.to = ok.get("To")
	c.ack("")
	expect(t, d, Confirmed)
	out, inv := r.dial(p, nil)
	if inv.from.AddrPort() != six || !strings.Contains(inv.get("Via"), "[::1]") {
		t.Fatalf("from %v, Via %s", inv.from, inv.get("Via"))
	}
	p.answer(inv, 486, "Busy", "x", "")
	expect(t, out, Ended)
	if a := r.AdvertisedFor(netip.MustParseAddr("::1")); a != netip.IPv6Loopback() {
		t.Fatal(a)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	r := newRig(t, nil)
	p, d, _ := r.connected()
	q, _, in := r.established()
	ringing := r.peer()
	half, inv := r.dial(ringing, nil)
	ringing.answer(inv, 180, "Ringing", "b1", "")
	expect(t, half, Provisional)
	r.Close()
	for _, d := range []*Dialog{d, in, half} {
		if ev := expect(t, d, Ended); ev.Reason != ReasonClosed {
			t.Fatalf("%+v", ev)
		}
	}
	p.request("BYE")
	q.request("BYE")
	ringing.request("CANCEL")
	if _, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@192.0.2.1"}}); err == nil {
		t.Fatal("a call after Close")
	}
}
