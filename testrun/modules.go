package testrun

import (
	"context"
	"encoding/json"

	"github.com/loopstart/loopstart/runtime/message"
)

// serve answers a request of the test file's own VM to a module that scripts
// have, too. It begins when everything has settled and is answered at the end
// of its moment, so that a run is the same every time.
func (s *stage) serve(do func(context.Context, json.RawMessage) (any, error), r message.Request, settle func(any, error)) {
	s.clk.AfterFunc(0, func() {
		s.clk.Busy(1)
		go func() {
			defer s.clk.Busy(-1)
			value, err := do(context.Background(), r.Args)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.last(func() { settle(value, err) })
		}()
	})
}
