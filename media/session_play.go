package media

import "math"

// player is one playback: made by the host, owned by the shard afterwards.
type player struct {
	id      uint32
	loop    bool
	frames  int // of one pass over all parts
	totalMs int
	codec   *Codec
	parts   []*Encoded // nil before a codec is agreed on
	endless []bool

	part, frame int // what comes next
	sent        int // frames
}

func newPlayer(id uint32, prompts []*Prompt, loop bool) *player {
	p := &player{id: id, loop: loop}
	for _, prompt := range prompts {
		p.frames += prompt.Frames()
		p.totalMs += int(prompt.Duration().Milliseconds())
	}
	return p
}

// encode fetches the frames for c; it may take milliseconds and so happens
// before the shard sees the player.
func (p *player) encode(prompts []*Prompt, c *Codec) {
	p.codec = c
	p.parts = make([]*Encoded, 0, len(prompts))
	p.endless = make([]bool, 0, len(prompts))
	p.frames = 0
	for _, prompt := range prompts {
		if e := prompt.Encoded(c); e.Frames() > 0 {
			p.parts = append(p.parts, e)
			p.endless = append(p.endless, prompt.Endless())
			p.frames += e.Frames()
		}
	}
}

// recode takes over the frames of the same playback in another codec.
func (p *player) recode(again *player) {
	p.codec, p.parts, p.endless, p.frames = again.codec, again.parts, again.endless, again.frames
}

// over reports whether nothing is left to play.
func (p *player) over() bool { return p.frames == 0 || p.part >= len(p.parts) }

// next is the payload of the next frame, and its audio as in Encoded.Sound; not to be called when over.
func (p *player) next() (payload []byte, pcm []int16) {
	e := p.parts[p.part]
	payload, pcm = e.Frame(p.frame), e.Sound(p.frame)
	p.advance()
	p.sent++
	return payload, pcm
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
	ms := p.sent * int(FrameDuration.Milliseconds())
	if !p.loop && p.over() {
		ms = min(ms, p.totalMs)
	}
	return ms
}

// scaled are private copies of the prompts at another volume.
func scaled(prompts []*Prompt, volume float64) []*Prompt {
	out := make([]*Prompt, len(prompts))
	for i, p := range prompts {
		pcm := make([]int16, len(p.PCM()))
		for j, v := range p.PCM() {
			pcm[j] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(v)*volume))))
		}
		out[i] = NewPrompt(pcm)
		out[i].endless = p.endless
	}
	return out
}
