package duration

import (
	"strings"
	"testing"
)

func TestTextLimit(t *testing.T) {
	for n, ok := range map[int]bool{maxText: true, maxText + 1: false} {
		if _, err := Parse(strings.Repeat("0", n-2) + "1s"); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
