package codec

import (
	"bytes"
	"math/bits"

	"github.com/loopstart/loopstart/media/audio"
)

// Companding as ITU-T G.711 defines it: A-law quantises a 13 bit number (Table
// 1), mu-law a 14 bit one (Table 2). Samples carry it left-justified in 16 bits.
// Negative values are taken by their one's complement, as in the reference
// software ITU-T G.191, so that both signs quantise alike.

// The codecs of ITU-T G.711.
var (
	PCMA = newG711("PCMA", 8, slotPCMA, alawEncode, alawDecode)
	PCMU = newG711("PCMU", 0, slotPCMU, mulawEncode, mulawDecode)
)

// Companding is a codec without a memory: it is its own encoder and decoder.
type Companding struct {
	encode [1 << 14]byte // by the upper 14 bits of a sample
	decode [1 << 8]int16 // by code word
}

func newG711(name string, pt uint8, slot int, encode func(int16) byte, decode func(byte) int16) *Codec {
	g := new(Companding)
	for i := range g.encode {
		g.encode[i] = encode(int16(uint16(i) << 2))
	}
	for i := range g.decode {
		g.decode[i] = decode(byte(i))
	}
	return &Codec{
		Name: name, PT: pt, Clock: audio.SampleRate, Rate: audio.SampleRate, Channels: 1,
		Slot: slot, Steady: true, silence: bytes.Repeat([]byte{encode(0)}, audio.FrameSamples), G711: g,
		encoders: func() Encoder { return g }, decoders: func() Decoder { return g },
	}
}

// Encode implements Encoder, for any number of samples.
func (g *Companding) Encode(dst []byte, pcm []int16) int {
	dst = dst[:len(pcm)]
	for i, s := range pcm {
		dst[i] = g.encode[uint16(s)>>2]
	}
	return len(pcm)
}

// Decode implements Decoder.
func (g *Companding) Decode(dst []int16, payload []byte) int {
	if len(payload) > len(dst) {
		return 0
	}
	dst = dst[:len(payload)]
	for i, b := range payload {
		dst[i] = g.decode[b]
	}
	return len(payload)
}

// Sample is what a code word stands for.
func (g *Companding) Sample(code byte) int16 { return g.decode[code] }

// Conceal implements Decoder.
func (g *Companding) Conceal([]int16, []byte) bool { return false }

// Encode writes len(pcm) bytes to dst, which must be at least as long; for the
// codecs of G.711 only, which need no [Encoder].
func (c *Codec) Encode(dst []byte, pcm []int16) { c.G711.Encode(dst, pcm) }

// Decode writes len(payload) samples to dst, which must be at least as long;
// for the codecs of G.711 only, which need no [Decoder].
func (c *Codec) Decode(dst []int16, payload []byte) { c.G711.Decode(dst, payload) }

// alawEncode: sign, 3 bits of segment, 4 of step; even bits inverted.
func alawEncode(s int16) byte {
	sign := byte(0x80)
	if s < 0 {
		s, sign = ^s, 0
	}
	mag := uint(s) >> 4
	code := mag
	if mag >= 16 {
		seg := uint(bits.Len(mag)) - 4
		code = seg<<4 | mag>>(seg-1)&15
	}
	return (byte(code) | sign) ^ 0x55
}

func alawDecode(b byte) int16 {
	b ^= 0x55
	seg, step := uint(b>>4)&7, int16(b&15)
	v := step<<4 + 8
	if seg > 0 {
		v = (v + 256) << (seg - 1)
	}
	if b&0x80 == 0 {
		return -v
	}
	return v
}

// mulawBias shifts the segments to powers of two; mulawClip is the largest
// biased magnitude.
const (
	mulawBias = 33
	mulawClip = 0x1FFF
)

// mulawEncode: sign, 3 bits of segment, 4 of step; all bits inverted.
func mulawEncode(s int16) byte {
	sign := byte(0)
	if s < 0 {
		s, sign = ^s, 0x80
	}
	mag := min(uint(s)>>2+mulawBias, mulawClip)
	seg := uint(bits.Len(mag)) - 6
	return ^(sign | byte(seg<<4|mag>>(seg+1)&15))
}

func mulawDecode(b byte) int16 {
	b = ^b
	seg, step := uint(b>>4)&7, int16(b&15)
	v := (step<<1+mulawBias)<<seg - mulawBias
	if b&0x80 != 0 {
		return -v << 2
	}
	return v << 2
}
