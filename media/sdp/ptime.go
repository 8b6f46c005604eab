package sdp

import (
	"slices"
	"strconv"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Packet times (RFC 8866 §6.4): we send what the peer asks for, to the next
// whole 10 ms below, never longer than its a=maxptime.
const (
	ptimeStep    = 10
	minPtimeMs   = 10
	MaxPtimeMs   = 60
	UsualPtimeMs = int(audio.FrameDuration / 1e6)
)

// opusPtimes are those of Opus: whole frames of 20 ms.
var opusPtimes = []int{20, 40, 60}

// packetTime is how long our packets are for a peer that wishes for ptime and
// takes no more than most, in ms; 0 = not said.
func packetTime(c *codec.Codec, ptime, most int) int {
	if ptime == 0 {
		ptime = UsualPtimeMs
	}
	if most > 0 {
		ptime = min(ptime, most)
	}
	ptime = max(minPtimeMs, min(ptime, MaxPtimeMs)) / ptimeStep * ptimeStep
	if !c.Steady {
		i, exact := slices.BinarySearch(opusPtimes, ptime)
		if !exact {
			i = max(0, i-1)
		}
		ptime = opusPtimes[i]
	}
	return ptime
}

// parsePtime reads milliseconds, 0 for what is none.
func parsePtime(text string) int {
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ms > 0) {
		return 0
	}
	return int(min(ms, 1000))
}
