package media

// mixFeed is the jitter buffer of one voice of a mix: samples by position on
// the mixer's clock, taken out a frame at a time. It keeps as little delay as
// the peer's jitter allows: a voice that comes too late is moved back, one that
// always comes early is moved up again in a pause. Frames stay frames.
type mixFeed struct {
	ring   [mixFeedSize]int16
	placed bool
	ssrc   uint32
	base   int64  // position of timestamp ref
	ref    uint32 // of the latest packet
	end    int64  // position behind the last sample
	least  int64  // smallest lead since count began
	count  int    // packets
}

const (
	mixFeedSize = 1 << 12 // samples, 512 ms
	mixFeedMask = mixFeedSize - 1
	// mixLead is the delay at which a voice begins, 40 ms.
	mixLead = 2 * FrameSamples
	// mixSlack is the longest delay, 300 ms; a voice further away is begun anew.
	mixSlack = 15 * FrameSamples
	// mixWindow is after how many packets the delay may shrink.
	mixWindow = 100
	// mixForced is the delay that shrinks even while somebody speaks.
	mixForced = 8 * FrameSamples
)

// put stores a packet; next is the position that is taken out next.
func (b *mixFeed) put(ssrc, ts uint32, pcm []int16, next int64) {
	pos := b.base + int64(int32(ts-b.ref))
	newest := int32(ts-b.ref) > 0
	switch {
	case !b.placed || ssrc != b.ssrc || pos-next > mixSlack || newest && next-pos > mixSlack:
		b.placed, b.ssrc = true, ssrc
		pos = next + mixLead
		b.base, b.ref, b.count, b.least = pos, ts, 0, mixSlack
	case newest && pos < next:
		pos += (next - pos + FrameSamples - 1) / FrameSamples * FrameSamples
		b.base, b.ref, b.count, b.least = pos, ts, 0, mixSlack
	case newest:
		b.base, b.ref = pos, ts
		if b.early(pos-next, pcm) {
			b.base -= FrameSamples
			pos -= FrameSamples
		}
	}
	b.write(pos, pcm, next)
}

// early reports whether the voice can be moved up by a frame at this packet.
func (b *mixFeed) early(lead int64, pcm []int16) bool {
	b.least = min(b.least, lead)
	if b.count++; b.count < mixWindow || b.least <= mixLead || loud(pcm) && b.least < mixForced {
		return false
	}
	b.count, b.least = 0, mixSlack
	return true
}

func (b *mixFeed) write(pos int64, pcm []int16, next int64) {
	for _, v := range pcm {
		if pos >= next && pos < next+mixFeedSize {
			b.ring[pos&mixFeedMask] = v
		}
		pos++
	}
	b.end = max(b.end, pos)
}

// take moves the frame at next out of the buffer; false means that there is
// nothing.
func (b *mixFeed) take(dst *[FrameSamples]int16, next int64) bool {
	if next >= b.end {
		return false
	}
	for i := range dst {
		at := (next + int64(i)) & mixFeedMask
		dst[i], b.ring[at] = b.ring[at], 0
	}
	return true
}

// forget drops what waits, for a voice that is not to be heard.
func (b *mixFeed) forget() {
	if b.placed {
		clear(b.ring[:])
		b.placed, b.end = false, 0
	}
}
