package script

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/journal"
)

// TestLimits: what is at a limit is asked for, one more is refused.
func TestLimits(t *testing.T) {
	for source, limit := range map[string]int{
		`await f.step("a", () => 1, {tries: N})`:       maxStepTries,
		`await f.sleep(N)`:                             int(maxWait / time.Millisecond),
		`await f.event("a", {within: N})`:              int(maxWait / time.Millisecond),
		`await f.call({to: "+79161234567", tries: N})`: maxDials,
	} {
		for n, fits := range map[int]bool{limit: true, limit + 1: false} {
			asked, o := wakeUp(t, strings.ReplaceAll(source, "N", strconv.Itoa(n)), journal.Wake{})
			refused := strings.Contains(strings.Join(asked, "\n"), `"INVALID"`) || o.Error != nil && o.Error.Code == "INVALID"
			if refused == fits {
				t.Errorf("%s with %d: %q %+v", source, n, asked, o.Error)
			}
		}
	}
}
