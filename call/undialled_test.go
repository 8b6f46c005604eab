package call

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestUndialledSaysWhy: a call whose party has no phone leaves a record that
// names the cause, though no INVITE has left.
func TestUndialledSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
	w.call.Undialled(fault.New(fault.Unavailable, "nobody is registered for 101"))
	if r := w.final(); r.Outcome != NotCalled || r.Code != 0 || r.Cause != "nobody is registered for 101" {
		t.Errorf("%+v", r)
	}
}
