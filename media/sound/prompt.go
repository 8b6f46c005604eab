// Package sound is what calls hear that is not a party: prompts, ready to be
// played in any codec ([Prompt]), tones made from a specification ([Tone]), and
// files: WAV, MP3 and Opus in Ogg are read ([Library]), WAV and Ogg are written.
//
// # Concurrency
//
// A [Prompt] and its encoded forms are immutable and shared by all calls without
// a lock. A [Library] may be used from any goroutine.
//
// # Limits
//
// Files, their lengths, the memory for prompts and the decoders have named limits
// ([DefaultLibraryBytes], [DefaultAudioFile], [MaxWAVBytes], …).
//
// # Errors
//
// They are *fault.Error: NotFound for a missing file, Media for audio that
// cannot be decoded, Limit for a named limit, Invalid for a specification.
package sound

import (
	"math"
	"sync"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Prompt is immutable audio, mono, 16 bit, 8 kHz, and the same at 16 kHz if its
// source had more than a telephone carries. It is encoded once per codec and the
// frames are shared by every call that plays it.
type Prompt struct {
	pcm     []int16
	wide    []int16 // at WideRate; nil: made of pcm where it is needed
	endless bool
	encoded [codec.Slots]struct {
		once sync.Once
		form *Encoded
	}
}

// NewPrompt takes over pcm at 8 kHz, which must not be changed any more.
func NewPrompt(pcm []int16) *Prompt { return &Prompt{pcm: pcm} }

// NewEndless takes over a period at 8 kHz of a sound that does not end.
func NewEndless(pcm []int16) *Prompt { return &Prompt{pcm: pcm, endless: true} }

// NewWidePrompt takes over pcm at 16 kHz.
func NewWidePrompt(pcm []int16) *Prompt {
	return &Prompt{pcm: audio.Narrowed(pcm), wide: pcm}
}

// Frames is the number of 20 ms frames; the last one may be partly padding.
func (p *Prompt) Frames() int { return (len(p.pcm) + audio.FrameSamples - 1) / audio.FrameSamples }

// Duration is the length of the audio without the padding of the last frame.
func (p *Prompt) Duration() time.Duration {
	return time.Duration(len(p.pcm)) * time.Second / audio.SampleRate
}

// PCM is the audio itself at 8 kHz, shared: do not write to it.
func (p *Prompt) PCM() []int16 { return p.pcm }

// Wide is the audio at 16 kHz, shared; nil when there is no more in it than at
// 8 kHz.
func (p *Prompt) Wide() []int16 { return p.wide }

// widest is the audio at 16 kHz, made of what there is.
func (p *Prompt) widest() []int16 {
	if p.wide != nil {
		return p.wide
	}
	return audio.Widened(p.pcm)
}

// Endless reports whether the audio is one period of a sound without an end,
// such as a tone with no duration: a player starts it again by itself.
func (p *Prompt) Endless() bool { return p.endless }

// best is the audio for a codec of a rate: what is there.
func (p *Prompt) best(rate int) audio.Piece {
	if rate == audio.WideRate && p.wide != nil {
		return audio.Piece{Samples: p.wide, Rate: audio.WideRate}
	}
	return audio.Piece{Samples: p.pcm, Rate: audio.SampleRate}
}

// Encoded is the prompt as payloads of c. The first call per codec encodes:
// about 0.3 ms per minute of audio in G.711, a hundred times that in G.722 and a
// thousand times in Opus. Later calls cost one atomic load.
func (p *Prompt) Encoded(c *codec.Codec) *Encoded {
	e := p.Form(c)
	e.Complete(nil)
	return e
}

// Form is the prompt in c with its first frames encoded; see [Encoded.Complete].
func (p *Prompt) Form(c *codec.Codec) *Encoded {
	x := &p.encoded[c.Slot]
	x.once.Do(func() { x.form = encodePrompt(p, c) })
	return x.form
}

// bytes is what the prompt can grow to: samples, and encoded forms of a byte a
// sample or less.
func (p *Prompt) bytes() int64 {
	return int64(len(p.pcm))*(2+codec.Slots) + int64(len(p.wide))*2
}

// Louder is a copy at another volume, 1 being the same.
func (p *Prompt) Louder(volume float64) *Prompt {
	return &Prompt{pcm: louder(p.pcm, volume), wide: louder(p.wide, volume), endless: p.endless}
}

func louder(pcm []int16, volume float64) []int16 {
	if pcm == nil {
		return nil
	}
	out := make([]int16, len(pcm))
	for i, v := range pcm {
		out[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(v)*volume))))
	}
	return out
}
