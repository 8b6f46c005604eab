package host

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// quiet is a journal that nobody reads.
type quiet struct{ Journal }

func (quiet) Note(string, string, string) {}

// TestMaxWaiting: one request more than may wait is refused, the others are
// answered.
func TestMaxWaiting(t *testing.T) {
	leave := make(chan struct{})
	serv := Services{Clock: clock.System(), More: map[string]func(context.Context, json.RawMessage) (any, error){
		"slow": func(context.Context, json.RawMessage) (any, error) { <-leave; return nil, nil },
	}}
	var mu sync.Mutex
	answers := map[fault.Code]int{}
	var done sync.WaitGroup
	done.Add(MaxWaiting + 1)
	s := New(serv, quiet{}, func(_ uint32, _ any, err error) {
		mu.Lock()
		answers[fault.CodeOf(err)]++
		mu.Unlock()
		done.Done()
	})
	defer s.Close()
	for i := range uint32(MaxWaiting + 1) {
		s.Serve(i+1, message.Request{Method: "slow"})
	}
	close(leave)
	done.Wait()
	if answers[fault.Limit] != 1 || answers[""] != MaxWaiting {
		t.Fatalf("%v", answers)
	}
}
