package call

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// TestRandomCalls drives whole calls by random verbs, transfers and hang-ups of
// all parties: no panic, no verb answered twice, one record each.
func TestRandomCalls(t *testing.T) {
	calls := uint64(150)
	if testing.Short() {
		calls = 40
	}
	for seed := range calls {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			randomCall(t, rand.New(rand.NewPCG(seed, 7)))
		})
		if t.Failed() {
			return
		}
	}
}

func randomCall(t *testing.T, r *rand.Rand) {
	w := newWorld(t)
	w.deps.Transfers = desk{w}
	w.callees["anna"], w.callees["bob"] = answers(w, time.Second), answers(w, 3*time.Second)
	w.callees["carl"] = func(p *phone) { p.refuse(486) }
	w.callees["dora"] = func(p *phone) { p.ring() }
	caller := w.inbound(Spec{Record: r.IntN(2) == 0})
	phones := func() []*phone {
		w.mu.Lock()
		defer w.mu.Unlock()
		return append([]*phone{caller}, w.dialled...)
	}
	names := []string{"anna", "bob", "carl", "dora", "nobody", "denied", "unknown"}
	var story []string
	for range 20 {
		who := phones()[r.IntN(len(phones()))]
		name := names[r.IntN(len(names))]
		n := r.IntN(13)
		story = append(story, fmt.Sprintf("%d %s %s", n, who.name, name))
		switch n {
		case 0:
			w.do(func(l *Leg, v Verb) { l.Answer(v) })
		case 1:
			w.do(func(l *Leg, v Verb) { l.Connect(connectTo(name), v) })
		case 2:
			w.do(func(l *Leg, v Verb) {
				w.call.Dial(uint32(r.IntN(1000)), DialRequest{Target: name, Timeout: 5 * time.Second}, v)
			})
		case 3:
			who.asks(name + "@x")
		case 4, 5:
			for leg := range 6 {
				w.call.Do(func() {
					if l, err := w.call.Leg(legName(leg)); err == nil {
						l.Decide(n == 4, "", 603, Verb{Reply: func(any, error) {}})
					}
				})
			}
		case 6:
			who.bye()
		case 7:
			w.do(func(l *Leg, v Verb) { l.Hold(r.IntN(2) == 0, nil, v) })
		case 8:
			w.do(func(l *Leg, v Verb) { l.SendMessage("x", v) })
		case 9:
			w.do(func(l *Leg, v Verb) {
				if o, err := w.call.Leg("b"); err == nil {
					l.Bridge(o, time.Minute, r.IntN(2) == 0, v)
				} else {
					l.Unbridge(v)
				}
			})
		case 10:
			w.do(func(l *Leg, v Verb) { l.Transfer("sip:x@y", TransferOptions{}, v) })
			who.send(sip.Event{Kind: sip.Referred, Code: 100 + 100*r.IntN(4), ID: 1})
		case 11:
			taker := w.phone("taker")
			taker.offer = taker.session.Offer()
			done := make(chan bool, 1)
			go func() {
				done <- w.call.Replace(who.name, taker, media.SessionOptions{Bind: loopback}, Place{Name: "taker"})
			}()
			if !<-done {
				taker.session.Close()
				break
			}
			w.mu.Lock()
			w.dialled = append(w.dialled, taker)
			w.mu.Unlock()
		case 12:
			w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:440/300ms"}}, PromptOptions{}, v) })
		}
		w.pass(time.Duration(r.IntN(2500)) * time.Millisecond)
	}
	w.call.Hangup("system")
	w.pass(40 * time.Second)
	if w.final(); w.deps.Counters.Panics.Load() > 0 {
		t.Fatalf("a panic\n%v\n%s", story, w.story())
	}
}
