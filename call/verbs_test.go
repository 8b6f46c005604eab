package call

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
)

func TestAnswerPlayHangup(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	r := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/1s"}}, PromptOptions{}, v) })
	w.pass(500 * time.Millisecond)
	if !caller.hears() {
		t.Fatalf("the caller hears nothing\n%s", w.story())
	}
	w.want(r, "…")
	w.pass(600 * time.Millisecond)
	w.want(r, `{"completed":true,"playedMs":1000,"percent":100}`)
	w.call.ScriptEnded(nil)
	w.pass(time.Second)
	rec := w.final()
	if rec.Outcome != Served || rec.EndedBy != "script" || rec.Heard.Percent != 100 || rec.Heard.Ms != 1000 || !caller.did("hung up") {
		t.Fatalf("%+v", rec)
	}
}

func TestPromptBeforeAnswerIsEarlyMedia(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	r := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/200ms"}}, PromptOptions{}, v) })
	w.pass(time.Second)
	w.want(r, `{"completed":true,"playedMs":200,"percent":100}`)
	if !caller.did("183") || caller.did("200") {
		t.Fatal(caller.log)
	}
}

func TestNewPromptReplacesTheOldOne(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	first := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440"}}, PromptOptions{Loop: true}, v) })
	w.pass(500 * time.Millisecond)
	second := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:500/200ms"}}, PromptOptions{}, v) })
	w.pass(time.Second)
	if got := first.get(); !strings.Contains(got, `"completed":false`) || strings.Contains(got, `"playedMs":0`) {
		t.Fatalf("first: %s", got)
	}
	w.want(second, `{"completed":true,"playedMs":200,"percent":100}`)
}

func TestBargeInStopsAndKeepsTheKey(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	r := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/5s"}}, PromptOptions{BargeIn: true}, v) })
	w.pass(time.Second)
	caller.press("7")
	w.pass(100 * time.Millisecond)
	if got := r.get(); !strings.Contains(got, `"completed":false,"digit":"7"`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
	g := w.do(func(l *Leg, v Verb) { l.Gather(gatherOf(1, 1), v) })
	w.pass(20 * time.Millisecond)
	w.want(g, `{"digits":"7","reason":"digits","attempt":1}`)
}

func gatherOf(min, max int) GatherOptions {
	return GatherOptions{Min: min, Max: max, FinishOn: "#", Timeout: DefaultTimeout, InterDigit: DefaultInterDigit, Attempts: 1, PromptOptions: PromptOptions{BargeIn: true}}
}

func TestGatherAnswersPromptsAndTimesOut(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	o := gatherOf(4, 4)
	o.Prompt, o.Attempts = []Part{{Play: "tone:440/1s"}}, 2
	r := w.do(func(l *Leg, v Verb) { l.Gather(o, v) })
	w.pass(500 * time.Millisecond)
	if !caller.did("200") || !caller.hears() {
		t.Fatal("not answered, or not heard")
	}
	w.pass(8 * time.Second) // the prompt, 7 s, and the second prompt begins
	if !caller.hears() {
		t.Fatalf("no second attempt\n%s", w.story())
	}
	caller.press("12")
	w.pass(time.Second)
	if caller.hears() {
		t.Fatal("the prompt goes on after a key")
	}
	w.pass(4 * time.Second)
	w.want(r, `{"digits":"12","reason":"timeout","attempt":2}`)
}

func TestMenu(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	o := gatherOf(0, 0)
	o.Choices, o.Repeat, o.Attempts, o.Prompt, o.Invalid = []string{"1", "1XX", "0"}, "*", 3, []Part{{Play: "tone:440/1s"}}, []Part{{Play: "tone:600/1s"}}
	r := w.do(func(l *Leg, v Verb) { l.Gather(o, v) })
	w.pass(1500 * time.Millisecond)
	caller.press("*") // again, and no attempt used
	w.pass(500 * time.Millisecond)
	if !caller.hears() {
		t.Fatalf("not repeated\n%s", w.story())
	}
	w.pass(time.Second)
	caller.press("9") // invalid
	w.pass(300 * time.Millisecond)
	w.want(r, "…")
	w.pass(3 * time.Second)
	caller.press("125")
	w.pass(time.Second)
	w.want(r, `{"key":"125","choice":"1XX","reason":"key"}`)
}

func TestSecretDigitsStayOutOfTheTimeline(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	o := gatherOf(4, 4)
	o.Secret = true
	r := w.do(func(l *Leg, v Verb) { l.Gather(o, v) })
	w.pass(100 * time.Millisecond)
	caller.press("9876")
	w.pass(3 * time.Second)
	w.want(r, `{"digits":"9876","reason":"digits","attempt":1}`)
	for _, d := range []string{"9 (", "8 (", "7 (", "6 (", "9876"} {
		if strings.Contains(w.story(), d) {
			t.Fatalf("%s shows in\n%s", d, w.story())
		}
	}
	if w.told(`"digit":"9"`) {
		t.Fatal("the event tells the key")
	}
}

func TestMissingPromptRejects(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	r := w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "missing.wav"}}, PromptOptions{}, v) })
	w.pass(time.Second)
	w.want(r, "NOT_FOUND")
}

func TestHangupSettlesEverything(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	g := w.do(func(l *Leg, v Verb) { l.Gather(gatherOf(1, 1), v) })
	w.pass(time.Second)
	caller.bye()
	w.pass(time.Second)
	w.want(g, "HANGUP")
	late := w.do(func(l *Leg, v Verb) { l.Prompt(babble("too late"), PromptOptions{}, v) })
	if late.get() != "…" && late.get() != "HANGUP" {
		t.Fatal(late.get())
	}
	rec := w.final()
	if rec.Outcome != Abandoned || rec.EndedBy != "caller" {
		t.Fatalf("%+v", rec)
	}
}

// TestNothingBeginsAfterTheScriptHasLeft: what follows hangup, reject and
// redirect rejects, although the last event of the dialog is still to come.
func TestNothingBeginsAfterTheScriptHasLeft(t *testing.T) {
	for name, leave := range map[string]func(*Leg, Verb){
		"hangup":   func(l *Leg, v Verb) { l.Hangup(HangupOptions{}, v) },
		"refused":  func(l *Leg, v Verb) { l.Hangup(HangupOptions{}, v) },
		"reject":   func(l *Leg, v Verb) { l.Reject(486, "", v) },
		"redirect": func(l *Leg, v Verb) { l.Redirect("sip:b@c.example", v) },
	} {
		w := newWorld(t)
		w.inbound(Spec{})
		if name == "hangup" {
			w.answer()
		}
		var late []string
		w.want(w.do(func(l *Leg, v Verb) {
			leave(l, v)
			note := Verb{Reply: func(_ any, err error) { late = append(late, string(fault.CodeOf(err))) }}
			l.Prompt(babble("too late"), PromptOptions{}, note)
			l.Gather(gatherOf(1, 1), note)
			l.Answer(note)
			l.Ring(note)
		}), "null")
		w.pass(time.Second)
		if got := strings.Join(late, " "); got != "HANGUP HANGUP HANGUP HANGUP" {
			t.Errorf("after %s: %s", name, got)
		}
		w.final()
		for _, e := range w.call.Timeline().Entries() {
			if e.Kind == "prompt" {
				t.Errorf("after %s: %s", name, e.Detail)
			}
		}
	}
}

func TestRejectAndRedirect(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.want(w.do(func(l *Leg, v Verb) { l.Reject(200, "", v) }), "INVALID")
	w.want(w.do(func(l *Leg, v Verb) { l.Redirect("no address", v) }), "INVALID")
	if w.call.Left() {
		t.Error("gone before it was rejected")
	}
	w.want(w.do(func(l *Leg, v Verb) { l.Reject(486, "", v) }), "null")
	w.pass(time.Second)
	if !w.call.Left() {
		t.Error("not gone after the rejection")
	}
	if rec := w.final(); rec.Code != 486 || caller.final != 486 {
		t.Fatalf("%+v", rec)
	}
}

// TestRejectStandsWhenTheScriptEndsAtOnce rejects with no await before the end.
func TestRejectStandsWhenTheScriptEndsAtOnce(t *testing.T) {
	for code, refuse := range map[int]func(*Leg, Verb){
		486: func(l *Leg, v Verb) { l.Reject(486, "", v) },
		302: func(l *Leg, v Verb) { l.Redirect("sip:b@c.example", v) },
	} {
		w := newWorld(t)
		w.inbound(Spec{})
		w.want(w.do(func(l *Leg, v Verb) {
			refuse(l, v)
			l.call.hangup("script", 480)
		}), "null")
		w.pass(time.Second)
		if rec := w.final(); rec.Code != code {
			t.Errorf("rejected with %d, the record says %d", code, rec.Code)
		}
	}
}

func TestRecordMessage(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	r := w.do(func(l *Leg, v Verb) {
		l.Record(RecordOptions{MaxDuration: time.Minute, Silence: 2 * time.Second, Beep: true}, v)
	})
	w.pass(time.Second)
	caller.speak("tone:500/1s")
	w.pass(5 * time.Second)
	if got := r.get(); !strings.Contains(got, `"id":"c1.1"`) || !strings.Contains(got, `"reason":"silence"`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
	w.pass(time.Second)
	if !w.told("stored c1.1") {
		t.Fatal("not stored")
	}
}

func TestRecordEndsWithAKeyAndWithTheCaller(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	r := w.do(func(l *Leg, v Verb) { l.Record(RecordOptions{FinishOn: "#"}, v) })
	w.pass(time.Second)
	caller.press("#")
	w.pass(time.Second)
	if !strings.Contains(r.get(), `"reason":"finish"`) {
		t.Fatal(r.get())
	}
	second := w.do(func(l *Leg, v Verb) { l.Record(RecordOptions{}, v) })
	w.pass(time.Second)
	caller.bye()
	w.pass(time.Second)
	if got := second.get(); !strings.Contains(got, `"reason":"hangup"`) || !strings.Contains(got, `"id":"c1.1-2"`) {
		t.Fatal(got)
	}
}

func TestHoldAndResume(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	h := w.do(func(l *Leg, v Verb) { l.Hold(true, []Part{{Play: "tone:440"}}, v) })
	w.pass(500 * time.Millisecond)
	w.want(h, "null")
	if !caller.did("reoffer") || !caller.hears() {
		t.Fatalf("no music on hold\n%s", w.story())
	}
	u := w.do(func(l *Leg, v Verb) { l.Hold(false, nil, v) })
	w.pass(500 * time.Millisecond)
	w.want(u, "null")
	if caller.hears() {
		t.Fatal("the music goes on")
	}
}

func TestSendDigits(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.want(w.do(func(l *Leg, v Verb) { l.SendDigits("1x", "", v) }), "INVALID")
	r := w.do(func(l *Leg, v Verb) { l.SendDigits("12w3#", "", v) })
	w.pass(3 * time.Second)
	w.want(r, "null")
	if caller.digits != "123#" {
		t.Fatalf("arrived: %q", caller.digits)
	}
	i := w.do(func(l *Leg, v Verb) { l.SendDigits("5", "info", v) })
	w.pass(time.Second)
	w.want(i, "null")
	if !caller.did("info") {
		t.Fatal("no INFO")
	}
}

func TestDurationLimit(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{MaxDuration: 10 * time.Second})
	w.answer()
	w.pass(15 * time.Second)
	if rec := w.final(); rec.EndedBy != "system" {
		t.Fatalf("%+v\n%s", rec, w.story())
	}
}

func TestInfoDigits(t *testing.T) {
	for body, want := range map[string]byte{
		"application/dtmf-relay|Signal=5\r\nDuration=160": '5', "application/dtmf-relay|Signal= *\r\n": '*', "application/dtmf|11": '#', "application/dtmf|7\r\n": '7',
		"application/dtmf-relay; charset=utf-8|Duration=1\r\nSIGNAL=10": '*', "text/plain|5": 0, "application/dtmf|55": 0, "application/dtmf-relay|": 0,
	} {
		kind, text, _ := strings.Cut(body, "|")
		got, _ := InfoDigit(kind, []byte(text))
		if got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}

// TestACallWithoutAnAnswerInTheACKEnds answers an INVITE without an offer, and
// gets an ACK without the answer: nobody would ever hear anything.
func TestACallWithoutAnAnswerInTheACKEnds(t *testing.T) {
	w := newWorld(t)
	w.call = New(Spec{ID: "c1.1", Order: "c1", Script: "test", Session: media.SessionOptions{Bind: loopback}}, w.deps)
	w.call.Inbound(w.phone("caller"))
	w.call.Attach(w)
	w.pass(0)
	w.want(w.do(func(l *Leg, v Verb) { l.Answer(v) }), "HANGUP")
	w.pass(time.Second)
	if rec := w.final(); rec.EndedBy != "script" || !strings.Contains(w.story(), "answer in ACK refused") {
		t.Fatalf("%+v\n%s", rec, w.story())
	}
}

func TestParseDeliveredAfter(t *testing.T) {
	for text, want := range map[string]DeliveredAfter{
		"": {}, "key": {Key: true}, "80%": {Percent: 80}, "6s": {Heard: 6 * time.Second}, "6000": {Heard: 6 * time.Second},
	} {
		if got, err := ParseDeliveredAfter(text); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"0s", "-1s", "x", "0%", "101%"} {
		if got, err := ParseDeliveredAfter(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
