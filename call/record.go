package call

import (
	"cmp"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
)

// RecordOptions are the options of record.
type RecordOptions struct {
	MaxDuration time.Duration
	Silence     time.Duration
	FinishOn    string
	Beep        bool
	Format      string // wav, ogg, mp3; "" is the configuration's
}

// RecordResult is what record and recording.stop resolve with.
type RecordResult struct {
	ID         string `json:"id"`
	DurationMs int64  `json:"durationMs"`
	Reason     string `json:"reason"` // silence, finish, maxDuration, hangup, stopped
}

// DefaultMaxRecord bounds a recording that names no limit.
const DefaultMaxRecord = 2 * time.Hour

// recording is one file of a leg: a message of the caller (verb set) or the
// whole talk.
type recording struct {
	leg      *Leg
	id       string
	rec      *media.Recorder
	began    time.Time
	format   string
	finishOn string
	verb     *Verb
	settled  bool
}

// Record takes a message of the leg's party until silence, a key or the limit.
func (l *Leg) Record(o RecordOptions, v Verb) {
	l.audible(true, v, func() {
		if l.message != nil {
			v.fail(fault.New(fault.Conflict, "another record is waiting on this call").WithHint("await it first"))
			return
		}
		if err := l.call.deps.Recordings.Format(o.Format); err != nil {
			v.fail(err)
			return
		}
		if !o.Beep {
			l.recordNow(o, v)
			return
		}
		l.speak([]Part{{Play: "tone:1000/300ms"}}, PromptOptions{}, v.At, func(_ PromptResult, err error) {
			switch {
			case fault.CodeOf(err) == fault.Hangup:
				v.ok(RecordResult{Reason: "hangup"}) // record resolves with what there is
			case err != nil:
				v.fail(err)
			case l.message != nil:
				v.fail(fault.New(fault.Conflict, "another record is waiting on this call").WithHint("await it first"))
			default:
				l.recordNow(o, v)
			}
		})
	})
}

func (l *Leg) recordNow(o RecordOptions, v Verb) {
	r, err := l.startRecording(l.call.recordingID(), o.Format, media.RecorderOptions{MaxDuration: o.MaxDuration, Silence: o.Silence}, v.At)
	if err != nil {
		v.fail(err)
		return
	}
	r.finishOn, r.verb = o.FinishOn, &v
}

// StartRecording records everything until StopRecording or the end.
func (l *Leg) StartRecording(stereo bool, format string, v Verb) {
	l.audible(true, v, func() {
		if l.rec != nil {
			v.fail(fault.New(fault.Conflict, "this call is being recorded already").WithHint("stop the recording first"))
			return
		}
		if err := l.call.deps.Recordings.Format(format); err != nil {
			v.fail(err)
			return
		}
		r, err := l.startRecording(l.call.recordingID(), format, media.RecorderOptions{Mixed: true, Stereo: stereo}, v.At)
		if err != nil {
			v.fail(err)
			return
		}
		v.ok(map[string]any{"id": r.id})
	})
}

// startRecording makes the recording of the whole talk (mixed), or a message of
// the party, which may be taken meanwhile.
func (l *Leg) startRecording(id, format string, o media.RecorderOptions, at string) (*recording, error) {
	longest := cmp.Or(l.call.deps.MaxRecord, DefaultMaxRecord)
	if o.MaxDuration <= 0 || o.MaxDuration > longest {
		o.MaxDuration = longest
	}
	f, err := l.call.deps.Recordings.Create(id, format)
	if err != nil {
		l.call.notRecorded(id, err, true)
		return nil, err
	}
	l.call.fileID = cmp.Or(l.call.fileID, id)
	rec := media.NewRecorder(f, o)
	r := &recording{leg: l, id: id, format: format, rec: rec, began: l.call.clk.Now()}
	l.writing[rec] = r
	l.session.Record(rec)
	if o.Mixed {
		l.rec = r
	} else {
		l.message = r
	}
	l.note("recording", "start "+id, at)
	return r, nil
}

// recordingID names the next recording of the call: the call's own id, then
// id-2, id-3, …
func (c *Call) recordingID() string {
	c.recordings++
	if c.recordings == 1 {
		return c.spec.ID
	}
	return c.spec.ID + "-" + itoa(c.recordings)
}

// PauseRecording writes silence instead of sound, or sound again.
func (l *Leg) PauseRecording(on bool, v Verb) {
	r := l.recorded()
	if r == nil {
		v.fail(fault.New(fault.Conflict, "nothing is being recorded"))
		return
	}
	r.rec.Pause(on)
	l.note("recording", map[bool]string{true: "pause", false: "resume"}[on], v.At)
	v.ok(nil)
}

// recorded is what recording.pause and its like are about.
func (l *Leg) recorded() *recording {
	if l.rec != nil {
		return l.rec
	}
	return l.message
}

// CancelRecord ends the message that record waits for, for {signal}.
func (l *Leg) CancelRecord() {
	if l.message != nil {
		l.message.finish("stopped")
	}
}

// StopRecording ends the recording.
func (l *Leg) StopRecording(v Verb) {
	r := l.recorded()
	if r == nil {
		v.fail(fault.New(fault.Conflict, "nothing is being recorded"))
		return
	}
	r.finish("stopped")
	v.ok(r.result("stopped"))
}

// key ends a message when the caller presses one of finishOn.
func (r *recording) key(d byte) bool {
	if r.verb == nil || strings.IndexByte(r.finishOn, d) < 0 {
		return false
	}
	r.finish("finish")
	return true
}

// ended takes the media session's report: the file is complete. A recording
// that ended by itself, by silence, its limit or a full disk, settles here.
func (r *recording) ended(ev media.Event) {
	var failed error
	switch ev.Reason {
	case media.ReasonSilence:
		r.finish("silence")
	case media.ReasonMax:
		r.finish("maxDuration")
	case media.ReasonDisk:
		failed = ev.Err
		r.leg.call.notRecorded(r.id, failed, ev.DurationMs == 0)
		r.leg.note("recording", "ended: the file could not be written", "")
		r.finish("stopped")
	default:
		r.finish("stopped")
	}
	c := r.leg.call
	file, done := r.rec.File(), Recorded{ID: r.id, Format: r.format, Duration: time.Duration(ev.DurationMs) * time.Millisecond}
	c.clk.Busy(1)
	go func() {
		defer c.clk.Busy(-1)
		c.deps.Recordings.Done(file, done, failed)
	}()
}

// notRecorded puts into the record that a recording failed; one that is lost
// altogether is not named there as one that can be had.
func (c *Call) notRecorded(id string, why error, lost bool) {
	if lost && c.fileID == id {
		c.fileID = ""
	}
	if c.unrecorded == "" && why != nil {
		c.unrecorded = NotRecorded(id, why)
	}
}

// NotRecorded is how a record says that a recording failed.
func NotRecorded(id string, why error) string { return id + ": " + why.Error() }

// RecordingFailed tells the call what became of a recording after it was handed
// over. It returns false when the record is made by then. It is safe from any
// goroutine but the call's, and waits for that.
func (c *Call) RecordingFailed(id string, why error, lost bool) bool {
	early := make(chan bool, 1)
	if !c.post(func() {
		if !c.finished {
			c.notRecorded(id, why, lost)
		}
		early <- !c.finished
	}) {
		return false
	}
	select {
	case in := <-early:
		return in
	case <-c.gone:
	}
	select {
	case in := <-early:
		return in
	default:
		return false
	}
}

// finish ends the recording and settles record; the file is complete a little
// later.
func (r *recording) finish(reason string) {
	if r.settled {
		return
	}
	r.settled = true
	l := r.leg
	if l.rec == r {
		l.rec = nil
	}
	if l.message == r {
		l.message = nil
	}
	l.session.StopRecord(r.rec)
	l.note("recording", "end "+r.id+": "+reason, "")
	if r.verb != nil {
		r.verb.ok(r.result(reason))
	}
}

func (r *recording) result(reason string) RecordResult {
	return RecordResult{ID: r.id, DurationMs: r.leg.call.clk.Now().Sub(r.began).Milliseconds(), Reason: reason}
}

// recordTalk records a talk for connect and bridge with {record: true}, unless
// the whole call is recorded anyway.
func (c *Call) recordTalk(l *Leg, on bool) {
	if on && l.rec == nil {
		if r, err := l.startRecording(c.recordingID(), "", media.RecorderOptions{Mixed: true, Stereo: c.spec.Stereo}, ""); err != nil {
			l.note("recording", err.Error(), "")
		} else {
			c.talkRec = r
		}
	}
	if !on && c.talkRec != nil {
		c.talkRec.finish("stopped")
		c.talkRec = nil
	}
}

// mask silences recordings while secret keys are pressed.
func (c *Call) mask(on bool) {
	if c.main == nil {
		return
	}
	for _, r := range []*recording{c.main.rec, c.main.message} {
		if r != nil {
			r.rec.Mask(on)
		}
	}
}
