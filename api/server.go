package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// server is the handler and its wiring.
type server struct{ Options }

// route is one line of the surface. Right is the part of the API a token must
// allow; "" needs no token.
type route struct {
	pattern string // as http.ServeMux takes it
	right   string
	handle  func(*server, http.ResponseWriter, *http.Request) error
}

// routes is the whole surface; openapi.json describes the same, and a test
// holds the two together.
var routes = []route{
	{"POST /v1/calls", "calls", (*server).placeCall},
	{"GET /v1/calls", "read", (*server).listCalls},
	{"DELETE /v1/calls", "calls", (*server).cancelKey},
	{"GET /v1/calls/{id}", "read", (*server).showCall},
	{"DELETE /v1/calls/{id}", "calls", (*server).cancelCall},
	{"GET /v1/calls/{id}/timeline", "read", (*server).timeline},
	{"GET /v1/calls/{id}/recording", "read", (*server).recording},
	{"POST /v1/calls/{id}/commands", "calls", (*server).command},
	{"GET /v1/recordings/{id}", "", (*server).linkedRecording},
	{"/v1/hooks/{script}", "", (*server).hook},
	{"/v1/hooks/{script}/{path...}", "", (*server).hook},
	{"GET /v1/scripts", "read", (*server).scripts},
	{"GET /v1/kv", "kv", (*server).listKV},
	{"GET /v1/kv/{key...}", "kv", (*server).getKV},
	{"PUT /v1/kv/{key...}", "kv", (*server).putKV},
	{"DELETE /v1/kv/{key...}", "kv", (*server).deleteKV},
	{"GET /v1/events", "read", (*server).events},
	{"GET /v1/outbox", "read", (*server).outbox},
	{"POST /v1/outbox/{id}/retry", "calls", (*server).retry},
	{"GET /v1/openapi.json", "", (*server).openAPI},
	{"GET /healthz", "", (*server).healthz},
	{"GET /readyz", "", (*server).readyz},
	{"GET /metrics", "", (*server).metrics},
}

// public are the routes of the public listener: hooks and signed links only.
var public = []string{"/v1/hooks/", "/v1/recordings/", "/healthz"}

// New returns the handler of the private listener.
func New(o Options) http.Handler {
	s := &server{o}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { s.serve(r, w, req) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		writeError(w, fault.New(fault.NotFound, "no such address: %s %s", req.Method, req.URL.Path).WithHint("GET /v1/openapi.json lists what there is"))
	})
	return mux
}

// Public narrows a handler of New to hooks, signed recording links and health.
func Public(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.ContainsFunc(public, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
			writeError(w, fault.New(fault.NotFound, "no such address"))
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (s *server) serve(r route, w http.ResponseWriter, req *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.right != "" {
		t, err := s.authorise(req, r.right)
		if err != nil {
			writeError(w, err)
			return
		}
		req = req.WithContext(context.WithValue(req.Context(), tokenKey{}, t))
	}
	if !strings.Contains(r.pattern, "/hooks/") {
		req.Body = http.MaxBytesReader(w, req.Body, s.MaxBody)
	}
	if err := r.handle(s, w, req); err != nil {
		writeError(w, err)
	}
}

type tokenKey struct{}

// authorise finds the bearer token of a request. Comparing hashes takes the
// same time whatever is given.
func (s *server) authorise(r *http.Request, right string) (Token, error) {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return Token{}, fault.New(fault.Unauthorized, "no bearer token").WithHint("send Authorization: Bearer TOKEN; tokens are in http.tokens of loopstart.yaml")
	}
	sum := sha256.Sum256([]byte(given))
	var found *Token
	for _, t := range s.Tokens() {
		want := sha256.Sum256([]byte(t.Token))
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 && t.Token != "" {
			found = &t
		}
	}
	switch {
	case found == nil:
		return Token{}, fault.New(fault.Unauthorized, "unknown bearer token")
	case len(found.Allow) == 0 || slices.Contains(found.Allow, right):
		return *found, nil
	}
	return Token{}, fault.New(fault.Denied, "token %s may not use %s", found.Name, right).WithHint("see http.tokens.%s.allow", found.Name)
}

// mayScript reports whether the request's token may use a script.
func mayScript(r *http.Request, script string) error {
	t, _ := r.Context().Value(tokenKey{}).(Token)
	if len(t.Scripts) == 0 || slices.Contains(t.Scripts, script) {
		return nil
	}
	return fault.New(fault.Denied, "token %s may not use script %s", t.Name, script)
}

// write answers with a JSON value.
func write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Internal, "answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
	return nil
}

// problem is the body of every error.
type problem struct {
	Error struct {
		Code    fault.Code `json:"code"`
		Message string     `json:"message"`
		Hint    string     `json:"hint,omitempty"`
		Place   string     `json:"place,omitempty"`
		Frame   string     `json:"frame,omitempty"`
	} `json:"error"`
}

func writeError(w http.ResponseWriter, err error) {
	var p problem
	f := faultOf(err)
	p.Error.Code, p.Error.Message, p.Error.Hint, p.Error.Place, p.Error.Frame = f.Code, f.Message, f.Hint, f.Place, f.Frame
	if f.Code == fault.Rate || f.Code == fault.Unavailable || f.Code == fault.Limit {
		w.Header().Set("Retry-After", "5")
	}
	if f.Code == fault.Unauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	_ = write(w, fault.HTTPStatus(f.Code), p)
}
