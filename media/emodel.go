package media

import (
	"math"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// The E-model of ITU-T G.107, reduced to what a receiver of packets knows: the
// rating R is what a call over a perfect network has, less what delay and loss
// take away. It is on the narrowband scale, so that a wideband codec cannot
// score above G.711 and calls can be compared whatever their codec.
const (
	emodelBest     = 93.2  // R of a call with nothing wrong with it, G.107 defaults
	emodelDelay    = 0.024 // taken by each ms of delay …
	emodelLate     = 0.11  // … and by each ms beyond emodelPatience
	emodelPatience = 177.3 // ms
	emodelWorst    = 95.0  // what complete loss takes
	emodelPlayout  = 2     // jitter buffers hold back about so many times the jitter
)

// impairment is a codec in the E-model: Ie, what its distortion takes, and Bpl,
// the share of packets in per cent that can be lost until half is gone.
type impairment struct{ ie, bpl float64 }

// impairments are G.113 Appendix I for G.711 with loss concealment. For the
// others it has no values on this scale; these are ours: a distortion that
// nobody hears in telephony, a concealment of G.722 that suffers from its
// memory, one of Opus with redundancy at hand.
var impairments = map[string]impairment{
	"PCMA": {0, 25.1}, "PCMU": {0, 25.1}, "L16": {0, 25.1}, "G722": {0, 18}, "opus": {0, 30},
}

// meanOpinion estimates how listeners rate what they hear in a codec, 1 (bad)
// to 4.4. loss is a share, 0–1; an unknown round trip is 0.
func meanOpinion(c *codec.Codec, loss, jitterMs, rttMs float64) float64 {
	im := impairments["PCMA"]
	if c != nil {
		if own, ok := impairments[c.Name]; ok {
			im = own
		}
	}
	delay := rttMs/2 + emodelPlayout*jitterMs + float64(audio.FrameDuration.Milliseconds())
	r := emodelBest - emodelDelay*delay - emodelLate*max(0, delay-emodelPatience)
	lost := 100 * loss
	r -= im.ie + (emodelWorst-im.ie)*lost/(lost+im.bpl)
	// G.107 Annex B.
	r = max(0, min(100, r))
	return math.Max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}
