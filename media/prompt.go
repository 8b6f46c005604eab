package media

import (
	"sync"
	"time"
)

// Prompt is immutable audio, mono, 16 bit, 8 kHz. It is encoded once per codec
// and the frames are shared by every call that plays it.
type Prompt struct {
	pcm     []int16
	endless bool
	encoded [codecSlots]struct {
		once sync.Once
		form *Encoded
	}
}

// NewPrompt takes over pcm, which must not be changed any more.
func NewPrompt(pcm []int16) *Prompt { return &Prompt{pcm: pcm} }

// Frames is the number of 20 ms frames; the last one may be partly padding.
func (p *Prompt) Frames() int { return (len(p.pcm) + FrameSamples - 1) / FrameSamples }

// Duration is the length of the audio without the padding of the last frame.
func (p *Prompt) Duration() time.Duration {
	return time.Duration(len(p.pcm)) * time.Second / SampleRate
}

// PCM is the audio itself, shared: do not write to it.
func (p *Prompt) PCM() []int16 { return p.pcm }

// Endless reports whether the audio is one period of a sound without an end,
// such as a tone with no duration: a player starts it again by itself.
func (p *Prompt) Endless() bool { return p.endless }

// Encoded is the prompt as payloads of c. The first call per codec encodes,
// about 0.3 ms per minute of audio; later calls cost one atomic load.
func (p *Prompt) Encoded(c *Codec) *Encoded {
	e := &p.encoded[c.slot]
	e.once.Do(func() { e.form = encodePrompt(p, c) })
	return e.form
}

// bytes is what the prompt can grow to: samples plus every encoded form.
func (p *Prompt) bytes() int64 { return int64(len(p.pcm)) * (2 + codecSlots) }

// Encoded is a prompt in the payload format of one codec.
type Encoded struct {
	codec *Codec
	data  []byte // whole frames
}

func encodePrompt(p *Prompt, c *Codec) *Encoded {
	data := make([]byte, p.Frames()*FrameSamples)
	c.Encode(data, p.pcm)
	copy(data[len(p.pcm):], c.Silence())
	return &Encoded{codec: c, data: data}
}

// Codec is the format of the frames.
func (e *Encoded) Codec() *Codec { return e.codec }

// Frames is the number of frames.
func (e *Encoded) Frames() int { return len(e.data) / FrameSamples }

// Frame is the payload of frame i, shared: do not write to it. The last frame
// is padded with silence, and a frame that does not exist is silence.
func (e *Encoded) Frame(i int) []byte {
	const n = FrameSamples
	if i < 0 || i >= len(e.data)/n {
		return e.codec.Silence()
	}
	return e.data[i*n : (i+1)*n : (i+1)*n]
}

// Sound is the audio of frame i at the codec's rate, shared; nil where the
// payload itself tells it (G.711).
func (e *Encoded) Sound(i int) []int16 { return nil }
