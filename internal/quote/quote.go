// Package quote writes texts as JSON strings without reflection, for what is
// written for every call and every value of a script.
package quote

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// AppendJSON appends s to dst as a JSON string (RFC 8259 §7), escaping no more
// than has to be. What is no UTF-8 becomes U+FFFD.
func AppendJSON(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
