package sound

// mp3Header is the header of an MPEG audio frame, ISO/IEC 11172-3 §2.4.1.3 and
// 13818-3 §2.4.1.3.
type mp3Header uint32

// Bit rates of Layer III in kbit/s by index; 0 and 15 are not usable.
var (
	mpeg1Bitrates = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	mpeg2Bitrates = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	mpeg1Rates    = [3]int{44100, 48000, 32000}
)

// Fields that must not change within a file: sync, version, layer, rate.
const mp3KindMask = 0xFFFE0C00

func (h mp3Header) valid() bool {
	const layer3 = 1
	return h>>21 == 0x7FF && h>>19&3 != 1 && h>>17&3 == layer3 && h>>10&3 != 3 && h.bitrate() > 0 && h&3 != 2
}

func (h mp3Header) sameKind(o mp3Header) bool { return h&mp3KindMask == o&mp3KindMask }

func (h mp3Header) mpeg1() bool  { return h>>19&3 == 3 }
func (h mp3Header) mpeg25() bool { return h>>19&3 == 0 }
func (h mp3Header) mono() bool   { return h>>6&3 == 3 }

// crc is the length of the checksum after the header.
func (h mp3Header) crc() int {
	if h>>16&1 == 0 {
		return 2
	}
	return 0
}

// rate is in samples a second.
func (h mp3Header) rate() int {
	rate := mpeg1Rates[h>>10&3]
	switch {
	case h.mpeg25():
		return rate / 4
	case !h.mpeg1():
		return rate / 2
	}
	return rate
}

// bitrate is in kbit/s.
func (h mp3Header) bitrate() int {
	if h.mpeg1() {
		return mpeg1Bitrates[h>>12&15]
	}
	return mpeg2Bitrates[h>>12&15]
}

// size is the length of the frame in bytes.
func (h mp3Header) size() int {
	slots := 72
	if h.mpeg1() {
		slots = 144
	}
	return slots*h.bitrate()*1000/h.rate() + int(h>>9&1)
}

// sideInfo is the length of the side information.
func (h mp3Header) sideInfo() int {
	switch {
	case h.mpeg1() && h.mono():
		return 17
	case h.mpeg1():
		return 32
	case h.mono():
		return 9
	}
	return 17
}

// dataBits is how much main data an MPEG-2 frame uses: the sum of
// part2_3_length over its channels (13818-3 §2.4.1.7).
func (h mp3Header) dataBits(info []byte) int {
	const perChannel = 63
	if h.mono() {
		return bitField(info, 8+1, 12)
	}
	return bitField(info, 8+2, 12) + bitField(info, 8+2+perChannel, 12)
}

// bitField reads n bits from position at, most significant first.
func bitField(b []byte, at, n int) int {
	v := 0
	for i := at; i < at+n; i++ {
		v = v<<1 | int(b[i/8]>>(7-i%8)&1)
	}
	return v
}

// roomFor is the header with the lowest bit rate whose frame, without padding
// and checksum, has n bytes, and that frame's size; failing that, the largest.
func (h mp3Header) roomFor(n int) (mp3Header, int) {
	const padding, noChecksum = 1 << 9, 1 << 16
	h = h&^(0xF<<12|padding) | noChecksum
	for index := mp3Header(1); ; index++ {
		if c := h | index<<12; index == 14 || c.size() >= n {
			return c, c.size()
		}
	}
}
