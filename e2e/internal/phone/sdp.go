package phone

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// SDP describes one side's audio (RFC 8866). The zero values of Formats and
// Direction are A-law, mu-law and events 101, both ways.
type SDP struct {
	Addr      netip.AddrPort
	Formats   []Format
	Direction string
	Version   int
}

// Format is one payload type.
type Format struct {
	PT    uint8
	Name  string // PCMA/8000
	Fmtp  string
	Event bool
}

// Formats of an ordinary phone.
var (
	FormatPCMA   = Format{PT: 8, Name: "PCMA/8000"}
	FormatPCMU   = Format{PT: 0, Name: "PCMU/8000"}
	FormatEvents = Format{PT: 101, Name: "telephone-event/8000", Fmtp: "0-16", Event: true}
)

// String is the description as it goes into a message.
func (s SDP) String() string {
	if s.Formats == nil {
		s.Formats = []Format{FormatPCMA, FormatPCMU, FormatEvents}
	}
	if s.Direction == "" {
		s.Direction = "sendrecv"
	}
	family := "IP4"
	if s.Addr.Addr().Is6() {
		family = "IP6"
	}
	var pts, attrs strings.Builder
	for _, f := range s.Formats {
		fmt.Fprintf(&pts, " %d", f.PT)
		fmt.Fprintf(&attrs, "a=rtpmap:%d %s\r\n", f.PT, f.Name)
		if f.Fmtp != "" {
			fmt.Fprintf(&attrs, "a=fmtp:%d %s\r\n", f.PT, f.Fmtp)
		}
	}
	ip := s.Addr.Addr()
	return fmt.Sprintf("v=0\r\no=phone 1 %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\nm=audio %d RTP/AVP%s\r\n%sa=ptime:20\r\na=%s\r\n",
		s.Version+1, family, ip, family, ip, s.Addr.Port(), pts.String(), attrs.String(), s.Direction)
}

// ReadSDP reads the first audio line of a description.
func ReadSDP(body string) (s SDP) {
	ip, port := netip.Addr{}, 0
	names := map[int]string{}
	var pts []int
	s.Direction = "sendrecv"
	for line := range strings.SplitSeq(body, "\n") {
		line = strings.TrimRight(line, "\r")
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "c=") && len(f) == 3:
			ip, _ = netip.ParseAddr(f[2])
		case strings.HasPrefix(line, "m=audio") && len(f) > 3 && pts == nil:
			port, _ = strconv.Atoi(f[1])
			for _, pt := range f[3:] {
				n, _ := strconv.Atoi(pt)
				pts = append(pts, n)
			}
		case strings.HasPrefix(line, "a=rtpmap:") && len(f) == 2:
			n, _ := strconv.Atoi(strings.TrimPrefix(f[0], "a=rtpmap:"))
			names[n] = f[1]
		case line == "a=sendonly" || line == "a=recvonly" || line == "a=inactive":
			s.Direction = line[2:]
		}
	}
	for _, pt := range pts {
		name := names[pt]
		if name == "" {
			name = map[int]string{0: "PCMU/8000", 8: "PCMA/8000"}[pt]
		}
		s.Formats = append(s.Formats, Format{PT: uint8(pt), Name: name, Event: strings.HasPrefix(name, "telephone-event")})
	}
	s.Addr = netip.AddrPortFrom(ip, uint16(port))
	return s
}

// Codec is the first format that is no event.
func (s SDP) Codec() (Format, bool) {
	for _, f := range s.Formats {
		if !f.Event {
			return f, true
		}
	}
	return Format{}, false
}

// Events is the payload type of telephone events, 0 for none.
func (s SDP) Events() uint8 {
	for _, f := range s.Formats {
		if f.Event {
			return f.PT
		}
	}
	return 0
}
