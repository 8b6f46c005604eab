package connector

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Asked is one request that the fake of another system has carried out.
type Asked struct {
	Method string         `json:"method"`
	Params map[string]any `json:"params"`
	At     time.Time      `json:"at"`
	Error  string         `json:"error,omitempty"`
}

// maxAsked is how many requests a fake remembers; older ones are forgotten.
const maxAsked = 10_000

// Failure is an answer that was ordered of a fake.
type Failure struct {
	Status int
	Says   string
}

// Trouble is what tests can order of a fake, and what they can ask it: a fake
// embeds it.
type Trouble struct {
	clk clock.Clock

	mu       sync.Mutex
	down     time.Time
	slow     time.Duration
	failures []Failure
	lose     int
	log      []Asked
}

// NewTrouble makes one with nothing wrong.
func NewTrouble(clk clock.Clock) *Trouble { return &Trouble{clk: clk} }

// Requests are what was asked, in order.
func (t *Trouble) Requests() []Asked {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

// Down takes the system away for a while.
func (t *Trouble) Down(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = t.clk.Now().Add(d)
}

// Slow delays every answer from now on.
func (t *Trouble) Slow(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slow = d
}

// Fail answers the next requests with an error of the system.
func (t *Trouble) Fail(times, status int, says string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range times {
		t.failures = append(t.failures, Failure{status, says})
	}
}

// Lose carries the next requests out and never answers them.
func (t *Trouble) Lose(times int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lose = times
}

// Meets is for the fake, as a request comes: it waits as ordered and reports
// whether the system is there.
func (t *Trouble) Meets(w http.ResponseWriter, r *http.Request) bool {
	t.mu.Lock()
	slow, down := t.slow, t.clk.Now().Before(t.down)
	t.mu.Unlock()
	if slow > 0 {
		Pause(r.Context(), t.clk, slow)
	}
	if down {
		Lose(w)
	}
	return !down
}

// Next is for the fake: the failure that is ordered for this request.
func (t *Trouble) Next() (f Failure, ordered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.failures) == 0 {
		return f, false
	}
	f, t.failures = t.failures[0], t.failures[1:]
	return f, true
}

// Note is for the fake: it remembers a request.
func (t *Trouble) Note(a Asked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.At = t.clk.Now()
	if t.log = append(t.log, a); len(t.log) > maxAsked {
		t.log = t.log[1:]
	}
}

// Loses is for the fake: whether the answer to a request that was carried out
// is to be lost.
func (t *Trouble) Loses() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lose == 0 {
		return false
	}
	t.lose--
	return true
}
