package detect

import (
	"math"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// Progress is what a call sounds like before it is answered: the tones and
// announcements of the network in early media (ITU-T E.180, E.182).
type Progress uint8

// What may be heard.
const (
	ProgressUnknown  Progress = iota
	ProgressRingback          // it rings there
	ProgressBusy              // the callee talks
	ProgressReorder           // the network has no line: congestion, or the number is not reached
	ProgressSIT               // special information tone: an announcement says what is wrong
	ProgressVoice             // an announcement, or music in place of the ring-back
	ProgressSilence           // nothing at all
)

// String is the word of timelines and records.
func (p Progress) String() string {
	return [...]string{"unknown", "ringback", "busy", "reorder", "sit", "voice", "silence"}[p]
}

// Cadences, as the national tables of ITU-T E.180 have them: tones of busy and
// reorder are as long as their pauses, 0.175 to 0.5 s; a ring is followed by
// seconds of nothing.
const (
	cadenceShortest = 120 * time.Millisecond
	cadenceLongest  = 700 * time.Millisecond // of a busy tone
	cadenceOff      = 45 * time.Millisecond  // by which equal tones may differ: frames are 20 ms
	cadenceTones    = 3                      // that must be equal
	reorderPeriod   = 560 * time.Millisecond // a tone and its pause; a longer one is busy
	ringShortest    = 360 * time.Millisecond
	ringLongest     = 3 * time.Second
	ringPause       = 1200 * time.Millisecond // behind it, until it counts
	progressQuiet   = 150                     // mean |sample| of a frame that holds nothing
	progressShare   = 0.8                     // of a frame's energy that must be in the band of the tones
	progressVoice   = 500 * time.Millisecond  // of other sounds, more than half of the time
	progressSilence = 5 * time.Second         // from the beginning
	bandLow         = 300.0                   // Hz; the tones are 350 to 620
	bandStep        = 50.0
	bandBins        = 9
)

// sitRising are the ranges of the three tones of SIT in Hz.
var sitRising = [3][2]float64{{890, 1010}, {1340, 1460}, {1740, 1830}}

// ProgressDetector finds what is heard before the answer. It is pure: it sees
// frames of 20 ms in their order, silence where none came, and never ends.
type ProgressDetector struct {
	tone    steadyTone
	sit     int           // tones of SIT so far
	last    Progress      // that was told
	at      time.Duration // since the beginning
	on      time.Duration // of tone, now
	off     time.Duration // of silence, now
	stray   bool          // the frame before was neither: an edge, if it stays alone
	other   time.Duration // of other sounds, against the silence and tones between them
	nothing bool          // not a sound so far, when false
	tones   [cadenceTones]time.Duration
	pauses  [cadenceTones]time.Duration
	n       int // of tones and pauses that belong together, newest last
}

// Feed takes the next frame and tells when it is something else than before.
func (d *ProgressDetector) Feed(pcm []int16) (p Progress, changed bool) {
	d.at += audio.FrameDuration
	heard := d.special(pcm)
	if h := d.cadence(pcm); heard == ProgressUnknown {
		heard = h
	}
	if heard == ProgressUnknown || heard == d.last {
		return d.last, false
	}
	d.last = heard
	return heard, true
}

// special follows the three rising tones.
func (d *ProgressDetector) special(pcm []int16) Progress {
	end, over := d.tone.feed(pcm)
	if !over || end.lasted < 150*time.Millisecond {
		return ProgressUnknown
	}
	in := func(i int) bool { return end.hz >= sitRising[i][0] && end.hz <= sitRising[i][1] }
	switch {
	case in(d.sit) && (d.sit == 0 || end.sequence):
		d.sit++
	case in(0):
		d.sit = 1
	default:
		d.sit = 0
	}
	if d.sit < len(sitRising) {
		return ProgressUnknown
	}
	d.sit = 0
	return ProgressSIT
}

// cadence counts tones and pauses.
func (d *ProgressDetector) cadence(pcm []int16) Progress {
	switch {
	case len(pcm) == 0 || audio.MeanLevel(pcm) < progressQuiet:
		d.stray = false
		d.other = max(0, d.other-audio.FrameDuration/2)
		return d.pause()
	case inToneBand(pcm):
		d.nothing = true
		d.stray = false
		d.other = max(0, d.other-audio.FrameDuration/2)
		d.begin()
		d.on += audio.FrameDuration
		return ProgressUnknown
	}
	d.nothing = true
	if !d.stray { // one frame is the edge of a tone
		d.stray = true
		if d.on > 0 {
			d.on += audio.FrameDuration / 2
		}
		return ProgressUnknown
	}
	d.n, d.on, d.off = 0, 0, 0
	if d.tone.hz != 0 && d.tone.lasting >= toneShortest {
		return ProgressUnknown // a tone, of SIT or of somebody's own: no voice
	}
	if d.other += audio.FrameDuration; d.other >= progressVoice {
		d.other = progressVoice
		return ProgressVoice
	}
	return ProgressUnknown
}

// pause takes a frame of silence.
func (d *ProgressDetector) pause() Progress {
	if d.on > 0 { // a tone has ended
		d.push(&d.tones, d.on)
		d.on, d.off = 0, 0
	}
	d.off += audio.FrameDuration
	switch {
	case !d.nothing && d.at >= progressSilence:
		return ProgressSilence
	case d.n > 0 && d.off == ringPause:
		lasted := d.tones[cadenceTones-1]
		d.n = 0
		if lasted >= ringShortest && lasted <= ringLongest && d.last != ProgressBusy && d.last != ProgressReorder {
			return ProgressRingback
		}
	case d.n >= cadenceTones && d.off == audio.FrameDuration:
		return d.regular()
	}
	return ProgressUnknown
}

// begin ends a pause, if there was one.
func (d *ProgressDetector) begin() {
	if d.on > 0 || d.off == 0 {
		return
	}
	if d.n > 0 {
		d.push(&d.pauses, d.off)
	}
	d.off = 0
}

// push keeps a length; a tone begins the next pair.
func (d *ProgressDetector) push(to *[cadenceTones]time.Duration, length time.Duration) {
	copy(to[:], to[1:])
	to[cadenceTones-1] = length
	if to == &d.tones {
		d.n++
	}
}

// regular tells busy from reorder when the last tones are as long as each
// other, and so are the pauses between them.
func (d *ProgressDetector) regular() Progress {
	pauses := d.pauses[1:] // as many as lie between the tones
	var on, off time.Duration
	for _, t := range d.tones {
		on += t / cadenceTones
	}
	for _, t := range pauses {
		off += t / time.Duration(len(pauses))
	}
	near := func(a, b time.Duration) bool { return (a - b).Abs() <= cadenceOff }
	for _, t := range d.tones {
		if !near(t, on) {
			return ProgressUnknown
		}
	}
	for _, t := range pauses {
		if !near(t, off) {
			return ProgressUnknown
		}
	}
	long, short := max(on, off), min(on, off)
	switch {
	case short < cadenceShortest || long > cadenceLongest || short*2 < long:
		return ProgressUnknown
	case on+off < reorderPeriod:
		return ProgressReorder
	}
	return ProgressBusy
}

// inToneBand reports whether nearly all of a frame lies where the tones of
// networks do, 300 to 700 Hz.
func inToneBand(pcm []int16) bool {
	var windowed [audio.FrameSamples]float64
	total := 0.0
	n := min(len(pcm), audio.FrameSamples)
	for i, v := range pcm[:n] {
		windowed[i] = float64(v) * hann[i]
		total += windowed[i] * windowed[i]
	}
	in := 0.0
	for b := range bandBins {
		in += audio.Goertzel(windowed[:n], bandLow+bandStep*float64(b))
	}
	return in >= progressShare*total
}

// hann is the window that keeps a tone between two bins from spreading.
var hann = func() (w [audio.FrameSamples]float64) {
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/audio.FrameSamples)
	}
	return w
}()
