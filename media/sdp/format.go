package sdp

import (
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/media/codec"
)

// EventFormat is an agreed telephone-event payload type (RFC 4733).
type EventFormat struct {
	PT     uint8  // 0 = none
	Clock  int    // Hz of its timestamps and durations
	Events uint32 // bit n set: event n (0–15 keys, 16 flash) may be sent
}

// Has reports whether the receiver takes the event.
func (f EventFormat) Has(event int) bool {
	return f.PT != 0 && event >= 0 && event < 32 && f.Events&(1<<event) != 0
}

// AudioFormat is an agreed audio payload type.
type AudioFormat struct {
	PT    uint8
	Codec *codec.Codec
	opus  codec.OpusParams // with Opus: what the receiver wishes for
}

// Events that are understood: the sixteen keys and flash.
const (
	keyEvents     = 1<<16 - 1
	allEvents     = keyEvents | 1<<16
	eventName     = "telephone-event"
	eventFmtp     = "0-16"
	defaultEvents = keyEvents // without fmtp, RFC 4733 §2.4.1
)

// staticFormats are the payload types that need no rtpmap, as far as there is
// a codec for them (RFC 3551 §6).
var staticFormats = map[uint8]string{0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000"}

// audioFormats are the formats of m that codecs can serve, in m's order.
func (m *mediaBlock) audioFormats(codecs []*codec.Codec) []AudioFormat {
	var list []AudioFormat
	m.eachFormat(func(pt uint8, name string, clock, channels int) {
		for _, c := range codecs {
			// Opus has two channels by definition; some leave them out.
			if c.Clock == clock && channels >= 1 && channels <= c.Channels && strings.EqualFold(c.Name, name) {
				f := AudioFormat{PT: pt, Codec: c}
				if c == codec.Opus {
					f.opus = parseOpusFmtp(m.fmtps[pt])
				}
				list = append(list, f)
				return
			}
		}
	})
	return list
}

// eventFormats are the telephone-event formats of m, in m's order.
func (m *mediaBlock) eventFormats() []EventFormat {
	var list []EventFormat
	m.eachFormat(func(pt uint8, name string, clock, _ int) {
		if pt == 0 || !strings.EqualFold(name, eventName) {
			return
		}
		events := uint32(defaultEvents)
		if fmtp, ok := m.fmtps[pt]; ok {
			events = parseEvents(fmtp)
		}
		list = append(list, EventFormat{PT: pt, Clock: clock, Events: events})
	})
	return list
}

// eachFormat visits every RTP format that has a mapping, each payload type once.
func (m *mediaBlock) eachFormat(visit func(pt uint8, name string, clock, channels int)) {
	var seen [maxPT + 1]bool
	for _, f := range m.formats {
		pt, ok := parsePT(f)
		if !ok || seen[pt] {
			continue
		}
		seen[pt] = true
		text, ok := m.rtpmaps[pt]
		if !ok {
			text = staticFormats[pt]
		}
		name, clock, channels, ok := parseRTPMap(text)
		if ok {
			visit(pt, name, clock, channels)
		}
	}
}

// parseRTPMap reads "<name>/<clock>[/<channels>]" (RFC 8866 §6.6).
func parseRTPMap(text string) (name string, clock, channels int, ok bool) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return "", 0, 0, false
	}
	channels = 1
	clock, err := strconv.Atoi(strings.TrimSpace(parts[1]))
	if err != nil || clock < 1000 || clock > 192000 {
		return "", 0, 0, false
	}
	if len(parts) == 3 {
		if channels, err = strconv.Atoi(strings.TrimSpace(parts[2])); err != nil {
			return "", 0, 0, false
		}
	}
	return strings.TrimSpace(parts[0]), clock, channels, true
}

// parseEvents reads the event list of a fmtp, "0-15,16" or "events=0-15"; an
// unreadable one means the sixteen keys.
func parseEvents(fmtp string) uint32 {
	fmtp = strings.TrimPrefix(strings.ToLower(fmtp), "events=")
	var events uint32
	for item := range strings.SplitSeq(fmtp, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(item), "-")
		if !ranged {
			high = low
		}
		a, errA := strconv.ParseUint(low, 10, 8)
		b, errB := strconv.ParseUint(high, 10, 8)
		if errA != nil || errB != nil {
			continue
		}
		for n := a; n <= b && n < 32; n++ {
			events |= 1 << n
		}
	}
	if events &= allEvents; events == 0 {
		return defaultEvents
	}
	return events
}
