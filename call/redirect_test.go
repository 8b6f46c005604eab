package call

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// toUser is a rule that lets redirections go to every user but mallory.
func toUser(w *world) func(sip.Address) ([]Route, error) {
	return func(a sip.Address) ([]Route, error) {
		if a.User == "mallory" {
			return nil, fault.New(fault.Denied, "no trunk may dial it")
		}
		places, err := w.Resolve(DialRequest{Target: a.User})
		if err != nil {
			return nil, err
		}
		return places[0].Routes, nil
	}
}

// TestRedirected: what becomes of a 3xx, who is dialled, and what the timeline says.
func TestRedirected(t *testing.T) {
	send := func(code int, contacts string) func(*phone) {
		return func(p *phone) { p.redirect(code, contacts) }
	}
	refuse := func(code int) func(*phone) { return func(p *phone) { p.refuse(code) } }
	for name, c := range map[string]struct {
		refuse  bool // the rule
		callees map[string]func(*phone)
		dialled string
		want    string // part of connect's result
		told    string // part of the timeline
	}{
		"refused by default": {true, map[string]func(*phone){"x": send(302, "<sip:b@h>"), "b": refuse(486)}, "x",
			`"status":"rejected","code":302`, "302 to sip:b@h is not followed"},
		"followed": {false, map[string]func(*phone){"x": send(302, "<sip:b@h>"), "b": nil}, "x b",
			`"status":"completed"`, "302 to sip:b@h is followed"},
		"in the order of q": {false, map[string]func(*phone){"x": send(300, "<sip:b@h>;q=0.1, <sip:c@h>;q=0.9"), "b": nil, "c": refuse(486)}, "x c b",
			`"status":"completed"`, "486 rejected, trying the next address"},
		"6xx speaks for all": {false, map[string]func(*phone){"x": send(300, "<sip:b@h>,<sip:c@h>"), "b": refuse(603), "c": nil}, "x b",
			`"status":"rejected","code":603`, ""},
		"all fail": {false, map[string]func(*phone){"x": send(301, "<sip:b@h>,<sip:c@h>"), "b": refuse(480), "c": refuse(486)}, "x b c",
			`"status":"busy","code":486`, ""},
		"against the rules": {false, map[string]func(*phone){"x": send(302, "<sip:mallory@h>"), "mallory": nil}, "x",
			`"status":"rejected","code":302`, "302 to sip:mallory@h is not followed: no trunk may dial it"},
		"one against the rules": {false, map[string]func(*phone){"x": send(302, "<sip:mallory@h>, <sip:b@h>"), "b": nil}, "x b",
			`"status":"completed"`, ""},
		"to itself": {false, map[string]func(*phone){"x": send(302, "<sip:x@h>")}, "x",
			`"status":"rejected","code":302`, "a loop: it was dialled already"},
		"in a circle": {false, map[string]func(*phone){"x": send(302, "<sip:b@h>"), "b": send(302, "<sip:c@h>"), "c": send(302, "<sip:x@h>, <sip:b@h>")}, "x b c",
			`"status":"rejected","code":302`, "a loop: it was dialled already"},
		"on and on": {false, map[string]func(*phone){"x": send(302, "<sip:n1@h>"), "n1": send(302, "<sip:n2@h>"), "n2": send(302, "<sip:n3@h>"), "n3": send(302, "<sip:n4@h>"),
			"n4": send(302, "<sip:n5@h>"), "n5": send(302, "<sip:n6@h>"), "n6": nil}, "x n1 n2 n3 n4 n5",
			`"status":"rejected","code":302`, fmt.Sprintf("%d addresses were tried already", MaxRedirects)},
		"many at once": {false, map[string]func(*phone){"x": send(300, "<sip:n1@h>,<sip:n2@h>,<sip:n3@h>,<sip:n4@h>,<sip:n5@h>,<sip:n6@h>,<sip:n7@h>"), "n1": refuse(480), "n2": refuse(480),
			"n3": refuse(480), "n4": refuse(480), "n5": refuse(480), "n6": nil, "n7": nil}, "x n1 n2 n3 n4 n5", `"status":"no_answer","code":480`, ""},
		"a proxy (305)":         {false, map[string]func(*phone){"x": send(305, "<sip:b@h>"), "b": nil}, "x", `"status":"rejected","code":305`, ""},
		"an alternative (380)":  {false, map[string]func(*phone){"x": send(380, "<sip:b@h>"), "b": nil}, "x", `"status":"rejected","code":380`, ""},
		"without a Contact":     {false, map[string]func(*phone){"x": send(302, "")}, "x", `"status":"rejected","code":302`, ""},
		"cannot be reached":     {false, map[string]func(*phone){"x": send(302, "<sip:away@h>")}, "x", `"status":"rejected","code":302`, "not dialled: unreachable"},
		"no other trunk for it": {false, map[string]func(*phone){"x": send(302, "<sip:b@h>"), "b": refuse(503), "y": nil}, "x b", `"status":"failed","code":503`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.inbound(Spec{})
			w.answer()
			for who, how := range c.callees {
				if how == nil {
					how = answers(w, time.Second)
				}
				w.callees[who] = how
			}
			if !c.refuse {
				w.follow = toUser(w)
			}
			target := "x"
			if c.callees["y"] != nil {
				target = "x|y"
			}
			r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo(target), v) })
			w.pass(3 * time.Second)
			if strings.Contains(c.want, "completed") {
				w.dialled[len(w.dialled)-1].bye()
				w.pass(time.Second)
			}
			var dialled []string
			for _, p := range w.dialled {
				dialled = append(dialled, p.name)
			}
			if got := strings.Join(dialled, " "); got != c.dialled {
				t.Errorf("dialled %s, want %s", got, c.dialled)
			}
			if got := r.get(); !strings.Contains(got, c.want) || !strings.Contains(w.story(), c.told) {
				t.Errorf("%s, want %s and %q\n%s", got, c.want, c.told, w.story())
			}
		})
	}
}

// TestRedirectedAfterEarlyMedia: the announcement of the first is over, the second is heard.
func TestRedirectedAfterEarlyMedia(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.follow = toUser(w)
	w.callees["x"] = func(p *phone) {
		answer, _ := p.session.Answer(p.offer)
		p.session.Start()
		p.send(sip.Event{Kind: sip.Provisional, Code: 183, Body: answer})
		p.speak("tone:600/2s")
		w.clk.AfterFunc(time.Second, func() { p.redirect(302, "<sip:b@h>") })
	}
	w.callees["b"] = answers(w, time.Second)
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("x"), v) })
	w.pass(500 * time.Millisecond)
	if !caller.hears() {
		t.Fatalf("no early media\n%s", w.story())
	}
	w.pass(2 * time.Second)
	w.callee("b").speak("tone:800/1s")
	w.pass(500 * time.Millisecond)
	if !caller.hears() {
		t.Fatalf("the callee is not heard\n%s", w.story())
	}
	w.callee("b").bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
}

// TestRedirectedOnOneLine: the redirected dial takes the line of the first, not a second one.
func TestRedirectedOnOneLine(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	taken, most := 0, 0
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		taken += n
		most = max(most, taken)
	}
	seize := func() (func(), time.Duration, error) {
		count(1)
		return func() { count(-1) }, 0, nil
	}
	rule := toUser(w)
	follow := func(a sip.Address) ([]Route, error) {
		routes, err := rule(a)
		for i := range routes {
			routes[i].Seize = seize
		}
		return routes, err
	}
	w.callees["x"], w.callees["b"] = func(p *phone) { p.redirect(302, "<sip:b@h>") }, func(p *phone) { p.refuse(486) }
	w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
	places, _ := w.Resolve(DialRequest{Target: "x"})
	places[0].Routes[0].Seize, places[0].Routes[0].Follow = seize, follow
	w.call.Originate(places[0])
	w.pass(20 * time.Second)
	rec := w.final()
	w.pass(time.Second) // a line is free when the dialog's last event is through
	mu.Lock()
	defer mu.Unlock()
	if rec.Outcome != Busy || rec.Code != 486 || most != 1 || taken != 0 {
		t.Fatalf("%+v, %d lines at most, %d left\n%s", rec, most, taken, w.story())
	}
}

// TestRedirectedOrder: an order that is sent elsewhere and may not go there is rejected, and says why.
func TestRedirectedOrder(t *testing.T) {
	w := newWorld(t)
	w.callees["x"] = func(p *phone) { p.redirect(302, "<sip:b@h>") }
	w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
	places, _ := w.Resolve(DialRequest{Target: "x"})
	w.call.Originate(places[0])
	w.pass(20 * time.Second)
	if rec := w.final(); rec.Outcome != Rejected || rec.Code != 302 || rec.Cause != "redirected elsewhere, not followed" {
		t.Fatalf("%+v", rec)
	}
}

// TestRetryAfterOfARefusal: which answers may ask for a pause, and for how long.
func TestRetryAfterOfARefusal(t *testing.T) {
	for _, c := range []struct {
		code  int
		after string
		want  time.Duration
	}{
		{503, "120", 2 * time.Minute}, {486, "30 (in a meeting)", 30 * time.Second}, {480, "5", 5 * time.Second}, {500, "1", time.Second}, {600, "9", 9 * time.Second},
		{503, "999999", MaxRetryAfter}, {503, "", 0}, {503, "-1", 0}, {488, "60", 0}, {302, "60", 0},
	} {
		w := newWorld(t)
		w.callees["x"] = func(p *phone) {
			p.send(sip.Event{Kind: sip.Ended, Code: c.code, Reason: sip.ReasonRejected, Remote: true, Headers: sip.Headers{{Name: "Retry-After", Value: c.after}}})
		}
		w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
		places, _ := w.Resolve(DialRequest{Target: "x"})
		w.call.Originate(places[0])
		w.pass(20 * time.Second)
		told := fmt.Sprintf("%d asks not to be tried again for %s", c.code, c.want)
		if rec := w.final(); rec.Pause != c.want || strings.Contains(w.story(), told) != (c.want > 0) {
			t.Errorf("%d %q: %s\n%s", c.code, c.after, rec.Pause, w.story())
		}
	}
}

// TestMaxForwards: what we dial for a caller may be passed on once less often.
func TestMaxForwards(t *testing.T) {
	for _, c := range []struct {
		came string
		want int
	}{{"70", 69}, {"255", 254}, {"2", 1}, {" 1 ", -1}, {"0", -1}, {"", 0}, {"x", 0}, {"99999999999999999999", 0}} {
		w := newWorld(t)
		spec := Spec{Session: media.SessionOptions{Bind: loopback}}
		if c.came != "" {
			spec.Headers = [][2]string{{"max-forwards", c.came}}
		}
		w.inbound(spec)
		w.answer()
		w.callees["x"] = answers(w, time.Second)
		w.do(func(l *Leg, v Verb) { l.Connect(connectTo("x"), v) })
		w.pass(time.Second)
		if got := w.callee("x").out.MaxForwards; got != c.want {
			t.Errorf("%q: %d, want %d", c.came, got, c.want)
		}
	}
}
