package detect

import (
	"math"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// steadyTone follows one pure tone in received audio: the beep of a voice mail,
// a fax, the tones of the network. Every 10 ms it looks at the last 20: of one
// tone of the power P the correlations at one and two samples are P·cos ω and
// P·cos 2ω, whatever white noise is in it, so that ω follows from both; then it
// looks how much of the energy is there.
//
// It is pure: it sees samples and counts them.
type steadyTone struct {
	hz      float64       // of the tone that lasts; 0: none
	lasting time.Duration // so far
	gap     time.Duration // of silence since the last tone ended
	quiet   bool          // nothing but silence since then
	before  float64       // the tone before this one, when it came right before
	earlier float64       // before as it was when the last tone began
	n       int
	window  [2 * toneStep]float64 // the former step and this one
}

const (
	toneStep     = 80    // samples, 10 ms
	tonePure     = 0.75  // share of the energy that the tone must explain: 5 dB over the noise
	toneDrift    = 0.025 // by which a tone may differ from step to step
	toneLowest   = 350.0 // Hz: below, a voice looks like one tone
	toneHighest  = 2500.0
	toneLoud     = 300.0 // mean |sample| of a tone: about −37 dBm0
	toneQuiet    = 256.0 // below it is silence
	toneShortest = 40 * time.Millisecond
	toneTail     = 20 * time.Millisecond // of a tone in a window that it no longer fills
	toneAdjacent = 100 * time.Millisecond
	toneTear     = 30 * time.Millisecond // a hole in one and the same tone
)

// toneEnd is a tone that is over.
type toneEnd struct {
	hz       float64
	lasted   time.Duration
	sequence bool // another tone came right before: a signal of the network
}

// feed takes one 10 ms step's samples at a time out of pcm and reports the last
// tone that ended in it.
func (t *steadyTone) feed(pcm []int16) (end toneEnd, ended bool) {
	for _, v := range pcm {
		t.window[toneStep+t.n] = float64(v)
		if t.n++; t.n < toneStep {
			continue
		}
		t.n = 0
		if e, ok := t.take(); ok {
			end, ended = e, true
		}
		copy(t.window[:toneStep], t.window[toneStep:])
	}
	return end, ended
}

// take ends a step.
func (t *steadyTone) take() (end toneEnd, ended bool) {
	const length = 10 * time.Millisecond
	hz, level := t.fit()
	same := hz != 0 && t.hz != 0 && math.Abs(hz-t.hz) <= toneDrift*t.hz
	if same {
		t.lasting += length
		t.hz += (hz - t.hz) / 4 // steadier than one step
		return end, false
	}
	if t.hz != 0 {
		if t.lasting >= toneShortest { // else the window had not filled yet, or it was a voice
			end, ended = toneEnd{hz: t.hz, lasted: t.lasting, sequence: t.before != 0}, true
			t.earlier, t.before, t.gap, t.quiet = t.before, t.hz, 0, true
		}
		t.hz = 0
	}
	switch {
	case hz != 0 && t.before != 0 && t.gap <= toneTear && math.Abs(hz-t.before) <= 2*toneDrift*t.before:
		t.hz, t.before = hz, t.earlier // a click tore it
		t.lasting += t.gap + length
	case hz != 0:
		if t.gap > toneAdjacent {
			t.before = 0
		}
		t.hz, t.lasting = hz, length
	default:
		t.gap += length
		t.quiet = t.quiet && (level < toneQuiet || t.gap <= toneTail)
	}
	return end, ended
}

// fit is the frequency of the tone in the window, 0 for none, and the mean level
// of its newest step.
func (t *steadyTone) fit() (hz, level float64) {
	for _, x := range t.window[toneStep:] {
		level += math.Abs(x)
	}
	level /= toneStep
	if level < toneLoud {
		return 0, level
	}
	var r1, r2 float64
	w := &t.window
	for i := 2; i < len(w); i++ {
		r1 += (w[i] + w[i-2]) * w[i-1] / 2
		r2 += w[i] * w[i-2]
	}
	if r1 == 0 {
		return 0, level
	}
	c := (r2 + math.Sqrt(r2*r2+8*r1*r1)) / (4 * r1)
	if math.Abs(c) >= 1 {
		return 0, level
	}
	hz = math.Acos(c) * audio.SampleRate / (2 * math.Pi)
	if hz < toneLowest || hz > toneHighest || t.share(hz) < tonePure {
		return 0, level
	}
	return hz, level
}

// share is the part of the window's energy that is in the frequency. Of several
// tones none has all.
func (t *steadyTone) share(hz float64) float64 {
	energy := 0.0
	for _, x := range t.window {
		energy += x * x
	}
	return audio.Goertzel(t.window[:], hz) / energy
}
