package call

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

func TestHeadersReachTheOtherSide(t *testing.T) {
	mine := sip.Header{Name: "X-Ticket", Value: "7"}
	for name, verb := range map[string]func(*Leg, Verb){
		"answer": func(l *Leg, v Verb) { l.Answer(v, mine) },
		"reject": func(l *Leg, v Verb) { l.Reject(486, "Busy Here", v, mine) },
		"hangup": func(l *Leg, v Verb) { l.Hangup(HangupOptions{Headers: []sip.Header{mine}}, v) },
	} {
		w := newWorld(t)
		caller := w.inbound(Spec{})
		r := w.do(verb)
		w.pass(time.Second)
		w.want(r, "null")
		if !caller.did("X-Ticket: 7") {
			t.Errorf("%s: the header did not come\n%s", name, w.story())
		}
	}
}

func TestHangupWithACode(t *testing.T) {
	busy := func(l *Leg, v Verb) { l.Hangup(HangupOptions{Code: 486, Reason: `so "busy"`}, v) }

	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.want(w.do(busy), "null")
	w.pass(time.Second)
	if rec := w.final(); rec.Code != 486 || caller.final != 486 || rec.EndedBy != "script" || !caller.did(`reason so "busy"`) {
		t.Errorf("before the answer: %+v", rec)
	}

	w = newWorld(t)
	caller = w.inbound(Spec{})
	w.answer()
	w.want(w.do(busy), "null")
	w.pass(time.Second)
	if !caller.did("hung up") || !caller.did(`Reason: SIP;cause=486;text="so busy"`) {
		t.Error("in a talk the code is not in the BYE")
	}
}

func TestTransferTakesTimeoutAndHeaders(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	o := TransferOptions{Timeout: 2 * time.Second, Headers: []sip.Header{{Name: "X-Ticket", Value: "7"}}}
	r := w.do(func(l *Leg, v Verb) { l.Transfer("sip:b@c.example", o, v) })
	w.pass(time.Second)
	if !caller.did("X-Ticket: 7") || !caller.did("refer sip:b@c.example") {
		t.Fatalf("no REFER with the header: %q, the verb: %s", caller.log, r.get())
	}
	w.pass(1500 * time.Millisecond)
	w.want(r, `{"status":"no_answer","code":408}`)
}

// A prompt goes on beside a gather without a prompt, can still be stopped, and
// gives way to a key if it was to.
func TestGatherBesideAPrompt(t *testing.T) {
	for _, bargeIn := range []bool{false, true} {
		w := newWorld(t)
		caller := w.inbound(Spec{})
		w.answer()
		music := w.do(func(l *Leg, v Verb) {
			l.Prompt([]Part{{Play: "tone:440"}}, PromptOptions{Loop: true, BargeIn: bargeIn}, v)
		})
		w.pass(500 * time.Millisecond)
		g := w.do(func(l *Leg, v Verb) {
			l.Gather(GatherOptions{Min: 1, Max: 1, Timeout: 3 * time.Second, Attempts: 1}, v)
		})
		w.pass(500 * time.Millisecond)
		caller.press("4")
		w.pass(500 * time.Millisecond)
		w.want(g, `{"digits":"4","reason":"digits","attempt":1}`)
		if caller.hears() == bargeIn {
			t.Errorf("bargeIn %v: the music is heard: %v", bargeIn, caller.hears())
		}
		w.do(func(l *Leg, v Verb) { l.StopPrompt(v) })
		w.pass(500 * time.Millisecond)
		if caller.hears() || !strings.Contains(music.get(), `"completed":false`) || strings.Contains(music.get(), `"digit":"4"`) != bargeIn {
			t.Errorf("bargeIn %v: the music ended with %s", bargeIn, music.get())
		}
	}
}

// A message is taken while the whole call is recorded.
func TestRecordBesideTheRecordingOfTheCall(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{Record: true})
	r := w.do(func(l *Leg, v Verb) { l.Record(RecordOptions{FinishOn: "#"}, v) })
	w.pass(time.Second)
	caller.press("#")
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"id":"c1.1-2"`) || !strings.Contains(got, `"reason":"finish"`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
	caller.bye()
	w.pass(time.Second)
	if rec := w.final(); rec.Recording != "c1.1" || !w.told("stored c1.1") || !w.told("stored c1.1-2") {
		t.Fatalf("%+v\n%s", rec, w.story())
	}
}

// A record names no recording that cannot be had, and says why there is none.
func TestARecordingThatFailedIsInTheRecord(t *testing.T) {
	for name, disk := range map[string]func(string) (*os.File, error){
		"no file":   func(string) (*os.File, error) { return nil, fault.New(fault.Media, "the folder is gone") },
		"full disk": func(string) (*os.File, error) { return os.OpenFile("/dev/full", os.O_RDWR, 0) },
	} {
		w := newWorld(t)
		w.disk = disk
		caller := w.inbound(Spec{})
		w.do(func(l *Leg, v Verb) { l.StartRecording(false, "", v) })
		w.pass(3 * time.Second)
		caller.bye()
		w.pass(time.Second)
		if rec := w.final(); rec.Recording != "" || !strings.HasPrefix(rec.Unrecorded, "c1.1: ") {
			t.Errorf("%s: recording %q, failed %q\n%s", name, rec.Recording, rec.Unrecorded, w.story())
		}
		if w.call.RecordingFailed("c1.1", errors.New("late"), true) {
			t.Errorf("%s: the record was made already", name)
		}
	}
}

func TestRecordResolvesWhenTheCallerLeavesInTheBeep(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	r := w.do(func(l *Leg, v Verb) { l.Record(RecordOptions{Beep: true}, v) })
	w.pass(100 * time.Millisecond)
	caller.bye()
	w.pass(time.Second)
	w.want(r, `{"id":"","durationMs":0,"reason":"hangup"}`)
}
