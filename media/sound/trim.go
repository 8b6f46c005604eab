package sound

import (
	"math"
	"slices"

	"github.com/loopstart/loopstart/media/audio"
)

// Silence that stays around speech, and the length of fades where audio is cut
// or joined.
const (
	leadSamples  = 30 * audio.SampleRate / 1000
	trailSamples = 80 * audio.SampleRate / 1000
	fadeSamples  = 5 * audio.SampleRate / 1000

	trimWindow = 5 * audio.SampleRate / 1000 // resolution of the cut
	trimBelow  = 40.0                        // dB under the loudest window is silence
	trimFloor  = 33.0                        // RMS, −60 dBFS: always silence
)

// trim cuts leading and trailing silence to 30 and 80 ms and fades the cut
// edges. Audio that is nothing but silence was meant as a pause and stays.
func trim(pcm []int16) []int16 {
	from, to := trimTo(pcm)
	return cutOut(pcm, from, to)
}

// cutOut is a piece of pcm with faded edges, in place.
func cutOut(pcm []int16, from, to int) []int16 {
	cut := pcm[from:to:to]
	if from > 0 {
		fadeIn(cut)
	}
	if to < len(pcm) {
		fadeOut(cut)
	}
	return cut
}

// trimTo is what trim leaves.
func trimTo(pcm []int16) (from, to int) {
	loudest := 0.0
	for w := range windows(pcm, trimWindow) {
		loudest = math.Max(loudest, audio.Power(w))
	}
	gate := math.Max(loudest*math.Pow(10, -trimBelow/10), trimFloor*trimFloor)
	first, last, at := -1, 0, 0
	for w := range windows(pcm, trimWindow) {
		if audio.Power(w) >= gate {
			if first < 0 {
				first = at
			}
			last = at + len(w)
		}
		at += len(w)
	}
	if first < 0 {
		return 0, len(pcm)
	}
	return max(first-leadSamples, 0), min(last+trailSamples, len(pcm))
}

// fadeIn raises the first 5 ms from zero, in place.
func fadeIn(pcm []int16) {
	n := min(fadeSamples, len(pcm))
	for i := range n {
		pcm[i] = int16(int(pcm[i]) * i / n)
	}
}

// fadeOut lowers the last 5 ms to zero, in place.
func fadeOut(pcm []int16) {
	n := min(fadeSamples, len(pcm))
	for i := range n {
		j := len(pcm) - 1 - i
		pcm[j] = int16(int(pcm[j]) * i / n)
	}
}

// Join makes one prompt of several, such as words of a number: the edges that
// meet are faded over 5 ms, so that joins do not click. An endless part counts
// with one period.
func Join(parts ...*Prompt) *Prompt {
	out := &Prompt{pcm: seamless(parts, func(p *Prompt) []int16 { return p.pcm })}
	if slices.ContainsFunc(parts, func(p *Prompt) bool { return p.wide != nil }) {
		out.wide = seamless(parts, (*Prompt).widest)
	}
	return out
}

// seamless are the parts at one rate.
func seamless(parts []*Prompt, audio func(*Prompt) []int16) []int16 {
	var pcm []int16
	for i, p := range parts {
		start := len(pcm)
		pcm = append(pcm, audio(p)...)
		if i > 0 {
			fadeIn(pcm[start:])
		}
		if i < len(parts)-1 {
			fadeOut(pcm[start:])
		}
	}
	return exact(pcm)
}
