package engine

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/store"
)

// TestEventNumbersRise also when the order is over and read from the disk
// again, as for a recording that is converted later.
func TestEventNumbersRise(t *testing.T) {
	var n told
	ask := func(order, kind string, seq, want int) {
		t.Helper()
		if got := n.number(Event{Order: order, Type: kind, Seq: seq}); got != want {
			t.Errorf("%s of %s: %d, want %d", kind, order, got, want)
		}
	}
	ask("a", "call.result", 3, 3)
	ask("a", "call.ended", 4, 4)
	ask("a", "order.done", 5, 5)
	ask("a", "recording.stored", 4, 6) // the row on disk was older
	ask("a", "recording.failed", 1, 7) // the second recording
	ask("b", "call.ringing", 1, 1)
	ask("", "source.banned", 1, 1)
	for i := range MaxToldOrders {
		ask("o"+strconv.Itoa(i), "order.done", 2, 2)
	}
	if len(n.last) != MaxToldOrders || len(n.queue) != MaxToldOrders {
		t.Errorf("%d of %d orders are remembered", len(n.last), MaxToldOrders)
	}
	ask("a", "recording.stored", 4, 4) // forgotten
}

// TestOrderDoneOnlyWhenDone: an attempt that a crash cut off and that the
// rules repeat does not close its order.
func TestOrderDoneOnlyWhenDone(t *testing.T) {
	p := serve(t, "", map[string]string{"one.js": "export default async (call) => {};"})
	_, next, stop, ok := p.feed.Listen(0)
	if !ok {
		t.Fatal("no place in the feed")
	}
	defer stop()
	ord := &order{Order: Order{ID: "o1", Script: "one", Seq: 3}}
	r := call.Record{ID: "o1.1", Order: "o1", Script: "one", Outcome: call.Unknown}
	p.afterRecord(ord, r)
	r.ID, r.Final = "o1.2", true
	p.afterRecord(ord, r)
	for i, want := range []string{"call.ended o1.1 4", "call.ended o1.2 5", "order.done o1.2 6"} {
		select {
		case it := <-next:
			if got := it.Event.Type + " " + it.Event.Call + " " + strconv.Itoa(it.Event.Seq); got != want {
				t.Errorf("event %d: %s, want %s", i, got, want)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("no %s", want)
		}
	}
}

// TestOrderDoneHasARecord: who hears that an order is done without a dial is
// told the outcome at the same place as of any other.
func TestOrderDoneHasARecord(t *testing.T) {
	p := serve(t, campaignTrunk, map[string]string{"one.js": `
export async function beforeAttempt() { return { skip: "paid" }; }
export default async (call) => {};`})
	_, next, stop, ok := p.feed.Listen(0)
	if !ok {
		t.Fatal("no place in the feed")
	}
	defer stop()
	if _, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: "+79160000001", Key: "k"}, ""); err != nil {
		t.Fatal(err)
	}
	select {
	case it := <-next:
		var data struct{ Reason string }
		_ = json.Unmarshal(it.Event.Data, &data)
		if r := it.Event.Record; it.Event.Type != "order.done" || r == nil || r.Outcome != call.NotCalled || r.Cause != "paid" || !r.Final || data.Reason != "paid" {
			t.Errorf("%+v %+v", it.Event, it.Event.Record)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("nothing was told")
	}
}

// TestCutOffOrderedCall: what an ordered call had come to when the process was
// killed is in its record: the answer, the result, and that a key was pressed,
// which is not asked for again.
func TestCutOffOrderedCall(t *testing.T) {
	p := serve(t, campaignTrunk, map[string]string{"one.js": "export default async (call) => {};"})
	began := p.clk.Now().Add(-time.Minute).Round(0)
	answered := began.Add(3 * time.Second)
	for _, c := range []struct {
		id, row string
		outcome call.Outcome
		talked  bool
	}{
		{"pressed", `{"direction":"outbound","script":"one","trunk":"mango","started_at":"` + began.Format(time.RFC3339Nano) + `","answered_at":"` + answered.Format(time.RFC3339Nano) + `","result":{"step":"going"},"keyed":true}`, call.Delivered, true},
		{"listened", `{"direction":"outbound","script":"one","trunk":"mango","started_at":"` + began.Format(time.RFC3339Nano) + `","answered_at":"` + answered.Format(time.RFC3339Nano) + `","result":{"step":"none"}}`, call.Unknown, true},
		{"decided", `{"direction":"outbound","script":"one","trunk":"mango","started_at":"` + began.Format(time.RFC3339Nano) + `","answered_at":"` + answered.Format(time.RFC3339Nano) + `","result":1,"outcome":"delivered"}`, call.Delivered, true},
		{"rang", "", call.Unknown, false},
	} {
		attempt := OrderAttempt{ID: c.id + ".1", At: began}
		if c.row != "" {
			if err := p.live.space.Apply(store.Op{Key: attempt.ID, Value: []byte(c.row)}); err != nil {
				t.Fatal(err)
			}
		}
		p.live.recover() // leaves it to the order
		p.lost(&order{Order: Order{ID: c.id, Script: "one", To: "+79160000001", Attempts: 3, State: stateDialing, Made: []OrderAttempt{attempt}}}, attempt)
		row, ok, err := p.store.GetRecord(attempt.ID)
		var r call.Record
		if err != nil || !ok || json.Unmarshal(row.JSON, &r) != nil {
			t.Fatal(c.id, ok, err)
		}
		if r.Outcome != c.outcome || !r.Final || (r.AnsweredAt != nil) != c.talked || (len(r.Result) > 0) != c.talked || c.talked && (r.Code != 200 || r.RingMs != 3000 || r.Trunk != "mango") {
			t.Errorf("%s: %s", c.id, row.JSON)
		}
		if _, left, _ := p.live.space.Get(attempt.ID); left {
			eventually(t, "the end of the row", func() bool { _, left, _ := p.live.space.Get(attempt.ID); return !left })
		}
	}
}
