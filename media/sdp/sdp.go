// Package sdp writes and reads session descriptions: an offer of our audio, an
// answer to somebody's, and what the two have agreed on (RFC 8866, RFC 3264, with
// the keys of RFC 4568). It opens no socket and looks no name up.
//
// # Errors
//
// Errors are *fault.Error of code Media that wrap [ErrNotAcceptable] or
// [ErrMalformed].
package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of a session description.
const (
	MaxSDP        = 32 << 10 // bytes
	MaxMediaLines = 32       // m= lines
	MaxFormats    = 64       // formats in one m= line
	maxPT         = 127
)

// Causes of a refused session description; both come inside a *fault.Error of
// code Media.
var (
	// ErrNotAcceptable: no audio stream that this side could take. A caller
	// answers 488 (RFC 3261 §21.4.26).
	ErrNotAcceptable = errors.New("no acceptable audio")
	// ErrMalformed: not a session description, or beyond the limits.
	ErrMalformed = errors.New("malformed session description")
)

func malformed(format string, args ...any) error {
	return fault.New(fault.Media, "media: sdp: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func notAcceptable(format string, args ...any) *fault.Error {
	return fault.New(fault.Media, "media: sdp: %w: %s", ErrNotAcceptable, fmt.Sprintf(format, args...))
}

// Line is one m= line as far as a later offer must repeat it (RFC 3264 §8).
type Line struct {
	Media   string // "audio", "video", …
	Proto   string // "RTP/AVP", …
	Formats string // as written, blank separated
	Active  bool   // the line that carries our audio
}

// description is a parsed session description.
type description struct {
	timing string // value of the first t= line
	media  []*mediaBlock
}

// mediaBlock is one m= line with what applies to it; session-level values are
// already merged in.
type mediaBlock struct {
	kind, proto string
	port        uint16
	formats     []string // as written
	conn        connection
	connected   bool // there is a c= line
	direction   Direction
	rtcp        string // value of a=rtcp
	mux         bool   // a=rtcp-mux
	ptime       int    // ms, 0 = not said
	maxPtime    int    // the same
	rtpmaps     map[uint8]string
	fmtps       map[uint8]string
	crypto      []string // values of a=crypto
}

// connection is a c= line.
type connection struct {
	addr netip.Addr // invalid when it is a name or nothing of use
	name string     // of a host, in place of the address
}

// parseSDP reads a description leniently: any line end, any order below the
// m= lines, unknown lines ignored. It is strict about sizes only.
func parseSDP(body []byte) (*description, error) {
	if len(body) > MaxSDP {
		return nil, malformed("%d bytes, the limit is %d", len(body), MaxSDP)
	}
	d := &description{}
	session := &mediaBlock{}
	block := session
	text := string(body)
	seen := false
	for len(text) > 0 {
		var line string
		line, text = cutLine(text)
		if len(line) < 2 || line[1] != '=' {
			continue // blank lines and garbage between lines
		}
		kind, value := line[0], strings.TrimSpace(line[2:])
		if !seen {
			if kind != 'v' || value != "0" {
				return nil, malformed("does not begin with v=0")
			}
			seen = true
			continue
		}
		if kind == 'm' {
			m, err := parseMedia(value, session)
			if err != nil {
				return nil, err
			}
			if len(d.media) == MaxMediaLines {
				return nil, malformed("more than %d media lines", MaxMediaLines)
			}
			d.media = append(d.media, m)
			block = m
			continue
		}
		d.line(block, kind, value)
	}
	if !seen {
		return nil, malformed("does not begin with v=0")
	}
	return d, nil
}

// cutLine splits off one line; CR LF, LF and CR all end one.
func cutLine(s string) (line, rest string) {
	i := strings.IndexAny(s, "\r\n")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// line takes one line that belongs to block (or to the session).
func (d *description) line(block *mediaBlock, kind byte, value string) {
	switch kind {
	case 't':
		if d.timing == "" {
			d.timing = value
		}
	case 'c':
		block.conn, block.connected = parseConnection(value), true
	case 'a':
		block.attribute(value)
	}
}

// parseMedia reads "<media> <port>[/<count>] <proto> <fmt> …" (RFC 8866 §5.14).
func parseMedia(value string, session *mediaBlock) (*mediaBlock, error) {
	fields := strings.Fields(value)
	if len(fields) < 3 || !printableASCII(value) {
		return nil, malformed("m= line is short or holds control characters")
	}
	portText, _, _ := strings.Cut(fields[1], "/")
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, malformed("port of an m= line is no number")
	}
	if len(fields)-3 > MaxFormats {
		return nil, malformed("more than %d formats in an m= line", MaxFormats)
	}
	return &mediaBlock{
		kind: strings.ToLower(fields[0]), port: uint16(port), proto: fields[2], formats: fields[3:],
		conn: session.conn, connected: session.connected, direction: session.direction, ptime: session.ptime, maxPtime: session.maxPtime,
	}, nil
}

// printableASCII guards what is repeated in our own description.
func printableASCII(s string) bool {
	for i := range len(s) {
		if (s[i] < ' ' && s[i] != '\t') || s[i] > '~' {
			return false
		}
	}
	return true
}

// parseConnection reads "IN IP4 192.0.2.1[/ttl]".
func parseConnection(value string) connection {
	fields := strings.Fields(value)
	c := connection{}
	if len(fields) < 3 || !strings.EqualFold(fields[0], "IN") {
		return c
	}
	text, _, _ := strings.Cut(fields[2], "/")
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		c.addr = addr.Unmap()
	} else if err != nil {
		c.name = hostName(text)
	}
	return c
}

// attribute takes the value of an a= line.
func (m *mediaBlock) attribute(value string) {
	name, rest, _ := strings.Cut(value, ":")
	name, rest = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(rest)
	switch name {
	case "rtpmap":
		putPT(&m.rtpmaps, rest)
	case "fmtp":
		putPT(&m.fmtps, rest)
	case "ptime":
		m.ptime = parsePtime(rest)
	case "maxptime":
		m.maxPtime = parsePtime(rest)
	case "rtcp-mux":
		m.mux = true
	case "rtcp":
		m.rtcp = rest
	case "crypto":
		if len(m.crypto) < maxCryptoLines {
			m.crypto = append(m.crypto, rest)
		}
	default:
		if dir, ok := parseDirection(name); ok {
			m.direction = dir
		}
	}
}

// putPT stores "<pt> <text>"; the first statement about a payload type counts,
// so the map cannot outgrow the payload types.
func putPT(to *map[uint8]string, rest string) {
	number, text, _ := strings.Cut(rest, " ")
	pt, ok := parsePT(number)
	if !ok {
		return
	}
	if *to == nil {
		*to = make(map[uint8]string)
	}
	if _, had := (*to)[pt]; !had {
		(*to)[pt] = strings.TrimSpace(text)
	}
}

func parsePT(s string) (uint8, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	return uint8(n), err == nil && n <= maxPT
}
