package script

import (
	"fmt"
	"testing"
)

// TestLimits: what is at a limit passes, one more is refused.
func TestLimits(t *testing.T) {
	for source, limit := range map[string]int{
		`crypto.getRandomValues(new Uint8Array(%d)); return 1`:                             MaxRandom,
		`const n = %d; await new Response("[".repeat(n) + "]".repeat(n)).json(); return 1`: MaxJSONDepth,
	} {
		if got := (&site{}).run(t, fmt.Sprintf(source, limit)); got != "1" {
			t.Errorf("%s with %d: %s", source, limit, got)
		}
		if got := (&site{}).run(t, fmt.Sprintf(source, limit+1)); got == "1" || got == "" {
			t.Errorf("%s with %d is not refused", source, limit+1)
		}
	}
}
