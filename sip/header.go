package sip

import (
	"fmt"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Header is one header field, value without line folds.
type Header struct{ Name, Value string }

// Headers is the header fields of a message in their order.
type Headers []Header

// compactForms maps the compact names of RFC 3261 §7.3.3 and later RFCs.
var compactForms = map[string]string{
	"a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
	"e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
	"l": "content-length", "m": "contact", "n": "identity-info", "o": "event", "r": "refer-to",
	"s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}

// longName is the lower-case full name of a header field.
func longName(name string) string {
	name = strings.ToLower(name)
	if long, ok := compactForms[name]; ok {
		return long
	}
	return name
}

// is tells whether the field has that long lower-case name. Every message is
// asked for a dozen of them, so no name is copied.
func (f Header) is(name string) bool {
	if len(f.Name) == 1 {
		return longName(f.Name) == name
	}
	if len(f.Name) != len(name) {
		return false
	}
	for i := range len(name) {
		c := f.Name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// Get is the value of the first field of that name, "" when there is none.
// Names are compared without case; a compact form equals its full name.
func (h Headers) Get(name string) string {
	name = longName(name)
	for _, f := range h {
		if f.is(name) {
			return f.Value
		}
	}
	return ""
}

// All is the values of all fields of that name, in order.
func (h Headers) All(name string) []string {
	name = longName(name)
	var out []string
	for _, f := range h {
		if f.is(name) {
			out = append(out, f.Value)
		}
	}
	return out
}

// Has tells whether a list header such as Supported holds the token.
func (h Headers) Has(name, token string) bool {
	for _, v := range h.All(name) {
		for item := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// ownHeaders are set by this package; a caller must not give them.
var ownHeaders = map[string]bool{
	"via": true, "from": true, "to": true, "call-id": true, "cseq": true, "max-forwards": true,
	"content-length": true, "route": true, "record-route": true, "authorization": true,
	"proxy-authorization": true,
}

// CheckHeaders refuses fields from scripts and callers that would break the
// framing of the message or belong to the dialog.
func CheckHeaders(hs []Header) error {
	for _, h := range hs {
		switch {
		case h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool { return !isToken(r) }):
			return fault.New(fault.Invalid, "sip: header name %q is wrong", clip(h.Name, 80))
		case hasControl(h.Value):
			return fault.New(fault.Invalid, "sip: the value of header %s holds a line end, NUL or another control character", h.Name)
		case len(h.Name)+len(h.Value) > MaxHeaderLine:
			return fault.New(fault.Limit, "sip: header %s is longer than %d bytes", h.Name, MaxHeaderLine)
		case ownHeaders[longName(h.Name)]:
			return fault.New(fault.Invalid, "sip: header %s is set by the dialog", h.Name)
		}
	}
	if len(hs) > MaxHeaders/2 {
		return fault.New(fault.Limit, "sip: %d headers, at most %d are allowed", len(hs), MaxHeaders/2)
	}
	return nil
}

// hasControl tells whether a value would break or forge the header it is put
// into. A tab is white space there (RFC 3261 §25.1).
func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// oneLine refuses a text of a script or caller that would forge a header.
func oneLine(what, s string) error {
	if hasControl(s) {
		return fault.New(fault.Invalid, "sip: %s %q holds a line end, NUL or another control character", what, clip(s, 80))
	}
	return nil
}

func isToken(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	}
	return strings.ContainsRune("-.!%*_+`'~", r)
}

// String is the fields as on the wire, for logs and tests.
func (h Headers) String() string {
	var b strings.Builder
	for _, f := range h {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	return b.String()
}
