package media

import "math/bits"

// Companding as ITU-T G.711 defines it: A-law quantises a 13 bit number (Table
// 1), mu-law a 14 bit one (Table 2). Samples carry it left-justified in 16 bits.
// Negative values are taken by their one's complement, as in the reference
// software ITU-T G.191, so that both signs quantise alike.

func newG711(name string, pt uint8, slot int, encode func(int16) byte, decode func(byte) int16) *Codec {
	c := &Codec{
		Name: name, PT: pt, Clock: SampleRate, FrameBytes: FrameSamples,
		slot: slot, encode: new([1 << 14]byte), decode: new([1 << 8]int16),
	}
	for i := range c.encode {
		c.encode[i] = encode(int16(uint16(i) << 2))
	}
	for i := range c.decode {
		c.decode[i] = decode(byte(i))
	}
	for i := range c.silence {
		c.silence[i] = encode(0)
	}
	return c
}

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
