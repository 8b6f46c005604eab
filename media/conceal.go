package media

import "github.com/loopstart/loopstart/media/audio"

// Loss concealment: what a listener hears in place of a lost packet. The last
// pitch period is repeated, first alone, then two and three of them, so that it
// does not buzz; after 10 ms it fades, and after 60 ms it is silent, the course
// of ITU-T G.711 Appendix I. Unlike there nothing is delayed.
const (
	concealHistory = 512 // samples, four of the longest periods and a bit
	pitchLeast     = audio.SampleRate / 200
	pitchMost      = audio.SampleRate * 15 / 1000 // 66 Hz
	pitchWindow    = audio.FrameSamples
	concealFull    = audio.SampleRate / 100      // samples at full volume
	concealMost    = 6 * concealFull             // and until silence
	concealPeriods = 3                           // repeated together
	concealSeam    = concealFull                 // longest cross-fade back into what is real
	concealSeam0   = 4 * audio.SampleRate / 1000 // and the shortest
	concealFade    = concealMost - concealFull   // samples of the fade
)

// concealer makes the audio of gaps out of the audio before them. It sees one
// stream in the order in which it is heard.
type concealer struct {
	past [concealHistory]int16 // what was heard last
	from [concealHistory]int16 // past as it was when the gap began
	gone int                   // samples concealed in this gap, 0 = none
	lag  int                   // pitch period
	span int                   // what is being repeated
	next int                   // what will be, 0 = not chosen yet
	pos  int                   // in span
}

// real takes samples that were received; after a gap their beginning is
// cross-faded in place.
func (c *concealer) real(pcm []int16) {
	if c.gone > 0 {
		n := min(len(pcm), concealSeam, concealSeam0*(1+c.gone/concealFull))
		for i := range n {
			made := int(c.sample())
			pcm[i] = int16((made*(n-i) + int(pcm[i])*i) / n)
		}
		c.gone = 0
	}
	c.keep(pcm)
}

// conceal fills pcm in place of what was lost.
func (c *concealer) conceal(pcm []int16) {
	if c.gone == 0 {
		c.from = c.past
		c.lag = pitchOf(&c.from)
		c.span, c.next, c.pos = c.lag, 0, 0
	}
	for i := range pcm {
		pcm[i] = c.sample()
	}
	c.keep(pcm)
}

// sample is the next one of a gap.
func (c *concealer) sample() int16 {
	gain := concealFade
	if c.gone > concealFull {
		gain = max(0, concealMost-c.gone)
	}
	c.gone++
	if gain == 0 {
		return 0
	}
	v := int(c.from[concealHistory-c.span+c.pos])
	// The end of a repetition fades into what stood before the next one.
	if seam, left := c.lag/4, c.span-c.pos; left <= seam {
		if c.next == 0 {
			c.next = c.lag * min(concealPeriods, 1+c.gone/concealFull)
		}
		v = (v*left + int(c.from[concealHistory-c.next-left])*(seam-left)) / seam
	}
	if c.pos++; c.pos == c.span {
		c.span, c.next, c.pos = c.next, 0, 0
	}
	return int16(v * gain / concealFade)
}

// keep remembers what was heard.
func (c *concealer) keep(pcm []int16) {
	if len(pcm) >= concealHistory {
		copy(c.past[:], pcm[len(pcm)-concealHistory:])
		return
	}
	copy(c.past[:], c.past[len(pcm):])
	copy(c.past[concealHistory-len(pcm):], pcm)
}

// pitchOf is the lag at which the newest part resembles what was before it the
// most; among equals the shortest. It looks at every other lag and sample first.
func pitchOf(past *[concealHistory]int16) int {
	best, lag := 0.0, pitchMost
	for l := pitchLeast; l <= pitchMost; l += 2 {
		// A multiple of the period is as like as the period itself.
		if score := likeness(past, l, 2); score > best*1.02 {
			best, lag = score, l
		}
	}
	best, around := 0.0, lag
	for l := max(pitchLeast, around-1); l <= min(pitchMost, around+1); l++ {
		if score := likeness(past, l, 1); score > best {
			best, lag = score, l
		}
	}
	return lag
}

// likeness is how much of the newest part's energy is that of l samples before;
// 0 when they are opposites.
func likeness(past *[concealHistory]int16, l, step int) float64 {
	dot, power := int64(0), int64(1)
	for i := concealHistory - pitchWindow; i < concealHistory; i += step {
		o := int64(past[i-l])
		dot += int64(past[i]) * o
		power += o * o
	}
	if dot <= 0 {
		return 0
	}
	return float64(dot) * (float64(dot) / float64(power))
}
