package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/jslex"
)

func TestSoundsLimit(t *testing.T) {
	dir := t.TempDir()
	for i := range maxSounds + 1 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(soundNames(dir, "ru")); n != maxSounds {
		t.Fatalf("%d names", n)
	}
}

// TestSpanLimit: in a source that never closes its brackets nothing is searched
// to the end for each of them.
func TestSpanLimit(t *testing.T) {
	for words, found := range map[int]bool{maxSpan - 2: true, maxSpan - 1: false} {
		s := &source{tokens: jslex.Tokens("(" + strings.Repeat("a ", words) + ")")}
		if got := s.closing(0); (got == words+1) != found {
			t.Errorf("%d words in brackets: %d", words, got)
		}
	}
}
