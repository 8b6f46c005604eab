package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// player is one playback: made by the host, owned by the shard afterwards.
type player struct {
	id      uint32
	loop    bool
	frames  int // of one pass over all parts
	totalMs int
	codec   *codec.Codec
	parts   []*sound.Encoded // nil before a codec is agreed on
	endless []bool

	part, frame int // what comes next
	sent        int // frames
	start       int // frame at which it begins, until the parts are there
	paused      bool
	waited      int // frames in which the party held us
}

// holdPatience is how long a playback waits for a party that holds us.
const holdPatience = 30 * time.Second

func newPlayer(id uint32, prompts []*sound.Prompt, pb Playback) *player {
	p := &player{id: id, loop: pb.Loop, start: wholeFrames(pb.From), paused: pb.Paused}
	for _, prompt := range prompts {
		p.frames += prompt.Frames()
		p.totalMs += int(prompt.Duration().Milliseconds())
	}
	p.totalMs = max(0, p.totalMs-int(pb.From.Milliseconds()))
	return p
}

func wholeFrames(d time.Duration) int { return int(d / audio.FrameDuration) }

// encode fetches the frames for c; it may take milliseconds and so happens
// before the shard sees the player.
func (p *player) encode(e *Engine, prompts []*sound.Prompt, c *codec.Codec) {
	p.codec = c
	p.parts = make([]*sound.Encoded, 0, len(prompts))
	p.endless = make([]bool, 0, len(prompts))
	p.frames = 0
	for _, prompt := range prompts {
		if form := e.encoded(prompt, c); form.Frames() > 0 {
			p.parts = append(p.parts, form)
			p.endless = append(p.endless, prompt.Endless())
			p.frames += form.Frames()
		}
	}
	p.place(p.start)
	p.start = 0
}

// position is the frame that comes next, from the beginning.
func (p *player) position() int {
	at := p.frame
	for _, e := range p.parts[:min(p.part, len(p.parts))] {
		at += e.Frames()
	}
	return at
}

// seek goes on elsewhere.
func (p *player) seek(to time.Duration, relative bool) {
	if p.parts == nil {
		if relative {
			to += time.Duration(p.start) * audio.FrameDuration
		}
		p.start = max(0, wholeFrames(to))
		return
	}
	frame := wholeFrames(to)
	if relative {
		frame += p.position()
	}
	p.place(frame)
}

// place makes a frame the next one.
func (p *player) place(frame int) {
	frame = max(0, frame)
	if p.loop && p.frames > 0 {
		frame %= p.frames
	}
	for p.part = 0; p.part < len(p.parts); p.part++ {
		n := p.parts[p.part].Frames()
		if p.endless[p.part] {
			frame %= n
		}
		if frame < n {
			break
		}
		frame -= n
	}
	p.frame = frame
	if p.part == len(p.parts) {
		p.frame = 0
	}
}

// recode takes over the frames of the same playback in another codec.
func (p *player) recode(again *player) {
	waited := p.parts == nil
	p.codec, p.parts, p.endless, p.frames = again.codec, again.parts, again.endless, again.frames
	if waited {
		p.place(p.start)
	}
}

// over reports whether nothing is left to play.
func (p *player) over() bool { return p.frames == 0 || p.part >= len(p.parts) }

// next is the payload of the next frame, and its audio as in Encoded.sound; not to be called when over.
func (p *player) next() (payload []byte, heard audio.Piece) {
	e := p.parts[p.part]
	payload, heard = e.Frame(p.frame), e.Piece(p.frame)
	p.advance()
	p.sent++
	return payload, heard
}

// advance moves on by one frame that may not have been sent.
func (p *player) advance() {
	if p.over() {
		return
	}
	p.frame++
	if p.frame < p.parts[p.part].Frames() {
		return
	}
	p.frame = 0
	if p.endless[p.part] {
		return
	}
	p.part++
	if p.part == len(p.parts) && p.loop {
		p.part = 0
	}
}

// playedMs is what has really been sent, without the padding of the end.
func (p *player) playedMs() int {
	ms := p.sent * int(audio.FrameDuration.Milliseconds())
	if !p.loop && p.over() {
		ms = min(ms, p.totalMs)
	}
	return ms
}

// encodingLimit bounds the prompts that are encoded in the background at once;
// beyond it whoever plays one waits for it.
const encodingLimit = 64

// encoded is a prompt in c, of which half a second at least can be played at once.
// Where time is virtual it may run faster than the background: all is done here.
func (e *Engine) encoded(p *sound.Prompt, c *codec.Codec) *sound.Encoded {
	form := p.Form(c)
	switch {
	case form.Done():
	case e.cfg.Fabric != nil:
		form.Complete(nil)
	case e.encoding.Add(1) > encodingLimit:
		form.Complete(&e.stopped)
		e.encoding.Add(-1)
	default:
		go func() {
			form.Complete(&e.stopped)
			e.encoding.Add(-1)
		}()
	}
	return form
}

// scaled are private copies of the prompts at another volume.
func scaled(prompts []*sound.Prompt, volume float64) []*sound.Prompt {
	out := make([]*sound.Prompt, len(prompts))
	for i, p := range prompts {
		out[i] = p.Louder(volume)
	}
	return out
}
