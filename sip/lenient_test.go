package sip

import (
	"fmt"
	"strings"
	"testing"
)

// Ways of callers and callees that RFC 3261 does not foresee and that end or
// hinder no call of ours.

// TestTryingComesFirst is what callers wait for that were written against a
// proxy: it answers 100 at once, and nothing else is ever first.
func TestTryingComesFirst(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite("Timestamp: 54.21")
	first := p.next("an answer", func(w packet) bool { return w.code() > 0 })
	if first.code() != 100 || first.get("Timestamp") != "54.21" {
		t.Fatalf("%s, Timestamp %q", first.start, first.get("Timestamp"))
	}
	d := r.incoming()
	if err := d.Reject(486, "Busy Here"); err != nil {
		t.Fatal(err)
	}
	c.ackFailure(p.response(486, "INVITE"))
}

// TestAckOfReinviteWithItsBranch must end the repetition of the 200 as the one
// of RFC 3261 §13.2.2.4 does, which is a transaction of its own.
func TestAckOfReinviteWithItsBranch(t *testing.T) {
	for _, outbound := range []bool{false, true} {
		t.Run(fmt.Sprintf("outbound %v", outbound), func(t *testing.T) {
			r := newRig(t, nil)
			var p *peer
			var d *Dialog
			var c *call
			if outbound {
				var inv packet
				p, d, inv = r.connected()
				c = back(p, inv, "b1")
			} else {
				p = r.peer()
				c = p.newCall()
				c.invite()
				d = r.incoming()
				_ = d.Accept([]byte(sdp("a")))
				c.to = p.response(200, "INVITE").get("To")
				c.ack("")
				expect(t, d, Confirmed)
			}
			for range 2 { // our offer, so that the ACK's body is waited for
				c.seq++
				branch := fmt.Sprintf("z9hG4bKsame%d", peerCount.Add(1))
				p.raw(c.message("INVITE", c.seq, branch, ""))
				ev := expect(t, d, Offered)
				_ = d.Respond(ev.ID, 200, []byte(sdp("b")))
				p.response(200, "INVITE")
				p.raw(c.message("ACK", c.seq, branch, sdp("answer")))
				if got := expect(t, d, Confirmed); got.ID != ev.ID || len(got.Body) == 0 {
					t.Fatalf("%+v", got)
				}
			}
			c.request("BYE", "")
			p.response(200, "BYE")
		})
	}
}

// TestCalleeWithoutTag has one in its own requests.
func TestCalleeWithoutTag(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, nil)
	p.answer(inv, 200, "OK", "", sdp("answer"))
	expect(t, d, Answered)
	p.request("ACK")
	c := back(p, inv, "late")
	c.request("INFO", "")
	p.response(200, "INFO")
	c.request("BYE", "")
	p.response(200, "BYE")
	expect(t, d, Ended)
}

// TestByeWithTheSidesOfTheInvite is of a callee that repeats From and To, once
// or twice tagged; one that does not know both tags is a stranger.
func TestByeWithTheSidesOfTheInvite(t *testing.T) {
	r := newRig(t, nil)
	p, d, inv := r.connected()
	c := back(p, inv, "b1")
	c.from, c.to = c.to, c.from
	known := c.to
	c.to = strings.Replace(known, "tag=b1", "tag=other", 1)
	c.request("BYE", "")
	p.response(481, "BYE")
	c.to = known
	c.request("INFO", "")
	p.response(481, "INFO")
	c.to = known + ";tag=b1"
	c.request("BYE", "")
	p.response(200, "BYE")
	if ev := expect(t, d, Ended); !ev.Remote {
		t.Errorf("%+v", ev)
	}
}

// TestUnreadableRequestURIInADialog is of scenarios that have no address to put
// there; outside a dialog it is refused.
func TestUnreadableRequestURIInADialog(t *testing.T) {
	r := newRig(t, nil)
	for _, uri := range []string{"127.0.0.1:5060", "sip:1@:5060", "sip::5060"} {
		p, d, inv := r.connected()
		c := back(p, inv, "b1")
		c.target = uri
		c.request("INVITE", "")
		_ = d.Respond(expect(t, d, Offered).ID, 200, []byte(sdp("b")))
		p.response(200, "INVITE")
		c.ack(sdp("answer"))
		expect(t, d, Confirmed)
		c.from, c.to = c.to, c.from // and as if the sides had not changed
		c.request("BYE", "")
		p.response(200, "BYE")
		<-d.done
		c.request("BYE", "")
		if got := p.final("BYE").code(); got/100 != 4 || got == 481 {
			t.Errorf("%s, outside: %d", uri, got)
		}
	}
}

// TestSDPWithoutContentType is taken for what it is, and other bodies are not.
func TestSDPWithoutContentType(t *testing.T) {
	r := newRig(t, nil)
	for body, code := range map[string]int{sdp("offer"): 0, "hello": 415} {
		p := r.peer()
		c := p.newCall()
		text := strings.Replace(c.message("INVITE", 1, "", body), "Content-Type: application/sdp\r\n", "", 1)
		p.raw(text)
		if code != 0 {
			p.response(code, "INVITE")
			continue
		}
		d := r.incoming()
		if string(d.Offer()) != body {
			t.Errorf("%q", d.Offer())
		}
		_ = d.Reject(486, "Busy Here")
		p.response(486, "INVITE")
	}
}
