package sdp

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/srtp"
)

// Local is our side of an offer/answer exchange.
type Local struct {
	Addr      netip.Addr     // address that the peer sends to
	Port      uint16         // RTP; RTCP is the next one
	SessionID uint64         // constant for the life of the session
	Version   uint64         // one more for every description that differs
	Codecs    []*codec.Codec // in the order of preference
	Direction Direction      // what we want
	PtimeMs   int            // stated packet time; 0 = 20

	EventPT uint8  // payload type of telephone-event in our offers; 0 = 101
	Mux     bool   // RTCP on the port of RTP (RFC 5761), as agreed on before; first offers have none
	Names   bool   // the peer may name a host in place of an address
	Plain   bool   // no telephone-event: keys travel in the audio or by SIP INFO
	Lines   []Line // m= lines of the exchange before; the others stay refused

	SRTP srtp.Policy
	Keys *srtp.Keyring // of this session; nil only where SRTP is off

	opusPT       uint8       // of the exchange before; 0 = the usual one
	agreedCrypto *cryptoLine // of the exchange before
	plainSince   bool        // the exchange before has agreed on no encryption
	reading      bool        // an answer is read, not an offer
}

// DefaultEventPT is the payload type offered for telephone-event.
const DefaultEventPT = 101

// Following is l for the next description of a session that has agreed on r:
// one version later, same m= lines and payload types (RFC 3264 §8).
func (l Local) Following(r Remote) Local {
	l.Version++
	l.Lines, l.Mux = r.Lines, r.Mux
	l.agreedCrypto, l.plainSince = r.crypto, r.crypto == nil
	l.keep(r)
	return l
}

func (l Local) eventPT() uint8 {
	if l.EventPT != 0 {
		return l.EventPT
	}
	return DefaultEventPT
}

// withoutEvents is what is agreed when we take no telephone-event.
func (l Local) withoutEvents(r Remote) Remote {
	if l.Plain {
		r.EventPT, r.EventSend = nil, EventFormat{}
	}
	return r
}

// BuildOffer writes an offer: every codec of l and telephone-event at their
// clock rates.
func BuildOffer(l Local) []byte {
	var b strings.Builder
	l.header(&b, "0 0")
	if len(l.Lines) == 0 {
		l.audioLine(&b, l.offerProto(), l.offered(), l.events(), l.Direction)
		l.writeCrypto(&b, l.cryptoOffer())
		return []byte(b.String())
	}
	for _, line := range l.Lines {
		if line.Active {
			l.audioLine(&b, line.Proto, l.offered(), l.events(), l.Direction)
			l.writeCrypto(&b, l.cryptoOffer())
			continue
		}
		refuse(&b, line)
	}
	return []byte(b.String())
}

// offered are the codecs under the payload types that we give them.
func (l Local) offered() []AudioFormat {
	list := make([]AudioFormat, len(l.Codecs))
	for i, c := range l.Codecs {
		list[i] = AudioFormat{PT: l.PayloadType(c), Codec: c}
	}
	return list
}

// header writes the session part (RFC 8866 §5).
func (l Local) header(b *strings.Builder, timing string) {
	family, addr := "IP4", l.Addr.Unmap()
	if addr.Is6() {
		family = "IP6"
	}
	fmt.Fprintf(b, "v=0\r\no=loopstart %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=%s\r\n",
		l.SessionID, l.Version, family, addr, family, addr, timing)
}

// audioLine writes the active m= line.
func (l Local) audioLine(b *strings.Builder, proto string, audio []AudioFormat, events []EventFormat, dir Direction) {
	fmt.Fprintf(b, "m=audio %d %s", l.Port, proto)
	for _, f := range audio {
		fmt.Fprintf(b, " %d", f.PT)
	}
	for _, f := range events {
		fmt.Fprintf(b, " %d", f.PT)
	}
	b.WriteString("\r\n")
	for _, f := range audio {
		fmt.Fprintf(b, "a=rtpmap:%d %s\r\n", f.PT, f.Codec)
		if f.Codec == codec.Opus {
			fmt.Fprintf(b, "a=fmtp:%d %s\r\n", f.PT, opusFmtp)
		}
	}
	for _, f := range events {
		fmt.Fprintf(b, "a=rtpmap:%d %s/%d\r\na=fmtp:%d %s\r\n", f.PT, eventName, f.Clock, f.PT, eventFmtp)
	}
	if l.Mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
	fmt.Fprintf(b, "a=ptime:%d\r\na=%s\r\n", cmp.Or(l.PtimeMs, UsualPtimeMs), dir)
}

// refuse writes an m= line with port 0, which declines the stream (RFC 3264 §6).
func refuse(b *strings.Builder, line Line) {
	formats := line.Formats
	if formats == "" {
		formats = "0"
	}
	fmt.Fprintf(b, "m=%s 0 %s %s\r\n", line.Media, line.Proto, formats)
}
