package script

import (
	"strconv"
	"strings"
	"testing"
)

// TestLimits: what is at a limit passes, one more is refused.
func TestLimits(t *testing.T) {
	for source, limit := range map[string]int{
		`await b.rest("profile", {}, {timeout: N})`:                                                 int(maxTimeout.Milliseconds()),
		`await b.batch(Object.fromEntries(Array(N).fill(0).map((_, i) => ["k" + i, ["profile"]])))`: MaxCommands,
	} {
		for extra, refused := range map[int]bool{0: false, 1: true} {
			if got := run(t, strings.ReplaceAll(source, "N", strconv.Itoa(limit+extra))); strings.HasPrefix(got, "INVALID") != refused {
				t.Errorf("%s with %d: %.200s", source, limit+extra, got)
			}
		}
	}
}
