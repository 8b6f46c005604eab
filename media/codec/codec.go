// Package codec turns audio into the payloads of RTP and back: G.711 (PCMA,
// PCMU), G.722 and Opus.
//
// # Concurrency
//
// A [Codec] is immutable and shared by all. An [Encoder] or [Decoder] is one
// stream's and belongs to one goroutine at a time; with G.711 it has no state.
//
// # Limits
//
// A payload has at most [MaxPayload] bytes, a datagram [MaxPacket], and what is
// decoded of one at most [MaxDecoded] samples.
package codec

import (
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/media/audio"
)

// Codec is an audio format on the wire. Only the package's own codecs can
// encode and decode; they are compared by pointer.
type Codec struct {
	Name     string // encoding name of the rtpmap
	PT       uint8  // payload type of our offers: the static one of RFC 3551 §6, or a dynamic one
	Clock    int    // RTP clock rate in Hz
	Rate     int    // samples a second of its audio: SampleRate or WideRate
	Channels int    // of the rtpmap; the audio itself is always mono

	Slot   int         // of the codec in arrays of Slots entries
	Steady bool        // payloads can be cut and joined at any byte: 64 kbit/s, no framing
	G711   *Companding // nil for codecs with a memory

	silence  []byte         // an encoded frame of it
	encoders func() Encoder // makes the state of a stream
	decoders func() Decoder
}

// Encoder is the sending side of one stream of a codec. It belongs to one
// goroutine.
type Encoder interface {
	// Encode writes the payload of one frame, FrameLen samples, to dst and
	// returns its length; dst has room for MaxPayload bytes.
	Encode(dst []byte, pcm []int16) int
}

// Decoder is the receiving side of one stream of a codec. It belongs to one
// goroutine.
type Decoder interface {
	// Decode writes the audio of a payload to dst and returns how many samples
	// it is: 0 for a payload that is damaged or longer than dst. dst has room for
	// MaxDecoded samples.
	Decode(dst []int16, payload []byte) int
	// Conceal fills dst with what may stand for lost audio of that length. next
	// is the payload that follows it, if it is there. It reports false when the
	// codec has no way of its own to do so.
	Conceal(dst []int16, next []byte) bool
}

// Sizes of payloads and of what becomes of them.
const (
	MaxPacket  = 2048     // bytes of a datagram that are read
	MaxPayload = 1275     // bytes of one encoded frame: the most that Opus makes, RFC 6716 §3.4
	MaxDecoded = 2 * 2048 // samples of one packet: a datagram of G.722
)

// The codecs by slot.
const (
	slotPCMA = iota
	slotPCMU
	slotG722
	slotOpus
	Slots
)

// All returns all codecs in the order of preference.
func All() []*Codec { return []*Codec{PCMA, PCMU, G722, Opus} }

// ByName finds a codec by its encoding name in any case.
func ByName(name string) (*Codec, bool) {
	for _, c := range All() {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return nil, false
}

// NewEncoder makes the state of a stream that is sent.
func (c *Codec) NewEncoder() Encoder { return c.encoders() }

// NewDecoder makes the state of a stream that is received.
func (c *Codec) NewDecoder() Decoder { return c.decoders() }

// FrameLen is the number of samples in a frame of 20 ms.
func (c *Codec) FrameLen() int { return c.Rate / audio.FramesPerSec }

// Wide reports whether the codec carries wideband audio.
func (c *Codec) Wide() bool { return c.Rate > audio.SampleRate }

// Factor is the number of RTP clock ticks in a unit of time.
func (c *Codec) Factor() uint32 { return audio.Ticks(c.Clock) }

// Silence is one encoded frame of silence, shared by all: do not write to it.
func (c *Codec) Silence() []byte { return c.silence }

// String is the codec as in an rtpmap, "PCMA/8000" or "opus/48000/2".
func (c *Codec) String() string {
	s := c.Name + "/" + strconv.Itoa(c.Clock)
	if c.Channels > 1 {
		s += "/" + strconv.Itoa(c.Channels)
	}
	return s
}
