package engine

import (
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// oneLine refuses texts of API callers and scripts that go into SIP headers and
// hold a line end, NUL or another control character: they would forge a header.
// pairs are names and texts in turn.
func oneLine(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.ContainsFunc(pairs[i+1], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fault.New(fault.Invalid, "%s: %q holds a line end, NUL or another control character", pairs[i], pairs[i+1]).
				WithHint("it stands in a SIP header, on one line")
		}
	}
	return nil
}
