package script

import (
	"fmt"
	"strings"
	"testing"
)

// TestMaxContacts: one more contact at a time is refused, and nobody is asked.
func TestMaxContacts(t *testing.T) {
	for n, want := range map[int]bool{MaxContacts: true, MaxContacts + 1: false} {
		asked, got := run(t, fmt.Sprintf(`await campaigns.add("m1", Array(%d).fill({to: "1"}))`, n))
		if (len(asked) > 0) != want || strings.HasPrefix(got, "LIMIT: ") == want {
			t.Errorf("%d contacts: %d requests, %s", n, len(asked), got)
		}
	}
}
