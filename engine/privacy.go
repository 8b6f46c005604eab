package engine

import (
	"strings"

	"github.com/loopstart/loopstart/sip"
)

// hidesCaller tells that the caller hides the number: Privacy: id of RFC 3325 §9.3,
// user and header of RFC 3323, or the privacy parameter of Remote-Party-ID. A
// trunk tells us the number all the same; it is not for scripts and records.
func hidesCaller(h sip.Headers) bool {
	for _, v := range h.All("Privacy") {
		for _, p := range strings.FieldsFunc(strings.ToLower(v), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			if p == "id" || p == "user" || p == "header" {
				return true
			}
		}
	}
	for _, v := range h.All("Remote-Party-ID") {
		_, params, _ := strings.Cut(strings.ToLower(v), ">")
		if strings.Contains(params, "privacy=full") || strings.Contains(params, "privacy=uri") {
			return true
		}
	}
	return false
}

// tellsCaller are the headers that are left out of call.headers of such a call.
func tellsCaller(name string) bool {
	switch strings.ToLower(name) {
	case "p-asserted-identity", "p-preferred-identity", "remote-party-id":
		return true
	}
	return false
}
