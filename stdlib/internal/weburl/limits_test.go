package weburl

import (
	"strings"
	"testing"
)

// TestMaxText: a longer URL is none, however it is made.
func TestMaxText(t *testing.T) {
	u, ok := Parse("http://a/"+strings.Repeat("x", MaxText-9), nil)
	if !ok {
		t.Fatal("a URL of the longest length is refused")
	}
	if _, ok := Parse("http://a/"+strings.Repeat("x", MaxText-8), nil); ok {
		t.Error("a longer one is read")
	}
	if u.Set("hash", strings.Repeat("x", MaxText+1)) {
		t.Error("a longer part is set")
	}
}
