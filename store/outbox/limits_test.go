package outbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/store"
)

func TestErrorTextLimit(t *testing.T) {
	for n, want := range map[int]int{maxError: maxError, maxError + 1: maxError} {
		if got := len(cut(strings.Repeat("x", n))); got != want {
			t.Errorf("%d of %d", got, n)
		}
	}
}

// endless is a space with items of one state without end.
type endless struct {
	Space
	state State
	read  int
}

func (e *endless) Scan(prefix, _ string, limit int) (list []store.Entry, err error) {
	for range limit {
		e.read++
		list = append(list, store.Entry{Key: prefix + fmt.Sprintf("%020d", e.read), Value: fmt.Appendf(nil, `{"state":%q}`, e.state)})
	}
	return list, nil
}

// TestListLimits: a page has so many rows, and looks at so many to find them.
func TestListLimits(t *testing.T) {
	for state, rows := range map[State]int{Stopped: maxList, Delivered: 0} {
		space := &endless{state: state}
		items, next, err := (&Outbox{opt: Options{Space: space}}).List(Stopped, 2*maxList, "")
		if err != nil || len(items) != rows || next == "" || space.read > maxScan || rows == 0 && space.read != maxScan {
			t.Errorf("%d rows, next %q, %d looked at, %v", len(items), next, space.read, err)
		}
	}
}
