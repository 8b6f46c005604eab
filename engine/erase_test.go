package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store/outbox"
)

const eraseYAML = `
trunks: {t: {address: 127.0.0.1:9, from: "+74950000000", register: false, options: off}}
routes: [{to: "+74951111111", script: one}, {user: "*", to: "+7*", connect: "{to}"}]
numbers: {"8 (495) 000-00-00": {name: Romashka, contract: "No. 12"}}
http: {tokens: {boss: {token: boss-token}}}
`

// TestErase removes a person from everything, and nobody else.
func TestErase(t *testing.T) {
	p := serve(t, eraseYAML, map[string]string{"one.ts": `export default async function (call) { await call.answer(); }`})
	const gone, other = "+79160000001", "+79160000002"
	begin := p.clk.Now()
	for i, who := range []string{gone, gone, other} {
		id := fmt.Sprintf("c%d", i)
		r := call.Record{ID: id + ".1", Order: id, Direction: "inbound", From: who, To: "+74951111111", StartedAt: begin, EndedAt: begin, Outcome: call.Served, Final: true, Attempt: 1}
		p.putRecord(r)
		if err := p.store.PutTimeline(r.ID, begin, json.RawMessage(`[]`)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{r.ID, r.ID + "-2"} {
			f, err := p.record.Create(name, "")
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		p.queueWebhooks(&Callback{URL: "http://127.0.0.1:1/" + id, Events: []string{"call.ended"}}, Event{EventID: "ended-" + r.ID, Type: "call.ended", Order: id, Call: r.ID, Record: &r})
	}
	for _, who := range []string{gone, other} {
		if _, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: who, At: "5h"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	a := (*surface)(p.Engine)
	made, _, err := a.CreateCampaign(json.RawMessage(`{"script":"one"}`), "")
	if err != nil {
		t.Fatal(err)
	}
	id := made.(campaignAnswer).ID
	if _, err := a.ImportContacts(context.Background(), id, api.Import{Body: strings.NewReader("phone\n" + gone + "\n" + other + "\n"), Format: "csv"}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Stop(gone, "asked", ""); err != nil {
		t.Fatal(err)
	}

	out, err := p.Erase("8 916 000-00-01")
	if err != nil {
		t.Fatal(err)
	}
	// Two calls and the order that was cancelled before it was dialled.
	if out.Phone != gone || out.Records != 3 || out.Timelines != 2 || out.Recordings != 4 || out.Orders != 1 || out.Contacts != 1 || out.Deliveries+len(out.Kept)-2 < 2 || !out.StopList {
		t.Fatalf("%+v", out)
	}
	h := p.Handler()
	get := func(path string) string {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer boss-token")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	for _, path := range []string{"/v1/calls", "/v1/calls?state=queued", "/v1/campaigns/" + id + "/contacts", "/v1/why/%2B79160000002"} {
		if body := get(path); strings.Contains(body, gone) || !strings.Contains(body, other) {
			t.Errorf("%s: %s", path, body)
		}
	}
	again, err := p.Erase(gone)
	if err != nil || again.Records+again.Timelines+again.Recordings+again.Orders+again.Contacts != 0 {
		t.Fatalf("%+v %v", again, err)
	}
	for _, bad := range []string{"", "hello", "112", "+74950000000", "+74951111111"} {
		if _, err := p.Erase(bad); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAboutPerson(t *testing.T) {
	about := map[string]bool{"o1": true}
	const n = "+79160000001"
	for _, c := range []struct {
		it   outbox.Item
		want bool
	}{
		{outbox.Item{Kind: kindEvent, Queue: "event:o1:https://a:1/x", State: outbox.Waiting}, true},
		{outbox.Item{Kind: kindEvent, Queue: "event:o2:https://a", State: outbox.Waiting}, false},
		{outbox.Item{Kind: kindAfterCall, Queue: "after:" + n}, true},
		{outbox.Item{Kind: kindAfterCall, ID: "after-o1.2", Queue: "after:+7"}, true},
		{outbox.Item{Kind: kindAfterCall, ID: "after-o2.2", Queue: "after:+7"}, false},
		{outbox.Item{Kind: kindScript, Payload: json.RawMessage(`{"body":"79160000001"}`), State: outbox.Dead}, true},
		{outbox.Item{Kind: kindScript, Payload: json.RawMessage(`{"body":"79160000001"}`), State: outbox.Waiting}, false},
		{outbox.Item{Kind: kindScript, Queue: "hook:s:+79160000001", State: outbox.Delivered}, true},
		{outbox.Item{Kind: kindScript, Payload: json.RawMessage(`{}`), State: outbox.Dead}, false},
	} {
		if got := aboutPerson(c.it, n, about); got != c.want {
			t.Errorf("%+v: %v", c.it, got)
		}
	}
}

// TestAuditLog lists newest first, by pages, and forgets what is old.
func TestAuditLog(t *testing.T) {
	p := serve(t, eraseYAML, map[string]string{"one.ts": `export default async function () {}`})
	a := (*surface)(p.Engine)
	for i := range 5 {
		a.Note(api.AuditEntry{Token: "boss", Method: "PUT", Path: fmt.Sprintf("/v1/stoplist/+7916000000%d", i), Status: 200 + i})
	}
	if err := p.store.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got []int
	for cursor := ""; ; {
		list, next, err := a.Audit(time.Time{}, 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, en := range list {
			if strings.Contains(en.Path, "9160000") || en.At.IsZero() {
				t.Errorf("%+v", en)
			}
			got = append(got, en.Status)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if fmt.Sprint(got) != "[204 203 202 201 200]" {
		t.Fatal(got)
	}
	if _, _, err := a.Audit(time.Time{}, 2, "none"); fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
	if list, _, _ := a.Audit(p.clk.Now().Add(time.Hour), 2, ""); len(list) != 0 {
		t.Error(list)
	}
	if err := p.audit.sweep(context.Background(), p.clk.Now(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if list, _, _ := a.Audit(time.Time{}, 10, ""); len(list) != 5 {
		t.Errorf("%d are left of 5 that are new", len(list))
	}
	if err := p.audit.sweep(context.Background(), p.clk.Now().Add(2*time.Hour), time.Hour); err != nil {
		t.Fatal(err)
	}
	if list, _, _ := a.Audit(time.Time{}, 10, ""); len(list) != 0 {
		t.Errorf("%d are left", len(list))
	}
}

func TestLabels(t *testing.T) {
	cfg := &config.Config{
		Trunks:  []config.Trunk{{Name: "a", From: []string{"+71", "+72"}}, {Name: "b", From: []string{"+73"}}},
		Numbers: []config.Number{{Name: "+71", Label: "Romashka"}},
	}
	for _, c := range []struct{ from, trunk, want string }{
		{"", "", "[+72 +73]"}, {"", "b", "[+73]"}, {"+71", "b", "[]"}, {"+79", "", "[+79]"},
	} {
		if got := fmt.Sprint(unlabelled(cfg, c.from, c.trunk)); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	p := serve(t, eraseYAML, map[string]string{"one.ts": `export default async function () {}`})
	a := (*surface)(p.Engine)
	for body, want := range map[string]string{`{"script":"one"}`: "", `{"script":"one","from":"+74950000000"}`: ""} {
		made, _, err := a.CreateCampaign(json.RawMessage(body), "")
		if err != nil || made.(campaignAnswer).Warning != want {
			t.Errorf("%s: %+v %v", body, made, err)
		}
	}
	cfg = p.Config()
	bare := *cfg
	bare.Numbers = nil
	p.cfg.Store(&bare)
	made, _, err := a.CreateCampaign(json.RawMessage(`{"script":"one"}`), "")
	if err != nil || !strings.Contains(made.(campaignAnswer).Warning, "+74950000000") {
		t.Errorf("%+v %v", made, err)
	}
}
