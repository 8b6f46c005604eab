package sip

import (
	"sync"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/clock"
)

// aftermath is what is remembered of INVITEs of ours whose transactions have
// ended before their time, by branch, for as long as their peers may still
// answer them.
type aftermath[V any] struct {
	mu   sync.Mutex
	kept map[string]V
}

// remember keeps v, unless there are as many as may be.
func (a *aftermath[V]) remember(branch string, v V, most int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= most {
		return false
	}
	if a.kept == nil {
		a.kept = map[string]V{}
	}
	a.kept[branch] = v
	clock.System().AfterFunc(timer64, func() { // as the transaction's own timers
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.kept, branch)
	})
	return true
}

// of is what is remembered of the INVITE that a response answers.
func (a *aftermath[V]) of(res *gosip.Response) (V, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.kept[branchOf(res)]
	return v, ok
}

func branchOf(m gosip.Message) string {
	if via := m.Via(); via != nil {
		branch, _ := via.Params.Get("branch")
		return branch
	}
	return ""
}
