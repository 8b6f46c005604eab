package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// Calls is the part of a store that keeps orders, records and timelines.
type Calls interface {
	PutRecord(store.Record) error
	PutRecordLater(store.Record, func(error))
	GetRecord(id string) (store.Record, bool, error)
	ListRecords(store.Query) ([]store.Record, string, error)
	CreateOrder(store.Order, *store.Once) (store.Order, bool, error)
	PutOrder(store.Order) error
	GetOrder(id string) (store.Order, bool, error)
	FindOpenKey(key string) (store.Order, bool, error)
	ListOrders(store.Query) ([]store.Order, string, error)
	PutTimeline(id string, at time.Time, events json.RawMessage) error
	GetTimeline(id string) (json.RawMessage, bool, error)
	Idempotency(store.Once) (json.RawMessage, bool, error)
	Remembered(store.Once) (json.RawMessage, bool, error)
	Flush(ctx context.Context) error
	Sweep(ctx context.Context, now time.Time, keep store.Keep) (store.Swept, error)
}

// RunCalls checks orders, records, timelines and idempotency keys.
func RunCalls(t *testing.T, open func(*testing.T, clock.Clock) Calls) {
	for name, f := range map[string]func(*testing.T, Calls, *clock.Virtual){
		"lists": callLists, "pages": callPages, "update": callUpdate, "orders": callOrders, "race": callRace,
		"once": callOnce, "timelines": callTimelines, "sweep": callSweep, "limits": callLimits,
	} {
		t.Run(name, func(t *testing.T) {
			clk := clock.NewVirtual(Start)
			f(t, open(t, clk), clk)
		})
	}
}

// fill stores n records, one a minute, whose fields follow from the number.
func fill(t *testing.T, s Calls, n int) {
	t.Helper()
	pick := func(i int, of ...string) string { return of[i%len(of)] }
	for i := range n {
		r := store.Record{
			ID: fmt.Sprintf("o%d.1", i), Order: fmt.Sprintf("o%d", i), Started: Start.Add(time.Duration(i) * time.Minute),
			Fields: store.Fields{
				State: pick(i, "done", "talking"), Outcome: pick(i, "delivered", "busy", "no_answer"), Script: pick(i/2, "hello", "menu"),
				Campaign: pick(i, "", "c1"), Trunk: pick(i, "mango", "tele2", ""), To: fmt.Sprintf("+7916000%04d", i%5), From: "+74951234567",
				Key: fmt.Sprintf("order-%d", i%7), Tags: map[string]string{"shop": pick(i, "spb", "msk"), "n": fmt.Sprint(i)},
			},
			JSON: raw(`{"n":%d}`, i),
		}
		s.PutRecordLater(r, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	check(t, s.Flush(context.Background()))
}

// numbers lists records and returns their numbers.
func numbers(t *testing.T, s Calls, q store.Query) (out []int, next string) {
	t.Helper()
	rows, next, err := s.ListRecords(q)
	check(t, err)
	for _, r := range rows {
		var v struct{ N int }
		check(t, json.Unmarshal(r.JSON, &v))
		out = append(out, v.N)
	}
	return out, next
}

func callLists(t *testing.T, s Calls, _ *clock.Virtual) {
	const n = 60
	fill(t, s, n)
	at := func(i int) time.Time { return Start.Add(time.Duration(i) * time.Minute) }
	for name, c := range map[string]struct {
		q    store.Query
		want func(i int) bool
	}{
		"all":       {store.Query{}, func(int) bool { return true }},
		"state":     {store.Query{Fields: store.Fields{State: "talking"}}, func(i int) bool { return i%2 == 1 }},
		"outcome":   {store.Query{Fields: store.Fields{Outcome: "busy"}}, func(i int) bool { return i%3 == 1 }},
		"script":    {store.Query{Fields: store.Fields{Script: "menu"}}, func(i int) bool { return i/2%2 == 1 }},
		"campaign":  {store.Query{Fields: store.Fields{Campaign: "c1"}}, func(i int) bool { return i%2 == 1 }},
		"trunk":     {store.Query{Fields: store.Fields{Trunk: "tele2"}}, func(i int) bool { return i%3 == 1 }},
		"to":        {store.Query{Fields: store.Fields{To: "+79160000003"}}, func(i int) bool { return i%5 == 3 }},
		"from":      {store.Query{Fields: store.Fields{From: "+74951234567"}}, func(int) bool { return true }},
		"key":       {store.Query{Fields: store.Fields{Key: "order-2"}}, func(i int) bool { return i%7 == 2 }},
		"tag":       {store.Query{Fields: store.Fields{Tags: map[string]string{"shop": "spb"}}}, func(i int) bool { return i%2 == 0 }},
		"two tags":  {store.Query{Fields: store.Fields{Tags: map[string]string{"shop": "spb", "n": "4"}}}, func(i int) bool { return i == 4 }},
		"several":   {store.Query{Fields: store.Fields{Outcome: "delivered", State: "done", Script: "hello"}}, func(i int) bool { return i%6 == 0 && i/2%2 == 0 }},
		"order":     {store.Query{Order: "o9"}, func(i int) bool { return i == 9 }},
		"since":     {store.Query{Since: at(50)}, func(i int) bool { return i >= 50 }},
		"until":     {store.Query{Until: at(5)}, func(i int) bool { return i < 5 }},
		"range":     {store.Query{Since: at(10), Until: at(20), Fields: store.Fields{Outcome: "busy"}}, func(i int) bool { return i >= 10 && i < 20 && i%3 == 1 }},
		"prefix":    {store.Query{Fields: store.Fields{To: "+7916000000"}}, func(int) bool { return false }},
		"no such":   {store.Query{Fields: store.Fields{Script: "other"}}, func(int) bool { return false }},
		"no number": {store.Query{Fields: store.Fields{Tags: map[string]string{"n": "x"}}}, func(int) bool { return false }},
	} {
		var want []int
		for i := n - 1; i >= 0; i-- {
			if c.want(i) {
				want = append(want, i)
			}
		}
		if got, next := numbers(t, s, c.q); !slices.Equal(got, want) || next != "" {
			t.Errorf("%s: %v %q, want %v", name, got, next, want)
		}
	}
}

func callPages(t *testing.T, s Calls, _ *clock.Virtual) {
	const n = 47
	fill(t, s, n)
	for name, q := range map[string]store.Query{"all": {Limit: 10}, "filtered": {Limit: 3, Fields: store.Fields{Outcome: "busy"}}} {
		one := q
		one.Limit = store.MaxList
		want, _ := numbers(t, s, one)
		var got []int
		for pages := 0; ; pages++ {
			page, next := numbers(t, s, q)
			got = append(got, page...)
			if len(page) > q.Limit || pages > n {
				t.Fatalf("%s: a page of %d", name, len(page))
			}
			if next == "" {
				break
			}
			q.Cursor = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if _, _, err := s.ListRecords(store.Query{Cursor: "%%"}); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("bad cursor: %v", err)
	}
}

// callUpdate checks that a row is not found any more by what it was.
func callUpdate(t *testing.T, s Calls, _ *clock.Virtual) {
	r := store.Record{ID: "a.1", Order: "a", Started: Start, JSON: raw("1"), Fields: store.Fields{State: "talking", Tags: map[string]string{"x": "1"}}}
	check(t, s.PutRecord(r))
	r.State, r.Outcome, r.Tags, r.Started, r.JSON = "done", "served", map[string]string{"x": "2"}, Start.Add(time.Second), raw(`{"a":"<b>&"}`)
	check(t, s.PutRecord(r))
	got, ok, err := s.GetRecord("a.1")
	if err != nil || !ok || string(got.JSON) != `{"a":"<b>&"}` || got.Order != "a" || !got.Started.Equal(r.Started) || got.Tags["x"] != "2" {
		t.Fatalf("%+v %v %v", got, ok, err)
	}
	for want, qs := range map[int][]store.Query{
		1: {{}, {Fields: store.Fields{State: "done"}}, {Fields: store.Fields{Outcome: "served"}}, {Fields: store.Fields{Tags: map[string]string{"x": "2"}}}},
		0: {{Fields: store.Fields{State: "talking"}}, {Fields: store.Fields{Tags: map[string]string{"x": "1"}}}, {Until: Start.Add(time.Millisecond)}},
	} {
		for _, q := range qs {
			if rows, _, err := s.ListRecords(q); len(rows) != want || err != nil {
				t.Errorf("%+v: %d rows %v, want %d", q, len(rows), err, want)
			}
		}
	}
	if _, ok, err := s.GetRecord("b.1"); ok || err != nil {
		t.Fatal("found what is not there", err)
	}
}

func callOrders(t *testing.T, s Calls, _ *clock.Virtual) {
	o := store.Order{ID: "1", Created: Start, Open: true, NextAt: Start.Add(time.Hour), Fields: store.Fields{Key: "invoice", State: "queued"}, JSON: raw("{}")}
	first, created, err := s.CreateOrder(o, nil)
	if err != nil || !created || first.ID != "1" {
		t.Fatal(first, created, err)
	}
	second := o
	second.ID = "2"
	standing, created, err := s.CreateOrder(second, nil)
	if err != nil || created || standing.ID != "1" || !standing.NextAt.Equal(o.NextAt) {
		t.Fatalf("the key is taken: %+v %v %v", standing, created, err)
	}
	if found, ok, err := s.FindOpenKey("invoice"); !ok || err != nil || found.ID != "1" {
		t.Fatal(found, ok, err)
	}
	if _, _, err := s.CreateOrder(store.Order{ID: "1", Created: Start, JSON: raw("{}")}, nil); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("same id: %v", err)
	}
	o.Open, o.State = false, "done"
	check(t, s.PutOrder(o))
	if _, ok, err := s.FindOpenKey("invoice"); ok || err != nil {
		t.Fatal("a closed order keeps its key", err)
	}
	if _, created, err = s.CreateOrder(second, nil); err != nil || !created {
		t.Fatal("the key is free again", created, err)
	}
	check(t, s.PutOrder(o)) // again, late: it must not take the key from the other
	if found, ok, _ := s.FindOpenKey("invoice"); !ok || found.ID != "2" {
		t.Fatal("the key was taken away", found, ok)
	}
	rows, _, err := s.ListOrders(store.Query{Open: true})
	if err != nil || len(rows) != 1 || rows[0].ID != "2" {
		t.Fatalf("open: %v %v", rows, err)
	}
	if rows, _, err = s.ListOrders(store.Query{}); len(rows) != 2 || err != nil {
		t.Fatalf("all: %v %v", rows, err)
	}
	if rows, _, err := s.ListRecords(store.Query{}); len(rows) != 0 || err != nil {
		t.Fatalf("orders among the records: %v %v", rows, err)
	}
	if got, ok, err := s.GetOrder("1"); !ok || err != nil || got.State != "done" || got.Open {
		t.Fatal(got, ok, err)
	}
}

// callRace checks that of many at once one creates.
func callRace(t *testing.T, s Calls, _ *clock.Virtual) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	made, ids := 0, map[string]bool{}
	for i := range 16 {
		wg.Go(func() {
			o := store.Order{ID: fmt.Sprint(i), Created: Start, Open: true, Fields: store.Fields{Key: "k"}, JSON: raw("{}")}
			got, created, err := s.CreateOrder(o, &store.Once{Name: "n", BodyHash: "h"})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if created {
				made++
			}
			ids[got.ID] = true
		})
	}
	wg.Wait()
	if made != 1 || len(ids) != 1 {
		t.Fatalf("%d were created, answered were %v", made, ids)
	}
}

func callOnce(t *testing.T, s Calls, clk *clock.Virtual) {
	a := store.Once{Name: "key-1", BodyHash: "h1", Answer: raw(`{"id":"1"}`)}
	if _, ok, err := s.Remembered(a); ok || err != nil {
		t.Fatal(ok, err)
	}
	if got, first, err := s.Idempotency(a); !first || err != nil || string(got) != `{"id":"1"}` {
		t.Fatal(string(got), first, err)
	}
	again := a
	again.Answer = raw(`{"id":"2"}`)
	if got, first, err := s.Idempotency(again); first || err != nil || string(got) != `{"id":"1"}` {
		t.Fatal(string(got), first, err)
	}
	other := a
	other.BodyHash = "h2"
	if _, _, err := s.Idempotency(other); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("other body: %v", err)
	}
	if _, _, err := s.Remembered(other); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("other body: %v", err)
	}
	clk.Advance(store.KeepOnce - time.Second)
	if got, ok, err := s.Remembered(a); !ok || err != nil || string(got) != `{"id":"1"}` {
		t.Fatal(string(got), ok, err)
	}
	clk.Advance(time.Second)
	if _, first, err := s.Idempotency(other); !first || err != nil {
		t.Fatal("after seven days the name is free", first, err)
	}
	onceOrder(t, s)
}

// onceOrder checks an idempotency key on an order without a key of its own.
func onceOrder(t *testing.T, s Calls) {
	o := store.Order{ID: "7", Created: Start, Open: true, JSON: raw("{}")}
	o7 := &store.Once{Name: "post", BodyHash: "b"}
	if _, created, err := s.CreateOrder(o, o7); !created || err != nil {
		t.Fatal(created, err)
	}
	o.ID = "8"
	if got, created, err := s.CreateOrder(o, o7); created || err != nil || got.ID != "7" {
		t.Fatal(got.ID, created, err)
	}
	if _, _, err := s.CreateOrder(o, &store.Once{Name: "post", BodyHash: "c"}); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("other body: %v", err)
	}
	if _, ok, err := s.GetOrder("8"); ok || err != nil {
		t.Fatal("a refused order is stored", err)
	}
}

func callTimelines(t *testing.T, s Calls, _ *clock.Virtual) {
	check(t, s.PutTimeline("a.1", Start, raw("[1]")))
	long := raw(`["%s"]`, strings.Repeat("x", store.MaxDocument-4))
	check(t, s.PutTimeline("a.1", Start.Add(time.Hour), long))
	got, ok, err := s.GetTimeline("a.1")
	if err != nil || !ok || string(got) != string(long) {
		t.Fatal(len(got), ok, err)
	}
	if _, ok, err := s.GetTimeline("a.2"); ok || err != nil {
		t.Fatal(ok, err)
	}
}

func callSweep(t *testing.T, s Calls, _ *clock.Virtual) {
	const n = 450 // more than one step of a sweep
	fill(t, s, n)
	for i := range 6 {
		at := Start.Add(time.Duration(i) * time.Hour)
		check(t, s.PutTimeline(fmt.Sprint(i), at, raw("[]")))
		check(t, s.PutOrder(store.Order{ID: fmt.Sprint(i), Created: at, Open: i == 1, Fields: store.Fields{Key: fmt.Sprint("k", i)}, JSON: raw("{}")}))
	}
	now := Start.Add(10 * time.Hour)
	got, err := s.Sweep(context.Background(), now, store.Keep{Calls: 5 * time.Hour, Timelines: 7 * time.Hour})
	if want := (store.Swept{Records: 300, Orders: 4, Timelines: 3}); err != nil || got != want {
		t.Fatalf("%+v %v, want %+v", got, err, want)
	}
	if rows, _ := numbers(t, s, store.Query{Limit: 1000}); len(rows) != 150 || rows[149] != 300 {
		t.Fatalf("%d records are left", len(rows))
	}
	if rows, _ := numbers(t, s, store.Query{Limit: 1000, Fields: store.Fields{Outcome: "busy"}}); len(rows) != 50 {
		t.Fatalf("an index finds %d", len(rows))
	}
	if orders, _, err := s.ListOrders(store.Query{}); len(orders) != 2 || orders[1].ID != "1" || err != nil {
		t.Fatalf("open and young orders stay: %v %v", orders, err)
	}
	if _, ok, _ := s.GetTimeline("2"); ok {
		t.Fatal("an old timeline is there")
	}
	if _, ok, _ := s.GetTimeline("3"); !ok {
		t.Fatal("a young timeline is gone")
	}
	if got, err := s.Sweep(context.Background(), now, store.Keep{}); err != nil || got != (store.Swept{}) {
		t.Fatal("0 keeps all", got, err)
	}
}

func callLimits(t *testing.T, s Calls, _ *clock.Virtual) {
	ok := store.Record{ID: "a", Started: Start, JSON: raw("{}")}
	for name, c := range map[string]struct {
		change func(*store.Record)
		code   fault.Code
	}{
		"no id":    {func(r *store.Record) { r.ID = "" }, fault.Invalid},
		"no time":  {func(r *store.Record) { r.Started = time.Time{} }, fault.Invalid},
		"no JSON":  {func(r *store.Record) { r.JSON = raw("{") }, fault.Invalid},
		"too long": {func(r *store.Record) { r.JSON = raw(`"%s"`, strings.Repeat("x", store.MaxDocument)) }, fault.Limit},
		"long key": {func(r *store.Record) { r.Key = strings.Repeat("x", store.MaxKey+1) }, fault.Limit},
	} {
		r := ok
		c.change(&r)
		if err := s.PutRecord(r); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	odd := ok
	odd.Fields = store.Fields{To: "a\x00b", Script: strings.Repeat("s", 3000), Tags: map[string]string{"a=b": "c"}}
	check(t, s.PutRecord(odd))
	for name, f := range map[string]store.Fields{"nul": {To: "a\x00b"}, "long": {Script: odd.Script}, "tag": {Tags: odd.Tags}} {
		if rows, _, err := s.ListRecords(store.Query{Fields: f}); len(rows) != 1 || err != nil {
			t.Errorf("%s: %d %v", name, len(rows), err)
		}
	}
	for name, f := range map[string]store.Fields{"nul": {To: "a\x01b"}, "long": {Script: odd.Script[:2999]}, "tag": {Tags: map[string]string{"a": "b=c"}}} {
		if rows, _, err := s.ListRecords(store.Query{Fields: f}); len(rows) != 0 || err != nil {
			t.Errorf("%s: %d %v", name, len(rows), err)
		}
	}
}
