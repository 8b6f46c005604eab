package sip

import (
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

// loopback trusts the test peers.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func listen(transport, addr string) Listener {
	return Listener{Transport: transport, Addr: netip.MustParseAddrPort(addr)}
}

// rig is an endpoint and the dialogs it reported.
type rig struct {
	*Endpoint
	t     *testing.T
	calls chan *Dialog
}

// newRig opens an endpoint on loopback. Goroutines that outlive it fail the
// test.
func newRig(t *testing.T, change func(*Config, *Deps)) *rig {
	t.Helper()
	return newHurriedRig(t, 1, change)
}

// newHurriedRig has deadlines of its sockets that many times as short: for tests
// that wait for them.
func newHurriedRig(t *testing.T, hurry int, change func(*Config, *Deps)) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	r := &rig{t: t, calls: make(chan *Dialog, 100)}
	cfg := Config{
		Listen: []Listener{listen("udp", "127.0.0.1:0"), listen("tcp", "127.0.0.1:0")}, Trust: loopback,
	}
	deps := Deps{Log: slog.New(slog.DiscardHandler), Incoming: func(d *Dialog) { r.calls <- d }}
	if change != nil {
		change(&cfg, &deps)
	}
	e, err := open(cfg, deps, hurry)
	if err != nil {
		t.Fatal(err)
	}
	r.Endpoint = e
	t.Cleanup(func() {
		e.Close()
		eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+peersOf(t) })
	})
	return r
}

// peersOf allows for the reader goroutines of peers opened after the rig, whose
// clean-up runs before the rig's: there are none left.
func peersOf(*testing.T) int { return 0 }

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); time.Now().Before(end); {
		if f() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Fatalf("never: %s\n%s", what, buf[:runtime.Stack(buf, true)])
}

func (r *rig) peer() *peer { return newPeer(r.t, r.LocalAddr("udp")) }

// incoming is the next reported dialog.
func (r *rig) incoming() *Dialog {
	r.t.Helper()
	select {
	case d := <-r.calls:
		return d
	case <-time.After(patience):
		r.t.Fatal("no call came in")
		return nil
	}
}

// expect waits for an event of the kind; traces and others are skipped.
func expect(t *testing.T, d *Dialog, kind EventKind) Event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case ev, ok := <-d.Events():
			if !ok {
				t.Fatalf("the events ended before %s", kind)
			}
			if ev.Kind == kind {
				return ev
			}
			if ev.Kind == Ended {
				t.Fatalf("ended (%d %s) before %s", ev.Code, ev.Reason, kind)
			}
		case <-limit:
			t.Fatalf("no event %s", kind)
		}
	}
}

// noEvent fails when the kind comes within a moment.
func noEvent(t *testing.T, d *Dialog, kind EventKind, within time.Duration) {
	t.Helper()
	limit := time.After(within)
	for {
		select {
		case ev, ok := <-d.Events():
			if !ok {
				return
			}
			if ev.Kind == kind {
				t.Fatalf("unwanted event %s", kind)
			}
		case <-limit:
			return
		}
	}
}

// established is an inbound call that was answered and acknowledged.
func (r *rig) established(fields ...string) (*peer, *call, *Dialog) {
	r.t.Helper()
	p := r.peer()
	c := p.newCall()
	c.invite(fields...)
	d := r.incoming()
	if err := d.Accept([]byte(sdp("answer"))); err != nil {
		r.t.Fatal(err)
	}
	ok := p.response(200, "INVITE")
	c.to = ok.get("To")
	c.ack("")
	expect(r.t, d, Confirmed)
	return p, c, d
}

func TestMain(m *testing.M) {
	// sipgo's timers are package variables; a tenth of their time keeps the
	// tests short. Ours run on the clock of each test.
	gosip.SetTimers(50*time.Millisecond, 400*time.Millisecond, 500*time.Millisecond)
	gosip.Timer_D = gosip.Timer_B // which SetTimers leaves at 32 s
	setGlobals()
	m.Run()
}

func TestInboundCall(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite("X-Order: 17")
	d := r.incoming()
	if d.Outbound() || d.Origin().Kind != FromTrusted || string(d.Offer()) != c.offer || d.Headers().Get("x-order") != "17" {
		t.Fatalf("origin %+v, headers %v", d.Origin(), d.Headers())
	}
	if d.RequestURI().User != "bob" || d.From().User != "alice" || d.To().User != "bob" || d.RemoteTarget().Port != int(p.addr().Port()) {
		t.Fatalf("addresses %v %v %v %v", d.RequestURI(), d.From(), d.To(), d.RemoteTarget())
	}
	if err := d.Provisional(180, "", nil); err != nil {
		t.Fatal(err)
	}
	ringing := p.response(180, "INVITE")
	if err := d.Provisional(183, "", []byte(sdp("early"))); err != nil {
		t.Fatal(err)
	}
	early := p.response(183, "INVITE")
	if early.body != sdp("early") || early.get("Content-Type") != "application/sdp" {
		t.Fatalf("183 carries %q", early.body)
	}
	if err := d.Accept([]byte(sdp("answer"))); err != nil {
		t.Fatal(err)
	}
	ok := p.response(200, "INVITE")
	if tag := ok.tag("To"); tag == "" || tag != ringing.tag("To") || tag != early.tag("To") {
		t.Fatalf("tags %q %q %q", ringing.tag("To"), early.tag("To"), ok.tag("To"))
	}
	if !strings.Contains(ok.get("Contact"), r.LocalAddr("udp").String()) || ok.get("Allow") == "" || ok.body != sdp("answer") {
		t.Fatalf("200 is %+v", ok)
	}
	c.to = ok.get("To")
	c.ack("")
	expect(t, d, Confirmed)
	c.request("BYE", "", `Reason: Q.850;cause=16`)
	p.response(200, "BYE")
	ev := expect(t, d, Ended)
	if !ev.Remote || ev.Reason != ReasonBye || ev.Headers.Get("Reason") != "Q.850;cause=16" {
		t.Fatalf("ended %+v", ev)
	}
	if _, open := <-d.Events(); open {
		t.Fatal("events go on after Ended")
	}
}

func TestOutboundCall(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, err := r.Dial(Outgoing{
		Target: Target{URI: "sip:bob@" + p.addr().String()}, From: Address{Display: "Анна", User: "101"},
		Body: []byte(sdp("offer")), Headers: []Header{{"X-Order", "17"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	inv := p.request("INVITE")
	if inv.body != sdp("offer") || inv.get("X-Order") != "17" || !strings.Contains(inv.get("From"), `"Анна" <sip:101@127.0.0.1>;tag=`) {
		t.Fatalf("INVITE %+v", inv)
	}
	p.answer(inv, 100, "Trying", "", "")
	p.answer(inv, 180, "Ringing", "b1", "")
	if ev := expect(t, d, Provisional); ev.Code != 180 || ev.Tag != "b1" {
		t.Fatalf("%+v", ev)
	}
	p.answer(inv, 200, "OK", "b1", sdp("answer"))
	if ev := expect(t, d, Answered); string(ev.Body) != sdp("answer") {
		t.Fatalf("%+v", ev)
	}
	ack := p.request("ACK")
	if ack.get("CSeq") != "1 ACK" || ack.branch() == inv.branch() || ack.tag("To") != "b1" {
		t.Fatalf("ACK %+v", ack)
	}
	d.Hangup(Header{"Reason", "Q.850;cause=16"})
	d.Hangup()
	bye := p.request("BYE")
	if bye.get("CSeq") != "2 BYE" || bye.get("Reason") == "" {
		t.Fatalf("BYE %+v", bye)
	}
	p.answer(bye, 200, "OK", "", "")
	if ev := expect(t, d, Ended); ev.Remote || ev.Reason != ReasonBye {
		t.Fatalf("%+v", ev)
	}
}
