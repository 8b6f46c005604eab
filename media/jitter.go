package media

// A lane is the reorder buffer of one direction of a recording: a ring of
// samples by position, from which the recorder takes out what is recordDelay
// old. Order of arrival does not matter and what never came is silence.
const (
	laneSize = 1 << 13 // samples, 1.024 s
	laneMask = laneSize - 1

	// laneSlack is how far the sender's clock may run away from ours, in
	// samples, before its stream is placed anew.
	laneSlack = 300 * SampleRate / 1000
)

type lane struct {
	ring   [laneSize]int16
	placed bool
	base   int64  // position of timestamp ref
	ref    uint32 // timestamp
}

// place translates a timestamp of the peer into a position. The first packet
// goes where the clock stands (at); the others keep their distance to it until
// the two clocks disagree by laneSlack.
func (l *lane) place(ts uint32, at int64) int64 {
	pos := l.base + int64(int32(ts-l.ref))
	if !l.placed || pos-at > laneSlack || at-pos > laneSlack {
		l.placed = true
		l.base, l.ref = at, ts
		return at
	}
	// Follow the stream, so that a long one does not outrun 32 bits.
	if pos > l.base {
		l.base, l.ref = pos, ts
	}
	return pos
}

// put stores samples from pos on; done is the position before which everything
// has been taken out. What is too late or too early is lost.
func (l *lane) put(pos int64, pcm []int16, done int64) {
	for _, v := range pcm {
		if pos >= done && pos < done+laneSize {
			l.ring[pos&laneMask] = v
		}
		pos++
	}
}
