package media

import (
	"strings"
	"testing"
)

// TestNameLimit: RFC 1035 §2.3.4.
func TestNameLimit(t *testing.T) {
	for n, ok := range map[int]bool{maxName: true, maxName + 1: false} {
		name := strings.Repeat("a.", n/2) + strings.Repeat("b", n%2)
		if n%2 == 0 {
			name = name[:n-1] + "b"
		}
		if got := hostName(name) != ""; got != ok {
			t.Errorf("%d characters: %t", len(name), got)
		}
	}
}
