package media

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sound"
)

// Sizes and limits of a recording.
const (
	recordersPerSession = 4
	recordChunk         = 8 << 10 // bytes of a channel, half a second: with recordDelay, what a killed process loses
	recordChunks        = 4
	recordDelay         = 12 * audio.FrameSamples // reordering and jitter that is waited for, 240 ms
)

// RecorderOptions says what a recording holds and when it ends by itself.
type RecorderOptions struct {
	Stereo      bool          // left what the party says, right what it hears
	Mixed       bool          // mono only: both directions added; false = only what the party says
	MaxDuration time.Duration // 0 = none
	Silence     time.Duration // end after so long without voice of the party; 0 = never
}

// Recorder writes one WAV file (s16le, 8 kHz) by RTP timestamps: what was lost
// on the way is concealed in its place, and what came in A-law or mu-law is
// there sample by sample as decoded, but for the seams with what was concealed
// and for a clock of the peer that has to be followed (see lane).
//
// It is created by the host, lent to one session by Session.Record, and gives
// its file back with RecordEnded; the file is not closed. The shard fills
// buffers in turn while writers empty them, so that a process that is killed
// loses less than a second. A disk that is too slow thins the
// recording (silence instead of audio, counted), a full one ends it; neither
// touches the call.
type Recorder struct {
	file     *os.File
	opts     RecorderOptions
	channels int
	paused   atomic.Bool
	masked   atomic.Bool
	claimed  atomic.Bool
	failed   atomic.Bool  // a write failed
	thinned  atomic.Int64 // samples per channel that were dropped

	owner recordOwner
	free  chan []byte // empty chunks; capacity recordChunks
	disk  recordFile  // owned by the writers, one job at a time

	// What follows is owned by the session's shard.
	origin    uint32 // our RTP timestamp at position 0
	lanes     [2]lane
	done      int64 // samples per channel taken out of the lanes
	lastVoice int64
	rests     bool   // the session may rest: lastLoud is kept up
	lastLoud  int64  // position behind the last audio of either side
	chunk     []byte // being filled; nil while both are being written
	offset    int64  // bytes of audio before chunk in the file
	missed    int64  // bytes not kept since the last chunk was full
	reason    string
}

// NewRecorder prepares a recording into an empty file opened for writing.
func NewRecorder(f *os.File, o RecorderOptions) *Recorder {
	r := &Recorder{file: f, opts: o, channels: 1, free: make(chan []byte, recordChunks)}
	if o.Stereo {
		r.channels = 2
	}
	return r
}

// File is the file that the recording goes to.
func (r *Recorder) File() *os.File { return r.file }

// Pause writes silence for both directions until it is called with false.
func (r *Recorder) Pause(on bool) { r.paused.Store(on) }

// Mask writes silence for the party only, while it enters secret digits.
func (r *Recorder) Mask(on bool) { r.masked.Store(on) }

// Thinned is how much audio a slow disk has turned into silence so far.
func (r *Recorder) Thinned() time.Duration {
	return time.Duration(r.thinned.Load()) * time.Second / audio.SampleRate
}

// recordOwner is the session or mixer that a recorder is lent to.
type recordOwner struct {
	engine *Engine
	id     uint32 // picks the writer
	sink   func(Event)
}

func (s *Session) recordOwner() recordOwner { return recordOwner{s.engine, s.id, s.opts.Sink} }

// claim lends the recorder, once.
func (r *Recorder) claim(by recordOwner) bool {
	if !r.claimed.CompareAndSwap(false, true) {
		return false
	}
	r.owner = by
	if f := by.engine.cfg.Fabric; f != nil {
		r.rests = f.Rest
	}
	for range recordChunks {
		r.free <- make([]byte, 0, recordChunk*r.channels)
	}
	return true
}

// begin puts position 0 at our RTP timestamp ts.
func (r *Recorder) begin(ts uint32) {
	r.origin = ts
	r.chunk = <-r.free
}

// received takes decoded samples of the party with RTP timestamp ts; gap is as
// for a lane, now is our own timestamp at their arrival.
func (r *Recorder) received(ts uint32, pcm []int16, gap int, now uint32) {
	if r.paused.Load() {
		return
	}
	at := int64(int32(now - r.origin))
	pos := r.lanes[0].put(ts, pcm, gap, at, r.done, !r.masked.Load())
	if (r.opts.Silence > 0 || r.rests) && audio.Loud(pcm) {
		r.lastVoice = max(r.lastVoice, pos+int64(len(pcm)))
		r.lastLoud = max(r.lastLoud, r.lastVoice)
	}
}

// sent takes decoded samples that were sent with our RTP timestamp ts.
func (r *Recorder) sent(ts uint32, pcm []int16) {
	if r.rests && audio.Loud(pcm) {
		r.lastLoud = max(r.lastLoud, int64(int32(ts-r.origin))+int64(len(pcm)))
	}
	if !r.paused.Load() && (r.opts.Stereo || r.opts.Mixed) {
		r.lanes[1].fill(int64(int32(ts-r.origin)), pcm, len(pcm), r.done)
	}
}

// advance moves on to our RTP timestamp now and reports whether the recording
// has come to its own end.
func (r *Recorder) advance(now uint32) (ended bool) {
	at := int64(int32(now - r.origin))
	switch {
	case r.failed.Load():
		r.reason = ReasonDisk
	case r.full(at):
		at = r.limit()
		r.flush(at)
		r.reason = ReasonMax
	case r.opts.Silence > 0 && at-r.lastVoice >= audio.Samples(r.opts.Silence):
		r.flush(at)
		r.reason = ReasonSilence
	default:
		r.flush(at - recordDelay)
		return false
	}
	return true
}

func (r *Recorder) full(at int64) bool { return at >= r.limit() }

// limit is the position where the recording ends: the chosen maximum, what a
// WAV file holds, and what 32 bit timestamps can tell apart.
func (r *Recorder) limit() int64 {
	most := min(int64(sound.MaxWAVBytes/2/r.channels), 1<<31-audio.SampleRate)
	if r.opts.MaxDuration > 0 {
		most = min(most, audio.Samples(r.opts.MaxDuration))
	}
	return most
}

// finish takes out everything up to our RTP timestamp now.
func (r *Recorder) finish(now uint32, reason string) {
	r.flush(min(int64(int32(now-r.origin)), r.limit()))
	r.reason = reason
}

// quiet is for how many samples nothing but silence is to be recorded and the
// recording does not end by itself, at our RTP timestamp now; 0 while audio is
// still on its way into the file.
func (r *Recorder) quiet(now uint32) int64 {
	at := int64(int32(now - r.origin))
	if r.reason != "" || r.failed.Load() || at-r.lastLoud <= 2*recordDelay {
		return 0
	}
	left := r.limit() - at
	if r.opts.Silence > 0 {
		left = min(left, r.lastVoice+audio.Samples(r.opts.Silence)-at)
	}
	return max(left, 0)
}

// oversleep moves on to our RTP timestamp now over a silence that nobody has
// sent: a hole in the file.
func (r *Recorder) oversleep(now uint32) {
	to := int64(int32(now-r.origin)) - recordDelay - audio.FrameSamples
	r.flush(min(to, r.done+laneSize)) // what the lanes still hold
	n := to - r.done
	if n <= 0 {
		return
	}
	if len(r.chunk) > 0 {
		r.hand()
	}
	if r.chunk == nil {
		r.missed += n * int64(2*r.channels)
	} else {
		r.offset += n * int64(2*r.channels)
	}
	r.done += n
}

// flush takes the samples before end out of the lanes into the chunk.
func (r *Recorder) flush(end int64) {
	var theirs, ours [audio.FrameSamples]int16
	for r.done < end {
		n := int(min(end-r.done, audio.FrameSamples))
		r.lanes[0].take(theirs[:n], r.done)
		r.lanes[1].pull(ours[:n], r.done)
		r.done += int64(n)
		for i, left := range theirs[:n] {
			if r.opts.Mixed && r.channels == 1 {
				left = audio.Clip(int32(left) + int32(ours[i]))
			}
			r.keep(left, ours[i])
		}
	}
}

// keep appends one sample per channel to the chunk, or counts it as missed
// while there is none.
func (r *Recorder) keep(left, right int16) {
	if r.chunk == nil {
		select {
		case r.chunk = <-r.free:
			r.offset += r.missed
			r.missed = 0
		default:
			r.missed += int64(2 * r.channels)
			r.thinned.Add(1)
			return
		}
	}
	r.chunk = append(r.chunk, byte(left), byte(left>>8))
	if r.channels == 2 {
		r.chunk = append(r.chunk, byte(right), byte(right>>8))
	}
	if len(r.chunk) == cap(r.chunk) {
		r.hand()
	}
}

// hand gives the full chunk to the writers; when they are behind, the chunk is
// thrown away and its place in the file stays silence.
func (r *Recorder) hand() {
	n := int64(len(r.chunk))
	if r.owner.engine.writers.write(writeJob{rec: r, data: r.chunk, at: r.offset}) {
		r.chunk = nil
	} else {
		r.thinned.Add(n / int64(2*r.channels))
		r.chunk = r.chunk[:0]
	}
	r.offset += n
}

// last hands over what is left; the writers then complete the file and report
// RecordEnded. It reports false when their queue is full: try again later.
func (r *Recorder) last(at time.Time) bool {
	job := writeJob{
		rec: r, data: r.chunk, at: r.offset, final: true, end: r.done * int64(2*r.channels),
		event: Event{
			Kind: RecordEnded, At: at, Recorder: r, Reason: r.reason,
			DurationMs: int(r.done * 1000 / audio.SampleRate),
		},
	}
	if !r.owner.engine.writers.write(job) {
		return false
	}
	r.chunk = nil
	return true
}
