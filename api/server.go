package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// How long a client may take. A slow one holds its own connection and nothing
// else: the body is read before anything is begun for it.
const (
	readTime  = 30 * time.Second // for the whole body
	writeTime = 30 * time.Second // without taking a byte
)

// server is the handler and its wiring.
type server struct {
	Options
	real                clock.Clock // deadlines of real sockets, whatever Options.Clock is
	readTime, writeTime time.Duration
}

// New returns the handler of the private listener.
func New(o Options) http.Handler { return newServer(o).handler() }

func newServer(o Options) *server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	return &server{Options: o, real: clock.System(), readTime: readTime, writeTime: writeTime}
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { s.serve(r, w, req) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		header(w.Header())
		methods := allowed(mux, req)
		if len(methods) == 0 || isPublic(req) {
			s.fail(w, req, route{}, unknownAddress(req))
			return
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		s.fail(w, req, route{}, statusError{http.StatusMethodNotAllowed, fault.New(fault.Invalid, "%s is not for %s", req.Method, req.URL.Path).
			WithHint("it takes %s", strings.Join(methods, ", "))})
	})
	return mux
}

func unknownAddress(r *http.Request) error {
	f := fault.New(fault.NotFound, "no such address: %s %s", r.Method, r.URL.Path)
	if isPublic(r) {
		return f
	}
	return f.WithHint("GET /v1/openapi.json lists what there is")
}

type publicKey struct{}

func isPublic(r *http.Request) bool { return r.Context().Value(publicKey{}) != nil }

// Public narrows a handler of New to hooks, signed recording links and health.
func Public(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), publicKey{}, true)))
	})
}

// serve does for every route what is the same for all.
func (s *server) serve(r route, w http.ResponseWriter, req *http.Request) {
	p := &patient{w, s, http.StatusOK}
	w = p
	header(w.Header())
	req = watch(req, r)
	defer func() { s.audited(req, p.status) }()
	defer s.survive(w, req, r)
	if err := s.admit(r, w, &req); err != nil {
		s.fail(w, req, r, err)
		return
	}
	if err := r.handle(s, w, req); err != nil {
		s.fail(w, req, r, err)
	}
}

// admit checks a request and reads its body.
func (s *server) admit(r route, w http.ResponseWriter, req **http.Request) error {
	switch {
	case isPublic(*req) && !r.public:
		return unknownAddress(*req)
	case !r.public && foreign(*req):
		return fault.New(fault.Denied, "a page of another site may not use the API").
			WithHint("call it from a server; pages send requests to a hook of a script")
	}
	if r.right != "" {
		t, err := s.authorise(*req, r)
		if err != nil {
			return err
		}
		*req = (*req).WithContext(context.WithValue((*req).Context(), tokenKey{}, t))
	}
	for name := range (*req).URL.Query() {
		if !r.takes(name) {
			return fault.New(fault.Invalid, "no parameter %q", name).WithHint("this address takes %s", orNone(r.query))
		}
	}
	if r.stream {
		s.streamBody(w, *req)
		return nil
	}
	if r.large {
		return s.readBody(w, *req, s.MaxUpload, "limits.script_upload")
	}
	return s.readBody(w, *req, s.MaxBody, "limits.http_body")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// readBody takes the whole body at once, so that a client that sends slowly
// ties up neither a script nor a call.
func (s *server) readBody(w http.ResponseWriter, r *http.Request, most int64, limit string) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(s.real.Now().Add(s.readTime)) // test recorders have none
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		w.Header().Set("Connection", "close") // the rest of the body is not waited for
	} else {
		_ = c.SetReadDeadline(time.Time{})
	}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return statusError{http.StatusRequestEntityTooLarge, fault.New(fault.Invalid, "the body is longer than %d bytes", most).WithHint("see %s", limit)}
	}
	if err != nil {
		return statusError{http.StatusRequestTimeout, fault.New(fault.Network, "the body did not arrive within %s", s.readTime)}
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return nil
}

// patient gives the client a new span to take each piece that is written.
type patient struct {
	http.ResponseWriter
	s      *server
	status int // that was sent
}

func (p *patient) WriteHeader(status int) {
	p.again()
	p.status = status
	p.ResponseWriter.WriteHeader(status)
}

func (p *patient) Write(b []byte) (int, error) {
	p.again()
	return p.ResponseWriter.Write(b)
}

func (p *patient) again() {
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(p.s.real.Now().Add(p.s.writeTime)) // test recorders have none
}

// Unwrap lets http.ResponseController reach the connection.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// survive turns a panic into an answer: one request may not take calls along.
func (s *server) survive(w http.ResponseWriter, req *http.Request, r route) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.Log.Error("api: panic", "route", r.pattern, "panic", p, "stack", string(debug.Stack()))
	s.fail(w, req, r, fault.New(fault.Internal, "panic"))
}

// header sets what every answer has. There is no CORS header anywhere: a page
// of another site can send, and is refused, but never read.
func header(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // links are signed
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
}

// foreign reports whether a browser says that another site's page asks. Tokens
// in headers already keep such a page out; this also spares what needs none.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}
