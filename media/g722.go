package media

// G722 is ITU-T G.722 at 64 kbit/s (mode 1): two sub-bands of ADPCM behind a
// quadrature mirror filter, 16 kHz audio. Its RTP clock is 8000 Hz by an old
// mistake that RFC 3551 §4.5.2 keeps.
var G722 = newG722()

// g722PreRoll are the frames of silence after which an encoder that was reset
// has come to rest. Prompts begin and silence goes on in that state, so that a
// listener's decoder meets no step between them.
const g722PreRoll = 50

func newG722() *Codec {
	c := &Codec{
		Name: "G722", PT: 9, Clock: SampleRate, Rate: WideRate, Channels: 1, slot: slotG722, steady: true,
		encoders: func() Encoder { return rested() }, decoders: func() Decoder { return newG722Decoder() },
	}
	c.silence = make([]byte, FrameSamples)
	rested().Encode(c.silence, make([]int16, wideFrame))
	return c
}

// g722Encoder is the sending side of a stream.
type g722Encoder struct {
	low, high subBand
	past      [24]int32 // the latest samples, newest last
}

func newG722Encoder() *g722Encoder {
	return &g722Encoder{low: subBand{detector: lowDetector}, high: subBand{detector: highDetector}}
}

// rested is an encoder that has sent silence for a second.
func rested() *g722Encoder {
	e := newG722Encoder()
	var code [FrameSamples]byte
	var pcm [wideFrame]int16
	for range g722PreRoll {
		e.Encode(code[:], pcm[:])
	}
	return e
}

// Encode implements Encoder, for any even number of samples.
func (e *g722Encoder) Encode(dst []byte, pcm []int16) int {
	dst = dst[:len(pcm)/2]
	for i := range dst {
		copy(e.past[:], e.past[2:])
		e.past[22], e.past[23] = int32(pcm[2*i]), int32(pcm[2*i+1])
		var even, odd int32
		for k, h := range qmfEven {
			odd += e.past[2*k] * h
			even += e.past[2*k+1] * qmfEven[11-k]
		}
		dst[i] = e.high.encodeHigh((even-odd)>>14)<<6 | e.low.encodeLow((even+odd)>>14)
	}
	return len(dst)
}

// g722Decoder is the receiving side of a stream.
type g722Decoder struct {
	low, high subBand
	past      [24]int32 // sums and differences of the bands, newest last
}

func newG722Decoder() *g722Decoder {
	return &g722Decoder{low: subBand{detector: lowDetector}, high: subBand{detector: highDetector}}
}

// Decode implements Decoder: two samples a byte.
func (d *g722Decoder) Decode(dst []int16, payload []byte) int {
	if 2*len(payload) > len(dst) {
		return 0
	}
	for i, code := range payload {
		low, high := d.low.decodeLow(code&63), d.high.decodeHigh(code>>6)
		copy(d.past[:], d.past[2:])
		d.past[22], d.past[23] = low-high, low+high
		var first, second int32
		for k, h := range qmfEven {
			first += d.past[2*k] * qmfEven[11-k]
			second += d.past[2*k+1] * h
		}
		dst[2*i], dst[2*i+1] = int16(saturate(first>>11)), int16(saturate(second>>11))
	}
	return 2 * len(payload)
}

// Conceal implements Decoder.
func (d *g722Decoder) Conceal([]int16, []byte) bool { return false }
