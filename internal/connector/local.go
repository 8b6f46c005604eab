package connector

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// Local is HTTP to a handler in the process, without a network: fakes of other
// systems are reached by it.
type Local struct{ Handler http.Handler }

// Do implements HTTP.
func (l Local) Do(ctx context.Context, r netx.Request) (*netx.Response, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "no address: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fault.New(fault.Invalid, "no request: %w", err)
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.RemoteAddr = "127.0.0.1:1"
	w := &answer{header: http.Header{}, status: http.StatusOK}
	l.Handler.ServeHTTP(w, req)
	if ctx.Err() != nil {
		return nil, fault.New(fault.Network, "fetch: %s: %w", u.Host, context.Cause(ctx))
	}
	if w.lost {
		return nil, fault.New(fault.Network, "fetch: %s: the connection was closed", u.Host)
	}
	return &netx.Response{Status: w.status, StatusText: http.StatusText(w.status), URL: r.URL, Header: w.header, Body: w.body.Bytes()}, nil
}

// answer is an http.ResponseWriter in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	lost   bool
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// Lose makes the caller of [Local] see a connection that broke before the
// answer; with a real server the handler panics with http.ErrAbortHandler.
func Lose(w http.ResponseWriter) {
	if a, ok := w.(*answer); ok {
		a.lost = true
		return
	}
	panic(http.ErrAbortHandler)
}
