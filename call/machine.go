package call

import (
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/detect"
)

// Answered is what detectMachine resolves with.
type Answered struct {
	Verdict  string         `json:"verdict"` // human, machine, beep, fax, unknown
	AfterMs  int64          `json:"afterMs"`
	Evidence AnswerEvidence `json:"evidence"`
}

// AnswerEvidence is what the verdict rests on.
type AnswerEvidence struct {
	Cause     string `json:"cause"`
	VoiceMs   int64  `json:"voiceMs"`
	SilenceMs int64  `json:"silenceMs"`
	Words     int    `json:"words"`
	ToneHz    int    `json:"toneHz,omitempty"`
	ToneMs    int64  `json:"toneMs,omitempty"`
	Clip      *Clip  `json:"clip,omitempty"` // what was heard, when that was asked for
}

// Beep is what waitForBeep resolves with.
type Beep struct {
	Beep    bool  `json:"beep"` // false: it did not come in time
	AfterMs int64 `json:"afterMs"`
	ToneHz  int   `json:"toneHz,omitempty"`
}

func evidence(e detect.AnswerEvidence) AnswerEvidence {
	return AnswerEvidence{
		Cause: e.Cause, VoiceMs: e.Voice.Milliseconds(), SilenceMs: e.Silence.Milliseconds(), Words: e.Words,
		ToneHz: e.ToneHz, ToneMs: e.ToneLasts.Milliseconds(),
	}
}

// listening is a detector that hears what the leg's party says. It runs on a
// goroutine of its own, beside prompts and bridges, until its tap ends.
type listening struct {
	leg  *Leg
	tap  *media.Tap
	verb Verb
}

// listen gives every frame to hear. What that returns is done on the call's
// goroutine; with over it is the last.
func (l *Leg) listen(v Verb, hear func(pcm []int16) (act func(), over bool)) *listening {
	w := &listening{leg: l, tap: media.NewTap(media.TapOptions{Inbound: true}), verb: v}
	l.detectors = append(l.detectors, w)
	l.session.Tap(w.tap)
	go func() {
		for f := range w.tap.Frames() {
			if hear != nil {
				act, over := hear(f.PCM[:])
				if over {
					hear = nil
				}
				if act != nil {
					l.call.post(func() {
						if w.listens() && (!over || w.leave()) {
							act()
						}
					})
				}
			}
			w.tap.Release(f)
		}
	}()
	return w
}

func (w *listening) listens() bool { return slices.Contains(w.leg.detectors, w) }

// leave ends the listening; false when that had happened already.
func (w *listening) leave() bool {
	i := slices.Index(w.leg.detectors, w)
	if i < 0 {
		return false
	}
	w.leg.detectors = slices.Delete(w.leg.detectors, i, i+1)
	w.leg.session.Untap(w.tap)
	return true
}

// cancel ends it without a result, for {signal}.
func (w *listening) cancel() {
	if w.leave() {
		w.verb.fail(fault.New(fault.Conflict, "given up by the script"))
	}
}

// endDetectors ends what still listens when the leg ends.
func (l *Leg) endDetectors() {
	for len(l.detectors) > 0 {
		w := l.detectors[0]
		w.leave()
		w.verb.fail(errHangup())
	}
}

// DetectMachine finds who has answered the leg; cancel gives it up.
func (l *Leg) DetectMachine(o Detection, v Verb) (cancel func()) {
	if !l.alive() || l.state != legUp {
		v.fail(errHangup())
		return func() {}
	}
	return l.detect(o, v.At, v, func(a Answered) { v.ok(a) }).cancel
}

func (l *Leg) detect(o Detection, at string, v Verb, tell func(Answered)) *listening {
	d := detect.NewAnswerDetector(o.AnswerOptions)
	var kept *clip
	if o.Clip {
		kept = l.call.newClip()
	}
	return l.listen(v, func(pcm []int16) (func(), bool) {
		if kept != nil {
			kept.pcm = append(kept.pcm, pcm...)
		}
		verdict, e, done := d.Feed(pcm)
		if !done {
			return nil, false
		}
		a := Answered{Verdict: verdict.String(), AfterMs: e.After.Milliseconds(), Evidence: evidence(e)}
		if kept != nil {
			a.Evidence.Clip = kept.store()
		}
		return func() {
			l.note("machine", a.Verdict+": "+e.Cause+" after "+e.After.Round(10*time.Millisecond).String(), at)
			if l == l.call.main {
				l.call.facts.machine = verdict == detect.VerdictMachine || verdict == detect.VerdictBeep || verdict == detect.VerdictFax
			}
			tell(a)
		}, true
	})
}

// DefaultBeepWait is how long waitForBeep waits when it is not told.
const DefaultBeepWait = 30 * time.Second

// WaitForBeep waits for the beep after which a voice mail records; cancel gives
// it up.
func (l *Leg) WaitForBeep(timeout time.Duration, v Verb) (cancel func()) {
	if !l.alive() || l.state != legUp {
		v.fail(errHangup())
		return func() {}
	}
	if timeout <= 0 {
		timeout = DefaultBeepWait
	}
	began := l.call.clk.Now()
	answer := func(e detect.AnswerEvidence, heard bool) {
		words := "no beep in " + timeout.String()
		if heard {
			words = "beep of " + itoa(e.ToneHz) + " Hz"
		}
		l.note("machine", words, v.At)
		v.ok(Beep{Beep: heard, AfterMs: l.call.clk.Now().Sub(began).Milliseconds(), ToneHz: e.ToneHz})
	}
	var d detect.BeepDetector
	w := l.listen(v, func(pcm []int16) (func(), bool) {
		e, heard := d.Feed(pcm)
		if !heard {
			return nil, false
		}
		return func() { answer(e, true) }, true
	})
	l.call.after(timeout, func() {
		if w.leave() {
			answer(detect.AnswerEvidence{}, false)
		}
	})
	return w.cancel
}
