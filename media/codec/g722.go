package codec

import "github.com/loopstart/loopstart/media/audio"

// G722 is ITU-T G.722 at 64 kbit/s (mode 1): two sub-bands of ADPCM behind a
// quadrature mirror filter, 16 kHz audio. Its RTP clock is 8000 Hz by an old
// mistake that RFC 3551 §4.5.2 keeps.
var G722 = newG722()

// g722PreRoll are the frames of silence after which an encoder that was reset
// has come to rest. Prompts begin and silence goes on in that state, so that a
// listener's decoder meets no step between them.
const g722PreRoll = 50

func newG722() *Codec {
	atRest := *rested()
	c := &Codec{
		Name: "G722", PT: 9, Clock: audio.SampleRate, Rate: audio.WideRate, Channels: 1, Slot: slotG722, Steady: true,
		encoders: func() Encoder { e := atRest; return &e }, decoders: func() Decoder { return newG722Decoder() },
	}
	c.silence = make([]byte, audio.FrameSamples)
	c.NewEncoder().Encode(c.silence, make([]int16, audio.WideFrame))
	return c
}

// qmfPast are the samples that the mirror filters look back at, and g722Chunk
// how many are filtered at once.
const (
	qmfPast   = 22
	g722Chunk = audio.WideFrame
)

// qmfWindow is a run of samples behind those that came before it.
type qmfWindow [qmfPast + g722Chunk]int32

// sums are the two halves of the filter over the 24 samples from at on, which
// is even: that of the older sample of each pair and that of the newer.
func (w *qmfWindow) sums(at int) (older, newer int32) {
	x := (*[24]int32)(w[at:])
	for k := range 12 {
		older += x[2*k] * qmfEven[k]
		newer += x[2*k+1] * qmfEven[11-k]
	}
	return older, newer
}

// sumsBack is sums with the halves of the filter changed over.
func (w *qmfWindow) sumsBack(at int) (older, newer int32) {
	x := (*[24]int32)(w[at:])
	for k := range 12 {
		older += x[2*k] * qmfEven[11-k]
		newer += x[2*k+1] * qmfEven[k]
	}
	return older, newer
}

// g722Encoder is the sending side of a stream.
type g722Encoder struct {
	low, high subBand
	window    qmfWindow // the latest qmfPast samples first
}

func newG722Encoder() *g722Encoder {
	return &g722Encoder{low: subBand{detector: lowDetector}, high: subBand{detector: highDetector}}
}

// rested is an encoder that has sent silence for a second.
func rested() *g722Encoder {
	e := newG722Encoder()
	var code [audio.FrameSamples]byte
	var pcm [audio.WideFrame]int16
	for range g722PreRoll {
		e.Encode(code[:], pcm[:])
	}
	return e
}

// Encode implements Encoder, for any even number of samples.
func (e *g722Encoder) Encode(dst []byte, pcm []int16) int {
	dst = dst[:len(pcm)/2]
	for done := 0; done < len(dst); {
		n := min(len(dst)-done, g722Chunk/2)
		for i, v := range pcm[2*done : 2*(done+n)] {
			e.window[qmfPast+i] = int32(v)
		}
		for i := range n {
			older, newer := e.window.sums(2 * i)
			dst[done+i] = e.high.encodeHigh((newer-older)>>14)<<6 | e.low.encodeLow((newer+older)>>14)
		}
		copy(e.window[:qmfPast], e.window[2*n:])
		done += n
	}
	return len(dst)
}

// g722Decoder is the receiving side of a stream.
type g722Decoder struct {
	low, high subBand
	window    qmfWindow // differences and sums of the bands by turns
}

func newG722Decoder() *g722Decoder {
	return &g722Decoder{low: subBand{detector: lowDetector}, high: subBand{detector: highDetector}}
}

// Decode implements Decoder: two samples a byte.
func (d *g722Decoder) Decode(dst []int16, payload []byte) int {
	if 2*len(payload) > len(dst) {
		return 0
	}
	for done := 0; done < len(payload); {
		n := min(len(payload)-done, g722Chunk/2)
		for i, code := range payload[done : done+n] {
			low, high := d.low.decodeLow(code&63), d.high.decodeHigh(code>>6)
			d.window[qmfPast+2*i], d.window[qmfPast+2*i+1] = low-high, low+high
		}
		out := dst[2*done : 2*(done+n)]
		for i := range n {
			first, second := d.window.sumsBack(2 * i)
			out[2*i], out[2*i+1] = int16(saturate(first>>11)), int16(saturate(second>>11))
		}
		copy(d.window[:qmfPast], d.window[2*n:])
		done += n
	}
	return 2 * len(payload)
}

// Conceal implements Decoder.
func (d *g722Decoder) Conceal([]int16, []byte) bool { return false }
