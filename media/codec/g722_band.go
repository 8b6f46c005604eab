package codec

// One sub-band of ITU-T G.722: the adaptive predictor and the scale factor of
// its ADPCM, clause 6.2 of the Recommendation. Variables have the Recommendation's
// meaning; all arithmetic is that of 16 bit words that saturate.

// Constants of the two bands.
const (
	lowScaleMost  = 18432 // largest logarithmic scale factor
	highScaleMost = 22528
	lowScaleBase  = 8 // exponent that a scale factor of 0 stands for
	highScaleBase = 10
	lowDetector   = 32 // scale factors after a reset
	highDetector  = 8
	subBandMost   = 1<<14 - 1 // a sub-band's signal has 15 bits
)

// subBand is the state that the encoder and the decoder of a band share.
type subBand struct {
	estimate int32    // S: predicted signal
	zeros    int32    // SZ: its part from the zeros
	a        [2]int32 // poles, newest first
	b        [6]int32 // zeros
	r        [2]int32 // RLT: reconstructed signal
	d        [6]int32 // DLT: quantized differences
	p        [2]int32 // PLT: partially reconstructed signal
	scale    int32    // NB: logarithmic scale factor
	detector int32    // DET: linear scale factor
}

// adapt takes the quantized difference d and prepares the next prediction
// (BLOCK 4).
func (s *subBand) adapt(d int32) {
	recon := saturate(s.estimate + d)
	part := saturate(s.zeros + d)
	s.adaptPoles(part)
	s.adaptZeros(d)

	s.d = [6]int32{d, s.d[0], s.d[1], s.d[2], s.d[3], s.d[4]}
	s.r = [2]int32{recon, s.r[0]}
	s.p = [2]int32{part, s.p[0]}

	poles := saturate(s.a[0]*saturate(2*s.r[0])>>15 + s.a[1]*saturate(2*s.r[1])>>15)
	zeros := int32(0)
	for i, b := range s.b {
		zeros += b * saturate(2*s.d[i]) >> 15
	}
	s.zeros = saturate(zeros)
	s.estimate = saturate(poles + s.zeros)
}

// adaptPoles are UPPOL2 and UPPOL1.
func (s *subBand) adaptPoles(part int32) {
	same1 := part < 0 == (s.p[0] < 0)
	same2 := part < 0 == (s.p[1] < 0)

	step := saturate(4 * s.a[0])
	if same1 {
		step = min(-step, 32767)
	}
	second := step >> 7
	if same2 {
		second += 128
	} else {
		second -= 128
	}
	second = clamp(second+s.a[1]*32512>>15, 12288)

	first := s.a[0] * 32640 >> 15
	if same1 {
		first += 192
	} else {
		first -= 192
	}
	s.a = [2]int32{clamp(saturate(first), 15360-second), second}
}

// adaptZeros is UPZERO.
func (s *subBand) adaptZeros(d int32) {
	for i := range s.b {
		v := s.b[i] * 32640 >> 15
		switch {
		case d == 0:
		case d < 0 == (s.d[i] < 0):
			v += 128
		default:
			v -= 128
		}
		s.b[i] = saturate(v)
	}
}

// rescale moves the scale factor on (BLOCK 3).
func (s *subBand) rescale(step, most int32, base uint) {
	s.scale = max(0, min(s.scale*127>>7+step, most))
	mantissa, exponent := antilog[s.scale>>6&31], uint(s.scale>>11)
	if exponent > base {
		s.detector = mantissa << (exponent - base) << 2
	} else {
		s.detector = mantissa >> (base - exponent) << 2
	}
}

// encodeLow is the lower band of the encoder: a sample of 15 bits in, the 6 bit
// code word out.
func (s *subBand) encodeLow(x int32) byte {
	e := saturate(x - s.estimate)
	magnitude := e
	if e < 0 {
		magnitude = ^e
	}
	// The decision level below magnitude, by halving: levels grow with the index.
	low, high := 1, len(lowLevels)
	for low < high {
		mid := (low + high) / 2
		if magnitude < lowLevels[mid]*s.detector>>12 {
			high = mid
		} else {
			low = mid + 1
		}
	}
	code := lowCode(low, e < 0)
	s.follow(code)
	return code
}

// lowCode is the code word of an interval of the quantizer, from 1 (Table 14).
func lowCode(interval int, negative bool) byte {
	switch {
	case !negative:
		return byte(62 - interval)
	case interval <= 2:
		return byte(64 - interval)
	}
	return byte(34 - interval)
}

// follow adapts the lower band to a code word, in both directions alike: only
// the upper four bits count, so that the lower ones may be stolen on the way.
func (s *subBand) follow(code byte) {
	d := s.detector * lowOutputs4[code>>2] >> 15
	s.rescale(lowSteps[code>>2], lowScaleMost, lowScaleBase)
	s.adapt(d)
}

// decodeLow is the lower band of the decoder, mode 1.
func (s *subBand) decodeLow(code byte) int32 {
	r := limitBand(saturate(s.estimate + s.detector*lowOutputs6[code]>>15))
	s.follow(code)
	return r
}

// encodeHigh is the higher band of the encoder, with a 2 bit code word.
func (s *subBand) encodeHigh(x int32) byte {
	e := saturate(x - s.estimate)
	magnitude, code := e, byte(3)
	if e < 0 {
		magnitude, code = ^e, 1
	}
	if magnitude >= 564*s.detector>>12 {
		code--
	}
	s.decodeHigh(code)
	return code
}

// decodeHigh is the higher band of the decoder.
func (s *subBand) decodeHigh(code byte) int32 {
	d := s.detector * highOutputs[code] >> 15
	r := limitBand(saturate(s.estimate + d))
	s.rescale(highSteps[code], highScaleMost, highScaleBase)
	s.adapt(d)
	return r
}

func saturate(v int32) int32 { return max(-1<<15, min(1<<15-1, v)) }

func clamp(v, most int32) int32 { return max(-most, min(most, v)) }

func limitBand(v int32) int32 { return max(-subBandMost-1, min(subBandMost, v)) }
