package media

import (
	"testing"
	"time"
)

// waitFor polls a condition that other goroutines bring about.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("the condition never came")
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}
