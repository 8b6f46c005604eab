package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

var testStart = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// virtual puts an endpoint on a clock that the test moves.
func virtual(v *clock.Virtual) func(*Config, *Deps) {
	return func(_ *Config, d *Deps) { d.Clock = v }
}

func TestReject(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct {
		code   int
		fields []Header
	}{
		{486, nil},
		{603, []Header{{"Reason", "Q.850;cause=21"}}},
		{302, []Header{{"Contact", "<sip:other@192.0.2.1>"}}},
	} {
		p := r.peer()
		c := p.newCall()
		c.invite()
		d := r.incoming()
		if err := d.Reject(tt.code, "", tt.fields...); err != nil {
			t.Fatal(err)
		}
		w := p.response(tt.code, "INVITE")
		c.ackFailure(w)
		for _, h := range tt.fields {
			if w.get(h.Name) != h.Value {
				t.Errorf("%d: %s is %q", tt.code, h.Name, w.get(h.Name))
			}
		}
		if ev := expect(t, d, Ended); ev.Code != tt.code || ev.Reason != ReasonRejected || ev.Remote {
			t.Errorf("%+v", ev)
		}
		if err := d.Accept(nil); fault.CodeOf(err) != fault.Hangup {
			t.Errorf("Accept after the end: %v", err)
		}
	}
	if err := (&Dialog{}).Reject(200, ""); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("Reject(200): %v", err)
	}
}

func TestHangupOfUnansweredCallIs480(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	d.Hangup()
	d.Hangup()
	c.ackFailure(p.response(480, "INVITE"))
	if ev := expect(t, d, Ended); ev.Code != 480 || ev.Remote {
		t.Fatalf("%+v", ev)
	}
}

func TestHangupBeforeACKWaitsForIt(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	if err := d.Accept([]byte(sdp("answer"))); err != nil {
		t.Fatal(err)
	}
	c.to = p.response(200, "INVITE").get("To")
	d.Hangup()
	p.quiet(50*time.Millisecond, func(w packet) bool { return w.method() == "BYE" })
	c.ack("")
	p.answer(p.request("BYE"), 200, "OK", "", "")
	if ev := expect(t, d, Ended); ev.Remote || ev.Reason != ReasonBye {
		t.Fatalf("%+v", ev)
	}
}

func TestLateOffer(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.offer = ""
	c.invite()
	d := r.incoming()
	if len(d.Offer()) != 0 {
		t.Fatal("an offer from nowhere")
	}
	if err := d.Accept([]byte(sdp("ours"))); err != nil {
		t.Fatal(err)
	}
	c.to = p.response(200, "INVITE").get("To")
	c.ack(sdp("theirs"))
	if ev := expect(t, d, Confirmed); string(ev.Body) != sdp("theirs") || ev.ID != 0 {
		t.Fatalf("%+v", ev)
	}
}

func TestCancelAtEveryMoment(t *testing.T) {
	r := newRig(t, nil)
	moments := map[string]func(*peer, *Dialog){
		"at once": func(*peer, *Dialog) {},
		"after 180": func(p *peer, d *Dialog) {
			_ = d.Provisional(180, "", nil)
			p.response(180, "INVITE")
		},
		"after 183": func(p *peer, d *Dialog) {
			_ = d.Provisional(183, "", []byte(sdp("early")))
			p.response(183, "INVITE")
		},
	}
	for name, moment := range moments {
		t.Run(name, func(t *testing.T) {
			p := r.peer()
			c := p.newCall()
			c.invite()
			d := r.incoming()
			moment(p, d)
			c.cancel()
			p.response(200, "CANCEL")
			c.ackFailure(p.response(487, "INVITE"))
			if ev := expect(t, d, Ended); !ev.Remote || ev.Reason != ReasonCancel || ev.Code != 487 {
				t.Fatalf("%+v", ev)
			}
		})
	}
}

// The CANCEL may come together with the answer: either the call is up and the
// CANCEL does nothing, or it is over; never both, never neither.
func TestCancelRacesWithAnswer(t *testing.T) {
	r := newRig(t, nil)
	up := 0
	for i := range 60 {
		p := r.peer()
		c := p.newCall()
		c.invite()
		d := r.incoming()
		go func() { _ = d.Accept([]byte(sdp("answer"))) }()
		if i%2 == 0 {
			time.Sleep(time.Duration(i) * 2 * time.Microsecond)
		}
		c.cancel()
		// Once it is 487, it stays 487: no retransmission may turn into a 200.
		first := p.final("INVITE")
		if first.code() == 200 {
			up++
			c.to = first.get("To")
			c.ack("")
			expect(t, d, Confirmed)
			c.request("BYE", "")
			p.response(200, "BYE")
			if ev := expect(t, d, Ended); ev.Reason != ReasonBye {
				t.Fatalf("%+v", ev)
			}
			continue
		}
		if first.code() != 487 {
			t.Fatal(first.start)
		}
		again := p.final("INVITE") // unacknowledged, so it comes again
		if again.code() != 487 {
			t.Fatalf("after 487 came %s", again.start)
		}
		c.ackFailure(again)
		if ev := expect(t, d, Ended); ev.Reason != ReasonCancel {
			t.Fatalf("%+v", ev)
		}
	}
	t.Logf("%d of 60 were answered", up)
}

func TestCancelOfNothingIs481(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.branch = "z9hG4bKnothing"
	for range 3 { // a repetition gets the answer again
		c.cancel()
		p.response(481, "CANCEL")
	}
	eventually(t, "its transaction ends", func() bool { return r.transactions.Load() == 0 })
}

func TestByeBeforeAnswer(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Provisional(180, "", nil)
	c.to = p.response(180, "INVITE").get("To")
	c.request("BYE", "")
	codes := map[string]int{}
	for len(codes) < 2 {
		w := p.next("200 and 487", func(w packet) bool { return w.code() >= 200 })
		codes[strings.Fields(w.get("CSeq"))[1]] = w.code()
	}
	if codes["BYE"] != 200 || codes["INVITE"] != 487 {
		t.Fatal(codes)
	}
	if ev := expect(t, d, Ended); !ev.Remote || ev.Reason != ReasonBye {
		t.Fatalf("%+v", ev)
	}
}

func TestRetransmittedInviteIsOneCall(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	text := c.message("INVITE", 1, "z9hG4bKsame32", c.offer)
	for range 32 {
		p.raw(text)
	}
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	p.response(200, "INVITE")
	select {
	case <-r.calls:
		t.Fatal("a second call")
	case <-time.After(50 * time.Millisecond):
	}
}

func TestMergedInviteIs482(t *testing.T) {
	r := newRig(t, nil)
	p, other := r.peer(), r.peer()
	c := p.newCall()
	c.invite()
	r.incoming()
	copied := *c
	copied.p = other
	copied.branch = "z9hG4bKotherway"
	other.raw(copied.message("INVITE", 1, copied.branch, c.offer))
	copied.ackFailure(other.response(482, "INVITE"))
	if s := r.Stats(); s.Merged != 1 || s.Inbound != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestDrain(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	r.Drain(true)
	q := r.peer()
	refused := q.newCall()
	refused.invite()
	w := q.response(503, "INVITE")
	refused.ackFailure(w)
	if w.get("Retry-After") == "" {
		t.Fatal("503 without Retry-After")
	}
	asked := q.newCall()
	q.raw(asked.message("OPTIONS", 1, "", ""))
	q.response(503, "OPTIONS")
	c.request("INFO", "Signal=5\r\nDuration=100\r\n", "Content-Type: application/dtmf-relay")
	p.response(200, "INFO")
	expect(t, d, Info)
	r.Drain(false)
	again := q.newCall()
	again.invite()
	r.incoming()
}

func TestInfo(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	c.request("INFO", "Signal=5\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay; charset=x")
	p.response(200, "INFO")
	if ev := expect(t, d, Info); ev.ContentType != "application/dtmf-relay" || !strings.HasPrefix(string(ev.Body), "Signal=5") {
		t.Fatalf("%+v", ev)
	}
	c.request("INFO", "x", "Content-Type: text/plain")
	if w := p.response(415, "INFO"); !strings.Contains(w.get("Accept"), "application/dtmf-relay") {
		t.Fatalf("%+v", w)
	}
	d.AcceptInfo("text/plain")
	c.request("INFO", "x", "Content-Type: text/plain")
	p.response(200, "INFO")
	expect(t, d, Info)
	c.request("INFO", "")
	p.response(200, "INFO")
}

func TestOtherMethodsInsideADialog(t *testing.T) {
	r := newRig(t, nil)
	p, c, _ := r.established()
	for method, code := range map[string]int{
		"OPTIONS": 200, "MESSAGE": 200, "SUBSCRIBE": 405, "NOTIFY": 481, "PRACK": 481, "UPDATE": 200,
	} {
		c.request(method, "", "Refer-To: <sip:x@192.0.2.1>", "Event: refer")
		if w := p.final(method); w.code() != code {
			t.Errorf("%s: %s", method, w.start)
		} else if code == 405 && !strings.Contains(w.get("Allow"), "INVITE") {
			t.Errorf("%s: no Allow", method)
		}
	}
}

func TestRequireUnknownIs420(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite("Require: 100rel, timer, nothingSupportsThis, precondition", "Proxy-Require: other")
	w := p.response(420, "INVITE")
	c.ackFailure(w)
	if w.get("Unsupported") != "nothingSupportsThis, precondition" {
		t.Fatalf("Unsupported: %q", w.get("Unsupported"))
	}
	p, c, _ = r.established("Supported: 100rel")
	c.request("INFO", "", "Require: magic")
	p.response(420, "INFO")
}

func TestOutsideRequests(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	for method, code := range map[string]int{
		"OPTIONS": 200, "MESSAGE": 404, "SUBSCRIBE": 405, "PUBLISH": 405, "REFER": 403,
		"BYE": 481, "INFO": 481, "UPDATE": 481, "NOTIFY": 481, "PRACK": 481, "NEWMETHOD": 405, "invite": 405,
	} {
		c := p.newCall()
		p.raw(c.message(method, 1, "", ""))
		w := p.final(method)
		if w.code() != code || w.tag("To") == "" {
			t.Errorf("%s: %s, To %q", method, w.start, w.get("To"))
		}
		if (code == 405 || code == 200) && !strings.Contains(w.get("Allow"), "INVITE") {
			t.Errorf("%s: Allow %q", method, w.get("Allow"))
		}
		if method == "OPTIONS" && !strings.Contains(w.get("Accept"), "application/sdp") {
			t.Errorf("OPTIONS: Accept %q", w.get("Accept"))
		}
	}
}

func TestScreen(t *testing.T) {
	r := newRig(t, nil)
	for name, tt := range map[string]struct {
		fields []string
		code   int
	}{
		"body of another type": {[]string{"Content-Type: text/html"}, 415},
		"encoded":              {[]string{"Content-Encoding: gzip"}, 415},
		"accepts no SDP":       {[]string{"Accept: text/nobodyKnowsThis"}, 406},
		"short session":        {[]string{"Supported: timer", "Session-Expires: 30"}, 422},
		"accepts anything":     {[]string{"Accept: */*"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.peer()
			c := p.newCall()
			c.invite(tt.fields...)
			if tt.code == 0 {
				r.incoming().Hangup()
				return
			}
			c.ackFailure(p.response(tt.code, "INVITE"))
		})
	}
}

func TestMultipartOffer(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.offer = "--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n" +
		sdp("part") + "\r\n--b1--\r\n"
	c.invite(`Content-Type: multipart/mixed;boundary="b1"`)
	if d := r.incoming(); string(d.Offer()) != sdp("part") {
		t.Fatalf("%q", d.Offer())
	}
	c = p.newCall()
	c.offer = "--b1\r\nContent-Type: text/plain\r\n\r\nx\r\n--b1--\r\n"
	c.invite("Content-Type: multipart/mixed;boundary=b1")
	c.ackFailure(p.response(415, "INVITE"))
}

func TestReinvite(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	c.request("INVITE", sdp("hold"))
	ev := expect(t, d, Offered)
	if string(ev.Body) != sdp("hold") {
		t.Fatalf("%+v", ev)
	}
	_ = d.Respond(ev.ID+1, 200, []byte("wrong"))
	_ = d.Respond(ev.ID, 200, []byte(sdp("held")))
	if w := p.response(200, "INVITE"); w.body != sdp("held") {
		t.Fatalf("%q", w.body)
	}
	c.ack("")
	// Without an offer: ours goes into the 200, theirs comes with the ACK.
	c.request("INVITE", "")
	ev = expect(t, d, Offered)
	if len(ev.Body) != 0 {
		t.Fatalf("%+v", ev)
	}
	_ = d.Respond(ev.ID, 200, []byte(sdp("ours")))
	p.response(200, "INVITE")
	c.ack(sdp("theirs"))
	if got := expect(t, d, Confirmed); got.ID != ev.ID || string(got.Body) != sdp("theirs") {
		t.Fatalf("%+v", got)
	}
	c.request("INVITE", sdp("bad"))
	ev = expect(t, d, Offered)
	_ = d.Respond(ev.ID, 488, nil)
	p.response(488, "INVITE")
	// An UPDATE with an offer is the same without ACK, one without is answered.
	c.request("UPDATE", sdp("update"))
	ev = expect(t, d, Offered)
	_ = d.Respond(ev.ID, 200, []byte(sdp("updated")))
	if w := p.response(200, "UPDATE"); w.body != sdp("updated") {
		t.Fatalf("%q", w.body)
	}
	c.request("UPDATE", "")
	p.response(200, "UPDATE")
	c.request("BYE", "")
	p.response(200, "BYE")
}

func TestSecondReinviteWhileOneIsPendingIs500(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	c.request("INVITE", sdp("one"))
	ev := expect(t, d, Offered)
	c.request("INVITE", sdp("two"))
	if w := p.response(500, "INVITE"); w.get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
	_ = d.Respond(ev.ID, 200, []byte(sdp("answer")))
	p.response(200, "INVITE")
}

func TestByeWhileReinvitePendingAnswersIt(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	c.request("INVITE", sdp("one"))
	expect(t, d, Offered)
	c.request("BYE", "")
	codes := map[string]int{}
	for len(codes) < 2 {
		w := p.next("200 and 487", func(w packet) bool { return w.code() >= 200 })
		codes[strings.Fields(w.get("CSeq"))[1]] = w.code()
	}
	if codes["BYE"] != 200 || codes["INVITE"] != 487 {
		t.Fatal(codes)
	}
}

func TestUnansweredOfferIs500(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p, c, d := r.established()
	c.request("INVITE", sdp("one"))
	expect(t, d, Offered)
	v.Advance(offerWait)
	p.response(500, "INVITE")
}

func TestCancelOfReinvite(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	c.seq++
	c.branch = "z9hG4bKre"
	p.raw(c.message("INVITE", c.seq, c.branch, sdp("one")))
	ev := expect(t, d, Offered)
	c.cancel()
	p.response(487, "INVITE")
	p.raw(c.message("ACK", c.seq, c.branch, ""))
	_ = d.Respond(ev.ID, 200, []byte(sdp("late")))
	p.quiet(50*time.Millisecond, func(w packet) bool { return w.code() == 200 && strings.HasSuffix(w.get("CSeq"), "INVITE") })
	c.request("INFO", "")
	p.response(200, "INFO")
}

func TestGlare(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p, c, d := r.established()
	_ = d.Reoffer([]byte(sdp("ours")))
	inv := p.request("INVITE")
	// Their re-INVITE while ours is out: 491.
	c.request("INVITE", sdp("theirs"))
	p.response(491, "INVITE")
	// Ours gets 491 too: it is repeated within two seconds, with a new number.
	p.answer(inv, 491, "Request Pending", "", "")
	p.request("ACK")
	eventually(t, "a retry timer", func() bool { v.Settle(); _, armed := v.Next(); return armed })
	v.Advance(2 * time.Second)
	again := p.request("INVITE")
	if again.get("CSeq") == inv.get("CSeq") {
		t.Fatal("the same CSeq")
	}
	p.answer(again, 200, "OK", "", sdp("answer"))
	if w := p.request("ACK"); strings.Fields(w.get("CSeq"))[0] != strings.Fields(again.get("CSeq"))[0] {
		t.Fatal(w.get("CSeq"))
	}
	if ev := expect(t, d, Reoffered); ev.Code != 200 || string(ev.Body) != sdp("answer") {
		t.Fatalf("%+v", ev)
	}
}

func TestReofferRefused(t *testing.T) {
	r := newRig(t, nil)
	p, _, d := r.established()
	_ = d.Reoffer([]byte(sdp("ours")))
	inv := p.request("INVITE")
	p.answer(inv, 488, "Not Acceptable Here", "", "")
	if ev := expect(t, d, Reoffered); ev.Code != 488 {
		t.Fatalf("%+v", ev)
	}
	// 481 means that the peer has no such call any more.
	_ = d.Reoffer([]byte(sdp("ours")))
	p.answer(p.request("INVITE"), 481, "Gone", "", "")
	expect(t, d, Reoffered)
	p.answer(p.request("BYE"), 481, "Gone", "", "")
	if ev := expect(t, d, Ended); !ev.Remote || ev.Code != 481 {
		t.Fatalf("%+v", ev)
	}
}

func TestSessionTimer(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p := r.peer()
	c := p.newCall()
	c.invite("Supported: timer", "Session-Expires: 180", "Min-SE: 90")
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	ok := p.response(200, "INVITE")
	if ok.get("Session-Expires") != "180;refresher=uac" || ok.get("Require") != "timer" {
		t.Fatalf("%+v", ok)
	}
	c.to = ok.get("To")
	c.ack("")
	expect(t, d, Confirmed)
	v.Advance(100 * time.Second)
	c.request("UPDATE", "", "Supported: timer", "Session-Expires: 180")
	if w := p.response(200, "UPDATE"); w.get("Session-Expires") != "180;refresher=uac" {
		t.Fatalf("%+v", w)
	}
	v.Advance(100 * time.Second) // the refresh counted
	c.request("INFO", "")
	p.response(200, "INFO")
	v.Advance(60 * time.Second)
	p.answer(p.request("BYE"), 200, "OK", "", "")
	if ev := expect(t, d, Ended); ev.Reason != ReasonTimeout || !ev.Remote {
		t.Fatalf("%+v", ev)
	}
}

func TestRecordRouteOfUAS(t *testing.T) {
	r := newRig(t, nil)
	proxy := newPeerOn(t, "127.0.0.1:0", r.LocalAddr("udp"))
	p := r.peer()
	c := p.newCall()
	c.invite("Record-Route: <sip:"+proxy.addr().String()+";lr>", "Record-Route: <sip:far@192.0.2.9;lr>")
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	ok := p.response(200, "INVITE")
	if got := strings.Join(ok.all("Record-Route"), ","); got != "<sip:"+proxy.addr().String()+";lr>,<sip:far@192.0.2.9;lr>" {
		t.Fatal(got)
	}
	c.to = ok.get("To")
	c.ack("")
	expect(t, d, Confirmed)
	d.Hangup()
	bye := proxy.request("BYE")
	if got := strings.Join(bye.all("Route"), ","); got != "<sip:"+proxy.addr().String()+";lr>,<sip:far@192.0.2.9;lr>" {
		t.Fatal(got)
	}
	if bye.uri() != fmt.Sprintf("sip:alice@%s", p.addr()) {
		t.Fatal(bye.uri())
	}
	proxy.answer(bye, 200, "OK", "", "")
	expect(t, d, Ended)
}

func TestReferOutbound(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	if err := d.Refer("not an address"); fault.CodeOf(err) != fault.Invalid {
		t.Fatal(err)
	}
	if err := d.Refer("sip:102@example.com", Header{"Referred-By", "<sip:bob@example.com>"}); err != nil {
		t.Fatal(err)
	}
	refer := p.request("REFER")
	if refer.get("Refer-To") != "<sip:102@example.com>" || refer.get("Referred-By") == "" {
		t.Fatalf("%+v", refer)
	}
	p.answer(refer, 202, "Accepted", "", "")
	if ev := expect(t, d, Referred); ev.Code != 100 || ev.ID != 0 {
		t.Fatalf("%+v", ev)
	}
	for i, tt := range []struct{ state, frag string }{
		{"active;expires=60", "SIP/2.0 100 Trying\r\n"}, {"active", "SIP/2.0 180 Ringing\r\n"}, {"terminated;reason=noresource", "SIP/2.0 200 OK\r\n"},
	} {
		c.request("NOTIFY", tt.frag, "Event: refer;id=1", "Subscription-State: "+tt.state, "Content-Type: message/sipfrag;version=2.0")
		p.response(200, "NOTIFY")
		ev := expect(t, d, Referred)
		if final := ev.ID == 1; final != (i == 2) {
			t.Fatalf("%d: %+v", i, ev)
		}
	}
	c.request("NOTIFY", "SIP/2.0 200 OK\r\n", "Event: refer", "Subscription-State: terminated", "Content-Type: message/sipfrag")
	p.response(481, "NOTIFY")
}

func TestTimeline(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Provisional(180, "", nil)
	_ = d.Accept([]byte(sdp("a")))
	c.to = p.response(200, "INVITE").get("To")
	c.ack("")
	expect0 := []string{"> INVITE", "< 100 Trying (INVITE)", "< 180 Ringing (INVITE)", "< 200 OK (INVITE)", "> ACK", "> BYE", "< 200 OK (BYE)"}
	var got []string
	for ev := range d.Events() {
		if ev.Kind == Confirmed { // read is not yet handled, and a BYE could overtake it
			c.request("BYE", "")
			p.response(200, "BYE")
		}
		if ev.Kind != Traced {
			continue
		}
		way := "< "
		if ev.Remote {
			way = "> "
		}
		line, _, _ := strings.Cut(ev.Line, " sip:")
		got = append(got, way+line)
	}
	if strings.Join(got, "\n") != strings.Join(expect0, "\n") {
		t.Fatalf("timeline:\n%s", strings.Join(got, "\n"))
	}
}
