package call

import (
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/sip"
)

// TestRouteNews: what whoever counts is told of a dial.
func TestRouteNews(t *testing.T) {
	over := func(code int, headers sip.Headers) func(*phone) {
		return func(p *phone) {
			p.send(sip.Event{Kind: sip.Ended, Code: code, Reason: sip.ReasonRejected, Remote: true, Headers: headers})
		}
	}
	answered := sip.Headers{{Name: "Server", Value: "x"}}
	for name, c := range map[string]struct {
		callee func(w *world) func(*phone)
		want   string
	}{
		"rings and answers": {callee: func(w *world) func(*phone) {
			return func(p *phone) {
				w.clk.AfterFunc(2*time.Second, p.ring)
				w.clk.AfterFunc(5*time.Second, p.pickUp)
				w.clk.AfterFunc(9*time.Second, p.bye)
			}
		}, want: "[{false true 0 2s false 0s false 0s} {true true 200 2s true 4s false 0s}]"},
		"busy":        {callee: func(*world) func(*phone) { return over(486, answered) }, want: "[{true true 486 0s false 0s false 0s}]"},
		"unavailable": {callee: func(*world) func(*phone) { return over(503, answered) }, want: "[{true true 503 0s false 0s false 0s}]"},
		"not sent":    {callee: func(*world) func(*phone) { return over(503, nil) }, want: "[{true false 503 0s false 0s false 0s}]"},
		"come later":  {callee: func(*world) func(*phone) { return over(503, sip.Headers{{Name: "Retry-After", Value: "90"}}) }, want: "[{true true 503 0s false 0s false 1m30s}]"},
		"silent":      {callee: func(*world) func(*phone) { return func(*phone) {} }, want: "[{true false 408 0s false 0s false 0s}]"},
		"rings long": {callee: func(w *world) func(*phone) { return func(p *phone) { w.clk.AfterFunc(time.Second, p.ring) } },
			want: "[{false true 0 1s false 0s false 0s} {true true 0 1s false 0s true 0s}]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.inbound(Spec{})
			w.answer()
			w.callees["anna"] = c.callee(w)
			w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
			w.pass(40 * time.Second)
			if got := fmt.Sprint(w.news); got != c.want {
				t.Errorf("%s, want %s\n%s", got, c.want, w.story())
			}
		})
	}
}
