package host

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/retailcrm/fake"
	"github.com/loopstart/loopstart/store"
	"github.com/loopstart/loopstart/store/outbox"
)

var start = time.Date(2026, 1, 12, 10, 0, 0, 0, time.UTC)

// world is a connector, its account and the house around it.
type world struct {
	t    *testing.T
	clk  *clock.Virtual
	fake *fake.Server
	box  *outbox.Outbox
	c    *Connector
	ids  int
}

func account() Config {
	return Config{URL: fake.URL, Key: fake.Key, Site: "shop", Zone: time.FixedZone("MSK", 3*3600), LinkFor: time.Hour}
}

func newWorld(t *testing.T, cfg Config) *world {
	t.Helper()
	w := &world{t: t, clk: clock.NewVirtual(start)}
	w.fake = fake.New(fake.Options{Clock: w.clk})
	st, err := store.Open(store.Options{InMemory: true, Clock: w.clk})
	if err != nil {
		t.Fatal(err)
	}
	w.c = New(cfg, Services{
		HTTP: connector.Local{Handler: w.fake}, KV: st, Outbox: w, Recordings: w, Clock: w.clk, Log: slog.New(slog.DiscardHandler), Country: "RU",
		NewID: func() string { w.ids++; return fmt.Sprint(w.ids) }, Target: func(code string) string { return code },
	})
	w.box, err = outbox.Open(outbox.Options{Space: st.Space("outbox"), Clock: w.clk, Deliver: func(ctx context.Context, it outbox.Item) outbox.Result {
		r := w.c.Deliver(ctx, it.Kind, it.Payload)
		return outbox.Result{OK: r.Err == nil, Stop: r.Stop, Retry: r.Err, After: r.After}
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.box.Start()
	t.Cleanup(func() {
		w.box.Close()
		_ = st.Close()
	})
	return w
}

// Put implements connector.Outbox.
func (w *world) Put(j connector.Job) error {
	return w.box.Enqueue(outbox.Item{ID: j.ID, Queue: j.Queue, Kind: j.Kind, Destination: j.Destination, Payload: j.Payload})
}

// Read and Link implement connector.Recordings.
func (w *world) Read(string, int64, ...string) (connector.Recording, error) {
	return connector.Recording{}, nil
}
func (w *world) Link(id string, ttl time.Duration) (string, error) {
	return "https://pbx.test/" + id, nil
}

// do serves a request of a script and waits for it, letting time pass.
func (w *world) do(method, args string) (string, error) {
	w.t.Helper()
	type answer struct {
		value any
		err   error
	}
	done := make(chan answer, 1)
	w.clk.Busy(1)
	go func() {
		defer w.clk.Busy(-1)
		v, err := Module.Serve(context.Background(), w.c, Module.Prefix+method, json.RawMessage(args))
		done <- answer{v, err}
	}()
	for {
		w.clk.Settle()
		select {
		case a := <-done:
			raw, err := json.Marshal(a.value)
			if err != nil {
				w.t.Fatal(err)
			}
			return string(raw), a.err
		default:
		}
		at, ok := w.clk.Next()
		if !ok {
			w.t.Fatalf("%s %s: nothing will happen any more", method, args)
		}
		w.clk.Advance(at.Sub(w.clk.Now()))
	}
}

func (w *world) must(method, args string) string {
	w.t.Helper()
	out, err := w.do(method, args)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, args, err)
	}
	return out
}

// refused counts what the account has refused.
func (w *world) refused() (n int) {
	for _, a := range w.fake.Requests() {
		if a.Error != "" {
			n++
		}
	}
	return n
}

func TestErrors(t *testing.T) {
	wrong := account()
	wrong.Key = "wrong"
	for _, c := range []struct {
		name, args string
		cfg        Config
		fail       int
		want       fault.Code
	}{
		{"wrong key", `{"method":"GET","path":"credentials"}`, wrong, 0, fault.Denied},
		{"no such path", `{"method":"GET","path":"nothing"}`, account(), 0, fault.NotFound},
		{"a way out", `{"method":"GET","path":"../../other"}`, account(), 0, fault.Invalid},
		{"a hidden way out", `{"method":"GET","path":"orders/.."}`, account(), 0, fault.Invalid},
		{"invalid", `{"method":"POST","path":"telephony/calls/upload","params":{"calls":[{}]}}`, account(), 0, fault.Invalid},
		{"busy for long", `{"method":"GET","path":"credentials"}`, account(), 503, fault.Limit},
		{"broken", `{"method":"GET","path":"credentials"}`, account(), 500, fault.Unavailable},
		{"slow", `{"method":"GET","path":"credentials","timeoutMs":100}`, account(), -1, fault.Network},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.cfg)
			if c.fail > 0 {
				w.fake.Fail(10, c.fail, "")
			} else if c.fail < 0 {
				w.fake.Slow(time.Second)
			}
			_, err := w.do("rest", c.args)
			if fault.CodeOf(err) != c.want || strings.Contains(err.Error(), c.cfg.Key) && c.cfg.Key != "wrong" {
				t.Fatalf("%v (%s), want %s", err, fault.CodeOf(err), c.want)
			}
		})
	}
	w := newWorld(t, account())
	if says, err := w.probe(); err != nil || says != "the key has 3 scopes, shops shop" {
		t.Fatalf("%s %v", says, err)
	}
}

func (w *world) probe() (string, error) {
	w.clk.Busy(1)
	defer w.clk.Busy(-1)
	return w.c.Probe(context.Background())
}

func TestCaller(t *testing.T) {
	w := newWorld(t, account())
	boris := w.fake.Add("user", map[string]any{"firstName": "Борис", "code": "102", "atWork": false})
	w.fake.Add("customer", map[string]any{"firstName": "Иван", "lastName": "Иванов", "phone": "89161112233", "managerId": 1, "externalId": "77"})
	w.fake.Add("customer", map[string]any{"firstName": "Пётр", "phone": "+79162223344", "managerId": boris})
	for _, c := range []struct{ args, want string }{
		{`{"phone":"+79161112233"}`, `{"known":true,"available":true,"id":"1","externalId":"77","name":"Иван Иванов","manager":{"id":"1","code":"101","name":"Анна","target":"101"},"links":{"customerLink":"https://shop.retailcrm.test/customers/1","newOrderLink":"https://shop.retailcrm.test/orders/add"}}`},
		{`{"phone":"+79162223344"}`, `{"known":true,"available":true,"id":"2","name":"Пётр","links":{"customerLink":"https://shop.retailcrm.test/customers/2","newOrderLink":"https://shop.retailcrm.test/orders/add"}}`},
		{`{"phone":"+79990000000"}`, `{"known":false,"available":true}`},
		{`{"phone":"anonymous"}`, `{"known":false,"available":true}`},
	} {
		if got := w.must("caller", c.args); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.args, got, c.want)
		}
	}
	if got := w.must("caller", `{"phone":"+79162223344","ignoreStatus":true}`); !strings.Contains(got, `"code":"102"`) {
		t.Error(got)
	}
	w.fake.Slow(time.Minute)
	before := w.clk.Now()
	if got := w.must("caller", `{"phone":"+79161112233"}`); !strings.Contains(got, `"known":true,"available":false`) || w.clk.Now().Sub(before) != 2*time.Second {
		t.Errorf("%s after %s", got, w.clk.Now().Sub(before))
	}
}

func TestOrders(t *testing.T) {
	w := newWorld(t, account())
	w.fake.Add("order", map[string]any{"number": "1001C", "externalId": "77", "status": "new"})
	for _, ref := range []string{`{"id":1}`, `{"externalId":"77"}`, `{"number":"1001C"}`} {
		if got := w.must("order", ref); !strings.HasPrefix(got, `{"found":true,"order":{`) || !strings.Contains(got, `"number":"1001C"`) {
			t.Errorf("%s: %s", ref, got)
		}
		w.must("updateOrder", `{"order":`+ref+`,"changes":{"status":"called","customFields":{"call_result":"answered"}}}`)
		w.clk.Advance(time.Minute)
		if o := w.fake.All("order")[0]; o["status"] != "called" || o["customFields"].(map[string]any)["call_result"] != "answered" {
			t.Errorf("%s: %v", ref, o)
		}
		w.must("updateOrder", `{"order":`+ref+`,"changes":{"status":"new"}}`)
		w.clk.Advance(time.Minute)
	}
	if o := w.fake.All("order")[0]; o["customFields"].(map[string]any)["call_result"] != "answered" {
		t.Errorf("other custom fields were lost: %v", o)
	}
	if got := w.must("order", `{"number":"9"}`); got != `{"found":false}` {
		t.Error(got)
	}
	if got := w.must("order", `{"id":9}`); got != `{"found":false}` {
		t.Error(got)
	}
	if _, err := w.do("updateOrder", `{"order":{},"changes":{}}`); fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
}

const aRecord = `{"id":"c1","direction":"outbound","from":"+74951234567","to":"+79161112233","started_at":"2026-01-12T10:00:00Z","ring_ms":4200,"talk_ms":31400,"outcome":"delivered","recording":"c1"}`

func TestCalls(t *testing.T) {
	w := newWorld(t, account())
	if got := w.must("callEvent", `{"call":{"id":"c1","direction":"inbound","phone":"+79161112233","line":"+74951234567"},"codes":["101"]}`); got != `{"available":true}` {
		t.Fatal(got)
	}
	w.must("callEvent", `{"call":{"id":"c1","direction":"inbound","phone":"+79161112233"},"type":"hangup","outcome":"missed"}`)
	if e := w.fake.All("event"); fmt.Sprint(e[0]["type"], e[0]["callExternalId"], e[1]["hangupStatus"]) != "inc1no answered" {
		t.Fatalf("%v", e)
	}
	w.fake.Lose(1)
	for range 2 {
		w.must("finishCall", `{"record":`+aRecord+`,"code":"101"}`)
	}
	w.clk.Advance(time.Hour)
	calls := w.fake.All("call")
	want := `{"code":"101","date":"2026-01-12 13:00:00","duration":31,"durationWaiting":4,"externalId":"c1","externalPhone":"+74951234567","phone":"+79161112233","recordUrl":"https://pbx.test/c1","result":"answered","site":"shop","type":"out"}`
	if raw, _ := json.Marshal(calls[0]); len(calls) != 1 || string(raw) != want {
		t.Fatalf("%d calls, %s", len(calls), raw)
	}
	if got := w.must("finishCall", `{"record":{"id":"c2","direction":"inbound","from":"anonymous","outcome":"missed"}}`); got != `{"queued":false}` {
		t.Fatal(got)
	}
}

// Every outcome has a spelling that the account takes, in both places.
func TestSpellings(t *testing.T) {
	w := newWorld(t, account())
	for outcome := range results {
		w.must("finishCall", strings.Replace(`{"record":`+strings.Replace(aRecord, `"c1","direction`, `"`+outcome+`","direction`, 1)+`}`, `"delivered"`, `"`+outcome+`"`, 1))
		if outcome != "not_called" {
			w.must("callEvent", `{"call":{"id":"c","direction":"outbound","phone":"+79161112233"},"type":"hangup","outcome":"`+outcome+`"}`)
		}
	}
	w.clk.Advance(time.Minute)
	if n := len(w.fake.All("call")); n != len(results) || len(w.fake.All("event")) != len(hangups) || w.refused() != 0 {
		t.Fatalf("%d calls of %d, %d events, %d refused", n, len(results), len(w.fake.All("event")), w.refused())
	}
}

// A hundred changes at once: none is refused, all arrive, in order per order.
func TestABurstKeepsToTheLimit(t *testing.T) {
	w := newWorld(t, account())
	for i := range 5 {
		w.fake.Add("order", map[string]any{"externalId": fmt.Sprint(i)})
	}
	for i := range 100 {
		w.must("updateOrder", fmt.Sprintf(`{"order":{"externalId":"%d"},"changes":{"status":"s%d"}}`, i%5, i))
	}
	w.clk.Advance(time.Minute)
	last := map[string]int{}
	n := 0
	for _, a := range w.fake.Requests() {
		var i int
		if _, err := fmt.Sscanf(a.Params["order"].(string), `{"status":"s%d"}`, &i); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[a.Method]; ok && i <= before || a.Error != "" {
			t.Fatalf("%d after %d: %s", i, before, a.Error)
		}
		last[a.Method] = i
		n++
	}
	if n != 100 {
		t.Fatalf("%d of 100", n)
	}
}

func TestAnHourWithoutTheAccount(t *testing.T) {
	w := newWorld(t, account())
	w.fake.Add("order", map[string]any{"externalId": "77"})
	w.fake.Down(time.Hour)
	for i := range 60 {
		w.must("updateOrder", fmt.Sprintf(`{"order":{"externalId":"77"},"changes":{"status":"s%d"}}`, i))
		w.must("finishCall", strings.Replace(`{"record":`+aRecord+`}`, `"c1","direction`, fmt.Sprintf(`"c%d","direction`, i), 1))
		w.clk.Advance(time.Minute)
	}
	w.fake.Fail(5, 503, "Service Temporarily Unavailable")
	w.clk.Advance(6 * time.Hour)
	if n := len(w.fake.All("call")); n != 60 || w.fake.All("order")[0]["status"] != "s59" {
		t.Fatalf("%d calls, %v", n, w.fake.All("order"))
	}
	if s := w.box.Stats(); s.Waiting+s.Dead+int(s.Stopped) != 0 {
		t.Fatalf("%+v", s)
	}
}
