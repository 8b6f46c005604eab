package sound

import (
	"sync"
	"sync/atomic"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// encodeAhead are the frames that are encoded before a prompt can be played;
// the rest follows in the background, much faster than it is heard.
const encodeAhead = audio.FramesPerSec / 2

// Encoded is a prompt in the payload format of one codec.
type Encoded struct {
	codec  *codec.Codec
	frames int
	data   []byte       // of a codec without framing: FrameSamples bytes a frame
	pieces [][]byte     // of the others: the frames
	source audio.Piece  // what is encoded; none for G.711, whose data tells
	ready  atomic.Int64 // frames that are encoded

	mu      sync.Mutex
	encoder codec.Encoder // nil when all is done
	scratch []byte
	filter  audio.Wider
	in, out [audio.WideFrame]int16
}

func encodePrompt(p *Prompt, c *codec.Codec) *Encoded {
	e := &Encoded{codec: c, frames: p.Frames()}
	if c.G711 != nil {
		e.data = make([]byte, e.frames*audio.FrameSamples)
		c.Encode(e.data, p.pcm)
		copy(e.data[len(p.pcm):], c.Silence())
		e.ready.Store(int64(e.frames))
		return e
	}
	e.source = p.best(c.Rate)
	e.encoder, e.scratch = c.NewEncoder(), make([]byte, codec.MaxPayload)
	if c.Steady {
		e.data = make([]byte, e.frames*audio.FrameSamples)
	} else {
		e.pieces = make([][]byte, e.frames)
	}
	e.encode(min(e.frames, encodeAhead))
	return e
}

// Complete encodes what is left, or up to when stop says so. It may be called
// by several: one works, the others wait for it.
func (e *Encoded) Complete(stop *atomic.Bool) {
	for !e.Done() && (stop == nil || !stop.Load()) {
		e.encode(encodeAhead)
	}
}

func (e *Encoded) Done() bool { return e.ready.Load() == int64(e.frames) }

// encode encodes the next n frames.
func (e *Encoded) encode(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := int(e.ready.Load())
	for i := first; i < min(first+n, e.frames); i++ {
		e.put(i, e.scratch[:e.encoder.Encode(e.scratch, e.fitted(i))])
		e.ready.Store(int64(i + 1))
	}
	if e.Done() {
		e.encoder, e.scratch = nil, nil
	}
}

func (e *Encoded) put(i int, payload []byte) {
	if e.data != nil {
		copy(e.data[i*audio.FrameSamples:], payload)
		return
	}
	e.pieces[i] = append([]byte(nil), payload...)
}

// fitted is the audio of frame i at the codec's rate, the last one padded with
// silence.
func (e *Encoded) fitted(i int) []int16 {
	n := e.source.Rate / audio.FramesPerSec
	in := e.in[:n]
	clear(in[copy(in, e.Piece(i).Samples):])
	if e.source.Rate == e.codec.Rate {
		return in
	}
	return e.filter.Process(e.out[:], in)
}

// Codec is the format of the frames.
func (e *Encoded) Codec() *codec.Codec { return e.codec }

// Frames is the number of frames.
func (e *Encoded) Frames() int { return e.frames }

// Frame is the payload of frame i, shared: do not write to it. The last frame
// is padded with silence, and a frame that does not exist, or not yet, is
// silence.
func (e *Encoded) Frame(i int) []byte {
	if i < 0 || int64(i) >= e.ready.Load() {
		return e.codec.Silence()
	}
	if e.pieces != nil {
		return e.pieces[i]
	}
	const n = audio.FrameSamples
	return e.data[i*n : (i+1)*n : (i+1)*n]
}

// Piece is the audio of frame i, shared, shorter at the end of the prompt; none
// where the payload itself tells it (G.711).
func (e *Encoded) Piece(i int) audio.Piece {
	n := e.source.Rate / audio.FramesPerSec
	pcm := e.source.Samples
	return audio.Piece{Samples: pcm[min(i*n, len(pcm)):min((i+1)*n, len(pcm))], Rate: e.source.Rate}
}
