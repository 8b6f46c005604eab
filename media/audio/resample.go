package audio

import (
	"errors"
	"math"
)

// Sample rates that are accepted; beyond them a file is not speech or music.
const (
	MinInputRate = 4000
	MaxInputRate = 192000
)

// The low-pass filter before 8 kHz: a sinc of 3.7 kHz under a Kaiser window.
// Measured at 22.05 kHz: −0.9 dB at 3.4 kHz, below −75 dB from 4.4 kHz.
const (
	filterCutoff   = 3700.0 // Hz, the −6 dB point
	filterBeta     = 9.0
	filterTaps     = 96    // per phase, at filterTapsRate and below
	filterTapsRate = 24000 // Hz; above it the filter grows with the rate
	maxPhases      = 640   // 8000/gcd for every usual rate; others are met to better than 0.1 %
)

// Resampler turns a stream at one rate into 8000 Hz: a windowed-sinc polyphase
// filter that keeps its state between chunks. Output sample k lies exactly at
// input time k·rate/8000; the delay of the filter is compensated.
type Resampler struct {
	up, down int         // output/input = up/down
	taps     int         // per phase
	phases   [][]float32 // up filters, oldest sample first
	history  []float32   // input not yet passed by the filter
	phase    int         // of the next output sample
	skip     int         // history samples to drop before the next output
	in, out  int64       // samples so far
}

// NewResampler returns nil when rate is already 8000.
func NewResampler(rate int) (*Resampler, error) { return NewResamplerTo(SampleRate, rate) }

// NewResamplerTo is for 8 or 16 kHz; the filter of 16 kHz has the same shape an
// octave higher.
func NewResamplerTo(target, rate int) (*Resampler, error) {
	if rate < MinInputRate || rate > MaxInputRate {
		return nil, errors.New("sample rate is out of range")
	}
	if rate == target {
		return nil, nil
	}
	up, down := ratio(target, rate, maxPhases*target/SampleRate)
	taps := filterTaps
	if rate > filterTapsRate {
		taps = (filterTaps*rate/filterTapsRate + 1) &^ 1
	}
	r := &Resampler{up: up, down: down, taps: taps}
	r.phases = kaiserSinc(up, taps, math.Min(filterCutoff*float64(target/SampleRate)/float64(rate), 0.4625))
	// Half a filter of silence before the first sample centres it on time 0.
	r.history = make([]float32, taps/2-1, taps/2-1+1<<13)
	return r, nil
}

// ratio is a fraction p/q close to a/b with p ≤ limit: the last convergent of
// the continued fraction that fits, or a step beyond it when that is closer.
func ratio(a, b, limit int) (p, q int) {
	p0, q0, p1, q1 := 0, 1, 1, 0
	for x, y := a, b; y != 0; {
		n := x / y
		p2, q2 := n*p1+p0, n*q1+q0
		if p2 > limit {
			if k := (limit - p0) / p1; 2*k > n {
				return k*p1 + p0, k*q1 + q0
			}
			break
		}
		p0, q0, p1, q1 = p1, q1, p2, q2
		x, y = y, x-n*y
	}
	return p1, q1
}

// kaiserSinc is a low pass of the cutoff (in cycles per input sample), split
// into phases of unity gain. Phase i serves outputs that lie i/up of an input
// sample after their centre tap.
func kaiserSinc(up, taps int, cutoff float64) [][]float32 {
	flat := make([]float32, up*taps)
	phases := make([][]float32, up)
	half := float64(taps) / 2
	norm := 1 / bessel(filterBeta)
	for i := range phases {
		h := flat[i*taps : (i+1)*taps]
		sum := 0.0
		for k := range h {
			t := float64(k) - (half - 1) - float64(i)/float64(up)
			w := 1 - (t/half)*(t/half)
			if w < 0 {
				w = 0
			}
			v := sinc(2*cutoff*t) * bessel(filterBeta*math.Sqrt(w)) * norm
			h[k] = float32(v)
			sum += v
		}
		for k := range h {
			h[k] = float32(float64(h[k]) / sum)
		}
		phases[i] = h
	}
	return phases
}

func sinc(x float64) float64 {
	if math.Abs(x) < 1e-9 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel is the modified Bessel function of the first kind, order 0.
func bessel(x float64) float64 {
	sum, term, q := 1.0, 1.0, x*x/4
	for n := 1.0; term > sum*1e-12; n++ {
		term *= q / (n * n)
		sum += term
	}
	return sum
}

// Process appends the output that input completes to dst.
func (r *Resampler) Process(dst, input []float32) []float32 {
	r.in += int64(len(input))
	return r.run(dst, input)
}

// Flush appends what the filter still holds; the stream then has
// round-up(in·8000/rate) samples.
func (r *Resampler) Flush(dst []float32) []float32 {
	want := (r.in*int64(r.up) + int64(r.down) - 1) / int64(r.down)
	dst = r.run(dst, make([]float32, r.taps))
	if extra := r.out - want; extra > 0 {
		dst = dst[:max(len(dst)-int(extra), 0)]
	}
	return dst
}

func (r *Resampler) run(dst, input []float32) []float32 {
	r.history = append(r.history, input...)
	pos := r.skip
	for pos+r.taps <= len(r.history) {
		dst = append(dst, dot(r.phases[r.phase], r.history[pos:pos+r.taps]))
		r.out++
		r.phase += r.down
		pos += r.phase / r.up
		r.phase %= r.up
	}
	used := min(pos, len(r.history))
	r.skip = pos - used
	r.history = r.history[:copy(r.history, r.history[used:])]
	return dst
}

// dot is the scalar product; four sums hide the latency of the additions.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a) && i+4 <= len(b); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
