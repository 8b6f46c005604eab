package call

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// customer is who comes through a pipe into the place of the phone that has
// asked: the other call of an attended transfer.
type customer struct {
	phone *phone
	mu    sync.Mutex
	seen  []string
}

// stepsIn puts a customer into the place of the caller, who rings anna still.
func stepsIn(w *world) (c *customer, taken bool) {
	c = &customer{phone: w.phone("customer")}
	near, far := Pipe(w.clk, c.phone.session.Offer())
	go func() {
		for ev := range near.Events() {
			c.reads(ev)
			w.clk.Busy(-1)
		}
	}()
	done := make(chan bool, 1)
	go func() {
		done <- w.call.Replace("caller", far, media.SessionOptions{Bind: loopback}, Place{Name: "customer"})
	}()
	return c, <-done
}

func (c *customer) reads(ev sip.Event) {
	if len(ev.Body) > 0 {
		c.phone.take(ev.Body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, ev.Kind.String()+itoa(ev.Code))
}

func (c *customer) saw() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.seen, " ")
}

// TestATransferWhileItRings: the phone that has called anna transfers before she
// answers. Its customer takes its place, hears how far that has come, and talks
// to her when she answers; the phone's INVITE ends.
func TestATransferWhileItRings(t *testing.T) {
	for _, c := range []struct {
		name  string
		anna  func(w *world, p *phone)
		ring  bool // the script rings its caller
		early bool // or plays to it
		want  string
	}{
		{"silent", func(*world, *phone) {}, false, false, "answered200"},
		{"rings", func(_ *world, p *phone) { p.ring() }, true, false, "provisional180 answered200"},
		{"early media", func(_ *world, p *phone) { p.ring() }, false, true, "provisional183 answered200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			caller := w.inbound(Spec{})
			w.callees["anna"] = func(p *phone) { c.anna(w, p) }
			if c.early {
				w.do(func(l *Leg, v Verb) { l.Progress(v) })
			}
			r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
			w.pass(time.Second)
			n, taken := stepsIn(w)
			if !taken {
				t.Fatalf("not taken\n%s", w.story())
			}
			w.pass(byeAfter / 2)
			if caller.did("487") {
				t.Fatal("no time to cancel by itself")
			}
			w.pass(byeAfter)
			if !caller.did("487") || caller.did("hung up") {
				t.Fatal(caller.log)
			}
			anna := w.callee("anna")
			anna.pickUp()
			w.pass(time.Second)
			if got := n.saw(); got != c.want {
				t.Fatalf("%s\n%s", got, w.story())
			}
			hearEachOther(t, w, n.phone, anna)
			anna.bye()
			w.pass(time.Second)
			if got := r.get(); !strings.Contains(got, `"status":"completed"`) {
				t.Fatal(got)
			}
		})
	}
}

// TestATransferToWhoDoesNotAnswer: nobody answers, and the customer's call is
// told so; a phone that cancels itself after the transfer ends nothing.
func TestATransferToWhoDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.callees["anna"] = func(p *phone) { p.ring() }
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(time.Second)
	n, taken := stepsIn(w)
	if !taken {
		t.Fatal("not taken")
	}
	caller.send(sip.Event{Kind: sip.Ended, Code: 487, Reason: sip.ReasonCancel, Remote: true})
	w.pass(time.Second)
	if got := r.get(); got != "…" {
		t.Fatalf("the connect has ended with its phone: %s", got)
	}
	w.callee("anna").refuse(486)
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"busy"`) {
		t.Fatal(got)
	}
	w.do(func(l *Leg, v Verb) { l.Reject(486, "", v) })
	w.pass(time.Second)
	if got := n.saw(); !strings.HasSuffix(got, "ended486") {
		t.Fatal(got)
	}
}

// TestNobodyElseReplacesWhoRings: only our own hand may, no INVITE of others
// (RFC 3891 §3).
func TestNobodyElseReplacesWhoRings(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.callees["anna"] = func(p *phone) { p.ring() }
	w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(time.Second)
	bob := w.phone("bob")
	bob.offer = bob.session.Offer()
	done := make(chan bool, 1)
	go func() {
		done <- w.call.Replace("caller", bob, media.SessionOptions{Bind: loopback}, Place{Name: "bob"})
	}()
	if <-done {
		t.Fatal("replaced")
	}
}

// TestTheCallToTakeOverHasEnded: a phone that cancels its question as soon as we
// agree to the transfer. The target is rung anew.
func TestTheCallToTakeOverHasEnded(t *testing.T) {
	w, caller, anna, _ := talking(t, Spec{})
	w.callees["gone"] = func(p *phone) { p.refuse(481) }
	anna.asks("bob@x?gone")
	w.decide("b", true, "")
	w.pass(4 * time.Second)
	if bob := w.callee("bob"); bob == nil || !anna.did("progress 200") {
		t.Fatalf("%v\n%s", anna.log, w.story())
	}
	hearEachOther(t, w, caller, w.callee("bob"))
	w.callees["carl"] = func(p *phone) { p.refuse(481) } // this time it is the target itself
	w.callee("bob").asks("carl@x")
	w.decide("b", true, "")
	w.pass(time.Second)
	if !w.callee("bob").did("progress 481") {
		t.Fatal(w.callee("bob").log)
	}
}
