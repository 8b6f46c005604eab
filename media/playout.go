package media

import (
	"math"

	"github.com/loopstart/loopstart/media/audio"
)

// Playout is the adaptive jitter buffer, for audio that is heard by somebody
// else at our own pace: in a mix or in another codec. (A bridge of one codec
// passes packets on as they come, a prompt needs no ear at all, and recordings
// and taps put packets in order at leisure.) It holds back what arrives for as
// long as packets have lately been late, between playoutLeast and playoutMost,
// and hands out a frame whenever it is asked.
//
// The delay grows at once when a packet has come too late: a frame is made up
// by the concealer. It shrinks in a pause of the speaker, or after playoutHaste
// by cross-fading two frames into one.
const (
	playoutLeast  = 2 * audio.FrameSamples  // 40 ms
	playoutMost   = 10 * audio.FrameSamples // 200 ms
	playoutWindow = 4 * audio.SampleRate    // lateness is remembered for one to two of them
	playoutHaste  = 2 * audio.SampleRate    // how long a shorter delay waits for a pause
)

// playout belongs to the shard of its session. The zero value is ready.
type playout struct {
	lane    lane
	now     uint32 // our RTP timestamp of the latest call
	at      int64  // samples since the first call
	done    int64  // position of the next sample to hand out
	begun   bool
	late    [2]int64 // the latest packet of this window and the one before
	since   int64    // position at which the window began
	more    int64    // position since which the delay is too long, 0 = it is not
	noise   comfort
	grown   uint64 // frames inserted
	dropped uint64 // frames left out
}

// move brings the position up to our RTP timestamp now.
func (o *playout) move(now uint32) {
	if !o.begun {
		o.begun, o.now = true, now
		o.at, o.done = laneSize, laneSize-playoutLeast
	}
	if ahead := int32(now - o.now); ahead > 0 {
		o.at, o.now = o.at+int64(ahead), now
	}
}

// put takes decoded samples that arrived at our RTP timestamp now; gap as for
// a lane.
func (o *playout) put(ts uint32, pcm []int16, gap int, now uint32) {
	at := o.at
	if o.begun {
		at += int64(int32(now - o.now))
	} else {
		o.move(now)
		at = o.at
	}
	o.noise.stop()
	// The whole packet has to be there before its first sample is heard.
	late := at - o.lane.put(ts, pcm, gap, at, o.done, true) + int64(len(pcm))
	if at-o.since >= playoutWindow {
		o.since, o.late[1], o.late[0] = at, o.late[0], 0
	}
	o.late[0] = max(o.late[0], min(late, playoutMost))
}

// comfort takes a packet of comfort noise (RFC 3389).
func (o *playout) comfort(payload []byte) { o.noise.begin(payload) }

// target is how long audio is to be held back.
func (o *playout) target() int64 {
	return min(playoutMost, max(playoutLeast, max(o.late[0], o.late[1])))
}

// next fills one frame for our RTP timestamp now.
func (o *playout) next(dst *[audio.FrameSamples]int16, now uint32) {
	o.move(now)
	if held := o.at - o.done; held > laneSize/2 || held < 0 {
		// Frames were left out, in a rest of seconds or hours: so are theirs.
		o.done = o.at - o.target()
		o.lane.reset()
	}
	held, target := o.at-o.done, o.target()
	if held < target {
		o.grown++
		if o.lane.quiet(o.done) {
			clear(dst[:])
		} else {
			o.lane.made.conceal(dst[:])
		}
		o.noise.add(dst)
		return
	}
	o.read(dst)
	if held < target+2*audio.FrameSamples {
		o.more = 0
		return
	}
	o.shorten(dst)
}

// read takes the next frame out of the lane.
func (o *playout) read(dst *[audio.FrameSamples]int16) {
	o.lane.take(dst[:], o.done)
	o.done += audio.FrameSamples
	o.noise.add(dst)
}

// shorten leaves out a frame when it may, the one in dst or part of two.
func (o *playout) shorten(dst *[audio.FrameSamples]int16) {
	if o.more == 0 {
		o.more = o.at
	}
	pause := !audio.Loud(dst[:])
	if !pause && o.at-o.more < playoutHaste {
		return
	}
	before := *dst
	o.read(dst)
	o.dropped++
	for i := range dst {
		dst[i] = int16((int(before[i])*(audio.FrameSamples-i) + int(dst[i])*i) / audio.FrameSamples)
	}
	o.more = 0
}

// quiet reports whether nothing has been put in at the next frame.
func (l *lane) quiet(done int64) bool {
	for i := range int64(audio.FrameSamples) {
		if l.ring[(done+i)&laneMask] != 0 {
			return false
		}
	}
	return l.lost == 0
}

// comfort is the noise in the pauses of a sender that suppresses silence, RFC
// 3389: white, at the level that it has named.
type comfort struct {
	peak int32 // of the noise, 0 = none
	seed uint32
}

// begin takes the level, −dBov in the first octet. Louder than −30 dBov is no
// background noise and is not believed.
func (c *comfort) begin(payload []byte) {
	c.peak = 0
	if len(payload) > 0 {
		level := max(30, float64(payload[0]&0x7f))
		c.peak = int32(32767 * math.Sqrt(3) * math.Pow(10, -level/20))
	}
}

func (c *comfort) stop() { c.peak = 0 }

// add lays the noise over a frame of silence.
func (c *comfort) add(dst *[audio.FrameSamples]int16) {
	if c.peak == 0 || audio.Loud(dst[:]) {
		return
	}
	for i := range dst {
		c.seed = c.seed*1664525 + 1013904223
		dst[i] = audio.Clip(int32(dst[i]) + int32(int64(int32(c.seed))*int64(c.peak)>>31))
	}
}
