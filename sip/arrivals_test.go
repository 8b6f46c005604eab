package sip

import (
	"runtime"
	"testing"
	"weak"
)

// TestADialogThatIsOverIsForgotten: nothing of the endpoint holds it, or the call
// that follows it, any longer than its last transactions.
func TestADialogThatIsOverIsForgotten(t *testing.T) {
	r := newRig(t, nil)
	over := func() weak.Pointer[Dialog] {
		p := r.peer()
		c := p.newCall()
		c.invite()
		d := r.incoming()
		if err := d.Accept([]byte(sdp("answer"))); err != nil {
			t.Fatal(err)
		}
		c.to = p.response(200, "INVITE").get("To")
		c.ack("")
		expect(t, d, Confirmed)
		c.request("BYE", "")
		p.response(200, "BYE")
		expect(t, d, Ended)
		return weak.Make(d)
	}
	d := over()
	eventually(t, "the dialog is forgotten", func() bool {
		runtime.GC()
		return d.Value() == nil
	})
	r.arrivals.mu.Lock()
	defer r.arrivals.mu.Unlock()
	if n := r.arrivals.list.size(); n != 0 {
		t.Errorf("%d INVITEs are remembered", n)
	}
}
