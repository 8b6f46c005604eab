package codec

import (
	"github.com/thesyncim/gopus"

	"github.com/loopstart/loopstart/media/audio"
)

// Opus is RFC 6716 by RFC 7587. Its RTP clock is 48 kHz and its rtpmap says two
// channels always; what is carried here is one channel of wideband speech, 16 kHz.
var Opus = newOpus()

// How Opus is sent: 24 kbit/s is ample for wideband speech (RFC 6716 §2.1.1
// names 16 to 20), and in-band FEC takes a part of it.
const (
	OpusPT         = 107
	opusClock      = 48000
	opusBitrate    = 24000 // bit/s
	OpusComplexity = 5     // of 10
	opusLoss       = 5     // per cent of loss that the FEC is laid out for
	opusPreRoll    = 10    // frames after which an encoder is at rest in silence
	OpusLongest    = 120 * audio.WideRate / 1000
)

func newOpus() *Codec {
	c := &Codec{
		Name: "opus", PT: OpusPT, Clock: opusClock, Rate: audio.WideRate, Channels: 2, Slot: slotOpus,
		encoders: func() Encoder { return new(opusEncoder) }, decoders: func() Decoder { return new(opusDecoder) },
	}
	var e opusEncoder
	code, pcm := make([]byte, MaxPayload), make([]int16, audio.WideFrame)
	for range opusPreRoll {
		c.silence = append([]byte(nil), code[:e.Encode(code, pcm)]...)
	}
	return c
}

// OpusParams are the wishes of a receiver of Opus that we can heed.
type OpusParams struct {
	FEC     bool
	Bitrate int // bit/s; 0 = no wish
}

// opusEncoder is the sending side of a stream. Its state, 160 kB, is made when
// the first frame comes: a call that hears prompts and silence needs none.
type opusEncoder struct {
	params OpusParams
	enc    *gopus.Encoder
}

// NewOpusEncoder makes the state of a stream as its receiver wishes it.
func NewOpusEncoder(p OpusParams) Encoder { return &opusEncoder{params: p} }

// Encode implements Encoder.
func (e *opusEncoder) Encode(dst []byte, pcm []int16) int {
	if e.enc == nil {
		e.enc = newGopusEncoder(e.params)
	}
	n, err := e.enc.EncodeInt16(pcm, dst)
	if err != nil {
		return 0
	}
	return n
}

func newGopusEncoder(p OpusParams) *gopus.Encoder {
	bitrate := opusBitrate
	if p.Bitrate > 0 {
		bitrate = min(bitrate, p.Bitrate)
	}
	enc, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: audio.WideRate, Channels: 1, Application: gopus.ApplicationVoIP})
	for _, set := range []func() error{
		func() error { return enc.SetFrameSize(audio.WideFrame) },
		func() error { return enc.SetBitrate(bitrate) },
		func() error { return enc.SetComplexity(OpusComplexity) },
		func() error { return enc.SetPacketLoss(opusLoss) },
		func() error { return enc.SetSignal(gopus.SignalVoice) },
	} {
		if err == nil {
			err = set()
		}
	}
	if err != nil {
		panic("media: opus: " + err.Error()) // only constants went into it
	}
	enc.SetFEC(p.FEC)
	return enc
}

// opusDecoder is the receiving side of a stream. Its state, 190 kB, is made with
// the first packet that somebody listens to.
type opusDecoder struct {
	dec   *gopus.Decoder
	float [audio.WideFrame]float32 // of a frame restored by FEC
}

func (d *opusDecoder) ready() *gopus.Decoder {
	if d.dec == nil {
		dec, err := gopus.NewDecoder(gopus.DecoderConfig{SampleRate: audio.WideRate, Channels: 1, MaxPacketSamples: OpusLongest})
		if err != nil {
			panic("media: opus: " + err.Error())
		}
		d.dec = dec
	}
	return d.dec
}

// Decode implements Decoder. A packet that breaks the library costs the state,
// not the process.
func (d *opusDecoder) Decode(dst []int16, payload []byte) (n int) {
	if len(payload) == 0 || len(payload) > MaxPacket {
		return 0
	}
	defer d.recover(&n)
	n, err := d.ready().DecodeInt16(payload, dst[:min(len(dst), OpusLongest)])
	if err != nil {
		return 0
	}
	return n
}

// Conceal implements Decoder: what next carries about the frame before it
// (in-band FEC), and the codec's own extrapolation before that.
func (d *opusDecoder) Conceal(dst []int16, next []byte) bool {
	n := 0
	defer d.recover(&n)
	for len(dst) >= audio.WideFrame {
		frame := dst[:audio.WideFrame]
		if dst = dst[audio.WideFrame:]; len(dst) < audio.WideFrame && len(next) > 0 {
			return d.restore(frame, next)
		}
		if _, err := d.ready().DecodeInt16(nil, frame); err != nil {
			return false
		}
	}
	return true
}

// restore decodes the frame before next.
func (d *opusDecoder) restore(frame []int16, next []byte) bool {
	n, err := d.ready().DecodeWithFEC(next, d.float[:], true)
	if err != nil || n > len(frame) {
		return false
	}
	for i, v := range d.float[:n] {
		frame[i] = audio.Round(v * (1 << 15))
	}
	return true
}

// recover forgets the state that a packet has broken.
func (d *opusDecoder) recover(n *int) {
	if recover() != nil {
		d.dec, *n = nil, 0
	}
}
