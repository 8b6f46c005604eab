package call

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

func connectTo(targets ...string) ConnectOptions {
	o := ConnectOptions{Timeout: 20 * time.Second, Waiting: Waiting{Music: []Part{{Play: "tone:425"}}}}
	for _, t := range targets {
		o.Targets = append(o.Targets, DialRequest{Target: t})
	}
	return o
}

// answers picks up after d.
func answers(w *world, d time.Duration) func(*phone) {
	return func(p *phone) {
		p.ring()
		w.clk.AfterFunc(d, p.pickUp)
	}
}

func TestConnectTalksInBothDirections(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = answers(w, 3*time.Second)
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(2 * time.Second)
	if !caller.hears() {
		t.Fatalf("no ringback\n%s", w.story())
	}
	w.pass(2 * time.Second)
	anna := w.callee("anna")
	w.pass(time.Second)
	if caller.hears() {
		t.Fatal("the music goes on during the talk")
	}
	anna.speak("tone:800/2s")
	w.pass(time.Second)
	if !caller.hears() {
		t.Fatalf("the caller does not hear the callee\n%s", w.story())
	}
	w.pass(2 * time.Second)
	caller.speak("tone:500/2s")
	w.pass(time.Second)
	if !anna.hears() || caller.hears() {
		t.Fatal("the callee does not hear the caller, or the caller itself")
	}
	anna.bye()
	w.pass(time.Second)
	got := r.get()
	if !strings.Contains(got, `"status":"completed","code":200,"answeredBy":"anna","ringMs":3000`) || !strings.Contains(got, `"endedBy":"callee","legs":[{"target":"anna","status":"completed","code":200,"ringMs":3000}]`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
	again := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/200ms"}}, PromptOptions{}, v) })
	w.pass(time.Second)
	w.want(again, `{"completed":true,"playedMs":200,"percent":100}`)
	w.call.ScriptEnded(nil)
	w.pass(time.Second)
	if rec := w.final(); rec.Outcome != Talked {
		t.Fatalf("%+v", rec)
	}
}

func TestConnectAnswersTheCallerWithTheCallee(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.callees["anna"] = answers(w, time.Second)
	w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(500 * time.Millisecond)
	if !caller.did("180") || caller.did("200") {
		t.Fatal(caller.log)
	}
	w.pass(time.Second)
	if !caller.did("200") {
		t.Fatalf("%v\n%s", caller.log, w.story())
	}
}

func TestConnectParallelFirstWins(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	w.callees["a"], w.callees["b"] = answers(w, 5*time.Second), answers(w, 2*time.Second)
	w.callees["c"] = func(p *phone) { p.refuse(486) }
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("a", "b", "c"), v) })
	w.pass(3 * time.Second)
	if !w.callee("a").did("hung up") {
		t.Fatal("the loser goes on ringing")
	}
	w.callee("b").bye()
	w.pass(time.Second)
	got := r.get()
	for _, part := range []string{`"answeredBy":"b"`, `"target":"c","status":"busy","code":486`, `"target":"a","status":"cancelled"`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
}

func TestConnectSerialRingsOneAfterAnother(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	w.callees["a"] = func(p *phone) { p.ring() }
	w.callees["b"] = answers(w, time.Second)
	o := connectTo("a", "b")
	o.Serial, o.Timeout = true, 4*time.Second
	r := w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
	w.pass(3 * time.Second)
	if len(w.dialled) != 1 {
		t.Fatalf("%d rung at once", len(w.dialled))
	}
	w.pass(3 * time.Second)
	w.callee("b").bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"answeredBy":"b"`) || !strings.Contains(got, `"target":"a","status":"no_answer"`) {
		t.Fatal(got)
	}
}

func TestConnectResults(t *testing.T) {
	for name, c := range map[string]struct {
		behave func(*phone)
		target string
		want   string
	}{
		"busy":     {func(p *phone) { p.refuse(486) }, "x", `"status":"busy","code":486`},
		"rejected": {func(p *phone) { p.refuse(603) }, "x", `"status":"rejected","code":603`},
		"failed":   {func(p *phone) { p.refuse(500) }, "x", `"status":"failed","code":500`},
		"silent":   {func(p *phone) { p.ring() }, "x", `"status":"no_answer"`},
		"nobody":   {nil, "nobody", `"status":"no_answer","code":480`},
		"denied":   {nil, "denied", "DENIED"},
		"away":     {nil, "x", `"status":"failed"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.inbound(Spec{})
			w.answer()
			if c.behave != nil {
				w.callees["x"] = c.behave
			}
			r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo(c.target), v) })
			w.pass(25 * time.Second)
			if got := r.get(); !strings.Contains(got, c.want) {
				t.Fatalf("%s\n%s", got, w.story())
			}
		})
	}
}

func TestConnectAbandonedByTheCaller(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = func(p *phone) { p.ring() }
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(3 * time.Second)
	caller.bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"abandoned"`) || !strings.Contains(got, `"endedBy":"caller"`) {
		t.Fatal(got)
	}
	if !w.callee("anna").did("hung up") {
		t.Fatal("the callee goes on ringing")
	}
	if rec := w.final(); rec.Outcome != Missed {
		t.Fatalf("%+v", rec)
	}
}

func TestWhisperIsHeardByTheCalleeOnly(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = answers(w, time.Second)
	o := connectTo("anna")
	o.Waiting.Music, o.Whisper = []Part{{Play: "silence:10s"}}, []Part{{Play: "tone:600/2s"}}
	w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
	w.pass(2 * time.Second)
	if !w.callee("anna").hears() || caller.hears() {
		t.Fatalf("whisper\n%s", w.story())
	}
	if strings.Contains(w.story(), "bridged") {
		t.Fatal("bridged during the whisper")
	}
	w.pass(2 * time.Second)
	if !strings.Contains(w.story(), "bridged") {
		t.Fatal("not bridged after it")
	}
}

func TestAcceptKey(t *testing.T) {
	for name, key := range map[string]string{"accepted": "1", "not accepted": ""} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.inbound(Spec{})
			w.answer()
			w.callees["anna"] = answers(w, time.Second)
			o := connectTo("anna")
			o.AcceptKey, o.AcceptText = "1", []Part{{Play: "tone:600/1s"}}
			r := w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
			w.pass(3 * time.Second)
			if key != "" {
				w.callee("anna").press(key)
				w.pass(time.Second)
				if !strings.Contains(w.story(), "bridged") {
					t.Fatalf("not bridged\n%s", w.story())
				}
				return
			}
			w.pass(30 * time.Second)
			if got := r.get(); !strings.Contains(got, `"status":"rejected"`) {
				t.Fatal(got)
			}
		})
	}
}

func TestKeysDuringATalk(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = answers(w, 0)
	o := connectTo("anna")
	o.HangupOn, o.Keys = "*0", map[string]uint32{"*2": 7}
	r := w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
	w.pass(time.Second)
	caller.press("5*2")
	w.pass(2 * time.Second)
	if !w.told(`callback 7 [{"key":"*2"}]`) {
		t.Fatalf("%v", w.events)
	}
	w.want(r, "…")
	caller.press("*0")
	w.pass(2 * time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) || !strings.Contains(got, `"endedBy":"caller"`) {
		t.Fatal(got)
	}
	if !w.callee("anna").did("hung up") {
		t.Fatal("the callee is still there")
	}
}

func TestNextTrunkOnlyBeforeRinging(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	w.callees["t1"] = func(p *phone) { p.refuse(503) }
	w.callees["t2"] = answers(w, time.Second)
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("t1|t2"), v) })
	w.pass(2 * time.Second)
	w.callee("t2").bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
	w.callees["t3"] = func(p *phone) {
		p.ring()
		w.clk.AfterFunc(time.Second, func() { p.refuse(503) })
	}
	again := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("t3|t2"), v) })
	w.pass(3 * time.Second)
	if got := again.get(); !strings.Contains(got, `"status":"failed","code":503`) {
		t.Fatal(got)
	}
}

func TestDialAndBridge(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = answers(w, time.Second)
	var other *Leg
	r := &reply{}
	w.call.Do(func() {
		w.call.Dial(5, DialRequest{Target: "anna", Timeout: 10 * time.Second}, Verb{Reply: func(v any, err error) {
			r.value, r.err, r.done = v, err, 1
			other = v.(DialResult).Leg
		}})
	})
	w.pass(2 * time.Second)
	if other == nil {
		t.Fatal("no leg")
	}
	b := w.do(func(l *Leg, v Verb) { l.Bridge(other, 0, false, v) })
	w.pass(time.Second)
	w.callee("anna").speak("tone:800/1s")
	w.pass(500 * time.Millisecond)
	if !caller.hears() {
		t.Fatal("not bridged")
	}
	w.do(func(l *Leg, v Verb) { l.Unbridge(v) })
	w.pass(500 * time.Millisecond)
	if got := b.get(); !strings.Contains(got, `"endedBy":"script"`) {
		t.Fatal(got)
	}
	caller.bye()
	w.pass(time.Second)
	if !w.callee("anna").did("hung up") {
		t.Fatal("the dialled call outlives its script's call")
	}
}

func TestFallbackAfterAScriptError(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{Fallback: []Action{{Play: "tone:500/500ms"}, {Connect: []string{"anna"}}, {Hangup: true}}})
	w.callees["anna"] = func(p *phone) { p.refuse(486) }
	g := w.do(func(l *Leg, v Verb) { l.Gather(gatherOf(1, 1), v) })
	w.pass(time.Second)
	w.call.ScriptEnded(errString("boom"))
	w.pass(200 * time.Millisecond)
	if !caller.hears() {
		t.Fatalf("silence\n%s", w.story())
	}
	w.pass(5 * time.Second)
	w.want(g, "…")
	rec := w.final()
	if rec.Outcome != Failed || len(w.dialled) != 1 {
		t.Fatalf("%+v, %d dialled", rec, len(w.dialled))
	}
}

func TestApologyWhenThereIsNoFallback(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.call.ScriptEnded(errString("boom"))
	w.pass(300 * time.Millisecond)
	if !caller.hears() || !caller.did("200") {
		t.Fatalf("silence\n%s", w.story())
	}
	w.pass(3 * time.Second)
	if rec := w.final(); rec.Outcome != Failed || rec.EndedBy != "system" {
		t.Fatalf("%+v", rec)
	}
}

type errString string

func (e errString) Error() string { return string(e) }

func TestOutboundOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		behave func(w *world) func(*phone)
		script bool
		want   Outcome
	}{
		"busy":           {func(*world) func(*phone) { return func(p *phone) { p.refuse(486) } }, false, Busy},
		"no answer":      {func(*world) func(*phone) { return func(p *phone) { p.ring() } }, false, NoAnswer},
		"rejected":       {func(*world) func(*phone) { return func(p *phone) { p.ring(); p.refuse(603) } }, false, Rejected},
		"bad number":     {func(*world) func(*phone) { return func(p *phone) { p.refuse(404) } }, false, BadNumber},
		"trunk failed":   {func(*world) func(*phone) { return func(p *phone) { p.refuse(500) } }, false, TrunkFailed},
		"delivered":      {func(w *world) func(*phone) { return answers(w, time.Second) }, true, Delivered},
		"answered short": {func(w *world) func(*phone) { return answers(w, time.Second) }, false, AnsweredShort},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.callees["x"] = c.behave(w)
			w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
			places, _ := w.Resolve(DialRequest{Target: "x"})
			w.call.Originate(places[0])
			w.pass(2 * time.Second)
			if w.told("answered") {
				w.call.Attach(w)
				if c.script {
					w.call.ScriptEnded(nil)
				} else {
					w.callee("x").bye()
				}
			}
			w.pass(20 * time.Second)
			rec := w.final()
			if rec.Outcome != c.want {
				t.Fatalf("%s, want %s\n%s", rec.Outcome, c.want, w.story())
			}
			if rec.Outcome == NoAnswer && rec.Cause != "no answer" {
				t.Errorf("the cause is %q", rec.Cause)
			}
		})
	}
}

// TestTheRecordHasTheNumberPresented fails over to a trunk that shows another one.
func TestTheRecordHasTheNumberPresented(t *testing.T) {
	w := newWorld(t)
	w.callees["a"] = func(p *phone) { p.refuse(500) }
	w.callees["b"] = func(p *phone) { p.refuse(486) }
	w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
	places, _ := w.Resolve(DialRequest{Target: "a|b"})
	places[0].Routes[0].From, places[0].Routes[1].From = "+74950000001", "+74950000002"
	w.call.Originate(places[0])
	w.pass(20 * time.Second)
	if rec := w.final(); rec.From != "+74950000002" || w.call.Spec().From.E164 != rec.From {
		t.Fatalf("the record's caller is %q, the script's %+v", rec.From, w.call.Spec().From)
	}
}

// TestRouteThatConnects rings people with no script.
func TestRouteThatConnects(t *testing.T) {
	begin := func(t *testing.T, fallback []Action) (*world, *phone) {
		w := newWorld(t)
		w.callees["101"] = func(p *phone) { p.ring() }
		w.call = New(Spec{ID: "c1.1", Order: "c1", Session: media.SessionOptions{Bind: loopback}, Fallback: fallback}, w.deps)
		caller := w.phone("caller")
		caller.offer = caller.session.Offer()
		w.call.Inbound(caller)
		w.call.RunConnect([]string{"101"}, false, 5*time.Second)
		w.pass(time.Second)
		return w, caller
	}
	t.Run("nobody answers", func(t *testing.T) {
		w, caller := begin(t, nil)
		w.pass(10 * time.Second)
		if rec := w.final(); rec.Code != 480 || caller.final != 480 || rec.Outcome != Missed {
			t.Fatalf("%d to the caller, %+v\n%s", caller.final, rec, w.story())
		}
	})
	t.Run("then the fallback", func(t *testing.T) {
		w, caller := begin(t, []Action{{Play: "tone:440/1s"}, {Reject: 486}})
		w.pass(10 * time.Second)
		if rec := w.final(); rec.Code != 200 || rec.Outcome != Missed || rec.Heard.Percent != 100 {
			t.Fatalf("%d to the caller, %+v\n%s", caller.final, rec, w.story())
		}
	})
	t.Run("a fallback that refuses", func(t *testing.T) {
		w, caller := begin(t, []Action{{Reject: 486}})
		w.pass(10 * time.Second)
		if rec := w.final(); rec.Code != 486 || caller.final != 486 {
			t.Fatalf("%d to the caller, %+v\n%s", caller.final, rec, w.story())
		}
	})
	t.Run("the caller leaves", func(t *testing.T) {
		w, caller := begin(t, []Action{{Reject: 486}})
		caller.send(sip.Event{Kind: sip.Ended, Code: 487, Reason: sip.ReasonCancel, Remote: true})
		w.pass(time.Second)
		if rec := w.final(); rec.EndedBy != "caller" || rec.Code != 487 || rec.Outcome != Missed {
			t.Fatalf("%+v\n%s", rec, w.story())
		}
	})
}

// TestProviderSays408: it works, and whom it looks for cannot be reached: there
// is nothing for another trunk to try.
func TestProviderSays408(t *testing.T) {
	w := newWorld(t)
	w.callees["a"] = func(p *phone) {
		p.send(sip.Event{Kind: sip.Ended, Code: 408, Reason: sip.ReasonRejected, Remote: true, Headers: sip.Headers{}})
	}
	w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
	places, _ := w.Resolve(DialRequest{Target: "a"})
	places[0].Routes[0].Trunk = "t"
	w.call.Originate(places[0])
	w.pass(20 * time.Second)
	if rec := w.final(); rec.Outcome != NoAnswer || rec.Code != 408 || rec.Cause != "no answer" {
		t.Errorf("%s %d %s", rec.Outcome, rec.Code, rec.Cause)
	}
}

// TestAnswerThatIsNeverAcknowledged: nobody knows whether the caller has heard
// anything, so the call was not served.
func TestAnswerThatIsNeverAcknowledged(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	caller.mute = true
	answer := w.do(func(l *Leg, v Verb) { l.Answer(v) })
	w.pass(32 * time.Second)
	caller.send(sip.Event{Kind: sip.Ended, Code: 408, Reason: sip.ReasonTimeout, Remote: true})
	w.pass(time.Second)
	w.want(answer, "HANGUP")
	if rec := w.final(); rec.Outcome != Failed || rec.EndedBy != "system" || rec.AnsweredAt == nil || !strings.Contains(rec.Cause, "never acknowledged") {
		t.Errorf("%s by %s: %s\n%s", rec.Outcome, rec.EndedBy, rec.Cause, w.story())
	}
}

// TestSilentTrunk: a trunk that says nothing has failed, and is no person who
// does not answer; a peer of no trunk, such as a user's phone, is.
func TestSilentTrunk(t *testing.T) {
	for trunk, want := range map[string]Outcome{"a": TrunkFailed, "": NoAnswer} {
		w := newWorld(t)
		w.callees["a"] = func(p *phone) {
			p.send(sip.Event{Kind: sip.Ended, Code: 408, Reason: sip.ReasonTimeout})
		}
		w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
		places, _ := w.Resolve(DialRequest{Target: "a"})
		places[0].Routes[0].Trunk = trunk
		w.call.Originate(places[0])
		w.pass(20 * time.Second)
		if rec := w.final(); rec.Outcome != want || rec.Code != 408 {
			t.Errorf("%q: %s %d %s", trunk, rec.Outcome, rec.Code, rec.Cause)
		}
	}
}
