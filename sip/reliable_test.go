package sip

import (
	"strings"
	"testing"
)

// TestReliableProvisionalOfUAS: RFC 3262 on the wire, and an UPDATE before the
// answer.
func TestReliableProvisionalOfUAS(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite("Require: 100rel", "Supported: 100rel")
	d := r.incoming()
	if err := d.Provisional(183, "", []byte(sdp("answer"))); err != nil {
		t.Fatal(err)
	}
	if err := d.Accept([]byte(sdp("answer"))); err != nil {
		t.Fatal(err)
	}
	early := p.response(183, "INVITE")
	if early.get("Require") != "100rel" || early.get("RSeq") == "" {
		t.Fatalf("%+v", early)
	}
	p.response(183, "INVITE") // again, for there is no PRACK
	c.to = early.get("To")
	invite := strings.Fields(early.get("CSeq"))[0]
	c.request("PRACK", "", "RAck: "+early.get("RSeq")+" "+invite+" INVITE")
	p.response(200, "PRACK")
	p.response(200, "INVITE")
	c.seq-- // the ACK has the number of the INVITE
	c.ack("")
	expect(t, d, Confirmed)
}

// TestReliableProvisionalOfUAC: our PRACK goes out once, and the answer that
// came reliably stands for the 200 without one.
func TestReliableProvisionalOfUAC(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, inv := r.dial(p, nil)
	if !strings.Contains(strings.Join(inv.all("Supported"), ","), "100rel") {
		t.Fatalf("%+v", inv)
	}
	p.answer(inv, 183, "Session Progress", "b", sdp("early"), "Require: 100rel", "RSeq: 4711")
	prack := p.request("PRACK")
	if prack.get("RAck") != "4711 "+inv.get("CSeq") || prack.tag("To") != "b" {
		t.Fatalf("%+v", prack)
	}
	p.answer(prack, 200, "OK", "", "")
	if ev := expect(t, d, Provisional); string(ev.Body) != sdp("early") {
		t.Fatalf("%+v", ev)
	}
	p.answer(inv, 200, "OK", "b", "")
	if ev := expect(t, d, Answered); string(ev.Body) != sdp("early") {
		t.Fatalf("%+v", ev)
	}
	if ack := p.request("ACK"); !strings.HasPrefix(ack.get("CSeq"), strings.Fields(inv.get("CSeq"))[0]+" ") {
		t.Fatalf("%+v", ack)
	}
}
