package host

import (
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// MaxMethods is how many methods are remembered by the time they have worked.
const MaxMethods = 200

// methodOff is how long a method rests when nothing has said how long.
const methodOff = time.Minute

// methods are what is known of the working time of each method: the portal
// blocks one that has worked too long within ten minutes, until a minute of
// that falls out of the account.
type methods struct {
	mu    sync.Mutex
	known map[string]working
}

// working is one method's account.
type working struct {
	reset time.Time // when the oldest minute falls out, of the last good answer
	until time.Time // not to be called before
}

// worked notes what a good answer says.
func (m *methods) worked(method string, resetAt float64) {
	if resetAt > 0 {
		m.set(method, working{reset: time.Unix(int64(resetAt), 0)})
	}
}

// exhausted notes that a method is blocked. Its own answer does not say how
// long: the last good one does.
func (m *methods) exhausted(method string, now time.Time) {
	m.mu.Lock()
	w := m.known[method]
	m.mu.Unlock()
	w.until = now.Add(methodOff)
	if w.reset.After(now) {
		w.until = w.reset
	}
	m.set(method, w)
}

func (m *methods) set(method string, w working) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= MaxMethods {
		m.known = map[string]working{} // what still holds is found out again
	}
	m.known[method] = w
}

// rested tells whether a method may be called, and else when.
func (m *methods) rested(method string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.known[method].until.Sub(now)
	if left <= 0 {
		return nil
	}
	return connector.Limited{After: left, Fault: fault.New(fault.Limit, "bitrix24: %s has used up its working time of 10 minutes", method).
		WithHint("it may be called again in %s; ask for less at once", left.Round(time.Second))}
}
