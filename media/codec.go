package media

import (
	"strings"
	"time"
)

// The one shape of audio inside the package.
const (
	SampleRate    = 8000                  // samples a second
	FrameDuration = 20 * time.Millisecond // one packet
	FrameSamples  = 160                   // samples in a frame
	FramesPerSec  = int(time.Second / FrameDuration)
)

// Codec is an audio format on the wire. The package's own codecs ([PCMA],
// [PCMU]) are the only ones that can encode; they are compared by pointer.
type Codec struct {
	Name       string // encoding name of the rtpmap, upper case
	PT         uint8  // static payload type, RFC 3551 §6
	Clock      int    // RTP clock rate in Hz
	FrameBytes int    // payload of one 20 ms frame

	slot    int            // index of the encoded form in a Prompt
	encode  *[1 << 14]byte // by the upper 14 bits of a sample
	decode  *[1 << 8]int16 // by code word
	silence [FrameSamples]byte
}

// The codecs of ITU-T G.711.
var (
	PCMA = newG711("PCMA", 8, 0, alawEncode, alawDecode)
	PCMU = newG711("PCMU", 0, 1, mulawEncode, mulawDecode)
)

// codecSlots is the number of codecs that a prompt can be encoded in.
const codecSlots = 2

// Codecs returns all codecs in the order of preference.
func Codecs() []*Codec { return []*Codec{PCMA, PCMU} }

// CodecByName finds a codec by its encoding name in any case.
func CodecByName(name string) (*Codec, bool) {
	for _, c := range Codecs() {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return nil, false
}

// Encode writes len(pcm) bytes to dst, which must be at least as long.
func (c *Codec) Encode(dst []byte, pcm []int16) {
	dst = dst[:len(pcm)]
	table := c.encode
	for i, s := range pcm {
		dst[i] = table[uint16(s)>>2]
	}
}

// Decode writes len(payload) samples to dst, which must be at least as long.
func (c *Codec) Decode(dst []int16, payload []byte) {
	dst = dst[:len(payload)]
	table := c.decode
	for i, b := range payload {
		dst[i] = table[b]
	}
}

// Silence is one encoded frame of silence, shared by all: do not write to it.
func (c *Codec) Silence() []byte { return c.silence[:] }

// String is the codec as in an rtpmap, "PCMA/8000".
func (c *Codec) String() string { return c.Name + "/8000" }
