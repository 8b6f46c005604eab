package sip

import (
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"
)

// maxCSeq is the largest sequence number (RFC 3261 §8.1.1.5).
const maxCSeq = 1<<31 - 1

// check validates and rewrites the header fields that a transaction needs.
func (m *rawMessage) check() *refusal {
	for _, key := range [...]string{"from", "to", "call-id", "cseq"} {
		if m.get(key) == nil {
			return badRequest("Missing " + headerTitle(key))
		}
	}
	if len(m.via) == 0 {
		return badRequest("Missing Via")
	}
	for _, r := range [...]*refusal{
		m.checkCSeq(), m.checkAddresses(), m.checkCallID(), m.checkMaxForwards(), m.checkLength(),
	} {
		if r != nil {
			return r
		}
	}
	return nil
}

// mismatched tells that CSeq names another method than the request line, or is
// missing.
func (m *rawMessage) mismatched() bool {
	f := m.get("cseq")
	if f == nil {
		return true
	}
	parts := strings.Fields(f.value)
	return len(parts) != 2 || parts[1] != m.method
}

func headerTitle(key string) string {
	switch key {
	case "cseq":
		return "CSeq"
	case "call-id":
		return "Call-ID"
	}
	return strings.ToUpper(key[:1]) + key[1:]
}

// checkCSeq also compares the method with the request line's: the parser of
// sipgo would build the transaction from the one and act on the other.
func (m *rawMessage) checkCSeq() *refusal {
	f := m.get("cseq")
	parts := strings.Fields(f.value)
	if len(parts) != 2 {
		return badRequest("Malformed CSeq")
	}
	n, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil || n > maxCSeq {
		return badRequest("Malformed CSeq")
	}
	if m.method != "" && parts[1] != m.method {
		return badRequest("CSeq Method Mismatch")
	}
	f.value = strconv.FormatUint(n, 10) + " " + parts[1]
	return nil
}

func (m *rawMessage) checkCallID() *refusal {
	if v := m.get("call-id").value; v == "" || strings.ContainsAny(v, " \t") {
		return badRequest("Malformed Call-ID")
	}
	return nil
}

func (m *rawMessage) checkMaxForwards() *refusal {
	f := m.get("max-forwards")
	if f == nil {
		return nil
	}
	n, err := strconv.ParseUint(f.value, 10, 8)
	if err != nil {
		return badRequest("Malformed Max-Forwards")
	}
	f.value = strconv.FormatUint(n, 10)
	return nil
}

func (m *rawMessage) checkLength() *refusal {
	f := m.get("content-length")
	if f == nil {
		return nil
	}
	n, err := strconv.ParseUint(f.value, 10, 31)
	if err != nil {
		return badRequest("Malformed Content-Length")
	}
	if n > MaxMessage {
		return refuseTooLarge
	}
	m.length = int(n)
	return nil
}

// checkAddresses rewrites From, To and the other address headers that the
// parser reads eagerly.
func (m *rawMessage) checkAddresses() *refusal {
	for i := range m.fields {
		f := &m.fields[i]
		switch f.key {
		case "from", "to", "referred-by":
			v, ok := canonicalAddress(f.value)
			if !ok {
				return badRequest("Malformed " + headerTitle(f.key))
			}
			f.value = v
		case "contact", "route", "record-route", "refer-to":
			v, ok := canonicalList(f.value, f.key == "contact")
			if !ok {
				return badRequest("Malformed " + headerTitle(f.key))
			}
			f.value = v
		case "content-type":
			if f.value == "" {
				return badRequest("Malformed Content-Type")
			}
		}
	}
	return nil
}

// canonicalList rewrites a comma-separated list of addresses.
func canonicalList(s string, star bool) (string, bool) {
	if star && s == "*" {
		return s, true
	}
	var out []string
	for s != "" {
		var item string
		item, s = cutList(s)
		v, ok := canonicalAddress(item)
		if !ok {
			return "", false
		}
		out = append(out, v)
	}
	return strings.Join(out, ","), len(out) > 0
}

// cutList splits at the first comma outside quotes and angle brackets.
func cutList(s string) (first, rest string) {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"' && !angle:
			quoted = !quoted
		case quoted:
		case s[i] == '<':
			angle = true
		case s[i] == '>':
			angle = false
		case s[i] == ',' && !angle:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// canonicalAddress writes `"Display" <uri>;name=value` whatever the spacing,
// with parameter names in lower case.
func canonicalAddress(s string) (string, bool) {
	s = strings.TrimSpace(s)
	display, rest, err := cutDisplay(s)
	if err != nil || rest == "" {
		return "", false
	}
	uri, params := rest, ""
	if rest[0] == '<' {
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			return "", false
		}
		uri, params = strings.TrimSpace(rest[1:end]), strings.TrimSpace(rest[end+1:])
		if params != "" && params[0] != ';' {
			return "", false
		}
		params = strings.TrimPrefix(params, ";")
	} else if uri, params, _ = strings.Cut(rest, ";"); strings.ContainsAny(uri, "?,") {
		return "", false // RFC 3261 §20: such a URI must stand in brackets
	}
	uri = strings.TrimSpace(uri)
	if !plausibleURI(uri) || strings.ContainsAny(display, "<>") && !strings.HasPrefix(s, `"`) {
		return "", false
	}
	params, ok := canonicalParams(params)
	if display != "" {
		display = quote(display) + " "
	}
	return display + "<" + uri + ">" + params, ok
}

// plausibleURI accepts any scheme, and SIP URIs that parse.
func plausibleURI(uri string) bool {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || rest == "" || strings.ContainsAny(uri, " \t<>\"") {
		return false
	}
	if strings.ContainsFunc(scheme, func(r rune) bool { return !isToken(r) }) || !isLetters(scheme) {
		return false
	}
	if strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips") {
		_, err := parseURI(uri)
		return err == nil
	}
	return true
}

// isLetters: the parser of sipgo reads no scheme with other characters.
func isLetters(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

// canonicalParams writes ;name=value without spaces, leading semicolon
// included. Empty parameters vanish.
func canonicalParams(s string) (string, bool) {
	var b strings.Builder
	for s != "" {
		var p string
		p, s = cutParam(s)
		name, value, has := strings.Cut(p, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name == "" && !has {
			continue
		}
		if name == "" || strings.ContainsAny(name, " \t\"<>") || !goodValue(value) {
			return "", false
		}
		b.WriteString(";" + name)
		if value != "" {
			b.WriteString("=" + value)
		}
	}
	return b.String(), true
}

// goodValue accepts one quoted string or text without spaces and quotes.
func goodValue(v string) bool {
	if strings.HasPrefix(v, `"`) {
		_, rest, ok := unquote(v)
		return ok && rest == ""
	}
	return !strings.ContainsAny(v, " \t\"<>")
}

// addVia splits and rewrites Via values.
func (m *rawMessage) addVia(value string) *refusal {
	for value != "" {
		var item string
		item, value = cutList(value)
		v, ok := canonicalVia(item)
		if !ok {
			return badRequest("Malformed Via")
		}
		m.via = append(m.via, v)
		if len(m.via) > MaxHeaders {
			return badRequest("Too Many Via")
		}
	}
	return nil
}

// canonicalVia writes SIP/2.0/UDP host:port;params. A Via of another version is
// taken too: who writes SIP/7.0 there and in the first line gets 505 back.
func canonicalVia(s string) (string, bool) {
	head, params, _ := strings.Cut(s, ";")
	name, rest, ok1 := strings.Cut(head, "/")
	version, rest, ok2 := strings.Cut(rest, "/")
	transport, sentBy, ok3 := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	if !ok3 {
		transport, sentBy, ok3 = strings.Cut(strings.TrimLeft(rest, " \t"), "\t")
	}
	name, version = strings.TrimSpace(name), strings.TrimSpace(version)
	sentBy = strings.ReplaceAll(strings.ReplaceAll(sentBy, " ", ""), "\t", "")
	if !ok1 || !ok2 || !ok3 || !strings.EqualFold(name, "SIP") || !isVersion(version) || !isTokenText(transport) {
		return "", false
	}
	if _, _, err := splitHostPort(sentBy); err != nil {
		return "", false
	}
	params, ok := canonicalParams(params)
	return "SIP/2.0/" + transport + " " + sentBy + params, ok
}

// isVersion tells whether s is two numbers with a dot.
func isVersion(s string) bool {
	major, minor, ok := strings.Cut(s, ".")
	_, err1 := strconv.ParseUint(major, 10, 8)
	_, err2 := strconv.ParseUint(minor, 10, 8)
	return ok && err1 == nil && err2 == nil
}

func isTokenText(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isToken(r) })
}

// stamp notes in the top Via where a request really came from, so that every
// answer finds back and nobody can make us answer elsewhere.
func (m *rawMessage) stamp(source netip.AddrPort) {
	head, params, _ := strings.Cut(m.via[0], ";")
	var b strings.Builder
	b.WriteString(head)
	rport, old := false, m.oldBranch()
	for params != "" {
		var p string
		p, params = cutParam(params)
		switch name, _, _ := strings.Cut(p, "="); {
		case name == "received", name == "branch" && old != "":
		case name == "rport":
			rport = true
		default:
			b.WriteString(";" + p)
		}
	}
	if old != "" {
		b.WriteString(";branch=" + old)
	}
	b.WriteString(";received=" + source.Addr().String())
	if rport {
		b.WriteString(";rport=" + strconv.Itoa(int(source.Port())))
	}
	m.via[0] = b.String()
}

// oldBranch is a branch for a request after RFC 2543, which has neither one of
// RFC 3261 nor a From tag: sipgo knows no transaction without. The ACK of an
// INVITE gets the same one. "" is for all others.
func (m *rawMessage) oldBranch() string {
	head, params, _ := strings.Cut(m.via[0], ";")
	branch, _ := param(params, "branch")
	from, id, seq := m.get("from"), m.get("call-id"), m.get("cseq")
	if strings.HasPrefix(branch, "z9hG4bK") || from == nil || id == nil || seq == nil {
		return ""
	}
	if _, tagged := param(from.value, "tag"); tagged {
		return ""
	}
	number, _, _ := strings.Cut(seq.value, " ")
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(head + "\x00" + branch + "\x00" + from.value + "\x00" + id.value + "\x00" + number)) // never fails
	return "z9hG4bK-2543-" + strconv.FormatUint(sum.Sum64(), 16)
}

// answerPort is where an answer over UDP goes: the source port with rport,
// else the port of the top Via (RFC 3261 §18.2.2).
func (m *rawMessage) answerPort(source netip.AddrPort) uint16 {
	head, params, _ := strings.Cut(m.via[0], ";")
	if _, ok := param(params, "rport"); ok {
		return source.Port()
	}
	_, sentBy, _ := strings.Cut(head, " ")
	if _, port, err := splitHostPort(sentBy); err == nil && port > 0 {
		return uint16(port)
	}
	return 5060
}
