package audio

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

// Narrower turns 16 kHz into 8 kHz, an even number of samples at a time.
type Narrower struct {
	odd  [halfEdge]float32 // the latest odd samples
	even [halfTaps]float32 // the latest even samples, the delay of the centre
}

// Process writes half as many samples as pcm has to dst, which may be pcm.
func (f *Narrower) Process(dst, pcm []int16) []int16 {
	dst = dst[:len(pcm)/2]
	for i := range dst {
		copy(f.odd[:], f.odd[1:])
		f.odd[halfEdge-1] = float32(pcm[2*i+1])
		copy(f.even[:], f.even[1:])
		f.even[halfTaps-1] = float32(pcm[2*i])
		dst[i] = Round((f.even[0] + halfSum(&f.odd)) / 2)
	}
	return dst
}

// Wider turns 8 kHz into 16 kHz.
type Wider struct {
	past [halfEdge]float32
}

// Process writes twice as many samples as pcm has to dst, which is another.
func (f *Wider) Process(dst, pcm []int16) []int16 {
	dst = dst[:2*len(pcm)]
	for i, s := range pcm {
		copy(f.past[:], f.past[1:])
		f.past[halfEdge-1] = float32(s)
		dst[2*i] = int16(f.past[halfTaps-1])
		dst[2*i+1] = Round(halfSum(&f.past))
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

// Fitting turns a stream of either rate into the rate that is wanted. It keeps
// both filters, because a call may change its codec on the way.
type Fitting struct {
	down Narrower
	up   Wider
}

// Piece is a piece of audio at one of the two rates.
type Piece struct {
	Samples []int16
	Rate    int
}

// To returns s at a rate: as it is, or in dst.
func (f *Fitting) To(rate int, dst []int16, s Piece) []int16 {
	switch {
	case rate == s.Rate || len(s.Samples) == 0:
		return s.Samples
	case rate < s.Rate:
		return f.down.Process(dst, s.Samples)
	}
	return f.up.Process(dst, s.Samples)
}

// Narrowed is audio at 16 kHz, at 8 kHz, without the delay of the filter.
func Narrowed(pcm []int16) []int16 {
	var f Narrower
	const delay = halfTaps - 1 // samples at 8 kHz
	padded := append(append(make([]int16, 0, len(pcm)+2*delay+1), pcm...), make([]int16, 2*delay+len(pcm)&1)...)
	return f.Process(make([]int16, len(padded)/2), padded)[delay:]
}

// Widened is audio at 8 kHz, at 16 kHz, without the delay of the filter.
func Widened(pcm []int16) []int16 {
	var f Wider
	padded := append(append(make([]int16, 0, len(pcm)+halfTaps), pcm...), make([]int16, halfTaps)...)
	return f.Process(make([]int16, 2*len(padded)), padded)[2*halfTaps:]
}
