package veil

import "regexp"

// sdpKeys finds the master keys of a=crypto (RFC 4568 §9.2), whatever stands
// around them, and the ones of the old k= line (RFC 8866 §5.12).
var (
	sdpKeys  = regexp.MustCompile(`(?i)(inline:[ \t]*)[A-Za-z0-9+/=_-]+`)
	sdpLines = regexp.MustCompile(`(?im)^(k=[a-z0-9]+:)[^\r\n]+`)
)

// Keys is text, say a SIP message, without the SRTP keys of its session
// description. Whatever writes messages where people read them calls it.
func Keys(text string) string {
	return sdpLines.ReplaceAllString(sdpKeys.ReplaceAllString(text, "${1}"+Mark), "${1}"+Mark)
}
