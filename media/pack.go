package media

import (
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// packer makes packets of another length than a frame, for peers that wish for
// it (a=ptime). Frames come every 20 ms as ever; packets go when they are
// complete, evenly: with 30 ms, say, 20 ms after their first sample at the
// earliest.
type packer struct {
	length uint32 // of a packet, in units of time
	delay  uint32 // from a packet's first sample until it may go
	ts     uint32 // of the first sample that waits
	units  uint32 // that wait
	size   int    // bytes that wait
	frames int    // that wait, of a codec with framing
	ends   [packFrames]int
	data   [packBytes]byte
	out    [packBytes + packHead]byte
}

const (
	packFrames = 4 // 80 ms: a packet of 60 and what came since
	packHead   = 2 + 2*packFrames
	packBytes  = packFrames * codec.MaxPayload
)

// newPacker is nil for packets of one frame.
func newPacker(ptimeMs int) *packer {
	if ptimeMs == 0 || ptimeMs == sdp.UsualPtimeMs {
		return nil
	}
	frames := (ptimeMs + sdp.UsualPtimeMs - 1) / sdp.UsualPtimeMs
	return &packer{length: uint32(ptimeMs * audio.SampleRate / 1000), delay: uint32(frames-1) * audio.FrameSamples}
}

// uneven reports whether packets fall between the frames.
func (k *packer) uneven() bool { return k != nil && k.length%audio.FrameSamples != 0 }

// pack takes a frame that is to be sent.
func (l *leg) pack(sh *shard, ts uint32, payload []byte) {
	k := l.packer
	if k.units > 0 && (ts != k.ts+k.units || k.size+len(payload) > packBytes || k.frames == packFrames) {
		l.flushPack(sh)
	}
	if k.units == 0 {
		k.ts = ts
	}
	if !l.agreed.codec.Steady && k.size > 0 && (len(payload) == 0 || payload[0]&^3 != k.data[0]&^3) {
		l.flushPack(sh) // frames of one Opus packet have one mode
		k.ts = ts
	}
	copy(k.data[k.size:], payload)
	k.size += len(payload)
	k.ends[k.frames%packFrames] = k.size
	k.frames++
	k.units += audio.FrameSamples
	if l.agreed.codec.Steady {
		k.frames = 0
	}
	l.sendPacks(sh)
}

// sendPacks sends what is complete and due.
func (l *leg) sendPacks(sh *shard) {
	k := l.packer
	for k.units >= k.length && int32(l.send.clockAt(sh.at, l.slot)-k.ts-k.delay) >= 0 {
		l.sendPack(sh, k.length)
	}
}

// flushPack sends what waits, whole or not, before something else is sent.
func (l *leg) flushPack(sh *shard) {
	if k := l.packer; k != nil {
		for k.units > 0 {
			l.sendPack(sh, min(k.units, k.length))
		}
	}
}

// sendPack sends a packet of the first units that wait.
func (l *leg) sendPack(sh *shard, units uint32) {
	k, a := l.packer, l.agreed
	payload, used := k.data[:units], int(units)
	if !a.codec.Steady {
		n := int(units / audio.FrameSamples)
		payload, used = joinOpus(k.out[:0], k.data[:], k.ends[:n]), k.ends[n-1]
		copy(k.ends[:], k.ends[n:])
		k.frames -= n
		for i := range k.ends {
			k.ends[i] -= used
		}
	}
	l.write(sh, a.sendPT, false, k.ts*a.codec.Factor(), payload)
	copy(k.data[:], k.data[used:k.size])
	k.size -= used
	k.units -= units
	k.ts += units
}

// joinOpus makes one packet of the frames that end at ends, each of them a
// packet of one frame in the same mode: code 3 of RFC 6716 §3.2.5, every length
// but the last one said.
func joinOpus(out, data []byte, ends []int) []byte {
	if len(ends) == 1 {
		return append(out, data[:ends[0]]...)
	}
	out = append(out, data[0]|3, 0x80|byte(len(ends)))
	begin := 0
	for _, end := range ends[:len(ends)-1] {
		switch n := max(0, end-begin-1); {
		case n < 252:
			out = append(out, byte(n))
		default:
			first := 252 + n&3
			out = append(out, byte(first), byte((n-first)/4))
		}
		begin = end
	}
	begin = 0
	for _, end := range ends {
		if end > begin {
			out = append(out, data[begin+1:end]...)
		}
		begin = end
	}
	return out
}
