package engine

import (
	"strconv"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/internal/fault"
)

const queuesYAML = `

groups:
  desk: {members: ["+79160000001", "89160000002"], ring: all}
  closed: {members: ["+79160000001"], hours: never}
schedules: {never: {open: {mon: "00:00-00:01"}, closed: ["2020-01-01..2099-12-31"]}}
trunks: {t: {address: "127.0.0.1:9", options: off, from: ["+74950000000"], destinations: ["+7"]}}
`

func deskEngine(t *testing.T) *project {
	return serve(t, queuesYAML, map[string]string{"a.js": "export default async (call) => { await call.answer(); };"})
}

// TestKeptPlaces: a number has one place in a group, on disk; what could never
// be dialled is refused at once.
func TestKeptPlaces(t *testing.T) {
	p := deskEngine(t)
	q := &p.queues
	keep := func(group, to string) (BackAnswer, error) { return q.keep(nil, nil, backRequest{Group: group, To: to}) }
	one, err := keep("closed", "8 916 111-11-11")
	if err != nil || one.Position != 1 || one.ID == "" {
		t.Fatalf("%+v %v", one, err)
	}
	if again, err := keep("closed", "+79161111111"); err != nil || again != one {
		t.Errorf("a second place: %+v %v", again, err)
	}
	if two, err := keep("closed", "+79162222222"); err != nil || two.Position != 2 {
		t.Errorf("%+v %v", two, err)
	}
	if n, err := q.kept.Count(""); err != nil || n != 2 {
		t.Errorf("%d on disk, %v", n, err)
	}
	if _, err := (stopList{p.Engine}).Add("+79163333333", "asked", time.Time{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		group, to string
		code      fault.Code
	}{
		{"clsed", "+79161111111", fault.NotFound}, {"closed", "+4930123456", fault.Denied}, {"closed", "+79163333333", fault.Denied}, {"closed", "nobody", fault.NotFound},
	} {
		if _, err := keep(c.group, c.to); fault.CodeOf(err) != c.code {
			t.Errorf("%s %s: %v, want %s", c.group, c.to, err, c.code)
		}
	}
	if err := q.cancelBack(one.ID); err != nil || fault.CodeOf(q.cancelBack(one.ID)) != fault.NotFound {
		t.Errorf("cancel: %v", err)
	}
	if two, err := keep("closed", "+79165555555"); err != nil || p.CancelOrder(two.ID) != nil || fault.CodeOf(p.CancelOrder("nothing")) != fault.NotFound {
		t.Errorf("cancelled by the API: %v", err)
	}
	if _, err := p.Erase("+79162222222"); err != nil || len(q.backs) != 0 {
		t.Errorf("%d places after the erasure, %v", len(q.backs), err)
	}
	q.mu.Lock()
	for n := len(q.backs); n < MaxKept; n++ {
		q.backs["x"+strconv.Itoa(n)] = &keptPlace{q: q}
	}
	q.mu.Unlock()
	if _, err := keep("closed", "+79164444444"); fault.CodeOf(err) != fault.Limit {
		t.Errorf("beyond the limit: %v", err)
	}
}

// TestKeptPlaceRungEarly: the board may ring before it has said which place it
// is; that ring is made up for, and one of a stay that is over is not.
func TestKeptPlaceRungEarly(t *testing.T) {
	p := deskEngine(t)
	k := &keptPlace{q: &p.queues, Back: Back{ID: "early", Group: "desk", To: "+79161111111", Script: "a", Attempts: 1, Timeout: time.Second}}
	stay := k.stay.Add(1)
	k.ring(stay-1, "+79160000001", time.Second, "of an earlier stay")
	k.ring(stay, "+79160000001", time.Second, "early")
	if k.call != nil || len(k.early) != 1 {
		t.Fatalf("%v, %d rings wait for the place", k.call, len(k.early))
	}
	place, status := p.queues.board.Enter(queue.Request{Group: "closed", Call: k.ID, From: k.To, Back: true}, k)
	if status != "" {
		t.Fatal(status)
	}
	p.queues.mu.Lock()
	k.place = place
	p.queues.mu.Unlock()
	k.turn.Lock() // two members at once, as ring: all has them
	go k.early[0]()
	go k.ring(stay, "+79160000002", time.Second, "beside")
	k.turn.Unlock()
	var first *live
	for i := 0; first == nil; i++ {
		if i == 3000 {
			t.Fatal("the call-back has never begun")
		}
		<-time.After(10 * time.Millisecond)
		p.queues.mu.Lock()
		first = k.call
		p.queues.mu.Unlock()
	}
	if n := len(p.calls.list()); n != 1 {
		t.Errorf("%d calls of one place", n)
	}
	p.queues.forget(k)
}

// TestAgentStates: who is away is not rung by connect either; numbers have one
// form, and others see them masked.
func TestAgentStates(t *testing.T) {
	p := deskEngine(t)
	rings := func() int {
		places, err := dialer{p.Engine}.Resolve(call.DialRequest{Target: "desk"})
		if err != nil {
			t.Fatal(err)
		}
		return len(places)
	}
	if n := rings(); n != 2 {
		t.Fatalf("%d ring", n)
	}
	if s, err := p.queues.set("8 916 000-00-02", "away"); err != nil || s.State != "away" {
		t.Fatalf("%+v %v", s, err)
	}
	if n := rings(); n != 1 {
		t.Errorf("%d ring while one is away", n)
	}
	g, err := p.queues.state("desk")
	if err != nil || g.Members[1].Name != "+7916***0002" || g.Members[1].State != "away" {
		t.Errorf("%+v %v", g, err)
	}
	for name, state := range map[string]string{"8 916 000-00-02": "busy", "101": "ready", "+79169999999": "ready"} {
		if _, err := p.queues.set(name, state); err == nil {
			t.Errorf("%s may be %s", name, state)
		}
	}
	if _, err := p.queues.state("desc"); fault.CodeOf(err) != fault.NotFound || fault.HintOf(err) != "did you mean desk?" {
		t.Errorf("%v", err)
	}
	if s, err := p.queues.set("+79160000002", "ready"); err != nil || s.State != "ready" || rings() != 2 {
		t.Errorf("%+v %v", s, err)
	}
}
