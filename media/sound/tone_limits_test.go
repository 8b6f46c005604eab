package sound

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestToneLimits: what is at a limit sounds, one more is refused.
func TestToneLimits(t *testing.T) {
	list := func(n int, item, sep string) string { return strings.TrimSuffix(strings.Repeat(item+sep, n), sep) }
	for name, at := range map[string]func(n int) string{
		"maxToneSpec":     func(n int) string { return "tone:440" + strings.Repeat(" ", n-8) },
		"maxToneSegments": func(n int) string { return "tone:" + list(n, "440/1s", ",") },
		"maxToneFreqs":    func(n int) string { return "tone:" + list(n, "440", "+") },
		"maxToneHz":       func(n int) string { return fmt.Sprintf("tone:%d", n) },
		"maxToneDuration": func(n int) string { return fmt.Sprintf("tone:440/%dms", n) },
	} {
		limit := map[string]int{
			"maxToneSpec": maxToneSpec, "maxToneSegments": maxToneSegments, "maxToneFreqs": maxToneFreqs, "maxToneHz": maxToneHz,
			"maxToneDuration": int(maxToneDuration / time.Millisecond),
		}[name]
		if _, err := Tone(at(limit)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Tone(at(limit + 1)); err == nil {
			t.Errorf("%s: %s is accepted", name, at(limit+1))
		}
	}
	if _, err := Tone(fmt.Sprintf("tone:440/%dms,silence/1s", maxToneDuration/time.Millisecond)); err == nil {
		t.Error("parts may be longer together than one may be")
	}
}
