package api

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestAudited notes every request with a token that may change something, also
// one that was refused, and no other.
func TestAudited(t *testing.T) {
	h := newHouse()
	h.ask(t, "GET", "/v1/calls", "")
	h.ask(t, "GET", "/v1/kv/k", "")
	h.ask(t, "POST", "/v1/hooks/order/x", "{}")
	askOf(New(h.options()), "DELETE", "/v1/kv/k", "")                                          // nobody
	askOf(New(h.options()), "DELETE", "/v1/kv/k", "", "Authorization", "Bearer somebody-else") // nobody we know
	if len(h.audited) != 0 {
		t.Fatalf("%+v", h.audited)
	}
	h.ask(t, "POST", "/v1/calls", `{"script":"order","to":"+79161234567","data":{"name":"Anna"}}`)
	h.ask(t, "POST", "/v1/calls", `{"script":`)
	h.ask(t, "PUT", "/v1/kv/shop", "true")
	h.ask(t, "POST", "/v1/calls/one/commands", `{"do":"say","text":"a secret"}`)
	want := []struct {
		line   string
		status int
		detail string
	}{
		{"POST /v1/calls", 202, "script order, order "}, {"POST /v1/calls", 422, ""}, {"PUT /v1/kv/shop", 204, ""}, {"POST /v1/calls/one/commands", 200, "do say"},
	}
	if len(h.audited) != len(want) {
		t.Fatalf("%+v", h.audited)
	}
	for i, w := range want {
		en := h.audited[i]
		if en.Method+" "+en.Path != w.line || en.Status != w.status || !strings.HasPrefix(en.Detail, w.detail) || en.Token != "full" || en.IP == "" {
			t.Errorf("%+v, want %+v", en, w)
		}
		if strings.Contains(en.Detail, "secret") || strings.Contains(en.Detail, "Anna") {
			t.Errorf("the audit log holds what the request carried: %+v", en)
		}
	}
}

func TestAuditList(t *testing.T) {
	h := newHouse()
	w := h.ask(t, "GET", "/v1/audit?since=2026-11-21T10:00:00Z&limit=3&cursor=c", "")
	want(t, w, 200, "")
	if got := w.Body.String(); !strings.Contains(got, `"status":3`) || !strings.Contains(got, `"path":"c"`) || !strings.Contains(got, `"next":"more"`) || h.since.IsZero() {
		t.Fatal(got)
	}
	want(t, h.ask(t, "GET", "/v1/audit?since=yesterday", ""), 422, fault.Invalid)
	want(t, h.ask(t, "GET", "/v1/audit?limit=0", ""), 422, fault.Invalid)
	want(t, h.ask(t, "DELETE", "/v1/audit", ""), 405, fault.Invalid)
}

func TestErasePerson(t *testing.T) {
	h := newHouse()
	w := h.ask(t, "DELETE", "/v1/people/+79161234567", "")
	want(t, w, 200, "")
	if !strings.Contains(w.Body.String(), `"phone":"+79161234567"`) {
		t.Fatal(w.Body)
	}
	if len(h.audited) != 1 {
		t.Fatalf("%+v", h.audited)
	}
	h.fail = fault.New(fault.Conflict, "it is in a call")
	want(t, h.ask(t, "DELETE", "/v1/people/%2B79161234567", ""), 409, fault.Conflict)
}
