package call

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// desk is the Transfers of tests: "<sip:bob@x>" is bob, "<sip:bob@x?ID>" is
// whoever talks through the dialog ID.
type desk struct{ w *world }

func (d desk) Destination(referTo string) (target, dialog string, err error) {
	v := strings.Trim(referTo, "<>")
	v, dialog, _ = strings.Cut(v, "?")
	target, _, _ = strings.Cut(strings.TrimPrefix(v, "sip:"), "@")
	if target == "unknown" {
		return "", "", fault.New(fault.NotFound, "nobody")
	}
	return target, dialog, nil
}

func (d desk) Permit(user, target string, _ bool) error {
	if user != "101" {
		return fault.New(fault.Denied, "%s may not transfer", user)
	}
	return nil
}

func (d desk) Patch(dialog, _ string) (Place, error) {
	return Place{Name: dialog, Routes: []Route{{Outgoing: sip.Outgoing{Target: sip.Target{URI: dialog}}, Media: media.SessionOptions{Bind: loopback}}}}, nil
}

// talking is a caller who talks with anna by connect.
func talking(t *testing.T, spec Spec) (w *world, caller, anna *phone, r *reply) {
	t.Helper()
	w = newWorld(t)
	w.deps.Transfers = desk{w}
	caller = w.inbound(spec)
	w.answer()
	w.callees["anna"] = answers(w, time.Second)
	w.callees["bob"] = answers(w, 2*time.Second)
	w.callees["carl"] = func(p *phone) { p.refuse(486) }
	r = w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(2 * time.Second)
	return w, caller, w.callee("anna"), r
}

// asks is a REFER of a phone.
func (p *phone) asks(to string) {
	p.send(sip.Event{Kind: sip.Asked, ID: 1, Line: "<sip:" + to + ">"})
	p.w.pass(0)
}

// decide is the script's answer for the leg of that name.
func (w *world) decide(leg string, allow bool, target string) {
	w.t.Helper()
	w.call.Do(func() {
		l, err := w.call.Leg(leg)
		if err != nil {
			w.t.Error(err)
			return
		}
		l.Decide(allow, target, 603, Verb{Reply: func(any, error) {}})
	})
	w.pass(0)
}

// hearEachOther checks both directions.
func hearEachOther(t *testing.T, w *world, a, b *phone) {
	t.Helper()
	for _, p := range [][2]*phone{{a, b}, {b, a}} {
		w.pass(500 * time.Millisecond)
		p[0].speak("tone:600/600ms")
		w.pass(300 * time.Millisecond)
		if !p[1].hears() {
			t.Fatalf("%s does not hear %s\n%s", p[1].name, p[0].name, w.story())
		}
		w.pass(time.Second)
	}
}

func TestTheCalleeTransfersTheCaller(t *testing.T) {
	w, caller, anna, r := talking(t, Spec{})
	anna.asks("bob@x")
	if !w.told(`transfer {"attended":false,"by":`) || !w.told(`"request":"b","to":"bob"`) || anna.did("consent 202") {
		t.Fatalf("%v", w.events)
	}
	w.decide("b", true, "")
	w.pass(time.Second)
	if !anna.did("consent 202") || !anna.did("progress 180") || anna.did("progress 200") {
		t.Fatal(anna.log)
	}
	hearBefore := caller.hears()
	w.pass(2 * time.Second)
	if hearBefore || !anna.did("progress 200") || !anna.did("hung up") {
		t.Fatalf("%v %v", hearBefore, anna.log)
	}
	bob := w.callee("bob")
	hearEachOther(t, w, caller, bob)
	w.want(r, "…")
	bob.bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) || !strings.Contains(got, `"answeredBy":"bob"`) || !strings.Contains(got, `"endedBy":"callee"`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
	w.call.ScriptEnded(nil)
	w.pass(2 * time.Second)
	if rec := w.final(); rec.Outcome != Talked {
		t.Fatalf("%+v", rec)
	}
}

// Many phones hang up as soon as their REFER is accepted.
func TestTheCalleeTransfersAndLeaves(t *testing.T) {
	for target, answered := range map[string]bool{"bob": true, "carl": false} {
		t.Run(target, func(t *testing.T) {
			w, caller, anna, r := talking(t, Spec{})
			if target == "carl" {
				w.callees["carl"] = func(p *phone) { w.clk.AfterFunc(2*time.Second, func() { p.refuse(486) }) }
			}
			anna.asks(target + "@x")
			w.decide("b", true, "")
			anna.bye()
			w.pass(time.Second)
			if !caller.hears() {
				t.Fatalf("no ringback\n%s", w.story())
			}
			w.pass(2 * time.Second)
			if !answered {
				if got := r.get(); !strings.Contains(got, `"status":"completed"`) || !strings.Contains(got, `"answeredBy":"anna"`) {
					t.Fatalf("%s\n%s", got, w.story())
				}
				return
			}
			hearEachOther(t, w, caller, w.callee("bob"))
			caller.bye()
			w.pass(2 * time.Second)
			if !w.callee("bob").did("hung up") {
				t.Fatal("bob is still there")
			}
			w.final()
		})
	}
}

// TestHoldByWhomConnectHasBroughtIn: the script hears of it under its own call,
// and who it was, and what it plays meanwhile is heard by the caller.
func TestHoldByWhomConnectHasBroughtIn(t *testing.T) {
	w, caller, anna, _ := talking(t, Spec{})
	offer := func(direction string) {
		body := bytes.Replace(anna.session.Offer(), []byte("a=sendrecv"), []byte("a="+direction), 1)
		anna.send(sip.Event{Kind: sip.Offered, ID: 9, Body: body})
		w.pass(100 * time.Millisecond)
	}
	offer("sendonly")
	if !w.told(`hold {"by":{"uri":"anna","user":"anna","host":"","name":"anna"},"call":"a","held":true}`) {
		t.Fatalf("%v", w.events)
	}
	w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:425"}}, PromptOptions{Loop: true}, v) })
	w.pass(300 * time.Millisecond)
	if !caller.hears() {
		t.Fatal("the caller hears nothing on hold\n" + w.story())
	}
	w.do(func(l *Leg, v Verb) { l.StopPrompt(v) })
	offer("sendrecv")
	if !w.told(`"call":"a","held":false}`) {
		t.Fatalf("%v", w.events)
	}
	hearEachOther(t, w, caller, anna)
	caller.bye()
}

// TestMusicOfAHold: the other party hears a tone in place of silence, but not
// over the music of the phone that holds, and the talk goes on afterwards.
func TestMusicOfAHold(t *testing.T) {
	w, caller, anna, _ := talking(t, Spec{})
	offer := func(direction string) {
		body := bytes.Replace(anna.session.Offer(), []byte("a=sendrecv"), []byte("a="+direction), 1)
		anna.send(sip.Event{Kind: sip.Offered, ID: 9, Body: body})
	}
	hears := func(d time.Duration) (heard bool) {
		for range d / (50 * time.Millisecond) {
			w.pass(50 * time.Millisecond)
			heard = heard || caller.hears()
		}
		return heard
	}
	offer("sendonly")
	if hears(900*time.Millisecond) || !hears(10*time.Second) {
		t.Fatal("the caller hears nothing on hold\n" + w.story())
	}
	anna.speak("tone:600/20s")
	w.pass(5 * time.Second)
	if n := strings.Count(w.story(), "prompt end"); n != 2 { // that of the connect, and ours
		t.Fatalf("%d\n%s", n, w.story())
	}
	w.pass(15 * time.Second)
	if !hears(14 * time.Second) {
		t.Fatal("nothing is heard when the phone's music is over\n" + w.story())
	}
	offer("sendrecv")
	hearEachOther(t, w, caller, anna)
	if hears(11 * time.Second) {
		t.Fatal("the tone goes on\n" + w.story())
	}
	caller.bye()
}

func TestATransferThatFailsChangesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		to, want string
		allow    bool
	}{
		"busy":         {"carl@x", "progress 486", true},
		"no such":      {"unknown@x", "consent 404", true},
		"not dialable": {"denied@x", "consent 403", true},
		"nobody there": {"nobody@x", "progress 480", true},
		"refused":      {"bob@x", "consent 603", false},
	} {
		t.Run(name, func(t *testing.T) {
			w, caller, anna, r := talking(t, Spec{})
			anna.asks(tt.to)
			w.decide("b", tt.allow, "")
			w.pass(time.Second)
			if !anna.did(tt.want) || anna.did("hung up") {
				t.Fatalf("%v\n%s", anna.log, w.story())
			}
			hearEachOther(t, w, caller, anna)
			w.want(r, "…")
		})
	}
}

func TestAScriptThatDoesNotDecideRefuses(t *testing.T) {
	w, _, anna, _ := talking(t, Spec{})
	anna.asks("bob@x")
	w.pass(consentWait + time.Second)
	if !anna.did("consent 603") {
		t.Fatal(anna.log)
	}
	w.decide("b", true, "") // too late
	if anna.did("consent 202") {
		t.Fatal(anna.log)
	}
}

// The first leg's party transfers: the call goes on with who comes, under the
// same handle, and is one record.
func TestTheCallerTransfersTheCallee(t *testing.T) {
	w, caller, anna, r := talking(t, Spec{Record: true})
	caller.asks("bob@x")
	w.decide("a", true, "")
	w.pass(4 * time.Second)
	if !caller.did("progress 200") || !caller.did("hung up") {
		t.Fatalf("%v\n%s", caller.log, w.story())
	}
	bob := w.callee("bob")
	hearEachOther(t, w, anna, bob)
	w.want(r, "…")
	anna.bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) {
		t.Fatal(got)
	}
	say := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/400ms"}}, PromptOptions{}, v) })
	w.pass(200 * time.Millisecond)
	if !bob.hears() {
		t.Fatalf("the script does not reach bob\n%s", w.story())
	}
	w.pass(time.Second)
	w.want(say, `{"completed":true,"playedMs":400,"percent":100}`)
	bob.bye()
	w.pass(time.Second)
	w.call.ScriptEnded(nil)
	w.pass(time.Second)
	if rec := w.final(); rec.Outcome != Talked || !w.told("stored c1.1") || !w.told("stored c1.1-2") {
		t.Fatalf("%+v %v", rec, w.events)
	}
}

// A call of a route has no script: what its user may do decides.
func TestTransferWithoutAScript(t *testing.T) {
	for user, want := range map[string]string{"101": "consent 202", "102": "consent 403"} {
		w := newWorld(t)
		w.deps.Transfers = desk{w}
		w.callees["anna"], w.callees["bob"] = answers(w, time.Second), answers(w, time.Second)
		p := w.phone("caller")
		p.offer = p.session.Offer()
		w.call = New(Spec{ID: "c1.1", Order: "c1", User: user, Session: media.SessionOptions{Bind: loopback}}, w.deps)
		w.call.Inbound(p)
		w.call.RunConnect([]string{"anna"}, false, 20*time.Second)
		w.pass(2 * time.Second)
		p.asks("bob@x")
		w.pass(3 * time.Second)
		if !p.did(want) {
			t.Errorf("%s: %v\n%s", user, p.log, w.story())
		}
		if user == "101" {
			hearEachOther(t, w, w.callee("anna"), w.callee("bob"))
			w.callee("bob").asks("carl@x") // bob has the rights of bob, not of who transferred to him
			if !w.callee("bob").did("consent 403") {
				t.Errorf("%v", w.callee("bob").log)
			}
			w.callee("bob").bye()
			w.pass(time.Second)
			w.final()
		}
		w.call.Hangup("system")
		w.pass(20 * time.Second)
	}
}

// An INVITE with Replaces, and the pipe between two calls.
func TestReplace(t *testing.T) {
	w, caller, anna, r := talking(t, Spec{})
	bob := w.phone("bob")
	bob.offer = bob.session.Offer()
	done := make(chan bool, 2)
	replace := func(id string) {
		go func() { done <- w.call.Replace(id, bob, media.SessionOptions{Bind: loopback}, Place{Name: "bob"}) }()
	}
	if !w.call.Holds("anna") || w.call.Holds("nobody") {
		t.Fatal("Holds")
	}
	replace("nobody")
	if <-done {
		t.Fatal("replaced nobody")
	}
	replace("anna")
	if !<-done {
		t.Fatal("not replaced")
	}
	w.pass(time.Second)
	if !bob.did("200") || !anna.did("hung up") {
		t.Fatalf("%v %v", bob.log, anna.log)
	}
	hearEachOther(t, w, caller, bob)
	caller.bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"answeredBy":"bob"`) || !bob.did("hung up") {
		t.Fatal(got)
	}
}

// Somebody else takes a call that rings at anna's.
func TestPickUp(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.callees["anna"] = func(p *phone) { p.ring() }
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(time.Second)
	bob := w.phone("bob")
	bob.offer = bob.session.Offer()
	done := make(chan bool, 1)
	go func() { done <- w.call.Replace("anna", bob, media.SessionOptions{Bind: loopback}, Place{Name: "bob"}) }()
	if !<-done {
		t.Fatal("not taken")
	}
	w.pass(time.Second)
	hearEachOther(t, w, caller, bob)
	bob.bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"answeredBy":"bob"`) || !strings.Contains(got, `"status":"completed"`) {
		t.Fatal(got)
	}
}

func TestAttendedTransferOut(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["bob"] = answers(w, time.Second)
	w.do(func(_ *Leg, v Verb) { w.call.Dial(1, DialRequest{Target: "bob", Timeout: 20 * time.Second}, v) })
	w.pass(2 * time.Second)
	to := func(target string) *reply {
		return w.do(func(l *Leg, v Verb) {
			bob, _ := w.call.Leg("b")
			l.Transfer(target, TransferOptions{Consult: bob}, v)
		})
	}
	r := to("bob")
	if !caller.did("refer sip:bob@there?Replaces=bob") {
		t.Fatal(caller.log)
	}
	caller.send(sip.Event{Kind: sip.Referred, Code: 486, Reason: "Busy Here", ID: 1})
	w.pass(0)
	w.want(r, `{"status":"busy","code":486}`)
	r = to("sip:desk@other")
	if !caller.did("refer sip:desk@other?Replaces=bob") {
		t.Fatal(caller.log)
	}
	caller.send(sip.Event{Kind: sip.Referred, Code: 200, Reason: "OK", ID: 1})
	w.pass(time.Second)
	w.want(r, `{"status":"completed","code":200}`)
	if !caller.did("hung up") || !w.callee("bob").did("hung up") {
		t.Fatal("they are still there")
	}
}

// Many transferees hang up once they have agreed, and tell nothing.
func TestATransferredPartyThatLeaves(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	r := w.do(func(l *Leg, v Verb) { l.Transfer("sip:bob@x", TransferOptions{}, v) })
	caller.send(sip.Event{Kind: sip.Referred, Code: 100})
	caller.bye()
	w.pass(time.Second)
	w.want(r, `{"status":"completed","code":202}`)
}

func TestMessagesOfACall(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	caller.send(sip.Event{Kind: sip.Messaged, ContentType: "text/plain", Body: []byte("hello"), Headers: sip.Headers{{Name: "Subject", Value: "x"}}})
	w.pass(0)
	if !w.told(`message {"call":"a","contentType":"text/plain","headers":[["Subject","x"]],"text":"hello"}`) {
		t.Fatal(w.events)
	}
	r := w.do(func(l *Leg, v Verb) { l.SendMessage("your order", v) })
	i := w.do(func(l *Leg, v Verb) { l.SendInfo("text/x", "1", v) })
	w.pass(time.Second)
	w.want(r, `{"status":"delivered","code":200}`)
	w.want(i, `{"status":"delivered","code":200}`)
	if !caller.did("message your order") {
		t.Fatal(caller.log)
	}
	last := w.do(func(l *Leg, v Verb) {
		for range maxSending {
			l.SendInfo("text/x", "1", Verb{Reply: func(any, error) {}})
		}
		l.SendInfo("text/x", "1", v)
	})
	w.want(last, "LIMIT")
}

// TestPipe: both ends of a dialog inside the process.
func TestPipe(t *testing.T) {
	w := newWorld(t)
	a, b := Pipe(w.clk, []byte("offer"))
	next := func(d Dialog, want sip.EventKind) sip.Event {
		t.Helper()
		select {
		case ev := <-d.Events():
			w.clk.Busy(-1)
			if ev.Kind != want {
				t.Fatalf("%s, want %s", ev.Kind, want)
			}
			return ev
		default:
			t.Fatalf("no %s", want)
			return sip.Event{}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if string(b.Offer()) != "offer" || len(a.Offer()) != 0 || a.ID() == b.ID() || a.Replacement() != "" || a.Headers() != nil {
		t.Fatal("ends")
	}
	must(b.Provisional(180, "", nil))
	next(a, sip.Provisional)
	must(b.Accept([]byte("answer")))
	if ev := next(a, sip.Answered); string(ev.Body) != "answer" {
		t.Fatalf("%+v", ev)
	}
	next(b, sip.Confirmed)
	must(a.Reoffer([]byte("o")))
	must(b.Respond(next(b, sip.Offered).ID, 200, []byte("x")))
	next(a, sip.Reoffered)
	must(a.Info("x/y", nil))
	next(b, sip.Info)
	next(a, sip.Sent)
	must(b.Message("text/plain", nil))
	next(a, sip.Messaged)
	next(b, sip.Sent)
	must(a.Refer("sip:x@y"))
	next(a, sip.Referred)
	must(a.Consent(1, 202))
	must(a.Progress(1, 200, ""))
	a.Hangup()
	if ev := next(b, sip.Ended); !ev.Remote {
		t.Fatal("not remote")
	}
	next(a, sip.Ended)
	b.Hangup()
	if a.Message("text/plain", nil) == nil {
		t.Fatal("a message into nowhere")
	}
	a, b = Pipe(w.clk, nil)
	for range pipeEvents + 5 { // nobody reads: the end is told all the same
		_ = a.Message("text/plain", nil)
	}
	n := 0
	var last sip.Event
	for ev := range b.Events() {
		w.clk.Busy(-1)
		n, last = n+1, ev
	}
	if n > pipeEvents || last.Kind != sip.Ended {
		t.Fatalf("%d events, the last is %s", n, last.Kind)
	}
	for range len(a.Events()) {
		<-a.Events()
		w.clk.Busy(-1)
	}
	_ = b.Reject(486, "")
}

// TestRingToneIsNoMusicOfAHold: what rang before the talk is not heard once more
// when a phone holds, and chosen music is, be it the same tone.
func TestRingToneIsNoMusicOfAHold(t *testing.T) {
	for name, tc := range map[string]struct {
		waiting Waiting
		want    string
	}{
		"nothing chosen":     {Waiting{}, HoldTone},
		"turned off":         {Waiting{Silent: true}, HoldTone},
		"chosen":             {Waiting{Music: []Part{{Play: "tone:300"}}}, "tone:300"},
		"a ring tone chosen": {Waiting{Music: []Part{{Play: RingTone}}}, RingTone},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.inbound(Spec{})
			w.answer()
			w.callees["anna"] = answers(w, 0)
			o := connectTo("anna")
			o.Waiting = tc.waiting
			w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
			w.pass(time.Second)
			anna := w.callee("anna")
			before := len(w.story())
			anna.send(sip.Event{Kind: sip.Offered, ID: 9, Body: bytes.Replace(anna.session.Offer(), []byte("a=sendrecv"), []byte("a=sendonly"), 1)})
			w.pass(3 * time.Second)
			if after := w.story()[before:]; !strings.Contains(after, tc.want) {
				t.Fatalf("no %s\n%s", tc.want, after)
			}
		})
	}
}

// TestReplaceGoesOnWithThePrompt: who takes the place of somebody to whom a
// script speaks hears that from its beginning, and the script notices nothing.
func TestReplaceGoesOnWithThePrompt(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	r := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/3s"}}, PromptOptions{}, v) })
	w.pass(2 * time.Second)
	bob := w.phone("bob")
	bob.offer = bob.session.Offer()
	done := make(chan bool, 1)
	go func() {
		done <- w.call.Replace("caller", bob, media.SessionOptions{Bind: loopback}, Place{Name: "bob"})
	}()
	if !<-done {
		t.Fatal("not replaced")
	}
	w.pass(2500 * time.Millisecond)
	if !bob.hears() || r.get() != "…" || !caller.did("hung up") {
		t.Fatalf("%v, %s\n%s", bob.log, r.get(), w.story())
	}
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"completed":true`) || !strings.Contains(got, `"percent":100`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
}
