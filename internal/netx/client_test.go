package netx

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestPrivateAddressesInEverySpellingAreDenied(t *testing.T) {
	c := New(Options{Timeout: 2 * time.Second})
	for _, target := range []string{
		"http://127.0.0.1/", "http://0.0.0.0/", "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://localhost/",
		"http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://192.168.1.1/", "http://100.64.0.1/", "http://[fd00::1]/",
	} {
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: target})
		if fault.CodeOf(err) != fault.Denied {
			t.Errorf("%s: %v (%s), want DENIED", target, err, fault.CodeOf(err))
		}
	}
	for _, target := range []string{"file:///etc/passwd", "gopher://x/", "http://", "::"} {
		if _, err := c.Do(context.Background(), Request{Method: "GET", URL: target}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want INVALID", target, err)
		}
	}
	// Odd numeric forms are names to the resolver; whatever they become, they
	// must not reach the loopback.
	for _, target := range []string{"http://2130706433/", "http://0177.0.0.1/", "http://0x7f.1/"} {
		if res, err := c.Do(context.Background(), Request{Method: "GET", URL: target}); err == nil {
			t.Errorf("%s: reached, %d", target, res.Status)
		}
	}
}

func host(t *testing.T, s *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestNamedHostIsReached(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(append([]byte(r.Header.Get("X-In")+":"), body...))
	}))
	defer s.Close()
	c := New(Options{Rules: Rules{Hosts: []string{host(t, s)}}})
	res, err := c.Do(context.Background(), Request{Method: "PUT", URL: s.URL, Body: []byte("b"), Header: http.Header{"x-in": {"h"}}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Status != 418 || string(res.Body) != "h:b" || res.Header.Get("X-Method") != "PUT" || res.StatusText != "I'm a teapot" {
		t.Fatalf("%+v %s", res, res.Body)
	}
	other := New(Options{Rules: Rules{Hosts: []string{"api.example.ru"}}})
	if _, err := other.Do(context.Background(), Request{Method: "GET", URL: s.URL}); fault.CodeOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Fatalf("not named: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("secret")) }))
	defer inner.Close()
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/loop" {
			http.Redirect(w, r, "/loop", http.StatusFound)
			return
		}
		http.Redirect(w, r, inner.URL, http.StatusFound)
	}))
	defer outer.Close()
	c := New(Options{Rules: Rules{Hosts: []string{host(t, outer)}}})
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: outer.URL}); fault.CodeOf(err) != fault.Denied {
		t.Fatalf("redirect to a host that is not named: %v", err)
	}
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: outer.URL + "/loop"}); fault.CodeOf(err) != fault.Limit {
		t.Fatalf("endless redirect: %v", err)
	}
	res, err := c.Do(context.Background(), Request{Method: "GET", URL: outer.URL, Redirect: "manual"})
	if err != nil || res.Status != 302 {
		t.Fatalf("manual: %v %v", res, err)
	}
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: outer.URL, Redirect: "error"}); fault.CodeOf(err) != fault.Network {
		t.Fatalf("error: %v", err)
	}
	both := New(Options{Rules: Rules{Hosts: []string{host(t, outer), host(t, inner)}}})
	if res, err := both.Do(context.Background(), Request{Method: "GET", URL: outer.URL}); err != nil || string(res.Body) != "secret" || !res.Redirected {
		t.Fatalf("both named: %+v %v", res, err)
	}
}

func TestLimitsOfBodyAndTime(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-stop
			return
		}
		_, _ = w.Write([]byte(strings.Repeat("x", 2000)))
	}))
	defer s.Close()
	defer close(stop)
	c := New(Options{Rules: Rules{Hosts: []string{"127.0.0.1"}}, MaxBody: 1000})
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: s.URL}); fault.CodeOf(err) != fault.Limit {
		t.Fatalf("long body: %v", err)
	}
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: s.URL + "/slow", Timeout: 50 * time.Millisecond}); fault.CodeOf(err) != fault.Network {
		t.Fatalf("slow: %v", err)
	}
}

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2a00:1450::1": true, "::ffff:8.8.8.8": true,
		"10.1.2.3": false, "::ffff:10.1.2.3": false, "224.0.0.1": false, "255.255.255.255": false, "64:ff9b::7f00:1": false, "::": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

func TestCheck(t *testing.T) {
	named := Rules{Hosts: []string{"api.example.ru", "127.0.0.1:8080"}}
	for _, c := range []struct {
		rules Rules
		url   string
		want  fault.Code
	}{
		{Rules{}, "https://api.example.ru/x", ""}, {Rules{}, "http://127.0.0.1/", fault.Denied}, {Rules{}, "http://localhost/", fault.Denied},
		{Rules{}, "ftp://x/", fault.Invalid}, {Rules{}, "nonsense", fault.Invalid},
		{named, "https://api.example.ru/x", ""}, {named, "http://127.0.0.1:8080/", ""}, {named, "http://127.0.0.1/", fault.Denied}, {named, "https://other.ru", fault.Denied},
	} {
		if got := fault.CodeOf(c.rules.Check(c.url)); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.rules.Hosts, c.url, got, c.want)
		}
	}
}
