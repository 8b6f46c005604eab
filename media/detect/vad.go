package detect

import (
	"math"
	"math/bits"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// VADEvent is what a frame has changed.
type VADEvent uint8

// The events.
const (
	VADNothing VADEvent = iota
	SpeechBegan
	SpeechEnded
)

// Voice activity. A frame is speech when it is well above the noise floor and
// is no key tone. The floor is the quietest frame of the last seconds: speech
// has pauses between its syllables, noise has not.
const (
	vadMargin   = 8.0   // dB above the floor
	vadQuietest = -46.0 // dBFS; below it nothing is speech
	vadLoudest  = -34.0 // dBFS; the floor goes no higher
	vadBlock    = 25    // frames whose quietest is remembered
	vadBlocks   = 6     // of them, 3 s
	vadWindow   = 10    // frames that decide on the beginning
	vadEnough   = 5     // of them are speech: 100 ms

	// DefaultHangover is the pause after which speech is over.
	DefaultHangover = 800 * time.Millisecond
)

// VAD finds the beginning and the end of speech in frames of 20 ms. It is a
// pure state machine: no clock, no goroutine, no allocation. The zero value
// is ready to use.
type VAD struct {
	// Hangover is the silence after which speech has ended; 0 means
	// DefaultHangover.
	Hangover time.Duration

	blocks  [vadBlocks]float64 // quietest frame of each
	known   int                // blocks that are filled
	block   int                // the one that is being filled
	frames  int                // in it
	recent  uint16             // the latest frames, a bit each
	silent  int                // frames since the latest speech
	talking bool
}

// Speaking reports whether speech has begun and not ended.
func (v *VAD) Speaking() bool { return v.talking }

// Frame takes the next 20 ms.
func (v *VAD) Frame(pcm []int16) VADEvent {
	level := levelOf(pcm)
	v.learn(level)
	active := level > max(v.floor()+vadMargin, vadQuietest) && !isKeyTone(pcm)
	v.recent = v.recent << 1 & (1<<vadWindow - 1)
	if active {
		v.recent |= 1
		v.silent = 0
	} else {
		v.silent++
	}
	switch {
	case !v.talking && bits.OnesCount16(v.recent) >= vadEnough:
		v.talking = true
		return SpeechBegan
	case v.talking && time.Duration(v.silent)*audio.FrameDuration >= v.hangover():
		v.talking, v.recent = false, 0
		return SpeechEnded
	}
	return VADNothing
}

func (v *VAD) hangover() time.Duration {
	if v.Hangover > 0 {
		return v.Hangover
	}
	return DefaultHangover
}

// learn keeps the quietest frames.
func (v *VAD) learn(level float64) {
	if v.frames == 0 || level < v.blocks[v.block] {
		v.blocks[v.block] = level
	}
	v.known = max(v.known, v.block+1)
	if v.frames++; v.frames == vadBlock {
		v.frames = 0
		v.block = (v.block + 1) % vadBlocks
	}
}

// floor is the level of the noise. The block that has just begun is left out
// while there are others: it may hold nothing but the middle of a syllable.
func (v *VAD) floor() float64 {
	floor := math.Inf(1)
	for i := range v.known {
		if i != v.block || v.known == 1 || v.frames > vadBlock/2 {
			floor = min(floor, v.blocks[i])
		}
	}
	if v.known == 1 {
		// Speech that begins at once looks like noise; wait for its pauses.
		floor = min(floor, vadQuietest)
	}
	return min(floor, vadLoudest)
}

// levelOf is the energy of a frame in dB below full scale.
func levelOf(pcm []int16) float64 {
	if len(pcm) == 0 {
		return -100
	}
	var sum, square float64
	for _, s := range pcm {
		sum += float64(s)
		square += float64(s) * float64(s)
	}
	n := float64(len(pcm))
	mean := sum / n // an offset is no sound
	return 10 * math.Log10(max(square/n-mean*mean, 1e-3)/(1<<30))
}

// keyShare is the share of a frame's energy that is in one low and one high
// key tone when a key is pressed; speech spreads over its harmonics.
const keyShare = 0.75

// isKeyTone reports whether a frame is the sound of a key and nothing else.
func isKeyTone(pcm []int16) bool {
	total := 0.0
	for _, s := range pcm {
		total += float64(s) * float64(s)
	}
	if total == 0 {
		return false
	}
	share := 0.0
	for _, group := range [2][4]float64{toneRows, toneColumns} {
		best := 0.0
		for _, hz := range group {
			best = max(best, audio.Goertzel(pcm, hz))
		}
		if share += best; best < total*0.1 {
			return false
		}
	}
	return share > keyShare*total
}
