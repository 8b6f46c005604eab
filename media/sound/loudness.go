package sound

import (
	"math"

	"github.com/loopstart/loopstart/media/audio"
)

// Loudness of prepared speech: the level that callers expect on a telephone
// (RFC 7874 §4 asks for −22 dBFS ± 6 dB) with room for peaks.
const (
	targetRMS     = 3277  // −20 dBFS, over the active parts
	peakLimit     = 23197 // −3 dBFS
	limiterKnee   = 16422 // −6 dBFS; below it the limiter does nothing
	maxGain       = 10.0  // +20 dB: noise is not speech
	activityBelow = 25.0  // dB under the loudest window still count as active
	activityFloor = 104.0 // RMS, −50 dBFS: below it everything is silence
	levelWindow   = audio.FrameSamples
)

// activeRMS is the RMS over the windows that hold sound; 0 for silence.
func activeRMS(pcm []int16) float64 {
	loudest := 0.0
	for w := range windows(pcm, levelWindow) {
		loudest = math.Max(loudest, audio.Power(w))
	}
	gate := math.Max(loudest*math.Pow(10, -activityBelow/10), activityFloor*activityFloor)
	sum, n := 0.0, 0
	for w := range windows(pcm, levelWindow) {
		if p := audio.Power(w); p >= gate {
			sum += p * float64(len(w))
			n += len(w)
		}
	}
	if n == 0 {
		return 0
	}
	return math.Sqrt(sum / float64(n))
}

// windows yields consecutive pieces of n samples; the last may be shorter.
func windows(pcm []int16, n int) func(yield func([]int16) bool) {
	return func(yield func([]int16) bool) {
		for len(pcm) > 0 {
			k := min(n, len(pcm))
			if !yield(pcm[:k]) {
				return
			}
			pcm = pcm[k:]
		}
	}
}

// normalise brings pcm in place to the target level and under the peak limit.
// Limiting takes level away, so the gain is corrected once more.
func normalise(pcm []int16) { amplify(pcm, pcm, gainOf(pcm)) }

// gainOf is the gain that normalise applies.
func gainOf(pcm []int16) float64 {
	level := activeRMS(pcm)
	if level == 0 {
		return 1
	}
	gain := math.Min(targetRMS/level, maxGain)
	limited := make([]int16, len(pcm))
	amplify(limited, pcm, gain)
	if after := activeRMS(limited); after > 0 {
		gain = math.Min(gain*math.Min(targetRMS/after, math.Sqrt2), maxGain)
	}
	return gain
}

// amplify applies gain and the limiter.
func amplify(dst, src []int16, gain float64) {
	for i, s := range src {
		dst[i] = int16(math.Round(softLimit(float64(s) * gain)))
	}
}

// softLimit leaves quiet samples as they are and bends louder ones towards the
// peak limit, which they never reach: no step, no corner in the curve.
func softLimit(v float64) float64 {
	const room = peakLimit - limiterKnee
	switch {
	case v > limiterKnee:
		return limiterKnee + room*math.Tanh((v-limiterKnee)/room)
	case v < -limiterKnee:
		return -limiterKnee - room*math.Tanh((-v-limiterKnee)/room)
	}
	return v
}
