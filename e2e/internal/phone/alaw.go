package phone

// EncodeALaw is ITU-T G.711 A-law of one 16 bit sample.
func EncodeALaw(sample int16) byte {
	v, sign := int(sample), byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0
	}
	v >>= 4 // 12 bits of magnitude without the sign
	exp := 0
	for e := 7; e >= 1; e-- {
		if v >= 1<<(e+3) {
			exp = e
			break
		}
	}
	mantissa := v & 0x0f
	if exp > 0 {
		mantissa = v >> (exp - 1) & 0x0f
	}
	if exp == 0 {
		mantissa = v & 0x0f
	}
	return (sign | byte(exp<<4) | byte(mantissa)) ^ 0x55
}

// DecodeALaw is the 16 bit sample of one A-law byte.
func DecodeALaw(b byte) int16 {
	b ^= 0x55
	exp, v := int(b>>4&7), int(b&0x0f)<<4+8
	if exp > 0 {
		v = (v + 0x100) << (exp - 1)
	}
	if b&0x80 == 0 {
		return int16(-v)
	}
	return int16(v)
}

// DecodeMuLaw is the 16 bit sample of one mu-law byte.
func DecodeMuLaw(b byte) int16 {
	b = ^b
	v := (int(b&0x0f)<<3+0x84)<<(b>>4&7) - 0x84
	if b&0x80 != 0 {
		return int16(-v)
	}
	return int16(v)
}
