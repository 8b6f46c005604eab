package campaign_test

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
)

// TestNoLineAtTheEndOfTheHead lets every contact come once when there is no
// line, those too that are the last of what is held of a queue: they are put
// back and not forgotten.
func TestNoLineAtTheEndOfTheHead(t *testing.T) {
	const people = 3*campaign.Ahead + 5
	w := newWorld(t)
	w.lines = &lines{free: 1}
	w.create(campaign.Spec{MaxCalls: 2})
	for n := range people {
		w.add(number(n))
	}
	w.reopen() // the queue is read from the store
	w.start()
	for i := 0; i < 2*people && len(w.calls) > 0; i++ {
		w.step() // a call is in progress: no line for the next one
		w.end(0, campaign.Result{Outcome: campaign.Delivered, Answered: true})
		w.clk.now = w.clk.now.Add(time.Second)
		w.step()
	}
	if got := w.c.Row(); len(w.dialed) != people || got.State != campaign.Completed {
		t.Errorf("%d of %d dialled, the campaign is %s", len(w.dialed), people, got.State)
	}
}
