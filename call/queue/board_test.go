package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// slot is a waiter that notes what it is asked for.
type slot struct{ log []string }

func (s *slot) Ring(agent string, _ time.Duration, _, others string) {
	s.log = append(s.log, "ring "+agent+"; "+others)
}

func (s *slot) Stop(agent string) { s.log = append(s.log, "stop "+agent) }

func newBoard(clk clock.Clock, events *[]string, members ...string) *Board {
	b := NewBoard(clk, Outside{
		Reach: func(string) Reach { return Free }, Open: func(string) bool { return true }, Day: func(time.Time) string { return "d" },
	}, func(_ *Core, _ time.Time, list []Event) {
		for _, e := range list {
			*events = append(*events, e.Type)
		}
	})
	b.With(func(c *Core, now time.Time) {
		c.Configure(now, []Group{{Name: "a", Ring: "serial", Members: members, Each: 20 * time.Second, WrapUp: 5 * time.Second, MaxWaiting: 5}}, nil)
	})
	return b
}

// TestBoard: effects go to who waits, and wrap-up ends by the clock.
func TestBoard(t *testing.T) {
	clk := clock.NewVirtual(start)
	var events []string
	b := newBoard(clk, &events, "1")
	defer b.Close()
	one, two := &slot{}, &slot{}
	p, _ := b.Enter(Request{Group: "a", Call: "x"}, one)
	q, _ := b.Enter(Request{Group: "a", Call: "y"}, two)
	if pos, _, known := q.Stand(); pos != 2 || known {
		t.Errorf("position %d, known %v", pos, known)
	}
	p.Answered("1")
	p.Talking("1")
	clk.Advance(30 * time.Second)
	p.Over()
	p.Over() // twice does no harm
	clk.Advance(4 * time.Second)
	if len(two.log) != 0 {
		t.Errorf("rung during wrap-up: %v", two.log)
	}
	clk.Advance(time.Second)
	q.Leave("key")
	if got := fmt.Sprint(one.log, two.log); got != "[ring 1; ] [ring 1; ]" {
		t.Error(got)
	}
	if got := fmt.Sprint(events); got != "[queue.entered agent.ringing queue.entered queue.answered queue.done agent.wrap_up agent.ready agent.ringing queue.left]" {
		t.Error(got)
	}
}

// TestKeptPlace: who left by a key comes back to the same place.
func TestKeptPlace(t *testing.T) {
	var events []string
	b := newBoard(clock.NewVirtual(start), &events, "1")
	defer b.Close()
	busy, _ := b.Enter(Request{Group: "a", Call: "w"}, &slot{})
	busy.Talking("1")
	p, _ := b.Enter(Request{Group: "a", Call: "x", Priority: 3}, &slot{})
	q, _ := b.Enter(Request{Group: "a", Call: "y", Priority: 3}, &slot{})
	p.Leave("key")
	r, ok := b.Left("x", "a")
	if _, other := b.Left("x", "b"); !ok || other || r.Seq == 0 {
		t.Fatalf("%+v %v", r, ok)
	}
	r.Back = true
	back, _ := b.Enter(r, &slot{})
	if pos, _, _ := back.Stand(); pos != 1 {
		t.Errorf("the kept place is %d", pos)
	}
	if pos, _, _ := q.Stand(); pos != 2 {
		t.Errorf("who came later stands at %d", pos)
	}
	b.Forget("x")
	if _, ok := b.Left("x", "a"); ok {
		t.Error("not forgotten")
	}
}

// TestMaxLeft: the oldest remembered place makes room.
func TestMaxLeft(t *testing.T) {
	var events []string
	b := newBoard(clock.NewVirtual(start), &events, "1")
	defer b.Close()
	for n := range MaxLeft + 1 {
		b.remember(Request{Call: itoa(n), Group: "a"})
	}
	_, first := b.Left("0", "a")
	if _, last := b.Left(itoa(MaxLeft), "a"); first || !last || len(b.left) != MaxLeft || b.core.Totals().Forgotten != 1 {
		t.Errorf("%d kept, first %v, last %v", len(b.left), first, last)
	}
}
