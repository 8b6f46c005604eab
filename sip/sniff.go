package sip

import "bytes"

// sniffed is what the flood filter reads of a message before anything is
// parsed. The slices lie in the datagram.
type sniffed struct {
	response       bool
	method         []byte // of a request
	callID         []byte
	fromTag, toTag []byte
	branch         []byte // of the topmost Via
	nonce          []byte // of the first Authorization
	scanner        bool   // a header of it is that of a known scanner
}

// sniff reads the first header fields of a message. It allocates nothing and
// understands only what honest senders write on one line; of what it misses,
// the filter knows less and is stricter.
func sniff(data []byte) (s sniffed) {
	data = bytes.TrimLeft(data, "\r\n")
	line, rest := cutLine(data)
	s.response = bytes.HasPrefix(line, []byte("SIP/"))
	s.method, _, _ = bytes.Cut(line, []byte(" "))
	for range MaxHeaders {
		if line, rest = cutLine(rest); len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok {
			s.field(bytes.TrimSpace(name), value)
		}
	}
	return s
}

func cutLine(data []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(data, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

func (s *sniffed) field(name, value []byte) {
	is := func(full, short string) bool {
		return len(name) == len(full) && bytes.EqualFold(name, []byte(full)) || len(name) == 1 && short != "" && name[0]|0x20 == short[0]
	}
	switch {
	case is("call-id", "i"):
		s.callID = bytes.TrimSpace(value)
	case is("from", "f"):
		s.fromTag = parameter(value, ";tag=")
		s.scanner = s.scanner || bytes.Contains(value, []byte("sipvicious"))
	case is("to", "t"):
		s.toTag = parameter(value, ";tag=")
	case s.branch == nil && is("via", "v"):
		first, _, _ := bytes.Cut(value, []byte(","))
		s.branch = parameter(first, ";branch=")
	case s.nonce == nil && is("authorization", ""):
		s.nonce = quotedParameter(value, `nonce="`)
	case is("user-agent", ""):
		s.scanner = s.scanner || knownScanner(value)
	}
}

// parameter is the value of a header parameter; name is with its ; and =.
func parameter(value []byte, name string) []byte {
	i := foldIndex(value, name)
	if i < 0 {
		return nil
	}
	value = value[i+len(name):]
	if end := bytes.IndexAny(value, "; \t,>"); end >= 0 {
		value = value[:end]
	}
	return value
}

// quotedParameter is the value in quotes behind name; a cnonce is no nonce.
func quotedParameter(value []byte, name string) []byte {
	for from := 0; ; {
		i := foldIndex(value[from:], name)
		if i < 0 {
			return nil
		}
		i += from
		if i == 0 || value[i-1] == ' ' || value[i-1] == ',' || value[i-1] == '\t' {
			inside, _, _ := bytes.Cut(value[i+len(name):], []byte(`"`))
			return inside
		}
		from = i + 1
	}
}

// foldIndex is bytes.Index without regard to the case of ASCII letters.
func foldIndex(b []byte, lower string) int {
	for i := 0; i+len(lower) <= len(b); i++ {
		if b[i] == lower[0] || b[i]|0x20 == lower[0] {
			if bytes.EqualFold(b[i:i+len(lower)], []byte(lower)) {
				return i
			}
		}
	}
	return -1
}

// scanners are the User-Agents of programs that look for open SIP servers; no
// phone, PBX or provider calls itself so.
var scanners = [...]string{
	"friendly-scanner", "sipvicious", "sipcli", "pplsip", "sundayddr", "sip-scan", "sipscan", "iwar", "siparmyknife",
	"smap", "sipptk", "sivus", "gulp", "vax-scanner", "friendly-request", "scan-sip",
}

func knownScanner(agent []byte) bool {
	for _, s := range scanners {
		if foldIndex(agent, s) >= 0 {
			return true
		}
	}
	return false
}
