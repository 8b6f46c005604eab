package weburl

import "strings"

// set is the ASCII characters that are escaped in one part of a URL, besides
// controls and everything beyond ASCII.
type set string

// The percent-encode sets of the standard.
const (
	inControl      set = ""
	inFragment     set = " \"<>`"
	inQuery        set = " \"#<>"
	inSpecialQuery set = " \"#<>'"
	inPath         set = " \"#<>?^`{}"
	inUserinfo     set = " \"#<>?^`{}/:;=@[\\]|"
)

const hexDigits = "0123456789ABCDEF"

// Escape percent-encodes what may not stand in a part; escapes that are there
// stay as they are.
func Escape(s string, in set) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || strings.IndexByte(string(in), c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Decode undoes percent-encoding; what is no escape stays.
func Decode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := unhex(s[i+1]), unhex(s[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unhex(c byte) int { return strings.IndexByte("0123456789ABCDEF", upper(c)) }

func upper(c byte) byte {
	if c >= 'a' && c <= 'f' {
		return c - 32
	}
	return c
}
