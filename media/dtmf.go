package media

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/detect"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// Telephone-events (RFC 4733). digitReceiver and digitSender are pure: they
// see packets and frame numbers and touch neither sockets nor clocks.
const (
	eventBytes     = 4       // RFC 4733 §2.3
	eventFlash     = 16      // the last event understood
	eventSilence   = 150     // ms without a packet that end a digit
	eventWindow    = 1 << 16 // timestamps this much older are repeats, not news …
	eventRestart   = 200     // … unless no event packet has come for so many ms: the stream was begun anew
	segmentMax     = 0xFFFF  // longest duration of one segment
	digitNames     = "0123456789*#ABCD!"
	digitLimit     = 256 // digits and pauses waiting to be sent on a session
	digitPause     = 'w'
	pauseFrames    = 25  // 500 ms
	toneFrames     = 8   // 160 ms
	gapFrames      = 4   // 80 ms
	endRepeats     = 3   // RFC 4733 §2.5.1.4
	eventVolume    = 10  // −10 dBm0
	toneSampleRate = 8   // timestamp units in a ms
	flashCode      = '!' // hook flash
)

// telephoneEvent is the payload of RFC 4733 §2.3.
type telephoneEvent struct {
	code     uint8
	end      bool
	duration uint16 // in units of the payload type's clock
}

// parseEvent reads an event payload; ok is false when it is too short or no
// key.
func parseEvent(b []byte) (ev telephoneEvent, ok bool) {
	if len(b) < eventBytes || b[0] > eventFlash {
		return ev, false
	}
	return telephoneEvent{code: b[0], end: b[1]&0x80 != 0, duration: binary.BigEndian.Uint16(b[2:])}, true
}

// digitNews is what a packet or the passing of time tells about a digit.
type digitNews struct {
	began, ended       bool
	beganKey, endedKey byte
	durationMs         int
	endedBefore        bool // the end belongs to the digit before beganKey
}

// digitReceiver finds the digits in a stream of event packets. An event is
// known by source, timestamp and code; markers are ignored, any packet of an
// event may be the first or the last to arrive, and what is older than the
// latest event is a repeat. After a pause it is a key of a sender that begins
// its timestamps anew, as one does that plays captures.
type digitReceiver struct {
	known  bool // ssrc and ts are those of the latest event
	active bool
	ssrc   uint32
	ts     uint32 // of the latest segment
	code   uint8
	clock  int    // Hz
	before uint32 // duration of the segments before this one
	length uint16 // longest duration seen in this segment
	last   time.Time
}

// packet takes one event packet that arrived at now.
func (d *digitReceiver) packet(ssrc, ts uint32, clock int, ev telephoneEvent, now time.Time) (news digitNews) {
	if d.known && d.ssrc == ssrc {
		ahead := int32(ts - d.ts)
		switch {
		case ahead == 0 && ev.code == d.code:
			return d.same(ev, now)
		case ahead <= 0 && ahead > -eventWindow && now.Sub(d.last) < eventRestart*time.Millisecond:
			return news // late or repeated
		case ahead == segmentMax && ev.code == d.code && d.clock == clock:
			return d.segment(ts, ev, now)
		}
	}
	if d.active {
		news = d.end()
		news.endedBefore = true
	}
	*d = digitReceiver{known: true, active: true, ssrc: ssrc, ts: ts, code: ev.code, clock: clock, length: ev.duration, last: now}
	news.began, news.beganKey = true, digitNames[ev.code]
	if ev.end {
		// One event cannot end twice in one piece of news, unless the one
		// before it was still open: then this one ends by its repeats or by
		// silence.
		if !news.ended {
			end := d.end()
			news.ended, news.endedKey, news.durationMs = true, end.endedKey, end.durationMs
		}
	}
	return news
}

// same is another packet of the latest event.
func (d *digitReceiver) same(ev telephoneEvent, now time.Time) (news digitNews) {
	d.last = now
	if !d.active {
		return news
	}
	d.length = max(d.length, ev.duration)
	if ev.end {
		return d.end()
	}
	return news
}

// segment continues an event that is longer than its duration field can say.
func (d *digitReceiver) segment(ts uint32, ev telephoneEvent, now time.Time) (news digitNews) {
	d.ts = ts
	d.before += segmentMax
	d.length = ev.duration
	if !d.active {
		return news
	}
	d.last = now
	if ev.end {
		return d.end()
	}
	return news
}

// idle ends a digit whose packets have stopped.
func (d *digitReceiver) idle(now time.Time) (news digitNews) {
	if d.active && now.Sub(d.last) >= eventSilence*time.Millisecond {
		return d.end()
	}
	return news
}

func (d *digitReceiver) end() digitNews {
	d.active = false
	ms := (int64(d.before) + int64(d.length)) * 1000 / int64(d.clock)
	return digitNews{ended: true, endedKey: digitNames[d.code], durationMs: int(ms)}
}

// parseDigits turns what a script writes into event codes and pauses.
func parseDigits(text string) ([]byte, error) {
	steps := make([]byte, 0, len(text))
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9', c == '*', c == '#', c >= 'A' && c <= 'D', c == digitPause:
		case c >= 'a' && c <= 'd':
			c -= 'a' - 'A'
		case c == 'W':
			c = digitPause
		case c == ' ' || c == '-':
			continue
		default:
			return nil, fault.New(fault.Invalid, "media: %q is no digit to send", c).
				WithHint("digits are 0-9, *, #, A-D, and w for a pause of half a second")
		}
		steps = append(steps, c)
	}
	if len(steps) > digitLimit {
		return nil, fault.New(fault.Limit, "media: %d digits at once, the limit is %d", len(steps), digitLimit)
	}
	return steps, nil
}

// takesEvents reports whether a peer understands every one of the steps as an
// event.
func takesEvents(f sdp.EventFormat, steps []byte) bool {
	for _, key := range steps {
		if key != digitPause && !f.Has(int(eventCode(key))) {
			return false
		}
	}
	return f.PT != 0 && f.Clock%audio.SampleRate == 0
}

// eventCode is the RFC 4733 event of a key.
func eventCode(key byte) uint8 {
	for i := range len(digitNames) {
		if digitNames[i] == key {
			return uint8(i)
		}
	}
	return 0
}

// dialTones is the audio of the steps for a peer without telephone-events,
// each tone at −8 dBm0 (ITU-T Q.23, Q.24).
func dialTones(steps []byte) *sound.Prompt {
	amplitude := 32767 * math.Pow(10, (-8-3.14)/20)
	var pcm []int16
	for _, key := range steps {
		row, column, ok := detect.KeyTones(key)
		if !ok {
			pcm = append(pcm, make([]int16, pauseFrames*audio.FrameSamples)...)
			continue
		}
		for i := range toneFrames * audio.FrameSamples {
			t := 2 * math.Pi * float64(i) / audio.SampleRate
			pcm = append(pcm, int16(amplitude*(math.Sin(t*row)+math.Sin(t*column))))
		}
		pcm = append(pcm, make([]int16, gapFrames*audio.FrameSamples)...)
	}
	return sound.NewPrompt(pcm)
}
