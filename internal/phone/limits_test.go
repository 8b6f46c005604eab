package phone

import (
	"strings"
	"testing"
)

// TestNumberLimits: what is too long is no number and comes back as it is.
func TestNumberLimits(t *testing.T) {
	most := "+" + strings.Repeat("9", MaxDigits)
	for text, want := range map[string]string{
		" " + most:       most,
		" " + most + "9": " " + most + "9",
		strings.Repeat(" ", MaxText-12) + "+79160000001": "+79160000001",
		strings.Repeat(" ", MaxText-11) + "+79160000001": strings.Repeat(" ", MaxText-11) + "+79160000001",
	} {
		if got := Normalize(text, "RU"); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
