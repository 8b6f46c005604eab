package media

import (
	"encoding/binary"

	"github.com/loopstart/loopstart/media/audio"
)

// digitBatch is one SendDigits.
type digitBatch struct {
	steps []byte  // keys and digitPause
	tones *player // the same as audio, for a peer without telephone-events
	next  *digitBatch
}

// digitAction is what a frame has to do for the digits.
type digitAction uint8

const (
	digitNone    digitAction = iota // nothing: audio as usual
	digitPacket                     // send the event payload
	digitSilence                    // the gap between two digits
	digitTone                       // send a frame of the batch's tones
)

// digitSender sends batches of digits in the frames of its session. The state
// is kept in frames, so a late pass sends the duration that has really passed.
type digitSender struct {
	head, tail *digitBatch
	pos        int   // next step of head
	began      int64 // frame of the tone or pause that runs
	key        byte  // 0 = none runs
	ends       int   // end packets sent
	ts         uint32
	free       int64 // first frame at which the next tone may begin
	last       int   // steps of the batch that was through last
	payload    [eventBytes]byte
}

func (d *digitSender) add(b *digitBatch) {
	if d.head == nil {
		d.head, d.pos = b, 0
	} else {
		d.tail.next = b
	}
	d.tail = b
}

// covers reports whether digits take the place of other audio now: during a
// tone, and in the gap before the next one.
func (d *digitSender) covers() bool {
	switch {
	case d.head == nil:
		return false
	case d.head.tones != nil:
		return true
	case d.key != 0:
		return d.key != digitPause
	}
	return d.pos < len(d.head.steps) && d.head.steps[d.pos] != digitPause
}

// step decides about frame f; ts is the timestamp that audio would have, in
// units of time, tick the ticks of the event clock in one. marker
// is set on the first packet of a digit, done when the batch is through.
func (d *digitSender) step(f int64, ts, tick uint32) (act digitAction, marker, done bool) {
	if d.head == nil {
		return digitNone, false, false
	}
	if d.head.tones != nil {
		if d.head.tones.over() {
			return d.through(digitNone)
		}
		return digitTone, false, false
	}
	if d.key == 0 {
		if d.pos == len(d.head.steps) {
			return d.through(digitNone)
		}
		if f < d.free && d.head.steps[d.pos] != digitPause {
			return digitSilence, false, false
		}
		d.key, d.began, d.ends, d.ts = d.head.steps[d.pos], f, 0, ts
		d.pos++
		marker = true
	}
	elapsed := f - d.began
	if d.key == digitPause {
		if elapsed < pauseFrames {
			return digitNone, false, false
		}
		d.key = 0
		return d.step(f, ts, tick)
	}
	d.event(elapsed, int64(tick))
	if d.ends < endRepeats {
		return digitPacket, marker, false
	}
	d.key, d.free = 0, d.began+toneFrames+gapFrames
	if d.pos == len(d.head.steps) {
		return d.through(digitPacket)
	}
	return digitPacket, marker, false
}

// event builds the packet of the running tone, elapsed frames after its begin.
func (d *digitSender) event(elapsed, tick int64) {
	flags := byte(eventVolume)
	if elapsed >= toneFrames-1 {
		flags |= 0x80
		d.ends++
	}
	d.payload[0], d.payload[1] = eventCode(d.key), flags
	binary.BigEndian.PutUint16(d.payload[2:], uint16(min(elapsed+1, toneFrames)*audio.FrameSamples*tick))
}

// through goes on to the next batch.
func (d *digitSender) through(act digitAction) (digitAction, bool, bool) {
	d.last = len(d.head.steps)
	d.head, d.pos = d.head.next, 0
	return act, false, true
}
