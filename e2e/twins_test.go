package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// TestOrderRingsAllPhonesOfAUser: an ordered call to a user with two phones.
func TestOrderRingsAllPhonesOfAUser(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"tell.ts": `
export default async function (call) {
  await call.play("tone:500/10s");
}`}, conf{sip: `users: {"101": {password: pw}}`})
	desk, mobile := phone.New(t, "101", "127.0.0.1"), phone.New(t, "101", "127.0.0.1")
	register(t, p, desk, "pw")
	register(t, p, mobile, "pw")
	order := func() (id string, a, b *phone.Call) {
		id = p.place(map[string]any{"script": "tell", "to": "101"})
		a, b = desk.Next(t, 10*time.Second), mobile.Next(t, 10*time.Second)
		a.Ring()
		b.Ring()
		return id, a, b
	}
	for name, swap := range map[string]bool{"the one that registered first": false, "the other": true} {
		t.Run(name+" answers", func(t *testing.T) {
			p := p.in(t)
			id, takes, stops := order()
			if swap {
				takes, stops = stops, takes
			}
			takes.PickUp()
			cancel := stops.Request("CANCEL", 5*time.Second)
			if why := cancel.Get("reason"); !strings.Contains(why, "cause=200") {
				t.Errorf("Reason: %q", why)
			}
			takes.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
			takes.Hangup()
			if o := p.done(id); len(o.Attempts) != 1 || o.Attempts[0].Outcome == "no_answer" {
				t.Errorf("%+v", o)
			}
		})
	}
	t.Run("one is busy, then the other declines for all", func(t *testing.T) {
		p := p.in(t)
		id, a, b := order()
		a.Refuse(486, "Busy Here")
		if o := p.show(id); o.State != "dialing" {
			t.Errorf("%s", o.State)
		}
		b.Refuse(603, "Decline")
		if o := p.done(id); len(o.Attempts) != 1 || o.Attempts[0].Outcome != "rejected" {
			t.Errorf("%+v", o)
		}
	})
}
