package call

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
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

// goneUnnoticed makes loopback no address of ours, which nobody has noticed yet; to
// is what leads to peers instead.
func (w *world) goneUnnoticed(to netip.Addr) (asked *[]netip.Addr) {
	asked = new([]netip.Addr)
	w.deps.Open = func(o media.SessionOptions) (*media.Session, error) {
		if o.Bind == loopback {
			return nil, fault.New(fault.Media, "media: bind %s: %w", o.Bind, syscall.EADDRNOTAVAIL)
		}
		return w.engine.Open(o)
	}
	w.deps.Anew = func(peer netip.Addr) (netip.Addr, netip.Addr) {
		*asked = append(*asked, peer)
		return to, to
	}
	return asked
}

// TestCallsOfTheMomentAnAddressGoes: a call that comes or is made before the change
// is noticed takes the address that leads to its party now.
func TestCallsOfTheMomentAnAddressGoes(t *testing.T) {
	w := newWorld(t)
	asked := w.goneUnnoticed(elsewhere)
	peer := netip.MustParseAddr("192.0.2.7")
	caller := w.inbound(Spec{ID: "c1.1", Order: "c1", Script: "test", Peer: peer})
	w.answer()
	if !caller.did("200") || len(*asked) != 1 || (*asked)[0] != peer {
		t.Fatalf("%v %v\n%s", caller.log, *asked, w.story())
	}
	w.callees["anna"] = answers(w, time.Second)
	places, _ := w.Resolve(DialRequest{Target: "anna"})
	places[0].Routes[0].Peer = peer
	w.call.Do(func() {
		w.call.dialPlaces(1, places, DialRequest{Timeout: time.Minute}, Verb{Reply: func(any, error) {}}, nil)
	})
	w.pass(2 * time.Second)
	if anna := w.callee("anna"); anna == nil || !strings.Contains(string(anna.offer), "127.0.0.2") || len(*asked) != 2 {
		t.Fatalf("%v\n%s", *asked, w.story())
	}
}

// TestNoOtherAddress: the one that is gone was the only one, or nobody knows where
// the party is.
func TestNoOtherAddress(t *testing.T) {
	for name, c := range map[string]struct{ to, peer netip.Addr }{
		"no way at all":   {netip.Addr{}, netip.MustParseAddr("192.0.2.7")},
		"the same again":  {loopback, netip.MustParseAddr("192.0.2.7")},
		"an unknown peer": {elsewhere, netip.Addr{}},
	} {
		w := newWorld(t)
		w.goneUnnoticed(c.to)
		caller := w.inbound(Spec{ID: "c1.1", Order: "c1", Script: "test", Peer: c.peer})
		w.pass(time.Second)
		if !caller.did("503") {
			t.Errorf("%s: %v", name, caller.log)
		}
		w.call.ScriptEnded(nil)
		w.pass(time.Second)
	}
}
