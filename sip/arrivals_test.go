package sip

import (
	"runtime"
	"testing"
	"weak"
)

// TestADialogThatIsOverIsForgotten: nothing of the endpoint holds it, or the call
// that follows it: its transactions outlive it by half a minute, without it.
func TestADialogThatIsOverIsForgotten(t *testing.T) {
	for name, end := range map[string]func(p *peer, c *call, d *Dialog){
		"by the peer": func(p *peer, c *call, d *Dialog) {
			c.request("BYE", "")
			p.response(200, "BYE")
		},
		"by us": func(p *peer, c *call, d *Dialog) {
			d.Hangup()
			p.answer(p.request("BYE"), 200, "OK", "", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			over := func() weak.Pointer[Dialog] {
				p, c, d := r.established()
				end(p, c, d)
				expect(t, d, Ended)
				return weak.Make(d)
			}
			d := over()
			eventually(t, "the dialog is forgotten", func() bool {
				runtime.GC()
				return d.Value() == nil
			})
			if r.Stats().Transactions == 0 {
				t.Error("its transactions were waited for")
			}
			r.arrivals.mu.Lock()
			defer r.arrivals.mu.Unlock()
			if n := r.arrivals.list.size(); n != 0 {
				t.Errorf("%d INVITEs are remembered", n)
			}
		})
	}
}
