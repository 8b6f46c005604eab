package sip

import (
	"bytes"
	"strconv"
	"strings"
)

// rawMessage is a SIP message cut into fields, before the parser of sipgo sees
// it. That parser is silent about what it cannot read and lenient where RFC
// 3261 is not, so everything that decides about an answer is checked here, and
// the parser gets a canonical copy: unfolded, one space, one Via per line.
type rawMessage struct {
	method string // "" in a response
	uri    string
	status int // 0 in a request
	reason string
	fields []rawField
	body   []byte
	via    []string // canonical, top first
	inside bool     // of a dialog that is up; set before parseRaw
	length int      // Content-Length; -1 when there is none
}

// rawField is a header field: its wire name, its long lower-case name and its
// value without folds.
type rawField struct{ name, key, value string }

// refusal is why a raw message is not passed on. Code 0 drops it silently.
type refusal struct {
	code   int
	reason string
}

// The answers of raw validation.
var (
	dropped        = &refusal{}
	badRequest     = func(reason string) *refusal { return &refusal{400, reason} }
	refuseVersion  = &refusal{505, "Version Not Supported"}
	refuseScheme   = &refusal{416, "Unsupported URI Scheme"}
	refuseMethod   = &refusal{405, "Method Not Allowed"}
	refuseTooLarge = &refusal{513, "Message Too Large"}
	refuseBusy     = &refusal{503, "Service Unavailable"}
)

// knownMethods are those that reach the transaction layer.
var knownMethods = map[string]bool{
	"INVITE": true, "ACK": true, "CANCEL": true, "BYE": true, "REGISTER": true, "OPTIONS": true,
	"INFO": true, "UPDATE": true, "REFER": true, "NOTIFY": true, "MESSAGE": true, "SUBSCRIBE": true,
	"PRACK": true, "PUBLISH": true,
}

// single are the header fields that may stand in a message only once.
var single = map[string]bool{
	"from": true, "to": true, "call-id": true, "cseq": true, "max-forwards": true,
	"content-length": true, "content-type": true,
}

// parseRaw cuts a datagram, or one framed message of a stream. Even when it
// refuses, what was read so far stands in m, so that an answer can be built.
func (m *rawMessage) parseRaw(data []byte, stream bool) *refusal {
	*m = rawMessage{fields: m.fields[:0], via: m.via[:0], length: -1, inside: m.inside}
	data = bytes.TrimLeft(data, "\r\n")
	head, body, found := cutHead(data)
	lines := &lineReader{rest: head}
	start, ok := lines.next()
	if !ok {
		return dropped
	}
	bad := m.parseStart(start)
	if bad == dropped {
		return bad
	}
	for line, ok := lines.next(); ok; line, ok = lines.next() {
		if r := m.addField(line); r != nil && bad == nil {
			bad = r
		}
	}
	switch {
	case bad != nil:
	case m.method != "" && !knownMethods[m.method] && !m.mismatched():
		bad = refuseMethod // whatever else stands in it
	case !found:
		bad = badRequest("No End of Headers")
	case len(data) > MaxMessage:
		bad = refuseTooLarge
	case lines.bad:
		bad = badRequest("Line Ended by CR Only")
	default:
		bad = m.check()
	}
	if bad == nil {
		bad = m.cutBody(body, stream)
	}
	return m.reply(bad)
}

// reply turns a refusal into a drop where no answer is allowed.
func (m *rawMessage) reply(bad *refusal) *refusal {
	if bad != nil && (m.method == "" || m.method == "ACK") {
		return dropped
	}
	return bad
}

// cutHead splits at the empty line, after CRLF or LF line ends.
func cutHead(data []byte) (head, body []byte, found bool) {
	crlf := bytes.Index(data, []byte("\r\n\r\n"))
	lf := bytes.Index(data, []byte("\n\n"))
	switch {
	case crlf >= 0 && (lf < 0 || crlf < lf):
		return data[:crlf+2], data[crlf+4:], true
	case lf >= 0:
		return data[:lf+1], data[lf+2:], true
	}
	return data, nil, false
}

// lineReader yields unfolded lines.
type lineReader struct {
	rest []byte
	bad  bool // a CR stood inside a line
}

func (r *lineReader) next() (string, bool) {
	if len(r.rest) == 0 {
		return "", false
	}
	line := r.physical()
	if len(r.rest) == 0 || (r.rest[0] != ' ' && r.rest[0] != '\t') {
		return line, true
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(line, " \t"))
	for len(r.rest) > 0 && (r.rest[0] == ' ' || r.rest[0] == '\t') {
		b.WriteByte(' ')
		b.WriteString(strings.Trim(r.physical(), " \t"))
	}
	return b.String(), true
}

func (r *lineReader) physical() string {
	line, rest, _ := bytes.Cut(r.rest, []byte("\n"))
	r.rest = rest
	line = bytes.TrimSuffix(line, []byte("\r"))
	if bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
		r.bad = true
	}
	return string(line)
}

// parseStart reads the request or status line. What is no SIP at all is
// dropped: there is nobody to answer.
func (m *rawMessage) parseStart(line string) *refusal {
	if strings.HasPrefix(line, "SIP/") || strings.HasPrefix(line, "sip/") {
		return m.parseStatus(line)
	}
	method, rest, ok := strings.Cut(line, " ")
	if !ok || method == "" || strings.ContainsFunc(method, func(r rune) bool { return !isToken(r) }) {
		return dropped
	}
	i := strings.LastIndex(rest, " ")
	if i < 0 {
		return dropped
	}
	uri, version := rest[:i], rest[i+1:]
	if version == "" { // a space at the end of the line
		if i = strings.LastIndex(strings.TrimRight(rest, " "), " "); i < 0 {
			return dropped
		}
		uri, version = rest[:i], strings.TrimSpace(rest[i+1:])
		m.method, m.uri = method, uri
		return badRequest("Space After Version")
	}
	if len(version) < 5 || !strings.EqualFold(version[:4], "SIP/") {
		return dropped
	}
	m.method, m.uri = method, uri
	if !strings.EqualFold(version, "SIP/2.0") {
		return refuseVersion
	}
	bad := checkRequestURI(uri)
	if bad != nil && m.inside {
		m.uri, bad = unreadableURI, nil
	}
	return bad
}

// unreadableURI stands for a Request-URI that cannot be read, of a request in a
// dialog that is up: Call-ID and tags say whose it is, and a BYE or ACK that is
// thrown away would leave the call without its end.
const unreadableURI = "sip:unreadable.invalid"

func checkRequestURI(uri string) *refusal {
	if len(uri) > MaxAddress {
		return &refusal{414, "Request-URI Too Long"}
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	switch {
	case strings.ContainsAny(uri, " \t<>\"") || !ok || scheme == "" || rest == "":
		return badRequest("Malformed Request-URI")
	case strings.EqualFold(scheme, "tel"):
		return nil
	case !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips"):
		return refuseScheme
	case strings.Contains(rest[strings.LastIndexByte(rest, '@')+1:], "?"):
		return badRequest("Headers in Request-URI")
	}
	if _, err := parseURI(uri); err != nil {
		return badRequest("Malformed Request-URI")
	}
	return nil
}

func (m *rawMessage) parseStatus(line string) *refusal {
	version, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(code, 10, 16)
	if !strings.EqualFold(version, "SIP/2.0") || err != nil || len(code) != 3 || n < 100 || n > 699 {
		return dropped
	}
	m.status, m.reason = int(n), reason
	return nil
}

func (m *rawMessage) addField(line string) *refusal {
	if len(m.fields) == MaxHeaders {
		return badRequest("Too Many Header Fields")
	}
	if len(line) > MaxHeaderLine {
		return badRequest("Header Field Too Long")
	}
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }) {
		return badRequest("Malformed Header Field")
	}
	f := rawField{name, longName(name), strings.Trim(value, " \t")}
	if single[f.key] && m.get(f.key) != nil {
		return badRequest("Repeated " + clip(name, 20))
	}
	m.fields = append(m.fields, f)
	if f.key == "via" {
		return m.addVia(f.value)
	}
	return nil
}

// get is the first field of that long name.
func (m *rawMessage) get(key string) *rawField {
	for i := range m.fields {
		if m.fields[i].key == key {
			return &m.fields[i]
		}
	}
	return nil
}

// cutBody applies Content-Length. Octets behind it are no part of a datagram's
// message (RFC 3261 §18.3).
func (m *rawMessage) cutBody(body []byte, stream bool) *refusal {
	switch {
	case m.length < 0 && stream:
		return badRequest("Missing Content-Length")
	case m.length < 0:
		m.body = body
	case m.length > len(body):
		return badRequest("Body Shorter Than Content-Length")
	default:
		m.body = body[:m.length]
	}
	return nil
}

// write appends the canonical form.
func (m *rawMessage) write(b *bytes.Buffer) {
	if m.method != "" {
		b.WriteString(m.method + " " + m.uri + " SIP/2.0\r\n")
	} else {
		b.WriteString("SIP/2.0 " + strconv.Itoa(m.status) + " " + m.reason + "\r\n")
	}
	for _, v := range m.via {
		b.WriteString("Via: " + v + "\r\n")
	}
	for _, f := range m.fields {
		switch f.key {
		case "via", "content-length":
		default:
			b.WriteString(f.name)
			b.WriteString(": ")
			b.WriteString(f.value)
			b.WriteString("\r\n")
		}
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(m.body)) + "\r\n\r\n")
	b.Write(m.body)
}
