package store

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// TestEraseCalls removes what is named and nothing else, from the lists too;
// an order that is open stays.
func TestEraseCalls(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	s, err := Open(Options{InMemory: true, Clock: clock.NewVirtual(at)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var records, orders []string
	for i := range 2*sweepBatch + 10 {
		id := fmt.Sprintf("o%04d", i)
		to := []string{"+79160000001", "+79160000002"}[i%2]
		ok := s.PutRecord(Record{ID: id + ".1", Order: id, Started: at, Fields: Fields{To: to}, JSON: json.RawMessage(`{}`)})
		line := s.PutTimeline(id+".1", at, json.RawMessage(`[]`))
		order := s.PutOrder(Order{ID: id, Created: at, Open: i == 0, Fields: Fields{To: to}, JSON: json.RawMessage(`{}`)})
		if ok != nil || line != nil || order != nil {
			t.Fatal(ok, line, order)
		}
		if i%2 == 0 {
			records, orders = append(records, id+".1"), append(orders, id)
		}
	}
	half := sweepBatch + 5
	n, err := s.EraseCalls(context.Background(), append(records, "nobody.1"), orders)
	if err != nil || n != (Swept{Records: half, Orders: half - 1, Timelines: half}) {
		t.Fatal(n, err)
	}
	for to, want := range map[string]int{"+79160000001": 0, "+79160000002": half} {
		rows, _, err := s.ListRecords(Query{Fields: Fields{To: to}, Limit: MaxList})
		if err != nil || len(rows) != want {
			t.Errorf("%s: %d records, %v", to, len(rows), err)
		}
	}
	if open, _, _ := s.ListOrders(Query{Fields: Fields{To: "+79160000001"}}); len(open) != 1 || !open[0].Open {
		t.Error(open)
	}
	if _, ok, _ := s.GetTimeline("o0002.1"); ok {
		t.Error("a timeline is left")
	}
	if _, ok, _ := s.GetTimeline("o0001.1"); !ok {
		t.Error("a timeline of somebody else is gone")
	}
}
