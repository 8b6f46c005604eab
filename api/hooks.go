package api

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/loopstart/loopstart/internal/fault"
)

// hook hands a request to a script's onRequest. There is no bearer token: the
// script decides, with config.hook before it.
func (s *server) hook(w http.ResponseWriter, r *http.Request) error {
	h, err := hookRequest(r)
	if err != nil {
		return err
	}
	a, err := s.Hooks.Hook(r.Context(), r.PathValue("script"), h)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.NotFound && f.Place == "" {
		return fault.New(fault.NotFound, "%s", f.Error()) // its hint names the other scripts
	}
	if err != nil {
		return err
	}
	return sendHook(w, a)
}

func hookRequest(r *http.Request) (HookRequest, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return HookRequest{}, fault.New(fault.Network, "body: %w", err)
	}
	h := HookRequest{Method: r.Method, Path: "/" + r.PathValue("path"), Query: map[string]any{}, Body: body, Headers: [][2]string{{"host", r.Host}}}
	h.IP, _, _ = net.SplitHostPort(r.RemoteAddr)
	for name, values := range r.URL.Query() {
		if len(values) == 1 {
			h.Query[name] = values[0]
		} else {
			h.Query[name] = values
		}
	}
	for name, values := range r.Header {
		for _, v := range values {
			h.Headers = append(h.Headers, [2]string{strings.ToLower(name), v})
		}
	}
	slices.SortStableFunc(h.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return h, nil
}

// transport are the headers that belong to the connection (RFC 9110 §7.6.1)
// and to us; a script's own are left out.
var transport = []string{"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "x-content-type-options"}

// sendHook writes a script's answer. Nothing is written before all of it is
// known to be right.
func sendHook(w http.ResponseWriter, a HookAnswer) error {
	if a.Status < 200 || a.Status > 599 {
		return fault.New(fault.Script, "onRequest: status %d is not 200 to 599", a.Status)
	}
	for _, p := range a.Headers {
		if !httpguts.ValidHeaderFieldName(p[0]) || !httpguts.ValidHeaderFieldValue(p[1]) {
			return fault.New(fault.Script, "onRequest: header %q cannot be sent", p[0])
		}
	}
	h := w.Header()
	// What a script does not say: no type may be guessed, or a text that holds
	// something of the caller's would become a page.
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Del("X-Frame-Options")
	h.Del("Content-Security-Policy")
	seen := map[string]bool{}
	for _, p := range a.Headers {
		name := http.CanonicalHeaderKey(p[0])
		switch {
		case slices.Contains(transport, strings.ToLower(name)):
			continue
		case seen[name]:
			h.Add(name, p[1])
		default:
			seen[name] = true
			h.Set(name, p[1])
		}
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // 204 and 304 have none; a client may have left
	return nil
}
