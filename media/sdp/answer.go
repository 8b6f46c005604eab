package sdp

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/srtp"
)

// Remote is what an offer/answer exchange has agreed on, seen from our side.
type Remote struct {
	Addr   netip.AddrPort // where RTP goes; unspecified address while c=0.0.0.0 holds, none while Name is not looked up
	Name   string         // the host that the description names in place of an address; "" for none
	RTCP   netip.AddrPort // where RTCP goes; invalid when there is no such port
	Codec  *codec.Codec   // what we send
	SendPT uint8          // payload type that we send Codec with
	RecvPT uint8          // payload type that Codec comes with

	Formats   []AudioFormat // every audio payload type that may arrive
	EventPT   []EventFormat // every telephone-event payload type that may arrive
	EventSend EventFormat   // the one that we send; PT 0 = none agreed

	Direction Direction // theirs, as they state it; c=0.0.0.0 takes away receiving
	Effective Direction // ours, what both sides permit
	PtimeMs   int       // length of our packets: what they wish for, as far as the codec can
	OnHold    bool      // they do not want to hear us
	Lines     []Line    // the m= lines, for our next offer
	Mux       bool      // RTCP shares the port of RTP, RFC 5761

	// Suite is the crypto suite of RFC 4568 that encrypts both directions; "" is
	// plain RTP.
	Suite string

	Opus codec.OpusParams // with Opus: their wishes

	ourEventPT uint8
	crypto     *cryptoLine // theirs
}

// BuildAnswer answers an offer: one codec (the first offered that l has), the
// telephone-event of its clock under the offerer's payload type, every other
// m= line refused. The error wraps ErrNotAcceptable or ErrMalformed.
func BuildAnswer(l Local, offer []byte) ([]byte, Remote, error) {
	d, err := parseSDP(offer)
	if err != nil {
		return nil, Remote{}, err
	}
	active, audio, err := d.choose(l)
	if err != nil {
		return nil, Remote{}, err
	}
	m := d.media[active]
	r, err := m.remote(l, audio)
	if err != nil {
		return nil, Remote{}, err
	}
	r = l.withoutEvents(r)
	r.RecvPT = r.SendPT
	r.Formats = audio
	r.Effective = l.Direction.And(r.Direction.Reverse())
	r.ourEventPT = r.EventSend.PT
	r.Lines = d.lines(active)
	l.Mux = m.mux
	r.share(l.Mux)
	l.secure(&r, m)

	var b strings.Builder
	l.header(&b, d.answerTiming())
	l.PtimeMs = r.PtimeMs // both ways alike: many peers take it for granted
	for i, line := range r.Lines {
		if i != active {
			refuse(&b, line)
			continue
		}
		var events []EventFormat
		if r.EventSend.PT != 0 {
			events = []EventFormat{r.EventSend}
		}
		l.audioLine(&b, m.proto, audio[:1], events, r.Effective)
		if r.crypto != nil {
			l.writeCrypto(&b, []cryptoLine{*r.crypto})
		}
	}
	return []byte(b.String()), r, nil
}

// ReadAnswer takes the answer to an offer built from l. The peer may use other
// payload types than ours for what it wants to receive (RFC 3264 §5.1).
func ReadAnswer(l Local, answer []byte) (Remote, error) {
	d, err := parseSDP(answer)
	if err != nil {
		return Remote{}, err
	}
	l.reading = true
	active, audio, err := d.choose(l)
	if err != nil {
		return Remote{}, err
	}
	m := d.media[active]
	r, err := m.remote(l, audio)
	if err != nil {
		return Remote{}, err
	}
	r.RecvPT = l.PayloadType(r.Codec)
	r.Formats = mergeAudio(l.offered(), audio)
	r.EventPT = mergeEvents(l.events(), r.EventPT, r.Formats)
	r.Effective = l.Direction.And(r.Direction.Reverse())
	r.ourEventPT = l.eventPT()
	r.share(l.Mux && m.mux)
	r.Lines = d.lines(active)
	l.secure(&r, m)
	return l.withoutEvents(r), nil
}

// choose finds the first audio line that can be served, and its formats; an
// encrypted one goes before a plain one.
func (d *description) choose(l Local) (int, []AudioFormat, error) {
	if l.SRTP == srtp.Optional && !l.reading {
		first := l
		first.SRTP = srtp.Required
		if i, audio, err := d.pick(first); err == nil {
			return i, audio, nil
		}
	}
	return d.pick(l)
}

func (d *description) pick(l Local) (int, []AudioFormat, error) {
	codecs := l.Codecs
	cause := "no audio line"
	var bare error
	for i, m := range d.media {
		if m.kind != "audio" {
			continue
		}
		audio := m.audioFormats(codecs)
		switch {
		case m.port == 0:
			cause = "the audio line is refused with port 0"
		case l.takes(m) != nil:
			err := l.takes(m)
			if cause = err.Error(); errors.Is(err, ErrUnsecured) {
				bare = err
			}
		case len(audio) == 0:
			cause = "no common codec, they have " + fault.Printable(m.formatNames()) + ", we have " + codecNames(codecs)
		default:
			return i, audio, nil
		}
	}
	if bare != nil {
		return 0, nil, unsecured(bare)
	}
	return 0, nil, notAcceptable("%s", cause).WithHint("the peer must offer %s with %s", map[bool]string{true: "plain RTP", false: "RTP"}[l.SRTP == srtp.Off], codecNames(codecs))
}

// plainRTP accepts the profiles without encryption (RFC 3551, RFC 4585).
func plainRTP(proto string) bool {
	return strings.EqualFold(proto, "RTP/AVP") || strings.EqualFold(proto, "RTP/AVPF")
}

// remote fills in what m says about its sender.
func (m *mediaBlock) remote(l Local, audio []AudioFormat) (Remote, error) {
	addr, name := m.conn.addr, m.conn.name
	switch {
	case addr.IsValid() && !addr.IsMulticast() || name != "" && l.Names:
	case name != "":
		return Remote{}, notAcceptable("the connection address is the name %s, which is not looked up here", name)
	case m.connected:
		return Remote{}, notAcceptable("the connection address is no unicast IP address")
	default:
		return Remote{}, notAcceptable("no connection address").WithHint("the peer must send a c= line, for all streams or for the audio")
	}
	r := Remote{
		Name: name, Addr: netip.AddrPortFrom(addr, m.port), Codec: audio[0].Codec, SendPT: audio[0].PT, Opus: audio[0].opus,
		EventPT: m.eventFormats(), Direction: m.direction, PtimeMs: packetTime(audio[0].Codec, m.ptime, m.maxPtime),
	}
	if addr.IsUnspecified() { // hold of RFC 2543
		r.Direction = r.Direction.And(SendOnly)
	}
	r.OnHold = !r.Direction.Receives()
	r.RTCP = m.rtcpAddr()
	r.EventSend = chooseEvent(r.EventPT, r.Codec.Clock)
	return r, nil
}

// chooseEvent prefers the clock of the audio, as RFC 4733 §2.1 demands, and
// takes what there is from peers that offer another.
func chooseEvent(list []EventFormat, clock int) EventFormat {
	for _, f := range list {
		if f.Clock == clock {
			return f
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return EventFormat{}
}

// share puts RTCP on the port of RTP.
func (r *Remote) share(mux bool) {
	if r.Mux = mux; mux {
		r.RTCP = r.Addr
	}
}

// rtcpAddr is the port after RTP, or what a=rtcp says (RFC 3605).
func (m *mediaBlock) rtcpAddr() netip.AddrPort {
	addr, port := m.conn.addr, uint64(m.port)+1
	if fields := strings.Fields(m.rtcp); len(fields) > 0 {
		if n, err := strconv.ParseUint(fields[0], 10, 16); err == nil && n > 0 {
			port = n
			if len(fields) >= 4 {
				if c := parseConnection(strings.Join(fields[1:4], " ")); c.addr.IsValid() {
					addr = c.addr
				}
			}
		}
	}
	if port > 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

// lines are the m= lines for our answer or next offer.
func (d *description) lines(active int) []Line {
	list := make([]Line, len(d.media))
	for i, m := range d.media {
		list[i] = Line{Media: m.kind, Proto: m.proto, Formats: strings.Join(m.formats, " "), Active: i == active}
	}
	return list
}

// answerTiming repeats the t= line of the offer (RFC 3264 §6) when it is one.
func (d *description) answerTiming() string {
	start, stop, ok := strings.Cut(d.timing, " ")
	if !ok || !digits(start) || !digits(stop) {
		return "0 0"
	}
	return d.timing
}

func digits(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// mergeAudio is ours and what theirs adds: some peers send with the payload
// types of their own description.
func mergeAudio(ours, theirs []AudioFormat) []AudioFormat {
	list := ours
	for _, f := range theirs {
		if !hasAudioPT(list, f.PT) {
			list = append(list, f)
		}
	}
	return list
}

func hasAudioPT(list []AudioFormat, pt uint8) bool {
	for _, f := range list {
		if f.PT == pt {
			return true
		}
	}
	return false
}

// mergeEvents puts our own event payload types before theirs, if they agreed on
// events at all.
func mergeEvents(ours, theirs []EventFormat, audio []AudioFormat) []EventFormat {
	if len(theirs) == 0 {
		return nil
	}
	list := ours
	for _, f := range theirs {
		known := hasAudioPT(audio, f.PT)
		for _, o := range ours {
			known = known || o.PT == f.PT
		}
		if !known {
			list = append(list, f)
		}
	}
	return list
}

// formatNames lists the formats of m for a message.
func (m *mediaBlock) formatNames() string {
	var names []string
	m.eachFormat(func(_ uint8, name string, _, _ int) {
		if !strings.EqualFold(name, eventName) {
			names = append(names, name)
		}
	})
	if len(names) == 0 {
		return strings.Join(m.formats, " ")
	}
	return strings.Join(names, ", ")
}

func codecNames(codecs []*codec.Codec) string {
	names := make([]string, len(codecs))
	for i, c := range codecs {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// MasterKey is what the peer encrypts with; nil without encryption.
func (r *Remote) MasterKey() *srtp.Key {
	if r.crypto == nil {
		return nil
	}
	return &r.crypto.key
}
