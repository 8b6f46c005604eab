package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestHookRequest(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "REPORT"} {
		h := newHouse()
		var got HookRequest
		var script string
		h.hook = func(_ context.Context, s string, r HookRequest) (HookAnswer, error) {
			script, got = s, r
			return HookAnswer{Status: 201, Headers: [][2]string{{"x-a", "1"}, {"X-A", "2"}}, Body: []byte("done")}, nil
		}
		w := askOf(New(h.options()), method, "/v1/hooks/order/a/b?x=1&y=2&y=3", "\x00body", "X-Thing", "v")
		if w.Code != 201 || !reflect.DeepEqual(w.Header().Values("X-A"), []string{"1", "2"}) {
			t.Fatalf("%s: %d %v", method, w.Code, w.Header())
		}
		if script != "order" || got.Method != method || got.Path != "/a/b" || string(got.Body) != "\x00body" || got.IP != "192.0.2.1" {
			t.Errorf("%s: %s %+v", method, script, got)
		}
		if !reflect.DeepEqual(got.Query, map[string]any{"x": "1", "y": []string{"2", "3"}}) {
			t.Errorf("query %v", got.Query)
		}
		if !reflect.DeepEqual(got.Headers, [][2]string{{"host", "example.com"}, {"x-thing", "v"}}) {
			t.Errorf("headers %v", got.Headers)
		}
	}
	h := newHouse()
	h.hook = func(_ context.Context, _ string, r HookRequest) (HookAnswer, error) {
		return HookAnswer{Status: 200, Body: []byte(r.Path)}, nil
	}
	for target, path := range map[string]string{"/v1/hooks/order": "/", "/v1/hooks/order/": "/", "/v1/hooks/order/a%2Fb": "/a/b"} {
		if w := askOf(New(h.options()), "GET", target, ""); w.Body.String() != path {
			t.Errorf("%s: path %q", target, w.Body)
		}
	}
}

func TestHookAnswers(t *testing.T) {
	cases := []struct {
		name   string
		a      HookAnswer
		status int
		code   fault.Code
		header [2]string // that must be there
	}{
		{"plain", HookAnswer{Status: 200, Body: []byte("<b>hi</b>")}, 200, "", [2]string{"Content-Type", "text/plain; charset=utf-8"}},
		{"typed", HookAnswer{Status: 200, Headers: [][2]string{{"content-type", "text/html"}}}, 200, "", [2]string{"Content-Type", "text/html"}},
		{"no content", HookAnswer{Status: 204, Body: []byte("x")}, 204, "", [2]string{}},
		{"redirect", HookAnswer{Status: 302, Headers: [][2]string{{"Location", "https://x"}}}, 302, "", [2]string{"Location", "https://x"}},
		{"error of its own", HookAnswer{Status: 503}, 503, "", [2]string{}},
		{"cors by the script", HookAnswer{Status: 200, Headers: [][2]string{{"Access-Control-Allow-Origin", "https://x"}}}, 200, "", [2]string{"Access-Control-Allow-Origin", "https://x"}},
		{"its own caching", HookAnswer{Status: 200, Headers: [][2]string{{"Cache-Control", "max-age=5"}}}, 200, "", [2]string{"Cache-Control", "max-age=5"}},
		{"sniffing stays off", HookAnswer{Status: 200, Headers: [][2]string{{"X-Content-Type-Options", "sniff"}}}, 200, "", [2]string{"X-Content-Type-Options", "nosniff"}},
		{"CR LF in a value", HookAnswer{Status: 200, Headers: [][2]string{{"X-A", "1\r\nSet-Cookie: a=b"}}}, 500, fault.Script, [2]string{}},
		{"LF in a value", HookAnswer{Status: 200, Headers: [][2]string{{"X-A", "1\nx"}}}, 500, fault.Script, [2]string{}},
		{"NUL in a value", HookAnswer{Status: 200, Headers: [][2]string{{"X-A", "1\x00"}}}, 500, fault.Script, [2]string{}},
		{"CR LF in a name", HookAnswer{Status: 200, Headers: [][2]string{{"X-A\r\nB", "1"}}}, 500, fault.Script, [2]string{}},
		{"blank in a name", HookAnswer{Status: 200, Headers: [][2]string{{"X A", "1"}}}, 500, fault.Script, [2]string{}},
		{"empty name", HookAnswer{Status: 200, Headers: [][2]string{{"", "1"}}}, 500, fault.Script, [2]string{}},
		{"status 0", HookAnswer{}, 500, fault.Script, [2]string{}},
		{"status 101", HookAnswer{Status: 101}, 500, fault.Script, [2]string{}},
		{"status 600", HookAnswer{Status: 600}, 500, fault.Script, [2]string{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse()
			h.hook = func(context.Context, string, HookRequest) (HookAnswer, error) { return c.a, nil }
			w := askOf(New(h.options()), "GET", "/v1/hooks/order", "")
			want(t, w, c.status, c.code)
			if c.header[0] != "" && w.Header().Get(c.header[0]) != c.header[1] {
				t.Errorf("%s: %q", c.header[0], w.Header().Get(c.header[0]))
			}
			if w.Header().Get("Set-Cookie") != "" || w.Header().Get("X-A") != "" {
				t.Errorf("a refused header was sent: %v", w.Header())
			}
		})
	}
}

// TestHookConnectionHeaders: a script cannot break the framing of its answer.
func TestHookConnectionHeaders(t *testing.T) {
	h := newHouse()
	h.hook = func(context.Context, string, HookRequest) (HookAnswer, error) {
		return HookAnswer{Status: 200, Headers: [][2]string{{"Content-Length", "999"}, {"Transfer-Encoding", "chunked"}, {"Connection", "close"}, {"Upgrade", "x"}}, Body: []byte("ok")}, nil
	}
	w := askOf(New(h.options()), "GET", "/v1/hooks/order", "")
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Connection", "Upgrade"} {
		if v := w.Header().Get(name); v != "" {
			t.Errorf("%s: %s", name, v)
		}
	}
}

func TestHookErrorsTellStrangersNothing(t *testing.T) {
	cases := []struct {
		err    error
		status int
		code   fault.Code
		told   bool
	}{
		{fault.New(fault.Script, "secretName is not defined").At("order.ts:3:9", "frame"), 500, fault.Script, false},
		{fault.New(fault.Limit, "secretName used up").At("order.ts:3:9", ""), 503, fault.Limit, false},
		{fault.New(fault.Internal, "secretName"), 500, fault.Internal, false},
		{fault.New(fault.NotFound, "no group secretName").At("order.ts:3:9", ""), 404, fault.NotFound, false},
		{fault.New(fault.NotFound, "script order has no onRequest"), 404, fault.NotFound, true},
		{fault.New(fault.NotFound, "no script \"ordr\"").WithHint("there are secretName"), 404, fault.NotFound, true},
		{fault.New(fault.Unauthorized, "hook order: wrong or missing token"), 401, fault.Unauthorized, true},
		{fault.New(fault.Denied, "hook order: origin x is not allowed"), 403, fault.Denied, true},
		{fault.New(fault.Rate, "hook order: more than 5 requests a second"), 429, fault.Rate, true},
	}
	for _, c := range cases {
		h := newHouse()
		h.hook = func(context.Context, string, HookRequest) (HookAnswer, error) { return HookAnswer{}, c.err }
		w := askOf(New(h.options()), "POST", "/v1/hooks/order", "")
		p := want(t, w, c.status, c.code)
		if body := w.Body.String(); strings.Contains(body, "secretName") || strings.Contains(body, "order.ts") || strings.Contains(body, "frame") {
			t.Errorf("told: %s", body)
		}
		if c.told != (p.Error.Message == c.err.Error()) {
			t.Errorf("message %q of %v", p.Error.Message, c.err)
		}
		if !c.told && !strings.Contains(h.log.String(), "secretName") {
			t.Errorf("not logged: %v", c.err)
		}
	}
}

// TestHookEndsWithItsClient: a client that leaves ends the script's run.
func TestHookEndsWithItsClient(t *testing.T) {
	h := newHouse()
	begun := make(chan struct{})
	ended := make(chan struct{})
	h.hook = func(ctx context.Context, _ string, _ HookRequest) (HookAnswer, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return HookAnswer{}, ctx.Err()
	}
	srv := serve(t, newServer(h.options()).handler())
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", srv.URL+"/v1/hooks/order", strings.NewReader("x"))
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-begun
	cancel()
	within(t, ended, "the hook to end")
}
