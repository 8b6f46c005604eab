package api

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

type recorder = httptest.ResponseRecorder

func TestKV(t *testing.T) {
	h := newHouse()
	want(t, h.ask(t, "PUT", "/v1/kv/shop/open", `{"a":1}`), 204, "")
	if h.ttl != 0 {
		t.Errorf("ttl %s", h.ttl)
	}
	w := h.ask(t, "GET", "/v1/kv/shop/open", "")
	want(t, w, 200, "")
	if got := strings.TrimSpace(w.Body.String()); got != `{"key":"shop/open","value":{"a":1}}` {
		t.Errorf("got %s", got)
	}
	for text, d := range map[string]time.Duration{"10m": 10 * time.Minute, "2d": 48 * time.Hour, "1500": 1500 * time.Millisecond} {
		if want(t, h.ask(t, "PUT", "/v1/kv/k?ttl="+text, "true"), 204, ""); h.ttl != d {
			t.Errorf("ttl=%s is %s", text, h.ttl)
		}
	}
	for _, bad := range []string{"0", "-5s", "soon"} {
		want(t, h.ask(t, "PUT", "/v1/kv/k?ttl="+bad, "true"), 422, fault.Invalid)
	}
	for _, bad := range []string{"", "open", `{"a":`, `"a" "b"`} {
		want(t, h.ask(t, "PUT", "/v1/kv/k", bad), 422, fault.Invalid)
	}
	want(t, h.ask(t, "DELETE", "/v1/kv/k", ""), 204, "")
	want(t, h.ask(t, "DELETE", "/v1/kv/k", ""), 404, fault.NotFound)
	want(t, h.ask(t, "GET", "/v1/kv/k", ""), 404, fault.NotFound)
	w = h.ask(t, "GET", "/v1/kv?prefix=shop/&limit=7&cursor=c", "")
	if got := strings.TrimSpace(w.Body.String()); got != `{"items":["shop/",7,"c"],"next":""}` {
		t.Errorf("list %s", got)
	}
}

func TestOutbox(t *testing.T) {
	h := newHouse()
	want(t, h.ask(t, "GET", "/v1/outbox?state=dead", ""), 200, "")
	if h.outboxed != "dead" {
		t.Errorf("state %q", h.outboxed)
	}
	want(t, h.ask(t, "POST", "/v1/outbox/d1/retry", ""), 202, "")
	if h.retried != "d1" {
		t.Errorf("retried %q", h.retried)
	}
	h.fail = fault.New(fault.Conflict, "the delivery is waiting already")
	want(t, h.ask(t, "POST", "/v1/outbox/d1/retry", ""), 409, fault.Conflict)
}

func TestTrunks(t *testing.T) {
	h := newHouse()
	w := h.ask(t, "GET", "/v1/trunks", "")
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"trunks":[]}` {
		t.Errorf("%d %s", w.Code, got)
	}
	w = h.ask(t, "POST", "/v1/trunks/mango/check", "")
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"name":"mango","ok":true}` {
		t.Errorf("%d %s", w.Code, got)
	}
	h.fail = fault.New(fault.NotFound, "no trunk %q", "x")
	want(t, h.ask(t, "POST", "/v1/trunks/x/check", ""), 404, fault.NotFound)
}

func TestRecordingRanges(t *testing.T) {
	cases := []struct {
		ask    string
		status int
		body   string
		says   string
	}{
		{"", 200, audio, ""},
		{"bytes=0-3", 206, "RIFF", "bytes 0-3/14"},
		{"bytes=4-", 206, "0123456789", "bytes 4-13/14"},
		{"bytes=-2", 206, "89", "bytes 12-13/14"},
	}
	for _, c := range cases {
		w := newHouse().ask(t, "GET", "/v1/calls/one/recording", "", "Range", c.ask)
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Range") != c.says || w.Header().Get("Content-Type") != "audio/ogg" {
			t.Errorf("%q: %d %q %v", c.ask, w.Code, w.Body, w.Header())
		}
	}
	for _, bad := range []string{"bytes=99-", "bytes=x", "bytes=5-2"} {
		want(t, newHouse().ask(t, "GET", "/v1/calls/one/recording", "", "Range", bad), 416, fault.Invalid)
	}
	w := newHouse().ask(t, "GET", "/v1/calls/one/recording", "", "If-Modified-Since", time.Unix(1_900_000_000, 0).UTC().Format(time.RFC1123))
	if w.Code != 304 && w.Code != 200 || w.Code == 304 && w.Body.Len() > 0 {
		t.Errorf("If-Modified-Since: %d", w.Code)
	}
	w = newHouse().ask(t, "HEAD", "/v1/calls/one/recording", "")
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "14" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	want(t, newHouse().ask(t, "GET", "/v1/calls/none/recording", ""), 404, fault.NotFound)
}

func TestSignedLink(t *testing.T) {
	handler := New(newHouse().options())
	if w := askOf(handler, "GET", "/v1/recordings/one?until=9&sig=good-one", ""); w.Code != 200 || w.Body.String() != audio {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	for _, bad := range []string{"", "?until=9", "?sig=good-one", "?until=8&sig=good-one", "?until=9&sig=good-two"} {
		want(t, askOf(handler, "GET", "/v1/recordings/one"+bad, "", "Authorization", "Bearer full-secret"), 403, fault.Denied)
	}
}

func TestGroups(t *testing.T) {
	h := newHouse()
	for ask, answer := range map[string]string{
		"/v1/groups": `{"groups":[]}`, "/v1/groups/sales": `{"name":"sales"}`, "/v1/users": `{"users":[]}`, "/v1/users/101": `{"name":"101"}`,
	} {
		if w := h.ask(t, "GET", ask, ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != answer {
			t.Errorf("%s: %d %s", ask, w.Code, w.Body)
		}
	}
	w := h.ask(t, "PUT", "/v1/users/101", `{"state":"away"}`)
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"name":"101","state":"away"}` {
		t.Errorf("%d %s", w.Code, got)
	}
	want(t, h.ask(t, "PUT", "/v1/users/101", `{"status":"away"}`), 422, fault.Invalid)
	h.fail = fault.New(fault.NotFound, "no group %q", "x")
	want(t, h.ask(t, "GET", "/v1/groups/x", ""), 404, fault.NotFound)
	want(t, h.ask(t, "GET", "/v1/users/x", ""), 404, fault.NotFound)
	want(t, h.ask(t, "PUT", "/v1/users/x", `{"state":"away"}`), 404, fault.NotFound)
}

// TestKVTooLong: what is too long stays too long, so nobody is told to come
// again.
func TestKVTooLong(t *testing.T) {
	h := newHouse()
	h.fail = fault.New(fault.Limit, "a value has at most 5 bytes")
	w := h.ask(t, "PUT", "/v1/kv/k", `"123456"`)
	if want(t, w, 413, "LIMIT"); w.Header().Get("Retry-After") != "" {
		t.Error("Retry-After")
	}
	h = newHouse()
	want(t, h.ask(t, "PUT", "/v1/kv/"+strings.Repeat("k", maxKey), "1"), 204, "")
	want(t, h.ask(t, "PUT", "/v1/kv/"+strings.Repeat("k", maxKey+1), "1"), 413, "LIMIT")
}
