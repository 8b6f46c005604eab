package sip

import (
	"context"
	"net/url"
	"strings"
	"testing"
)

// up makes a confirmed inbound call of the peer.
func (r *rig) up(p *peer) (*call, *Dialog) {
	r.t.Helper()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	if err := d.Accept([]byte(sdp("answer"))); err != nil {
		r.t.Fatal(err)
	}
	c.to = p.response(200, "INVITE").get("To")
	c.ack("")
	expect(r.t, d, Confirmed)
	return c, d
}

// TestReferIn: a REFER is asked about, and its progress goes back as NOTIFY.
func TestReferIn(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c, d := r.up(p)
	c.request("REFER", "", "Refer-To: <sip:carol@example.com>", "Referred-By: <sip:alice@example.com>")
	ask := expect(t, d, Asked)
	if ask.Line != "<sip:carol@example.com>" || ask.Headers.Get("Referred-By") != "<sip:alice@example.com>" {
		t.Fatalf("%+v", ask)
	}
	if err := d.Consent(ask.ID, 202); err != nil {
		t.Fatal(err)
	}
	p.response(202, "REFER")
	first := p.request("NOTIFY")
	p.answer(first, 200, "OK", "", "")
	if err := d.Progress(ask.ID, 200, ""); err != nil {
		t.Fatal(err)
	}
	last := p.request("NOTIFY")
	p.answer(last, 200, "OK", "", "")
	if first.body != "SIP/2.0 100 Trying\r\n" || last.body != "SIP/2.0 200 OK\r\n" || first.get("Event") != "refer;id=2" ||
		!strings.HasPrefix(last.get("Subscription-State"), "terminated") || first.get("Contact") == "" {
		t.Errorf("%+v\n%+v", first, last)
	}
	for code, want := range map[int]bool{202: true, 200: false, 99: false, 700: false} {
		if err := d.Consent(77, code); (err == nil) != want {
			t.Errorf("Consent %d: %v", code, err)
		}
	}
}

// TestReferOutsideOfCalls: nobody makes us call anybody that way.
func TestReferOutsideOfCalls(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.offer = ""
	p.raw(c.message("REFER", 1, "", "", "Refer-To: <sip:premium@example.com>"))
	p.response(403, "REFER")
}

// TestAttended: what names a dialog for REFER with Replaces, and an INVITE that
// replaces one of ours.
func TestAttended(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c, d := r.up(p)
	mine := c.id + ";to-tag=" + strings.Split(c.to, ";tag=")[1] + ";from-tag=" + strings.Split(c.from, ";tag=")[1]
	theirs := c.id + ";to-tag=" + strings.Split(c.from, ";tag=")[1] + ";from-tag=" + strings.Split(c.to, ";tag=")[1]
	uri, part, _ := strings.Cut(d.Replacement(), "?Replaces=")
	if text, err := url.QueryUnescape(part); err != nil || text != theirs || uri != "sip:alice@"+p.addr().String() {
		t.Fatalf("%s, want %s", d.Replacement(), theirs)
	}
	if err := d.Refer(d.Replacement()); err != nil {
		t.Fatal(err)
	}
	if to := p.request("REFER").get("Refer-To"); to != "<"+d.Replacement()+">" {
		t.Errorf("Refer-To %s", to)
	}
	for _, side := range []string{mine, theirs} {
		uri, id, ok := r.ReplacesPart("\"B\" <sip:b@x?Accept=y&Replaces=" + url.QueryEscape(side) + ">")
		if uri != "sip:b@x" || id != d.ID() || !ok {
			t.Errorf("%s: %q %q %v", side, uri, id, ok)
		}
	}
	if uri, id, ok := r.ReplacesPart("<sip:b@x?Replaces=other%3Bto-tag%3D1%3Bfrom-tag%3D2>"); uri != "sip:b@x" || id != "" || ok {
		t.Errorf("%q %q %v", uri, id, ok)
	}

	for _, tt := range []struct {
		value string
		code  int
	}{
		{"nonsense", 400}, {"other;to-tag=1;from-tag=2", 481}, {strings.Replace(mine, "from-tag=", "from-tag=x", 1), 481}, {mine + ";early-only", 486},
	} {
		q := r.peer()
		n := q.newCall()
		n.invite("Replaces: " + tt.value)
		n.ackFailure(q.response(tt.code, "INVITE"))
	}
	q := r.peer()
	n := q.newCall()
	n.invite("Require: replaces", "Replaces: "+mine)
	if taken := r.incoming(); taken.Replaces() != d.ID() {
		t.Fatalf("replaces %q, want %q", taken.Replaces(), d.ID())
	}
}

// TestPage: messages outside of calls, both ways.
func TestPage(t *testing.T) {
	pages := make(chan Page, 10)
	r := newRig(t, func(_ *Config, d *Deps) {
		d.Message = func(p Page) int {
			pages <- p
			return map[string]int{"full": 503}[string(p.Body)] | map[bool]int{true: 200}[string(p.Body) != "full"]
		}
	})
	p := r.peer()
	for _, tt := range []struct {
		body, kind string
		code       int
	}{
		{"hello", "text/plain;charset=utf-8", 200}, {"full", "text/plain", 503}, {"x", "image/png", 415}, {strings.Repeat("x", MaxPageMessage+1), "text/plain", 413},
	} {
		c := p.newCall()
		p.raw(c.message("MESSAGE", 1, "", tt.body, "Content-Type: "+tt.kind))
		w := p.response(tt.code, "MESSAGE")
		if tt.code == 503 && w.get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	if m := <-pages; string(m.Body) != "hello" || m.ContentType != "text/plain" || m.From.User != "alice" || m.Request.User != "bob" || m.Origin.Kind != FromTrusted {
		t.Errorf("%+v", m)
	}

	q := r.peer()
	type answer struct {
		code int
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		code, _, err := r.SendPage(context.Background(), Outgoing{
			Target: Target{URI: "sip:bob@" + q.addr().String()}, From: Address{User: "shop"}, Body: []byte("your order"),
		}, "text/plain")
		done <- answer{code, err}
	}()
	w := q.request("MESSAGE")
	if w.body != "your order" || w.get("Content-Type") != "text/plain" || !strings.Contains(w.get("From"), "shop@") {
		t.Errorf("%+v", w)
	}
	q.answer(w, 202, "Accepted", "x", "")
	if a := <-done; a.code != 202 || a.err != nil {
		t.Errorf("%+v", a)
	}
}

// FuzzReplaces reads Refer-To values: a dialog that is found must be named.
func FuzzReplaces(f *testing.F) {
	for _, s := range []string{
		"<sip:b@x?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>", `"B" <sip:b@x?Accept=y&Replaces=1%3bearly-only%3bto-tag%3d2>`, "sip:b@x", "<?>", "<sip:b?Replaces=%",
	} {
		f.Add(s)
	}
	e := inspectEndpoint()
	e.dialogs.init()
	f.Fuzz(func(t *testing.T, s string) {
		if _, id, _ := e.ReplacesPart(s); id != "" {
			t.Fatalf("%q names %s, and there is no dialog", s, id)
		}
		if r, ok := parseReplaces(s); ok && (r.callID == "" || r.localTag == "" || r.remoteTag == "") {
			t.Fatalf("%q: %+v", s, r)
		}
	})
}

// TestNoHopLeft: a call that is passed on in a circle ends (RFC 7332).
func TestNoHopLeft(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.branch = "z9hG4bKhops"
	p.raw(strings.Replace(c.message("INVITE", 1, c.branch, c.offer), "Max-Forwards: 70", "Max-Forwards: 0", 1))
	c.ackFailure(p.response(483, "INVITE"))
}

// TestForgedRequestIsNotWaitedFor: a request under another From tag is refused
// and holds none of the peer's up.
func TestForgedRequestIsNotWaitedFor(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c, d := r.up(p)
	mine := c.from
	c.from = strings.Replace(c.from, ";tag=", ";tag=x", 1)
	c.request("INFO", "")
	p.response(481, "INFO")
	if d.seen.between(0, 1<<31) {
		t.Error("it is waited for")
	}
	c.from = mine
	c.request("INFO", "")
	p.response(200, "INFO")
	if !d.seen.between(0, 1<<31) {
		t.Error("the peer's own is not")
	}
}
