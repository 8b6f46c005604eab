package connector

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

func TestAskedAreBounded(t *testing.T) {
	tr := NewTrouble(clock.NewVirtual(time.Unix(0, 0)))
	for range maxAsked + 3 {
		tr.Note(Asked{})
	}
	if n := len(tr.Requests()); n != maxAsked {
		t.Fatalf("%d requests are remembered", n)
	}
}
