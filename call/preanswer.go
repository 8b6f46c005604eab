package call

import "github.com/loopstart/loopstart/media/detect"

// maxEarlyNotes is how many changes of what is heard before the answer stand in
// the timeline.
const maxEarlyNotes = 16

// preanswer follows what an outbound leg sounds like until it is answered: networks
// say with tones what comes of a call, and often send no status for a minute.
type preanswer struct {
	leg   *Leg
	ear   *listening
	heard detect.Progress
	notes int
}

// hearEarly begins to listen, once.
func (l *Leg) hearEarly() {
	if l.preanswer != nil || !l.outbound {
		return
	}
	e := &preanswer{leg: l}
	l.preanswer = e
	var d detect.ProgressDetector
	e.ear = l.listen(Verb{Reply: func(any, error) {}}, func(pcm []int16) (func(), bool) {
		p, changed := d.Feed(pcm)
		if !changed {
			return nil, false
		}
		return func() { e.take(p) }, false
	})
}

// take notes what is heard now. A tone that is an answer ends the dial.
func (e *preanswer) take(p detect.Progress) {
	l := e.leg
	e.heard = p
	if e.notes++; e.notes <= maxEarlyNotes {
		l.note("media", "early media: "+p.String(), "")
	}
	if l.route.NoteTones || l.state >= legUp || l.leaving {
		return
	}
	switch p {
	case detect.ProgressBusy:
		l.code, l.reason = 486, "busy tone"
	case detect.ProgressReorder:
		l.code, l.reason = 503, "reorder tone"
	default:
		return
	}
	l.hangup()
}

// over ends the listening: the leg is answered.
func (e *preanswer) over() {
	if e != nil {
		e.ear.leave()
	}
}

// word is what was heard last, "" for nothing.
func (e *preanswer) word() string {
	if e == nil || e.heard == detect.ProgressUnknown {
		return ""
	}
	return e.heard.String()
}
