// Package audio is the audio of calls as samples: mono, signed 16 bit, 8000 or
// 16000 a second, in frames of 20 ms. It measures levels and turns one rate into
// another, with a short filter on the way and a long one for files.
//
// # Concurrency
//
// Functions are pure. A filter belongs to one stream and one goroutine at a time.
package audio

import (
	"math"
	"time"
)

// All timelines (sender, recordings, taps, bridges) count in units of 1/8000 s
// whatever the codec: RTP clocks are translated where packets come in and go
// out, see [Ticks]. Audio is at the rate of its codec: a frame of FrameSamples
// units has FrameSamples or WideFrame samples.
const (
	SampleRate    = 8000                  // units of time in a second, and samples of narrowband audio
	WideRate      = 16000                 // samples a second of wideband audio
	FrameDuration = 20 * time.Millisecond // what all audio is made in
	FrameSamples  = 160                   // units of time in a frame, and samples of a narrowband one
	FramesPerSec  = int(time.Second / FrameDuration)

	WideFrame = FrameSamples * WideRate / SampleRate // samples in a wideband frame
)

// Ticks is the number of clock ticks in a unit of time, at least 1.
func Ticks(hz int) uint32 { return max(1, uint32(hz/SampleRate)) }

// Samples is a duration in samples.
func Samples(d time.Duration) int64 { return int64(d) * SampleRate / int64(time.Second) }

// Clip is the nearest value that a sample can have.
func Clip(v int32) int16 { return int16(max(-1<<15, min(1<<15-1, v))) }

// Round is the nearest value that a sample can have.
func Round(v float32) int16 {
	if v < 0 {
		return int16(max(v-0.5, math.MinInt16))
	}
	return int16(min(v+0.5, math.MaxInt16))
}
