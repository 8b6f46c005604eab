package media

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/pion/rtp"

	"github.com/loopstart/loopstart/media/audio"
)

// Sizes of RTP, RFC 3550 §5.1.
const (
	rtpHeader  = 12
	rtpVersion = 2
)

// packet is a parsed RTP packet; payload points into the read buffer.
type packet struct {
	marker   bool
	pt       uint8
	seq      uint16
	ts, ssrc uint32
	payload  []byte
}

// parseRTP checks and splits a datagram (RFC 3550 §5.1 and §A.1). The header is
// scratch space of the caller: it keeps room for extensions, so that a packet
// allocates nothing.
func parseRTP(b []byte, p *packet, h *rtp.Header) bool {
	start, err := h.Unmarshal(b)
	if err != nil || h.Version != rtpVersion {
		return false
	}
	p.marker, p.pt, p.seq, p.ts, p.ssrc = h.Marker, h.PayloadType, h.SequenceNumber, h.Timestamp, h.SSRC
	end := len(b)
	if h.Padding {
		pad := int(b[len(b)-1])
		if pad == 0 {
			return false
		}
		end -= pad
	}
	if start > end {
		return false
	}
	p.payload = b[start:end]
	return true
}

// putRTP writes a header without extensions.
func putRTP(h *[rtpHeader]byte, marker bool, pt uint8, seq uint16, ts, ssrc uint32) {
	h[0] = rtpVersion << 6
	h[1] = pt
	if marker {
		h[1] |= 0x80
	}
	binary.BigEndian.PutUint16(h[2:], seq)
	binary.BigEndian.PutUint32(h[4:], ts)
	binary.BigEndian.PutUint32(h[8:], ssrc)
}

// arrival says where a packet stands in its stream.
type arrival uint8

const (
	arrivalNext      arrival = iota // newer than all before it
	arrivalLate                     // fills a hole
	arrivalDuplicate                // was here already, or too old to tell
	arrivalRestart                  // the first of a source or after a jump
)

const (
	maxDropout    = 3000 // RFC 3550 §A.1
	seqWindow     = 64   // packets whose repetition is recognised
	restartRepeat = 2    // packets in sequence that make a jump believed
)

// receiveStats follows one source: RFC 3550 §A.1, §A.3 and §A.8.
type receiveStats struct {
	known    bool
	ssrc     uint32
	highest  uint32 // extended sequence number
	base     uint32 // extended sequence number of the first packet
	window   uint64 // bit n: highest−n has arrived
	received uint32 // of this source
	gap      int    // packets missing right before the newest one
	lost     uint64 // of the sources before
	jumpSeq  uint16
	jumps    int
	transit  int64
	timed    bool
	jitter   float64 // timestamp units

	expectedPrior, receivedPrior uint32 // at the last report
}

// seen takes a packet's place in the stream.
func (st *receiveStats) seen(ssrc uint32, seq uint16) arrival {
	if !st.known || st.ssrc != ssrc {
		st.restart(ssrc, seq)
		return arrivalRestart
	}
	ahead := int16(seq - uint16(st.highest))
	switch {
	case ahead > 0 && ahead < maxDropout:
		st.highest += uint32(ahead)
		st.gap = int(ahead) - 1
		if ahead >= seqWindow {
			st.window = 1
		} else {
			st.window = st.window<<uint(ahead) | 1
		}
		st.jumps = 0
		st.received++
		return arrivalNext
	case ahead <= 0 && ahead > -seqWindow:
		bit := uint64(1) << uint(-ahead)
		if st.window&bit != 0 {
			return arrivalDuplicate
		}
		st.window |= bit
		st.received++
		return arrivalLate
	}
	// A large jump: the peer has restarted if the next packet follows it.
	if st.jumps > 0 && seq == st.jumpSeq+1 {
		st.jumps++
	} else {
		st.jumps = 1
	}
	st.jumpSeq = seq
	if st.jumps < restartRepeat {
		return arrivalDuplicate
	}
	st.restart(ssrc, seq)
	return arrivalRestart
}

// restart begins with a new source and keeps the losses of the old one.
func (st *receiveStats) restart(ssrc uint32, seq uint16) {
	lost := st.lost + uint64(st.missing())
	*st = receiveStats{known: true, ssrc: ssrc, highest: 1<<16 | uint32(seq), base: 1<<16 | uint32(seq), window: 1, received: 1, lost: lost, jitter: st.jitter}
}

func (st *receiveStats) expected() uint32 {
	if !st.known {
		return 0
	}
	return st.highest - st.base + 1
}

// missing are the packets of this source that have not come; late ones of
// before the first packet can make it negative, which counts as none.
func (st *receiveStats) missing() uint32 {
	return uint32(max(0, int64(st.expected())-int64(st.received)))
}

// timing takes the timestamp of an audio packet and when it arrived.
func (st *receiveStats) timing(ts uint32, at time.Duration) {
	transit := int64(uint32(audio.Samples(at)) - ts)
	if st.timed {
		d := math.Abs(float64(int32(uint32(transit) - uint32(st.transit))))
		if d < audio.SampleRate { // a jump of the timestamps is no jitter
			st.jitter += (d - st.jitter) / 16
		}
	}
	st.transit, st.timed = transit, true
}

// fraction is the share of packets lost since the last report, in 1/256.
func (st *receiveStats) fraction() uint8 {
	expected, received := st.expected(), st.received
	de, dr := int64(expected-st.expectedPrior), int64(received-st.receivedPrior)
	st.expectedPrior, st.receivedPrior = expected, received
	if de <= 0 || de <= dr {
		return 0
	}
	return uint8(min(255, (de-dr)*256/de))
}
