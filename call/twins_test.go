package call

import (
	"testing"
	"time"
)

const reasonElsewhere = `Reason: SIP;cause=200;text="Call completed elsewhere"`

// ordered is an order to a user whose phones are desk, mobile and laptop.
func ordered(t *testing.T, desk, mobile, laptop func(*phone)) *world {
	t.Helper()
	w := newWorld(t)
	for name, behave := range map[string]func(*phone){"desk": desk, "mobile": mobile, "laptop": laptop} {
		if behave != nil {
			w.callees[name] = behave
		}
	}
	w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
	places, _ := w.Resolve(DialRequest{Target: "desk,mobile,laptop"})
	places[0].Together = places[1:]
	for i := range places {
		places[i].Name = "101"
	}
	places[0].Together = places[1:]
	w.call.Originate(places[0])
	return w
}

func rings(p *phone) { p.ring() }

// TestAllPhonesOfAnOrderedUserRing: the first that answers has the call, the
// others hear that it is answered elsewhere.
func TestAllPhonesOfAnOrderedUserRing(t *testing.T) {
	for _, first := range []string{"desk", "mobile", "laptop"} {
		t.Run(first, func(t *testing.T) {
			w := ordered(t, rings, rings, rings)
			w.pass(time.Second)
			for _, name := range []string{"desk", "mobile", "laptop"} {
				if w.callee(name) == nil {
					t.Fatalf("%s does not ring\n%s", name, w.story())
				}
			}
			w.callee(first).pickUp()
			w.pass(time.Second)
			if !w.told("answered") {
				t.Fatal(w.story())
			}
			w.call.Attach(w)
			for _, name := range []string{"desk", "mobile", "laptop"} {
				if p := w.callee(name); p.did("hung up") == (name == first) || p.did(reasonElsewhere) == (name == first) {
					t.Fatalf("%s: %v", name, p.log)
				}
			}
			say := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/400ms"}}, PromptOptions{}, v) })
			w.pass(300 * time.Millisecond)
			if !w.callee(first).hears() {
				t.Fatalf("the script does not reach it\n%s", w.story())
			}
			w.pass(time.Second)
			w.want(say, `{"completed":true,"playedMs":400,"percent":100}`)
			w.callee(first).bye()
			w.pass(time.Second)
			w.call.ScriptEnded(nil)
			w.pass(time.Second)
			if rec := w.final(); rec.Outcome != AnsweredShort && rec.Outcome != Delivered || rec.EndedBy != "callee" {
				t.Fatalf("%+v", rec)
			}
		})
	}
}

// TestOnePhoneSpeaksForItself: busy, gone or unreachable on one phone leaves the
// others ringing; 603 is for all (RFC 3261 §21.6).
func TestOnePhoneSpeaksForItself(t *testing.T) {
	refuses := func(code int) func(*phone) { return func(p *phone) { p.ring(); p.refuse(code) } }
	for name, c := range map[string]struct {
		desk, mobile, laptop func(*phone)
		answers              bool
		want                 Outcome
	}{
		"the first is busy":           {refuses(486), rings, rings, true, ""},
		"the first cannot be dialled": {nil, rings, rings, true, ""},
		"two are gone":                {refuses(480), rings, refuses(500), true, ""},
		"the first declines for all":  {refuses(603), rings, rings, false, Rejected},
		"another declines for all":    {rings, rings, refuses(603), false, Rejected},
		"all are busy":                {refuses(486), refuses(486), refuses(486), false, Busy},
		"nobody answers":              {rings, rings, rings, false, NoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			w := ordered(t, c.desk, c.mobile, c.laptop)
			w.pass(time.Second)
			if c.answers {
				w.callee("mobile").pickUp()
				w.pass(time.Second)
				w.call.Attach(w)
				if !w.told("answered") {
					t.Fatal(w.story())
				}
				w.callee("mobile").bye()
				w.pass(time.Second)
				w.call.ScriptEnded(nil)
			}
			w.pass(20 * time.Second)
			rec := w.final()
			if !c.answers && rec.Outcome != c.want || c.answers && rec.AnsweredAt.IsZero() {
				t.Fatalf("%+v\n%s", rec, w.story())
			}
			for _, p := range w.dialled {
				if !c.answers && p.did(reasonElsewhere) {
					t.Errorf("%s: %v", p.name, p.log)
				}
				p.mu.Lock()
				over := p.closed
				p.mu.Unlock()
				if !over {
					t.Errorf("%s rings on", p.name)
				}
			}
		})
	}
}
