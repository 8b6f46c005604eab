package phone

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Header is one line of a message's head.
type Header struct{ Name, Value string }

// Message is a SIP request (Method set) or response (Code set).
type Message struct {
	Method, URI string
	Code        int
	Reason      string
	Headers     []Header
	Body        string

	At    time.Time // when it was read
	From  netip.AddrPort
	reply func([]byte) error
}

// compact forms of header names, RFC 3261 §7.3.3.
var compact = map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type"}

func canonical(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if long, ok := compact[name]; ok {
		return long
	}
	return name
}

// Get is the first header of that name, or "".
func (m *Message) Get(name string) string {
	for _, h := range m.Headers {
		if canonical(h.Name) == canonical(name) {
			return h.Value
		}
	}
	return ""
}

// All are the headers of that name, in order.
func (m *Message) All(name string) []string {
	var out []string
	for _, h := range m.Headers {
		if canonical(h.Name) == canonical(name) {
			out = append(out, h.Value)
		}
	}
	return out
}

// CSeq is the number and method of the message's transaction.
func (m *Message) CSeq() (n int, method string) {
	_, _ = fmt.Sscanf(m.Get("cseq"), "%d %s", &n, &method)
	return n, method
}

// Tag is the tag of a From or To header.
func Tag(header string) string { return param(header[strings.LastIndexByte(header, '>')+1:], "tag") }

// param is a parameter ";name=value" of a header's tail.
func param(tail, name string) string {
	for p := range strings.SplitSeq(tail, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(k, name) {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// URI is what stands between < and >, or the header up to its parameters.
func URI(header string) string {
	if _, rest, ok := strings.Cut(header, "<"); ok {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(header, ";")
	return strings.TrimSpace(uri)
}

// String is the start line: "INVITE sip:a@b" or "200 OK (INVITE)".
func (m *Message) String() string {
	if m.Method != "" {
		return m.Method + " " + m.URI
	}
	_, method := m.CSeq()
	return fmt.Sprintf("%d %s (%s)", m.Code, m.Reason, method)
}

// text is the message as it goes over the wire.
func (m *Message) text() []byte {
	var b strings.Builder
	if m.Method != "" {
		fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", m.Method, m.URI)
	} else {
		fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", m.Code, m.Reason)
	}
	for _, h := range m.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(m.Body), m.Body)
	return []byte(b.String())
}

// read takes one message off a stream; a datagram is a stream of one message.
func read(r *bufio.Reader) (*Message, error) {
	line, err := readLine(r)
	for err == nil && line == "" {
		line, err = readLine(r) // keep-alives, RFC 5626 §3.5.1
	}
	if err != nil {
		return nil, err
	}
	m := &Message{At: time.Now()}
	if rest, ok := strings.CutPrefix(line, "SIP/2.0 "); ok {
		code, reason, _ := strings.Cut(rest, " ")
		m.Code, _ = strconv.Atoi(code)
		m.Reason = reason
	} else if f := strings.Fields(line); len(f) == 3 {
		m.Method, m.URI = f[0], f[1]
	} else {
		return nil, fmt.Errorf("phone: start line %q", line)
	}
	for {
		if line, err = readLine(r); err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		m.Headers = append(m.Headers, Header{name, strings.TrimSpace(value)})
	}
	n, _ := strconv.Atoi(m.Get("content-length"))
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	m.Body = string(body)
	return m, nil
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
