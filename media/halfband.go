package media

import "math"

// Between 8 and 16 kHz on the way: a half-band filter of halfTaps pairs, small
// enough for every frame of a call. Files go through the long resampler
// instead. −0.1 dB at 3.4 kHz, −6 dB at 4 kHz, below −60 dB from 4.7 kHz.
const (
	halfTaps = 22 // on each side of the centre
	halfBeta = 6.0
	halfEdge = 2 * halfTaps // narrowband samples that the filter looks back at
)

// halfFilter are the odd taps of the filter, from the centre outwards; the even
// ones are zero but the centre, which is one half.
var halfFilter = halfBandTaps()

func halfBandTaps() (h [halfTaps]float32) {
	norm := 1 / bessel(halfBeta)
	sum := 0.0
	var taps [halfTaps]float64
	for i := range taps {
		t := float64(2*i + 1)
		edge := t / (2 * halfTaps)
		taps[i] = math.Sin(math.Pi*t/2) / (math.Pi * t) * bessel(halfBeta*math.Sqrt(1-edge*edge)) * norm
		sum += 2 * taps[i]
	}
	for i := range taps { // unity gain for both phases
		h[i] = float32(taps[i] / sum)
	}
	return h
}

// narrower turns 16 kHz into 8 kHz, an even number of samples at a time.
type narrower struct {
	odd  [halfEdge]float32 // the latest odd samples
	even [halfTaps]float32 // the latest even samples, the delay of the centre
}

// process writes half as many samples as pcm has to dst, which may be pcm.
func (f *narrower) process(dst, pcm []int16) []int16 {
	dst = dst[:len(pcm)/2]
	for i := range dst {
		copy(f.odd[:], f.odd[1:])
		f.odd[halfEdge-1] = float32(pcm[2*i+1])
		copy(f.even[:], f.even[1:])
		f.even[halfTaps-1] = float32(pcm[2*i])
		dst[i] = rounded((f.even[0] + halfSum(&f.odd)) / 2)
	}
	return dst
}

// wider turns 8 kHz into 16 kHz.
type wider struct {
	past [halfEdge]float32
}

// process writes twice as many samples as pcm has to dst, which is another.
func (f *wider) process(dst, pcm []int16) []int16 {
	dst = dst[:2*len(pcm)]
	for i, s := range pcm {
		copy(f.past[:], f.past[1:])
		f.past[halfEdge-1] = float32(s)
		dst[2*i] = int16(f.past[halfTaps-1])
		dst[2*i+1] = rounded(halfSum(&f.past))
	}
	return dst
}

// halfSum is the value between the two samples in the middle of past.
func halfSum(past *[halfEdge]float32) float32 {
	var a, b float32
	for i := 0; i < halfTaps; i += 2 {
		a += halfFilter[i] * (past[halfTaps-1-i] + past[halfTaps+i])
		b += halfFilter[i+1] * (past[halfTaps-2-i] + past[halfTaps+1+i])
	}
	return a + b
}

func rounded(v float32) int16 {
	if v < 0 {
		return int16(max(v-0.5, math.MinInt16))
	}
	return int16(min(v+0.5, math.MaxInt16))
}

// fitting turns a stream of either rate into the rate that is wanted. It keeps
// both filters, because a call may change its codec on the way.
type fitting struct {
	down narrower
	up   wider
}

// sound is a piece of audio at one of the two rates.
type sound struct {
	pcm  []int16
	rate int
}

// to returns s at a rate: as it is, or in dst.
func (f *fitting) to(rate int, dst []int16, s sound) []int16 {
	switch {
	case rate == s.rate || len(s.pcm) == 0:
		return s.pcm
	case rate < s.rate:
		return f.down.process(dst, s.pcm)
	}
	return f.up.process(dst, s.pcm)
}

// narrowed is audio at 16 kHz, at 8 kHz, without the delay of the filter.
func narrowed(pcm []int16) []int16 {
	var f narrower
	const delay = halfTaps - 1 // samples at 8 kHz
	padded := append(append(make([]int16, 0, len(pcm)+2*delay+1), pcm...), make([]int16, 2*delay+len(pcm)&1)...)
	return f.process(make([]int16, len(padded)/2), padded)[delay:]
}

// widened is audio at 8 kHz, at 16 kHz, without the delay of the filter.
func widened(pcm []int16) []int16 {
	var f wider
	padded := append(append(make([]int16, 0, len(pcm)+halfTaps), pcm...), make([]int16, halfTaps)...)
	return f.process(make([]int16, 2*len(padded)), padded)[2*halfTaps:]
}
