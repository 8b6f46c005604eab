package suggest

import (
	"strings"
	"testing"
)

func TestWordLimit(t *testing.T) {
	for n, want := range map[int]int{maxWord: 1, maxWord + 1: maxWord + 1} {
		if got := Distance(strings.Repeat("a", n), strings.Repeat("a", n-1)+"b"); got != want {
			t.Errorf("words of %d: %d", n, got)
		}
	}
}
