package script

import (
	"fmt"
	"strings"
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
	s := &site{}
	s.run(t, fmt.Sprintf(`for (let i = 0; i < %d; i++) { console.count("k" + i); console.time("t" + i) } console.timeEnd("t%d"); console.timeEnd("t%d"); console.log("all")`, maxLabels+1, maxLabels-1, maxLabels))
	if last := s.posts[max(0, len(s.posts)-3):]; len(s.posts) != maxLabels+3 || !strings.Contains(last[0], "default: 1") || !strings.Contains(last[1], fmt.Sprintf("t%d: ", maxLabels-1)) {
		t.Errorf("%d lines, the last: %s", len(s.posts), last)
	}
	s = &site{}
	s.run(t, fmt.Sprintf(`for (let i = 0; i < %d; i++) console.group(); console.log("x")`, maxIndent+1))
	if want := `"` + strings.Repeat("  ", maxIndent) + `x"`; len(s.posts) != 1 || !strings.Contains(s.posts[0], want) {
		t.Errorf("%s", s.posts)
	}
}
