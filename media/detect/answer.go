// Package detect finds out what is heard: a person or a machine that answers
// ([AnswerDetector], [BeepDetector]), the tones of the network before the answer
// ([ProgressDetector]), speech ([VAD]) and keys in the audio ([KeyReceiver]).
//
// All of them are state machines on paper: they see frames of 20 ms at 8 kHz in
// their order and know no clock, no session and no file.
//
// # Concurrency
//
// A detector belongs to one stream and one goroutine at a time. None allocates
// for a frame.
package detect

import (
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
)

// Who answers is found by the rhythm of what is heard first: a person says a
// word or two and waits, a machine talks on. The parameters and their meaning
// are those that app_amd made common.

// Verdict is who answers.
type Verdict uint8

// The verdicts.
const (
	VerdictUnknown Verdict = iota
	VerdictHuman
	VerdictMachine
	VerdictBeep // a machine that only beeps, or whose beep came first
	VerdictFax
)

// String is the verdict in the words of scripts.
func (v Verdict) String() string {
	return [...]string{"unknown", "human", "machine", "beep", "fax"}[v]
}

// AnswerOptions tune an AnswerDetector. Zero fields have the values of the
// preset "balanced".
type AnswerOptions struct {
	InitialSilence time.Duration // without a word: nobody is there
	Greeting       time.Duration // of voice, from which on a machine talks
	AfterGreeting  time.Duration // of silence after voice: a person waits
	Total          time.Duration // at the latest then there is a verdict
	MinWord        time.Duration // of voice that make a word
	BetweenWords   time.Duration // of silence that part two words
	MaxWordLength  time.Duration // of one word: nobody talks without a breath
	MaxWords       int           // more are a machine's
	Threshold      int           // mean |sample| of a frame from which on it is voice
}

// answerPresets by name. "asterisk" holds the published defaults of app_amd;
// "balanced" is tuned on one half of the corpus of the tests and proved on the
// other; "quick" decides sooner and errs more often.
var answerPresets = map[string]AnswerOptions{
	"asterisk": {
		InitialSilence: 2500 * time.Millisecond, Greeting: 1500 * time.Millisecond, AfterGreeting: 800 * time.Millisecond,
		Total: 5 * time.Second, MinWord: 100 * time.Millisecond, BetweenWords: 50 * time.Millisecond,
		MaxWordLength: 5 * time.Second, MaxWords: 2, Threshold: 256,
	},
	"balanced": {
		InitialSilence: 3500 * time.Millisecond, Greeting: 2200 * time.Millisecond, AfterGreeting: 900 * time.Millisecond,
		Total: 6 * time.Second, MinWord: 100 * time.Millisecond, BetweenWords: 60 * time.Millisecond,
		MaxWordLength: 3 * time.Second, MaxWords: 6, Threshold: 256,
	},
	"quick": {
		InitialSilence: 2 * time.Second, Greeting: 1500 * time.Millisecond, AfterGreeting: 500 * time.Millisecond,
		Total: 3500 * time.Millisecond, MinWord: 100 * time.Millisecond, BetweenWords: 60 * time.Millisecond,
		MaxWordLength: 2 * time.Second, MaxWords: 4, Threshold: 256,
	},
}

// AnswerPresets are the names of presets.
func AnswerPresets() []string { return []string{"balanced", "quick", "asterisk"} }

// AnswerPreset returns a preset by its name, "" being "balanced".
func AnswerPreset(name string) (AnswerOptions, error) {
	if name == "" {
		name = "balanced"
	}
	o, ok := answerPresets[name]
	if !ok {
		return o, fault.New(fault.Invalid, "there is no preset %q for answering machines", name).WithHint("balanced, quick or asterisk")
	}
	return o, nil
}

func (o AnswerOptions) completed() AnswerOptions {
	d := answerPresets["balanced"]
	for _, f := range []struct{ set, std *time.Duration }{
		{&o.InitialSilence, &d.InitialSilence}, {&o.Greeting, &d.Greeting}, {&o.AfterGreeting, &d.AfterGreeting}, {&o.Total, &d.Total},
		{&o.MinWord, &d.MinWord}, {&o.BetweenWords, &d.BetweenWords}, {&o.MaxWordLength, &d.MaxWordLength},
	} {
		if *f.set <= 0 {
			*f.set = *f.std
		}
	}
	if o.MaxWords <= 0 {
		o.MaxWords = d.MaxWords
	}
	if o.Threshold <= 0 {
		o.Threshold = d.Threshold
	}
	return o
}

// AnswerEvidence is what a verdict rests on.
type AnswerEvidence struct {
	Cause     string        // "silence_after_greeting", "long_greeting", "words", "long_word", "initial_silence", "beep", "fax", "network_tones", "time"
	After     time.Duration // since the detector began
	Voice     time.Duration // heard in all
	Silence   time.Duration // the last one
	Words     int
	ToneHz    int
	ToneLasts time.Duration
}

// AnswerDetector finds who answers. It is pure: it sees frames of 20 ms in
// their order, silence where none came.
type AnswerDetector struct {
	o        AnswerOptions
	tone     steadyTone
	pending  toneEnd // a tone that is a beep if silence follows
	at       time.Duration
	voice    time.Duration // in all
	run      time.Duration // of voice, now
	pause    time.Duration // of silence, now
	words    int
	greeting bool // a word has been heard
	counted  bool // this run of voice is in words
	done     bool
}

// NewAnswerDetector begins with the first frame after the answer.
func NewAnswerDetector(o AnswerOptions) *AnswerDetector {
	return &AnswerDetector{o: o.completed()}
}

// Limits of tones that mean something.
const (
	beepShortest  = 80 * time.Millisecond
	beepLongest   = 2 * time.Second
	beepSilence   = 200 * time.Millisecond // behind it
	faxLasts      = 400 * time.Millisecond
	dialToneLow   = 410.0 // Hz: 425 Hz is dial, ring-back and busy tone in most of Europe
	dialToneHigh  = 436.0
	faxCalling    = 1100.0 // CNG, ITU-T T.30
	faxAnswering  = 2100.0 // CED, ITU-T T.30
	faxCallingOff = 38.0
	faxAnswerOff  = 15.0
)

// Feed takes the next frame; done tells that there is a verdict. Frames after
// that change nothing.
func (d *AnswerDetector) Feed(pcm []int16) (v Verdict, e AnswerEvidence, done bool) {
	if d.done {
		return v, e, false
	}
	d.at += audio.FrameDuration
	d.rhythm(pcm)
	ended, over := d.tone.feed(pcm)
	v, cause := d.judge(ended, over)
	if cause == "" {
		return v, e, false
	}
	d.done = true
	e = AnswerEvidence{Cause: cause, After: d.at, Voice: d.voice, Silence: d.pause, Words: d.words}
	switch {
	case v == VerdictFax:
		e.ToneHz, e.ToneLasts = int(d.tone.hz+0.5), d.tone.lasting
	case d.pending.hz != 0:
		e.ToneHz, e.ToneLasts = int(d.pending.hz+0.5), d.pending.lasted
	}
	return v, e, true
}

// rhythm counts voice, silence and words.
func (d *AnswerDetector) rhythm(pcm []int16) {
	if len(pcm) == 0 || audio.MeanLevel(pcm) < d.o.Threshold {
		if d.pause += audio.FrameDuration; d.pause >= d.o.BetweenWords {
			d.run, d.counted = 0, false
		}
		return
	}
	d.pause = 0
	d.run += audio.FrameDuration
	d.voice += audio.FrameDuration
	if d.run >= d.o.MinWord && !d.counted {
		d.counted, d.greeting = true, true
		d.words++
	}
}

// judge names the verdict of the frame and its cause, "" for none yet.
func (d *AnswerDetector) judge(ended toneEnd, over bool) (Verdict, string) {
	if d.tone.lasting >= faxLasts && d.tone.hz != 0 && isFax(d.tone.hz) {
		return VerdictFax, "fax"
	}
	if over && ended.lasted >= beepShortest {
		d.pending = ended
	}
	if p := d.pending; p.hz != 0 && d.tone.hz == 0 && d.tone.gap >= beepSilence && d.tone.quiet {
		if p.sequence {
			return VerdictUnknown, "network_tones"
		}
		if isBeep(p) {
			return VerdictBeep, "beep"
		}
		d.pending = toneEnd{}
	}
	switch talk := d.tone.hz != 0 && d.tone.lasting >= beepShortest || d.pending.hz != 0 && d.tone.quiet; {
	case talk: // a tone is no word: wait what becomes of it
	case !d.greeting && d.at >= d.o.InitialSilence && d.voice < d.o.MinWord:
		return VerdictUnknown, "initial_silence"
	case d.run >= d.o.MaxWordLength:
		return VerdictMachine, "long_word"
	case d.words > d.o.MaxWords:
		return VerdictMachine, "words"
	case d.greeting && d.voice >= d.o.Greeting:
		return VerdictMachine, "long_greeting"
	case d.greeting && d.pause >= d.o.AfterGreeting:
		return VerdictHuman, "silence_after_greeting"
	}
	if d.at >= d.o.Total {
		return VerdictUnknown, "time"
	}
	return VerdictUnknown, ""
}

func isFax(hz float64) bool {
	return hz > faxCalling-faxCallingOff && hz < faxCalling+faxCallingOff || hz > faxAnswering-faxAnswerOff && hz < faxAnswering+faxAnswerOff
}

// isBeep tells a voice mail's beep from other tones.
func isBeep(t toneEnd) bool {
	return !t.sequence && t.lasted >= beepShortest && t.lasted <= beepLongest && (t.hz < dialToneLow || t.hz > dialToneHigh)
}

// BeepDetector waits for the beep after which a voice mail records.
type BeepDetector struct {
	tone    steadyTone
	pending toneEnd
	at      time.Duration
}

// Feed takes the next frame of 20 ms and tells that a beep is over: its
// frequency in Hz, its length, and how long it was waited for.
func (d *BeepDetector) Feed(pcm []int16) (e AnswerEvidence, heard bool) {
	d.at += audio.FrameDuration
	if end, over := d.tone.feed(pcm); over && end.lasted >= beepShortest {
		d.pending = end
	}
	p := d.pending
	if p.hz == 0 || d.tone.hz != 0 || d.tone.gap < beepSilence {
		return e, false
	}
	d.pending = toneEnd{}
	if !d.tone.quiet || !isBeep(p) {
		return e, false
	}
	return AnswerEvidence{Cause: "beep", After: d.at, ToneHz: int(p.hz + 0.5), ToneLasts: p.lasted}, true
}
