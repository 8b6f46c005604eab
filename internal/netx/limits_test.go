package netx

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestMaxRedirects: /n leads to /n-1 and so on.
func TestMaxRedirects(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err == nil && n > 0 {
			http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
		}
	}))
	defer s.Close()
	c := New(Options{Rules: Rules{Hosts: []string{"127.0.0.1"}}})
	for n, code := range map[int]fault.Code{MaxRedirects: "", MaxRedirects + 1: fault.Limit} {
		if _, err := c.Do(context.Background(), Request{Method: "GET", URL: fmt.Sprintf("%s/%d", s.URL, n)}); fault.CodeOf(err) != code {
			t.Errorf("%d redirects: %v", n, err)
		}
	}
}

// TestMaxIdle: net/http keeps to what it is told.
func TestMaxIdle(t *testing.T) {
	if tr := New(Options{}).http.Transport.(*http.Transport); tr.MaxIdleConns != MaxIdle || tr.MaxIdleConnsPerHost <= 0 || tr.MaxIdleConnsPerHost > MaxIdle {
		t.Errorf("%d, %d of one host", tr.MaxIdleConns, tr.MaxIdleConnsPerHost)
	}
}
