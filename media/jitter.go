package media

import (
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sdp"
)

// A lane puts the audio of one direction in order: a ring of samples by
// position on our own clock, into which packets are put as they arrive and from
// which its owner takes them out some time later. The order of arrival does not
// matter. What was lost, by the sequence numbers, is concealed; what was never
// sent (a pause of a sender that suppresses silence) is silence. A sender whose
// clock runs faster or slower than ours is followed, a sample in a packet, so
// that the stream neither outgrows the ring nor falls behind its reader.
const (
	laneSize = 1 << 13 // samples, 1.024 s
	laneMask = laneSize - 1

	// laneSlack is how far a packet may be from its place, in samples, before
	// the stream is placed anew: at once when it is early or its timestamps have
	// jumped, after laneLate when it keeps coming late.
	laneSlack = 300 * audio.SampleRate / 1000
	laneLate  = 400 * audio.SampleRate / 1000
	laneHoles = 32 // lost packets that are remembered; more of them stay silent

	// The peer's clock is judged by its most punctual packet in every
	// driftWindow. Beyond driftMost it is followed until it is right again.
	driftWindow = 2 * audio.SampleRate
	driftMost   = 10 * audio.SampleRate / 1000
)

type lane struct {
	ring   [laneSize]int16
	placed bool
	base   int64  // position of timestamp ref
	ref    uint32 // latest timestamp
	late   int64  // position at which packets began to come too late, 0 = they do not
	drift  drift
	holes  [laneHoles]hole
	lost   int // holes in use
	made   concealer
}

// hole is the place of a lost packet.
type hole struct {
	pos int64
	n   int
}

// drift measures how far the peer's clock has run away from ours.
type drift struct {
	since int64 // position at which the window began
	least int64 // how late its most punctual packet was
	aim   int64 // the same in the first window
	known bool  // aim is set
	left  int64 // samples to insert (or, negative, to leave out), one a packet
}

// add takes how late a packet was, at a position.
func (d *drift) add(late, at int64) {
	d.least = min(d.least, late)
	if at-d.since < driftWindow {
		return
	}
	off := d.least - d.aim
	switch {
	case !d.known:
		d.known, d.aim = true, d.least
	case off > driftMost || off < -driftMost:
		d.left = off
	}
	d.since, d.least = at, late
}

// step is by how much the next packet is to be stretched.
func (d *drift) step() int {
	switch {
	case d.left > 0:
		d.left--
		d.least-- // what was measured before counts from the new place
		return 1
	case d.left < 0:
		d.left++
		d.least++
		return -1
	}
	return 0
}

// put takes a packet with timestamp ts that arrived when our clock stood at
// position at, and returns its place. gap is how many packets are missing right
// before it, −1 when it is not the newest. done is the position before which
// everything has been taken out. Without keep the packet only holds its place.
func (l *lane) put(ts uint32, pcm []int16, gap int, at, done int64, keep bool) int64 {
	pos, n, ok := l.place(ts, len(pcm), gap, at, done)
	if ok && keep {
		l.fill(pos, pcm, n, done)
	}
	return pos
}

// place translates a timestamp of the peer into a position, and a length in its
// samples into one in ours. The first packet goes where the clock stands; the
// others keep their distance to it. ok is false for what comes too late.
func (l *lane) place(ts uint32, n, gap int, at, done int64) (pos int64, length int, ok bool) {
	ahead := int64(int32(ts - l.ref))
	pos = l.base + ahead
	jumped := gap >= 0 && ahead < 0
	if !l.placed || jumped || pos-at > laneSlack || l.tooLate(pos, at) {
		l.placed = true
		l.base, l.ref = at, ts
		l.late, l.lost = 0, 0
		l.drift = drift{since: at}
		return at, n, true
	}
	if at-pos > laneSlack {
		return pos, n, false
	}
	if gap >= 0 {
		l.drift.add(at-pos, at)
		l.lose(pos, gap, ahead, done)
		// Follow the stream, so that a long one does not outrun 32 bits.
		step := l.drift.step()
		n += step
		l.base, l.ref = pos+int64(step), ts
	}
	return pos, n, true
}

// tooLate reports whether packets have been late for so long that the stream
// has to be placed anew.
func (l *lane) tooLate(pos, at int64) bool {
	if at-pos <= laneSlack {
		l.late = 0
		return false
	}
	if l.late == 0 {
		l.late = max(at, 1)
	}
	return at-l.late > laneLate
}

// lose marks the places of gap packets before pos, unless the timestamps tell
// that there was no audio.
func (l *lane) lose(pos int64, gap int, ahead, done int64) {
	if gap == 0 || ahead%int64(gap+1) != 0 {
		return
	}
	n := ahead / int64(gap+1)
	if n <= 0 || n > sdp.MaxPtimeMs*audio.SampleRate/1000 {
		return
	}
	for i := gap; i > 0 && l.lost < laneHoles; i-- {
		if at := pos - int64(i)*n; at+n > done {
			l.holes[l.lost] = hole{at, int(n)}
			l.lost++
		}
	}
}

// fill writes samples to n places from pos on. What is too late or too early is
// lost.
func (l *lane) fill(pos int64, pcm []int16, n int, done int64) {
	for i := l.lost - 1; i >= 0; i-- {
		if h := l.holes[i]; h.pos < pos+int64(n) && pos < h.pos+int64(h.n) {
			l.lost--
			l.holes[i] = l.holes[l.lost]
		}
	}
	for i := range n {
		v := int16(0)
		switch {
		case n == len(pcm):
			v = pcm[i]
		case len(pcm) > 1:
			// Stretched by a sample: between the nearest two.
			at := i * (len(pcm) - 1)
			k, f := at/(n-1), at%(n-1)
			v = pcm[k]
			if f > 0 {
				v += int16((int(pcm[k+1]) - int(v)) * f / (n - 1))
			}
		}
		if p := pos + int64(i); p >= done && p < done+laneSize {
			l.ring[p&laneMask] = v
		}
	}
}

// pull moves the samples from position done on into dst as they are, for a
// stream of our own, in which nothing is lost.
func (l *lane) pull(dst []int16, done int64) {
	for i := range dst {
		at := (done + int64(i)) & laneMask
		dst[i], l.ring[at] = l.ring[at], 0
	}
}

// take moves the samples from position done on into dst and conceals what is
// lost in them.
func (l *lane) take(dst []int16, done int64) {
	l.pull(dst, done)
	if l.lost == 0 {
		l.made.real(dst)
		return
	}
	for len(dst) > 0 {
		n, lost := l.stretch(done, len(dst))
		if lost {
			l.made.conceal(dst[:n])
		} else {
			l.made.real(dst[:n])
		}
		dst, done = dst[n:], done+int64(n)
	}
	l.forget(done)
}

// stretch is how many of the next samples are lost, or are not, alike.
func (l *lane) stretch(done int64, most int) (n int, lost bool) {
	n = most
	for _, h := range l.holes[:l.lost] {
		if end := h.pos + int64(h.n); h.pos <= done && done < end {
			return int(min(int64(most), end-done)), true
		}
		if h.pos > done {
			n = int(min(int64(n), h.pos-done))
		}
	}
	return n, false
}

// forget drops the holes that lie before done.
func (l *lane) forget(done int64) {
	for i := l.lost - 1; i >= 0; i-- {
		if h := l.holes[i]; h.pos+int64(h.n) <= done {
			l.lost--
			l.holes[i] = l.holes[l.lost]
		}
	}
}

// reset drops what has not been taken out.
func (l *lane) reset() {
	clear(l.ring[:])
	l.lost = 0
}
