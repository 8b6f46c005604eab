package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// receiver is a CRM that can be down. It keeps what it has accepted, in order.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	down     bool
	refused  int
	accepted []received
}

type received struct{ id, order, kind, signature, body string }

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		var ev struct {
			EventID string `json:"event_id"`
			Order   string `json:"order"`
			Type    string `json:"type"`
		}
		_ = json.Unmarshal(body, &ev)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.down {
			r.refused++
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.accepted = append(r.accepted, received{ev.EventID, ev.Order, ev.Type, q.Header.Get("Loopstart-Signature"), string(body)})
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *receiver) tries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// of are the kinds of event that came for an order, in order; twice tells
// whether one came twice.
func (r *receiver) of(order string) (kinds []string, twice bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range r.accepted {
		if e.order == order {
			kinds = append(kinds, e.kind)
			twice = twice || seen[e.id]
			seen[e.id] = true
		}
	}
	return kinds, twice
}

var restartScripts = files{
	"hold.ts":  `export default async (call) => { await call.answer(); await call.play("tone:500", { loop: true }); }`,
	"rings.ts": `export default async (call) => { await call.ring(); await new Promise((r) => setTimeout(r, 60000)); }`,
	"short.ts": `export default async (call) => { await call.answer(); call.result = 1; await call.play("tone:500/100ms"); }`,
	"find.ts":  `export default async (call) => { await call.answer(); call.result = await call.connect("101", { timeout: "5s" }); }`,
}

// TestRestart kills the program while a CRM is down, a call is talking, one is
// ringing, and a phone is registered: the calls have records, the CRM gets
// everything once and in order, the phone rings without registering again.
func TestRestart(t *testing.T) {
	t.Parallel()
	crm := newReceiver(t)
	p := serve(t, restartScripts, conf{sip: usersConf, rest: fmt.Sprintf("webhooks: [{url: %q, secret: shh}]\n", crm.URL)})
	ua := phone.New(t, "101", "127.0.0.72")
	register(t, p, ua, "pass-101")

	crm.set(true)
	short := phone.New(t, "+79000001060", "127.0.0.1").Call(p.uri("short"), p.sip)
	short.Talk(5 * time.Second)
	short.Ended(5 * time.Second)
	served := p.ended("+79000001060")
	talking := phone.New(t, "+79000001061", "127.0.0.1").Call(p.uri("hold"), p.sip)
	talking.Talk(5 * time.Second)
	talking.Media.WaitTone(500, 200*time.Millisecond, 0, 5*time.Second)
	ringing := phone.New(t, "+79000001062", "127.0.0.1").Call(p.uri("rings"), p.sip)
	ringing.Answer(180, "INVITE", 5*time.Second)
	eventually(t, "a delivery in vain", 5*time.Second, func() bool { return crm.tries() > 0 })
	// A write shares the next sync with the rows of the calls before it.
	p.api("PUT", "/v1/kv/sync", true, nil)

	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.over
	eventually(t, "the workers' end", 5*time.Second, func() bool { return len(p.processes()) == 0 })
	p.start()

	for from, answered := range map[string]bool{"+79000001061": true, "+79000001062": false} {
		r := p.ended(from)
		if r.Outcome != "failed" || r.EndedBy != "system" || !strings.Contains(r.Cause, "the process ended") || (r.AnsweredAt != nil) != answered {
			t.Errorf("%s: %+v", from, r)
		}
		if !r.Estimated || answered && r.EndedAt.Before(*r.AnsweredAt) {
			t.Errorf("%s: ended at %v, an estimate: %v", from, r.EndedAt, r.Estimated)
		}
		if len(p.timeline(r.ID)) < 2 {
			t.Errorf("%s has no timeline", from)
		}
	}
	crm.set(false)
	for _, from := range []string{"+79000001060", "+79000001061", "+79000001062"} {
		order := p.ended(from).Order
		want := []string{"call.ended", "order.done"}
		if order == served.Order {
			want = []string{"call.result", "call.ended", "order.done"}
		}
		eventually(t, "the events of "+from, 60*time.Second, func() bool { got, _ := crm.of(order); return len(got) >= len(want) })
		if got, twice := crm.of(order); !slices.Equal(got, want) || twice {
			t.Errorf("%s: %v, one twice: %v", from, got, twice)
		}
	}
	crm.mu.Lock()
	for _, e := range crm.accepted {
		if !strings.HasPrefix(e.signature, "t=") || !strings.Contains(e.signature, ",v1=") {
			t.Errorf("signature %q", e.signature)
		}
	}
	crm.mu.Unlock()

	c := phone.New(t, "+79000001063", "127.0.0.1").Call(p.uri("find"), p.sip)
	c.Talk(5 * time.Second)
	rung := ua.Next(t, 5*time.Second)
	rung.Refuse(486, "Busy Here")
	c.Ended(5 * time.Second)
}
