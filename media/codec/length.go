package codec

import "github.com/loopstart/loopstart/media/audio"

// Length is how long a payload lasts, in units of time; 0 for a damaged one.
func (c *Codec) Length(payload []byte) uint32 {
	if c.Steady {
		return uint32(len(payload))
	}
	return opusLength(payload)
}

// opusLength reads the duration off an Opus packet (RFC 6716 §3.1, §3.2).
func opusLength(payload []byte) uint32 {
	if len(payload) == 0 {
		return 0
	}
	config, frames := payload[0]>>3, uint32(1)
	switch payload[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(payload) < 2 {
			return 0
		}
		frames = uint32(payload[1] & 63)
	}
	const ms = audio.SampleRate / 1000
	var frame uint32
	switch {
	case config < 12: // SILK
		frame = [4]uint32{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config&3]
	case config < 16: // hybrid
		frame = [2]uint32{10 * ms, 20 * ms}[config&1]
	default: // CELT
		frame = [4]uint32{5 * ms / 2, 5 * ms, 10 * ms, 20 * ms}[config&3]
	}
	if frames *= frame; frames > 120*ms {
		return 0
	}
	return frames
}
