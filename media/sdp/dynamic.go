package sdp

import (
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Dynamic payload types of ours. A number that has meant one format in a
// session must not mean another one later (RFC 3264 §8.3.2): the offerer's own
// are kept, and what the peer has used is avoided.
const (
	firstDynamicPT = 96
	lastDynamicPT  = 127
)

// PayloadType is the payload type of c in our descriptions.
func (l Local) PayloadType(c *codec.Codec) uint8 {
	if c == codec.Opus && l.opusPT != 0 {
		return l.opusPT
	}
	return c.PT
}

// keep remembers the dynamic payload types of an exchange for our next offer.
func (l *Local) keep(r Remote) {
	if r.ourEventPT != 0 {
		l.EventPT = r.ourEventPT
	}
	for _, f := range r.Formats {
		if f.Codec == codec.Opus {
			l.opusPT = f.PT
			return
		}
	}
	l.opusPT = l.freePT(codec.OpusPT, r.Lines, l.eventPT())
}

// freePT is wish, or the next dynamic payload type that neither the active
// m= line names nor we use for something else.
func (l Local) freePT(wish uint8, lines []Line, ours ...uint8) uint8 {
	var used [maxPT + 1]bool
	for _, line := range lines {
		if !line.Active {
			continue
		}
		for f := range strings.FieldsSeq(line.Formats) {
			if pt, ok := parsePT(f); ok {
				used[pt] = true
			}
		}
	}
	for _, pt := range ours {
		used[pt&maxPT] = true
	}
	if !used[wish] {
		return wish
	}
	for pt := lastDynamicPT; pt >= firstDynamicPT; pt-- {
		if !used[pt] {
			return uint8(pt)
		}
	}
	return wish
}

// clocks are the RTP clock rates of what we offer, each once: telephone-events
// are offered at every one of them (RFC 4733 §2.1).
func (l Local) clocks() []int {
	var list []int
	seen := map[int]bool{}
	for _, c := range l.Codecs {
		if !seen[c.Clock] {
			seen[c.Clock] = true
			list = append(list, c.Clock)
		}
	}
	if !seen[audio.SampleRate] {
		list = append(list, audio.SampleRate) // for peers that know no other
	}
	return list
}

// events are the telephone-events that we offer. The payload type of 8 kHz is
// the one that everybody knows.
func (l Local) events() []EventFormat {
	if l.Plain {
		return nil
	}
	list := make([]EventFormat, 0, 2)
	for _, hz := range l.clocks() {
		pt := l.eventPT()
		if hz != audio.SampleRate {
			pt = l.freePT(pt+1, l.Lines, l.eventPT(), l.PayloadType(codec.Opus))
		}
		list = append(list, EventFormat{PT: pt, Clock: hz, Events: allEvents})
	}
	return list
}

// opusFmtp is what we say about what we like to receive (RFC 7587 §6.1):
// wideband mono, with FEC.
const opusFmtp = "useinbandfec=1;maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;sprop-stereo=0"

// parseOpusFmtp reads "maxaveragebitrate=20000; useinbandfec=1".
func parseOpusFmtp(fmtp string) (p codec.OpusParams) {
	for item := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(item, "=")
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "useinbandfec":
			p.FEC = n == 1
		case "maxaveragebitrate":
			p.Bitrate = max(opusLeastBitrate, min(n, opusMostBitrate))
		}
	}
	return p
}

// Bit rates that RFC 7587 §6.1 knows.
const (
	opusLeastBitrate = 6000
	opusMostBitrate  = 510000
)
