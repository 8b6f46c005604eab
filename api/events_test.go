package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// waitLimit is how long tests wait for what must happen.
const waitLimit = 10 * time.Second

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(waitLimit):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// listen opens the stream; lines yields it line by line.
func listen(t *testing.T, url string, head ...string) (lines func() string, leave func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	t.Cleanup(cancel)
	req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	req.Header.Set("Authorization", "Bearer full-secret")
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	in := bufio.NewScanner(resp.Body)
	return func() string {
		for in.Scan() {
			if in.Text() != "" {
				return in.Text()
			}
		}
		return "end"
	}, cancel
}

func item(id uint64, kind, call string) FeedItem {
	order, _, _ := strings.Cut(call, ".")
	return FeedItem{ID: id, Type: kind, Order: order, Call: call, Body: []byte(fmt.Sprintf(`{"n":%d}`, id))}
}

func expect(t *testing.T, lines func() string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := lines(); got != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
}

func TestEventsResumeAndFollow(t *testing.T) {
	h := newHouse()
	h.past = []FeedItem{item(8, "call.ended", "one.1"), item(9, "order.done", "one.1")}
	srv := serve(t, New(h.options()))
	lines, leave := listen(t, srv.URL+"/v1/events", "Last-Event-ID", "7")
	expect(t, lines, "id: 8", "event: call.ended", `data: {"n":8}`, "id: 9", "event: order.done", `data: {"n":9}`)
	h.feed <- item(10, "call.ringing", "two.1")
	expect(t, lines, "id: 10", "event: call.ringing", `data: {"n":10}`)
	h.mu.Lock()
	if h.after != 7 {
		t.Errorf("listens after %d", h.after)
	}
	h.mu.Unlock()
	leave()
	within(t, h.stopped, "the listener to be given back")
}

// TestEventsFromZero: Last-Event-ID: 0 asks for all that is kept.
func TestEventsFromZero(t *testing.T) {
	h := newHouse()
	h.past = []FeedItem{item(20, "call.ended", "one.1")}
	srv := serve(t, New(h.options()))
	lines, _ := listen(t, srv.URL+"/v1/events", "Last-Event-ID", "0")
	expect(t, lines, "id: 20", "event: call.ended", `data: {"n":20}`)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.after != 1 {
		t.Errorf("listens after %d", h.after)
	}
}

func TestEventsGap(t *testing.T) {
	h := newHouse()
	h.past = []FeedItem{item(20, "call.ended", "one.1")}
	srv := serve(t, New(h.options()))
	lines, _ := listen(t, srv.URL+"/v1/events", "Last-Event-ID", "7")
	expect(t, lines, "event: feed.gap", `data: {"after":7}`, "id: 20", "event: call.ended", `data: {"n":20}`)
	h.feed <- item(40, "call.ended", "one.1") // told once
	expect(t, lines, "id: 40")

	h = newHouse() // started anew: nothing is kept, and the numbers have gone on
	srv = serve(t, New(h.options()))
	lines, _ = listen(t, srv.URL+"/v1/events?types=order.done", "Last-Event-ID", "7")
	h.feed <- item(90, "call.ended", "one.1")
	expect(t, lines, "event: feed.gap", `data: {"after":7}`)
	h.feed <- item(91, "order.done", "one.1")
	expect(t, lines, "id: 91")
}

func TestEventsSlowListenerIsDropped(t *testing.T) {
	h := newHouse()
	srv := serve(t, New(h.options()))
	lines, _ := listen(t, srv.URL+"/v1/events")
	close(h.feed) // what the feed does to those that do not keep up
	expect(t, lines, "end")
	within(t, h.stopped, "the listener to be given back")
}

func TestEventsOfNoType(t *testing.T) {
	h := newHouse()
	w := h.as(t, "full", "GET", "/v1/events?types=order.done,call.endd", "")
	for _, want := range []string{`"INVALID"`, "call.endd", "did you mean call.ended?", "call.ringing, call.ended, order.done"} {
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d %s, want %s", w.Code, w.Body.String(), want)
		}
	}
}

func TestEventsFilters(t *testing.T) {
	all := []FeedItem{
		item(1, "call.ended", "one.1"), item(2, "call.ringing", "one.2"), item(3, "call.ended", "two.1"),
		item(4, "call.ended", "in.1"), item(5, "order.done", ""),
	}
	all[4].Order = "one"
	cases := []struct{ query, token, want string }{
		{"", "full", "1 2 3 4 5"},
		{"?types=call.ended", "full", "1 3 4"},
		{"?types=call.ended,call.ringing", "full", "1 2 3 4"},
		{"?call=one", "full", "1 2 5"},
		{"?call=one.2", "full", "2"},
		{"?call=on", "full", ""},
		{"?types=order.done&call=one", "full", "5"},
		{"", "order", "1 2 5"},
		{"?call=two", "order", ""},
		{"", "both", "1 2 3 5"},
	}
	for _, c := range cases {
		h := newHouse()
		h.past = all[:2]
		h.feed = make(chan FeedItem, len(all))
		for _, it := range all[2:] {
			h.feed <- it
		}
		close(h.feed)
		w := h.as(t, c.token, "GET", "/v1/events"+c.query, "")
		var got []string
		for line := range strings.Lines(w.Body.String()) {
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				got = append(got, strings.TrimSpace(id))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s as %s: %q, want %q", c.query, c.token, s, c.want)
		}
	}
}

func TestEventsKeepAlive(t *testing.T) {
	h := newHouse()
	o := h.options()
	v := clock.NewVirtual(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	o.Clock = v
	srv := serve(t, New(o))
	lines, _ := listen(t, srv.URL+"/v1/events")
	h.feed <- item(1, "call.ended", "one.1") // taken when the timer is set
	expect(t, lines, "id: 1", "event: call.ended", `data: {"n":1}`)
	v.Advance(keepAlive)
	expect(t, lines, ": still here")
}

func TestEventsRefused(t *testing.T) {
	h := newHouse()
	want(t, h.ask(t, "GET", "/v1/events", "", "Last-Event-ID", "x"), 422, fault.Invalid)
	h.fail = fault.New(fault.Limit, "events: 64 listeners at once")
	want(t, h.ask(t, "GET", "/v1/events", ""), 503, fault.Limit)
}
