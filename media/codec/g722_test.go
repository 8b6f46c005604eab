package codec

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

// The digital test sequences of ITU-T G.722 Appendix II run the sub-bands
// without the filters. Two of the three inputs are defined in the text of the
// Recommendation (Table II-3 and clause II.3.2), so that they are made here;
// every sequence, input and output, is known by the CRC-32 that the ITU has
// published of its file (Table II.6). Files are words of 16 bit, little endian:
// 16 marks of reset, the data, 16 marks.

// sequenceFile is the CRC-32 of data in the form of a test sequence.
func sequenceFile(words []uint16) uint32 {
	var b []byte
	mark := func() {
		for range 16 {
			b = binary.LittleEndian.AppendUint16(b, 1)
		}
	}
	mark()
	for _, w := range words {
		b = binary.LittleEndian.AppendUint16(b, w)
	}
	mark()
	return crc32.ChecksumIEEE(b)
}

func expectSequence(t *testing.T, name string, want uint32, words []uint16) {
	t.Helper()
	if got := sequenceFile(words); got != want {
		t.Errorf("%s: CRC-32 %08X, the ITU's is %08X", name, got, want)
	}
}

// overflowInput is Table II-3, "sequence for testing overflow controls".
func overflowInput() (x []int32) {
	for i := range 639 {
		x = append(x, []int32{-16384, 16383}[i%2])
	}
	x = append(x, 0, -10000, -8192)
	for i := range 126 {
		x = append(x, []int32{-16384, 16383, -16384}[i%3])
	}
	return x
}

// artificialInput is the sequence of code words of clause II.3.2.1 and II.3.2.2.
func artificialInput() (low, high []byte) {
	first := []string{"001", "11110000", "1", "1100", "10", "00000100", "00101", "11000"}
	last := []int{0, 16, -1, 8, -1, 4, 0, 2} // run length of ones and zeros; 0 = all ones, −1 = all zeros
	for n := range 1 << 14 {
		pattern := first[n/2048]
		sign := pattern[n%2048%len(pattern)] - '0'
		k := n / 256
		rest := byte(31 - k/2)
		if second := n%32 >= 16; k%2 == 1 && second {
			rest--
		}
		if k == 63 {
			rest = []byte{0, 3}[n/16%2]
		}
		low = append(low, sign<<5|rest)
		bit := byte(1)
		if run := last[n/2048]; run < 0 || run > 0 && n/run%2 == 1 {
			bit = 0
		}
		high = append(high, sign<<1|bit)
	}
	return low, high
}

func bandPair() (low, high *subBand) {
	return &subBand{detector: lowDetector}, &subBand{detector: highDetector}
}

func codeWords(low, high []byte) []uint16 {
	words := make([]uint16, len(low))
	for i := range low {
		words[i] = uint16(high[i])<<14 | uint16(low[i])<<8
	}
	return words
}

func TestG722EncoderAgainstTheITUsSequences(t *testing.T) {
	low, high := bandPair()
	var input []uint16
	var codesLow, codesHigh []byte
	for _, x := range overflowInput() {
		input = append(input, uint16(x<<1))
		codesLow = append(codesLow, low.encodeLow(x))
		codesHigh = append(codesHigh, high.encodeHigh(x))
	}
	expectSequence(t, "BT1C2.XMT", 0x2D604685, input)
	expectSequence(t, "BT2R2.COD", 0x344EA5D0, codeWords(codesLow, codesHigh))
	checkDecoder(t, codesLow, codesHigh, "BT3L2.RC1", 0xAF00F31F, "BT3H2.RC0", 0x5330AE2E)
}

func TestG722DecoderAgainstTheITUsSequences(t *testing.T) {
	codesLow, codesHigh := artificialInput()
	expectSequence(t, "BT1D3.COD", 0x7398964F, codeWords(codesLow, codesHigh))
	checkDecoder(t, codesLow, codesHigh, "BT3L3.RC1", 0xA5374659, "BT3H3.RC0", 0x3731AD7F)
}

func checkDecoder(t *testing.T, codesLow, codesHigh []byte, lowName string, lowSum uint32, highName string, highSum uint32) {
	t.Helper()
	low, high := bandPair()
	var outLow, outHigh []uint16
	for i := range codesLow {
		outLow = append(outLow, uint16(low.decodeLow(codesLow[i])<<1))
		outHigh = append(outHigh, uint16(high.decodeHigh(codesHigh[i])<<1))
	}
	expectSequence(t, lowName, lowSum, outLow)
	expectSequence(t, highName, highSum, outHigh)
}

func TestG722RoundTrip(t *testing.T) {
	for _, hz := range []float64{200, 1000, 3000, 5000, 6800} {
		in := mediatest.Sine(hz, audio.WideRate, audio.WideRate, 8000)
		code, out := make([]byte, len(in)/2), make([]int16, len(in))
		newG722Encoder().Encode(code, in)
		newG722Decoder().Decode(out, code)
		// The filters delay by 22 samples; a perfect codec would give the input back.
		const delay = 22
		noise := 0.0
		for i := 4000; i < 12000; i++ {
			d := float64(out[i+delay]) - float64(in[i])
			noise += d * d
		}
		snr := 10 * math.Log10(8000*8000/2*8000/noise)
		if snr < 15 {
			t.Errorf("%v Hz: %.1f dB", hz, snr)
		}
	}
}

// noisySweep is four seconds of everything: a tone that rises through the band,
// noise that comes and goes, and full scale.
func noisySweep() []int16 {
	pcm := make([]int16, 4*audio.WideRate)
	phase, state := 0.0, uint32(1)
	for i := range pcm {
		t := float64(i) / float64(len(pcm))
		phase += 2 * math.Pi * (50 + 7900*t) / audio.WideRate
		state = state*1664525 + 1013904223
		noise := float64(int32(state)) / (1 << 31)
		v := 14000*math.Sin(phase)*math.Abs(math.Sin(9*t)) + 9000*noise*math.Pow(math.Sin(31*t), 8)
		if i/4000%9 == 8 {
			v = 60000 * noise
		}
		pcm[i] = int16(max(-32768, min(32767, v)))
	}
	return pcm
}

// The whole codec with its filters gave, byte for byte, what the G.722 of FFmpeg
// 5.1.9 (libavcodec 59.37) gives, in both directions; these are the CRC-32 of it.
func TestG722AgainstAnotherImplementation(t *testing.T) {
	in := noisySweep()
	code, out := make([]byte, len(in)/2), make([]int16, len(in))
	newG722Encoder().Encode(code, in)
	newG722Decoder().Decode(out, code)
	var b []byte
	for _, v := range out {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	if got := crc32.ChecksumIEEE(code); got != 0x418239F7 {
		t.Errorf("encoded: %08X", got)
	}
	if got := crc32.ChecksumIEEE(b); got != 0x5DE7F7A0 {
		t.Errorf("decoded: %08X", got)
	}
}
