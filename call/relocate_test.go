package call

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var elsewhere = netip.MustParseAddr("127.0.0.2")

// move takes loopback away; to is what we have in its place, invalid for nothing.
func (w *world) move(to netip.Addr, last bool) (stranded int) {
	w.call.Do(func() {
		stranded = w.call.Relocate([]netip.Addr{loopback}, func(netip.Addr) (netip.Addr, netip.Addr) { return to, to }, last)
	})
	w.pass(100 * time.Millisecond)
	return stranded
}

func count(list []string, what string) (n int) {
	for _, l := range list {
		if l == what {
			n++
		}
	}
	return n
}

// TestRingingOutMoves: what rings with us is dialled again from the new address,
// and the caller talks with whoever answers there.
func TestRingingOutMoves(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	first := true
	w.callees["anna"] = func(p *phone) {
		p.ring()
		if !first {
			w.clk.AfterFunc(3*time.Second, p.pickUp)
		}
		first = false
	}
	o := connectTo("anna")
	o.Waiting = Waiting{Silent: true}
	r := w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
	w.pass(2 * time.Second)
	if n := w.move(elsewhere, false); n != 0 {
		t.Errorf("%d legs have no way", n)
	}
	w.pass(4 * time.Second)
	if len(w.dialled) != 2 || !w.dialled[0].did("hung up") || w.dialled[1].did("hung up") {
		t.Fatalf("%d dials\n%s", len(w.dialled), w.story())
	}
	if !strings.Contains(string(w.dialled[1].offer), "127.0.0.2") {
		t.Errorf("the second offer is\n%s", w.dialled[1].offer)
	}
	w.dialled[1].speak("tone:500/1s")
	w.pass(500 * time.Millisecond)
	if !caller.hears() {
		t.Errorf("the caller hears nothing\n%s", w.story())
	}
	if len(w.news) < 2 || !w.news[1].Over || !w.news[1].Cancelled {
		t.Errorf("told of the first dial: %+v", w.news)
	}
	w.dialled[1].bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) {
		t.Errorf("the connect resolved %s\n%s", got, w.story())
	}
}

// TestRingingOutStranded: without another way the dial waits, and ends with a
// reason at last.
func TestRingingOutStranded(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = func(p *phone) { p.ring() }
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(2 * time.Second)
	if n := w.move(netip.Addr{}, false); n != 2 {
		t.Errorf("%d legs have no way, 2 are to wait", n)
	}
	if len(w.dialled) != 1 || w.dialled[0].did("hung up") {
		t.Fatalf("the dial did not wait\n%s", w.story())
	}
	w.move(netip.Addr{}, true)
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"code":503`) {
		t.Errorf("the connect resolved %s\n%s", got, w.story())
	}
	if !strings.Contains(w.story(), "our address 127.0.0.1 is gone, and there is no other way") {
		t.Errorf("the timeline says nothing\n%s", w.story())
	}
}

// TestAddressComesBack: nothing changes for what rings when the address is back.
func TestAddressComesBack(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = func(p *phone) { p.ring() }
	w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(time.Second)
	if w.move(loopback, false); len(w.dialled) != 1 || w.dialled[0].did("hung up") {
		t.Errorf("it is dialled anew\n%s", w.story())
	}
}

// TestRingingInMoves: a caller who hears ringing, or us already, is answered from
// the new address, and is told it at the latest after the answer.
func TestRingingInMoves(t *testing.T) {
	for name, tc := range map[string]struct {
		early, settled  bool
		before, answers int // offers to the caller before and after the answer
	}{
		"ringing":         {answers: 0},
		"hears us":        {early: true, before: 1, answers: 1},
		"takes no UPDATE": {early: true, settled: true, before: 1, answers: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			caller := w.inbound(Spec{})
			caller.settled = tc.settled
			if tc.early {
				w.do(func(l *Leg, v Verb) { l.Progress(v) })
			} else {
				w.do(func(l *Leg, v Verb) { l.Ring(v) })
			}
			w.pass(time.Second)
			w.move(elsewhere, false)
			if got := count(caller.log, "reoffer"); got != tc.before {
				t.Errorf("%d offers before the answer\n%s", got, w.story())
			}
			w.answer()
			w.pass(100 * time.Millisecond)
			if got := count(caller.log, "reoffer"); got != tc.answers {
				t.Errorf("%d offers in all\n%s", got, w.story())
			}
			if a := caller.session.Peer(); a != elsewhere {
				t.Errorf("the caller sends to %s", a)
			}
			w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:500/2s"}}, PromptOptions{}, v) })
			w.pass(time.Second)
			if !caller.hears() {
				t.Errorf("the caller hears nothing\n%s", w.story())
			}
			caller.bye()
			w.pass(10 * time.Second)
		})
	}
}
