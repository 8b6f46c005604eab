package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

// sample is a path that a route's pattern takes, for things that exist.
func sample(r route) (method, target string) {
	method, path, ok := strings.Cut(r.pattern, " ")
	if !ok {
		method, path = http.MethodPost, r.pattern
	}
	path = strings.NewReplacer("{id}", "one", "{script}", "order", "{name}", "mango", "{key...}", "a/b", "{key}", "77", "{path...}", "x/y").Replace(path)
	switch r.pattern {
	case "DELETE /v1/calls":
		path += "?key=order-77"
	case "GET /v1/recordings/{id}":
		path += "?until=9&sig=good-one"
	}
	return method, path
}

func bodyFor(r route) string {
	switch r.pattern {
	case "POST /v1/calls":
		return `{"script":"order","to":"101"}`
	case "PUT /v1/scripts/{script}":
		return "export default () => 1;"
	case "PUT /v1/kv/{key...}", "POST /v1/calls/{id}/commands":
		return `{}`
	}
	return ""
}

// TestAuthorisation asks every route with every kind of token.
func TestAuthorisation(t *testing.T) {
	allow := func(right string, of ...string) func(route) bool {
		return func(r route) bool {
			for _, o := range of {
				if o == r.right {
					return true
				}
			}
			return r.right == "" && right == ""
		}
	}
	callers := []struct {
		name, header string
		unknown      bool
		may          func(route) bool
	}{
		{"no token", "", true, nil},
		{"no scheme", "full-secret", true, nil},
		{"wrong scheme", "Basic full-secret", true, nil},
		{"wrong token", "Bearer wrong", true, nil},
		{"prefix of a token", "Bearer full-secre", true, nil},
		{"empty token", "Bearer ", true, nil},
		{"read only", "Bearer reader-secret", false, allow("", rightRead)},
		{"calls only", "Bearer caller-secret", false, allow("", rightCalls)},
		{"kv only", "Bearer keeper-secret", false, allow("", rightKV)},
		{"campaigns only", "Bearer campaigner-secret", false, allow("", rightCampaigns)},
		{"stop-list only", "Bearer stopper-secret", false, allow("", rightStopList)},
		{"scripts only", "Bearer deployer-secret", false, allow("", rightDeploy)},
		{"one script", "Bearer order-secret", false, func(r route) bool { return !r.whole }},
		{"full", "Bearer full-secret", false, func(route) bool { return true }},
		{"scheme in lower case", "bearer full-secret", false, func(route) bool { return true }},
	}
	for _, r := range routes {
		for _, c := range callers {
			t.Run(r.pattern+" "+c.name, func(t *testing.T) {
				h := newHouse()
				h.kv["a/b"] = []byte("1")
				h.campaign.stopped = map[string]string{"{phone}": "asked"}
				close(h.feed)
				method, target := sample(r)
				w := askOf(New(h.options()), method, target, bodyFor(r), "Authorization", c.header)
				switch {
				case r.right != "" && c.unknown:
					want(t, w, http.StatusUnauthorized, fault.Unauthorized)
					if w.Header().Get("WWW-Authenticate") != "Bearer" {
						t.Error("no WWW-Authenticate")
					}
				case r.right != "" && !c.may(r):
					want(t, w, http.StatusForbidden, fault.Denied)
				case w.Code < 200 || w.Code > 299:
					t.Fatalf("status %d: %s", w.Code, w.Body)
				}
				if r.right != "" && w.Code >= 400 && len(h.placed)+len(h.ended)+len(h.commands)+len(h.retried)+len(h.checked)+len(h.deployed)+len(h.campaign.asked) > 0 {
					t.Error("something was done for a request that was refused")
				}
			})
		}
	}
}

// TestPublicListener asks every route of the public listener, with a full token.
func TestPublicListener(t *testing.T) {
	for _, r := range routes {
		h := newHouse()
		close(h.feed)
		method, target := sample(r)
		w := askOf(Public(New(h.options())), method, target, bodyFor(r), "Authorization", "Bearer full-secret")
		if r.public && w.Code > 299 {
			t.Errorf("%s: status %d", r.pattern, w.Code)
		}
		if !r.public {
			if p := want(t, w, http.StatusNotFound, fault.NotFound); p.Error.Hint != "" {
				t.Errorf("%s: the public listener hints: %s", r.pattern, p.Error.Hint)
			}
		}
	}
	h := newHouse()
	public := Public(New(h.options()))
	for _, target := range []string{"/", "/v1/hooks/../calls", "/v1/hooks/%2e%2e/calls", "/v1/hooks//../../metrics", "/v1/recordings/one/../../calls"} {
		if w := askOf(public, "GET", target, "", "Authorization", "Bearer full-secret"); w.Code == 200 && !strings.Contains(target, "%2e") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := askOf(public, "DELETE", "/v1/calls", ""); w.Header().Get("Allow") != "" {
		t.Error("the public listener tells the methods of a private address")
	}
}

func TestWrongMethod(t *testing.T) {
	cases := []struct{ method, target, allow string }{
		{"PUT", "/v1/calls", "GET, HEAD, POST, DELETE"},
		{"POST", "/v1/calls/one", "GET, HEAD, DELETE"},
		{"GET", "/v1/calls/one/commands", "POST"},
		{"PATCH", "/v1/kv/a/b", "GET, HEAD, PUT, DELETE"},
		{"OPTIONS", "/v1/calls", "GET, HEAD, POST, DELETE"},
		{"TRACE", "/healthz", "GET, HEAD"},
	}
	for _, c := range cases {
		w := newHouse().ask(t, c.method, c.target, "")
		want(t, w, http.StatusMethodNotAllowed, fault.Invalid)
		if got := w.Header().Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow: %s, want %s", c.method, c.target, got, c.allow)
		}
	}
	want(t, newHouse().ask(t, "GET", "/v2/calls", ""), http.StatusNotFound, fault.NotFound)
	want(t, newHouse().ask(t, "GET", "/", ""), http.StatusNotFound, fault.NotFound)
}

func TestUnknownParameters(t *testing.T) {
	for _, r := range routes {
		if r.query == "*" && r.pattern != "GET /v1/calls" {
			continue
		}
		h := newHouse()
		close(h.feed)
		method, target := sample(r)
		sign := "?"
		if strings.Contains(target, "?") {
			sign = "&"
		}
		p := want(t, h.ask(t, method, target+sign+"limti=3", bodyFor(r)), http.StatusUnprocessableEntity, fault.Invalid)
		if !strings.Contains(p.Error.Message, `"limti"`) || p.Error.Hint == "" {
			t.Errorf("%s: %+v", r.pattern, p.Error)
		}
	}
}

func TestOtherSites(t *testing.T) {
	sites := [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://example.com:99"},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "://"},
	}
	for _, r := range routes {
		for _, site := range sites {
			h := newHouse()
			h.kv["a/b"] = []byte("1")
			close(h.feed)
			method, target := sample(r)
			w := h.ask(t, method, target, bodyFor(r), site...)
			if r.public != (w.Code < 300) || !r.public && w.Code != http.StatusForbidden {
				t.Errorf("%s from %v: status %d", r.pattern, site, w.Code)
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s sends %s", r.pattern, name)
				}
			}
		}
	}
	// httptest asks for example.com.
	want(t, newHouse().ask(t, "GET", "/v1/calls", "", "Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"), 200, "")
}

func TestSecurityHeaders(t *testing.T) {
	for _, r := range routes {
		if r.hook() {
			continue
		}
		h := newHouse()
		close(h.feed)
		method, target := sample(r)
		w := h.ask(t, method, target, bodyFor(r))
		for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s: %s: %q", r.pattern, name, got)
			}
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") || w.Header().Get("Cache-Control") == "" {
			t.Errorf("%s: %v", r.pattern, w.Header())
		}
	}
	w := newHouse().ask(t, "GET", "/nothing", "")
	if w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Error("an unknown address is answered without the headers")
	}
}

func TestBodyLimit(t *testing.T) {
	long := `{"script":"order","to":"` + strings.Repeat("1", maxBody) + `"}`
	for _, r := range routes {
		method, target := sample(r)
		if method == http.MethodGet || method == http.MethodDelete {
			continue
		}
		h := newHouse()
		long := long
		if r.stream {
			long = strings.Repeat(long, maxImport/maxBody)
		}
		if r.large {
			long = strings.Repeat(long, maxUpload/maxBody)
		}
		want(t, h.ask(t, method, target, long), http.StatusRequestEntityTooLarge, fault.Invalid)
		if len(h.placed)+len(h.commands)+len(h.kv)+len(h.deployed) > 0 {
			t.Errorf("%s: something was done", r.pattern)
		}
	}
}

func TestInnerErrorsStayInside(t *testing.T) {
	secret := "open /var/lib/secret: permission denied"
	for _, err := range []error{errors.New(secret), fault.New(fault.Internal, "%s", secret)} {
		h := newHouse()
		h.fail = err
		p := want(t, h.ask(t, "GET", "/v1/calls", ""), http.StatusInternalServerError, fault.Internal)
		if strings.Contains(p.Error.Message+p.Error.Hint, "secret") {
			t.Fatalf("told: %+v", p.Error)
		}
		ref := p.Error.Hint[strings.LastIndex(p.Error.Hint, " ")+1:]
		if log := h.log.String(); !strings.Contains(log, secret) || !strings.Contains(log, ref) {
			t.Fatalf("the log lacks the cause or the reference %s: %s", ref, log)
		}
	}
}

type exploding struct{ *house }

func (exploding) Show(string) (any, error) { panic("boom at /home/x") }

func TestPanic(t *testing.T) {
	h := newHouse()
	o := h.options()
	o.Calls = exploding{h}
	p := want(t, askOf(New(o), "GET", "/v1/calls/one", "", "Authorization", "Bearer full-secret"), http.StatusInternalServerError, fault.Internal)
	if strings.Contains(p.Error.Message+p.Error.Hint, "boom") {
		t.Fatalf("told: %+v", p.Error)
	}
	if log := h.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "fake_test") && !strings.Contains(log, "server_test") {
		t.Fatalf("the log lacks the panic or its stack: %s", log)
	}
}

func TestErrorsCarryHintPlaceAndRetryAfter(t *testing.T) {
	h := newHouse()
	h.fail = fault.New(fault.Script, "x is not defined").At("order.ts:3:9", "frame").WithHint("declare it")
	p := want(t, h.ask(t, "GET", "/v1/calls", ""), http.StatusInternalServerError, fault.Script)
	if p.Error.Place != "order.ts:3:9" || p.Error.Frame != "frame" || p.Error.Hint != "declare it" {
		t.Fatalf("%+v", p.Error)
	}
	for code, status := range map[fault.Code]int{
		fault.Rate: 429, fault.Limit: 503, fault.Unavailable: 503, fault.Conflict: 409, fault.Hangup: 409, fault.Network: 502, fault.Media: 500,
	} {
		h.fail = fault.New(code, "so it is")
		w := h.ask(t, "GET", "/v1/calls", "")
		want(t, w, status, code)
		if (w.Header().Get("Retry-After") != "") != (status == 429 || status == 503) {
			t.Errorf("%s: Retry-After: %q", code, w.Header().Get("Retry-After"))
		}
	}
}

func TestHealth(t *testing.T) {
	h := newHouse()
	want(t, askOf(New(h.options()), "GET", "/healthz", ""), 200, "")
	want(t, askOf(New(h.options()), "GET", "/readyz", ""), 200, "")
	h.waiting = []string{"udp://10.8.0.2:5060"}
	late := askOf(New(h.options()), "GET", "/readyz", "")
	want(t, late, 200, "")
	if b, _ := io.ReadAll(late.Body); !bytes.Contains(b, []byte(`"waiting":["udp://10.8.0.2:5060"]`)) {
		t.Errorf("%s", b)
	}
	h.ready = fault.New(fault.Unavailable, "the server is stopping")
	want(t, askOf(New(h.options()), "GET", "/healthz", ""), 200, "")
	want(t, askOf(New(h.options()), "GET", "/readyz", ""), 503, fault.Unavailable)
	w := askOf(New(h.options()), "GET", "/metrics", "")
	if b, _ := io.ReadAll(w.Body); !bytes.Contains(b, []byte("loopstart_calls")) {
		t.Errorf("%s", b)
	}
}
