package sip

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/loopstart/loopstart/sip/dns"
	"github.com/loopstart/loopstart/sip/dns/dnstest"
)

// named opens an endpoint with a trunk at trunk.test, whose name server is on
// loopback.
func named(t *testing.T) (*rig, *dnstest.Server) {
	t.Helper()
	s, err := dnstest.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r := newRig(t, func(c *Config, d *Deps) {
		d.Lookup = dns.New(dns.Options{Servers: s.Servers, Hosts: "/dev/null"})
		c.Trunks = []Trunk{{Name: "t", Address: "trunk.test"}}
	})
	return r, s
}

func (r *rig) dialTrunk() *Dialog {
	r.t.Helper()
	d, err := r.Dial(Outgoing{Target: Target{Trunk: "t", Number: "+79160000001"}, From: Address{User: "101"}, Body: []byte(sdp("offer"))})
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func place(priority uint16, p *peer) dnsmessage.Resource {
	return dnstest.SRV(time.Minute, priority, 0, p.addr().Port(), "host.test")
}

// A call whose first place keeps silent, or says that it cannot, goes on at the
// second one by live DNS, as one call; the next call does not try the dead one
// first.
func TestFailoverInsideOneCall(t *testing.T) {
	for name, refuse := range map[string]bool{"silent": false, "503": true} {
		t.Run(name, func(t *testing.T) {
			r, s := named(t)
			first, second := newPeer(t, r.LocalAddr("udp")), newPeer(t, r.LocalAddr("udp"))
			s.Set("trunk.test", dnstest.NAPTR(time.Minute, 1, 1, "SIP+D2U", "_sip._udp.elsewhere.test"))
			s.Set("_sip._udp.elsewhere.test", place(1, first), place(2, second))
			s.Set("host.test", dnstest.Addr(time.Minute, "127.0.0.1"))
			d := r.dialTrunk()
			tried := first.request("INVITE")
			if refuse {
				first.answer(tried, 503, "Service Unavailable", "x", "")
			}
			inv := second.request("INVITE")
			if inv.get("Call-ID") != tried.get("Call-ID") || inv.uri() != "sip:+79160000001@trunk.test" || inv.branch() == tried.branch() {
				t.Fatalf("%+v after %+v", inv, tried)
			}
			second.answer(inv, 200, "OK", "b1", sdp("answer"))
			expect(t, d, Answered)
			second.request("ACK")
			next := r.dialTrunk()
			again := second.request("INVITE")
			second.answer(again, 486, "Busy Here", "b2", "")
			if ev := expect(t, next, Ended); ev.Code != 486 {
				t.Fatalf("%+v", ev)
			}
			d.Hangup()
			second.answer(second.request("BYE"), 200, "OK", "", "")
			expect(t, d, Ended)
		})
	}
}

// A hop that was only slow does not ring beside the next one: it is cancelled
// when it rings, and hung up on when it answers.
func TestSlowHopIsRefused(t *testing.T) {
	r, s := named(t)
	slow, second := newPeer(t, r.LocalAddr("udp")), newPeer(t, r.LocalAddr("udp"))
	s.Set("trunk.test", dnstest.NAPTR(time.Minute, 1, 1, "SIP+D2U", "_sip._udp.elsewhere.test"))
	s.Set("_sip._udp.elsewhere.test", place(1, slow), place(2, second))
	s.Set("host.test", dnstest.Addr(time.Minute, "127.0.0.1"))
	of := func(p *peer, callID string) packet {
		return p.next("INVITE", func(w packet) bool { return w.method() == "INVITE" && w.get("Call-ID") == callID })
	}
	rung, answered := r.dialTrunk(), r.dialTrunk()
	rings, answers := of(slow, rung.key.callID), of(slow, answered.key.callID)
	for _, d := range []*Dialog{rung, answered} {
		second.answer(of(second, d.key.callID), 200, "OK", "b1", sdp("answer"))
		expect(t, d, Answered)
	}
	slow.answer(rings, 180, "Ringing", "a1", "")
	slow.answer(rings, 183, "Session Progress", "a1", sdp("early"))
	cancel := slow.request("CANCEL")
	if cancel.branch() != rings.branch() {
		t.Fatalf("%+v", cancel)
	}
	slow.answer(cancel, 200, "OK", "a1", "")
	for range 2 {
		slow.answer(rings, 487, "Request Terminated", "a1", "")
		if ack := slow.request("ACK"); ack.branch() != rings.branch() || !strings.Contains(ack.get("To"), "tag=a1") {
			t.Fatalf("%+v", ack)
		}
	}
	for range 2 {
		slow.answer(answers, 200, "OK", "a2", sdp("answer"))
		if ack := slow.request("ACK"); ack.get("Call-ID") != answered.key.callID || !strings.Contains(ack.get("To"), "tag=a2") {
			t.Fatalf("%+v", ack)
		}
	}
	bye := slow.request("BYE")
	if !strings.Contains(bye.get("To"), "tag=a2") {
		t.Fatalf("%+v", bye)
	}
	slow.answer(bye, 200, "OK", "", "")
	slow.quiet(50*time.Millisecond, func(w packet) bool { return w.method() != "INVITE" && w.method() != "OPTIONS" })
	for _, d := range []*Dialog{rung, answered} { // they talk on
		if d.Hangup(); expect(t, d, Ended).Code != 200 {
			t.Error("it had ended before")
		}
	}
}

// The transport is the one that the domain's NAPTR rules prefer.
func TestTransportByNAPTR(t *testing.T) {
	r, s := named(t)
	tcp := newRig(t, nil)
	port := tcp.LocalAddr("tcp").Port()
	s.Set("trunk.test",
		dnstest.NAPTR(time.Minute, 2, 1, "SIP+D2U", "_sip._udp.trunk.test"), dnstest.NAPTR(time.Minute, 1, 1, "SIP+D2T", "_sip._tcp.trunk.test"))
	s.Set("_sip._udp.trunk.test", dnstest.SRV(time.Minute, 1, 1, tcp.LocalAddr("udp").Port(), "host.test"))
	s.Set("_sip._tcp.trunk.test", dnstest.SRV(time.Minute, 1, 1, port, "host.test"))
	s.Set("host.test", dnstest.Addr(time.Minute, "127.0.0.1"))
	d := r.dialTrunk()
	in := tcp.incoming()
	if via := in.Headers().Get("Via"); !strings.HasPrefix(via, "SIP/2.0/TCP") && in.RemoteTarget().Params != "transport=tcp" {
		t.Errorf("it came by %q from %s", via, in.RemoteTarget())
	}
	if err := in.Reject(486, "Busy Here"); err != nil {
		t.Fatal(err)
	}
	if ev := expect(t, d, Ended); ev.Code != 486 {
		t.Fatalf("%+v", ev)
	}
}

// A name that DNS does not know ends the call with 503, and says why.
func TestNoPlaceByDNS(t *testing.T) {
	r, s := named(t)
	s.Set("trunk.test", dnstest.NAPTR(time.Minute, 1, 1, "SIP+D2U", "_sip._udp.trunk.test"))
	s.Set("_sip._udp.trunk.test", dnstest.SRV(time.Minute, 0, 0, 0, ""))
	if ev := expect(t, r.dialTrunk(), Ended); ev.Reason != ReasonError || ev.Code != 503 {
		t.Fatalf("%+v", ev)
	}
}
