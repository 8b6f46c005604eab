package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// hook hands a request to a script's onRequest. There is no bearer token: the
// script decides, with config.hook before it.
func (s *server) hook(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.MaxBody))
	if err != nil {
		return err
	}
	h := HookRequest{Method: r.Method, Path: "/" + r.PathValue("path"), Query: map[string]any{}, Body: body, Headers: [][2]string{}}
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
	slices.SortFunc(h.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	a, err := s.Hooks.Hook(r.Context(), r.PathValue("script"), h)
	if err != nil {
		return err
	}
	return sendHook(w, a)
}

func sendHook(w http.ResponseWriter, a HookAnswer) error {
	for _, p := range a.Headers {
		if strings.ContainsAny(p[0]+p[1], "\r\n\x00") {
			return fault.New(fault.Invalid, "onRequest: header %q has a line break", p[0])
		}
		w.Header().Add(p[0], p[1])
	}
	if a.Status < 200 || a.Status > 599 {
		return fault.New(fault.Invalid, "onRequest: status %d", a.Status)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
	return nil
}

func (s *server) scripts(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"scripts": s.Scripts.Scripts()})
}

func (s *server) listKV(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, cursor, err := page(q)
	if err != nil {
		return err
	}
	items, next, err := s.KV.ListKV(q.Get("prefix"), limit, cursor)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"items": items, "next": next})
}

func (s *server) getKV(w http.ResponseWriter, r *http.Request) error {
	key := r.PathValue("key")
	value, ok, err := s.KV.Get(key)
	switch {
	case err != nil:
		return err
	case !ok:
		return fault.New(fault.NotFound, "no key %q", key)
	}
	return write(w, http.StatusOK, map[string]any{"key": key, "value": value})
}

// putKV stores the body, which is the JSON value; ?ttl= is a duration.
func (s *server) putKV(w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if !json.Valid(raw) {
		return fault.New(fault.Invalid, "the body is no JSON value")
	}
	var ttl time.Duration
	if text := r.URL.Query().Get("ttl"); text != "" {
		if ttl, err = time.ParseDuration(text); err != nil || ttl <= 0 {
			return fault.New(fault.Invalid, "ttl: %q is no duration", text)
		}
	}
	if err := s.KV.Set(r.PathValue("key"), raw, ttl); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) deleteKV(w http.ResponseWriter, r *http.Request) error {
	was, err := s.KV.Delete(r.PathValue("key"))
	if err != nil {
		return err
	}
	if !was {
		return fault.New(fault.NotFound, "no key %q", r.PathValue("key"))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// events is a stream of server-sent events (WHATWG HTML §9.2).
func (s *server) events(w http.ResponseWriter, r *http.Request) error {
	flusher, ok := w.(http.Flusher)
	if !ok {
		return fault.New(fault.Internal, "events: no streaming here")
	}
	last, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	past, next, stop, err := s.Feed.Listen(last)
	if err != nil {
		return err
	}
	defer stop()
	var types []string
	if t := r.URL.Query().Get("types"); t != "" {
		types = strings.Split(t, ",")
	}
	call := r.URL.Query().Get("call")
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	send := func(it FeedItem) {
		if len(types) > 0 && !slices.Contains(types, it.Type) || call != "" && it.Call != call && !strings.HasPrefix(it.Call, call+".") {
			return
		}
		fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", it.ID, it.Type, it.Body)
	}
	for _, it := range past {
		send(it)
	}
	flusher.Flush()
	for {
		select {
		case it, ok := <-next:
			if !ok {
				return nil
			}
			send(it)
			flusher.Flush()
		case <-r.Context().Done():
			return nil
		}
	}
}

func (s *server) outbox(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	items, next, err := s.Outbox.Outbox(r.URL.Query().Get("state"), limit, cursor)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"items": items, "next": next})
}

func (s *server) retry(w http.ResponseWriter, r *http.Request) error {
	if err := s.Outbox.RetryDelivery(r.PathValue("id")); err != nil {
		return err
	}
	return write(w, http.StatusAccepted, map[string]any{"id": r.PathValue("id")})
}

func (s *server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(openAPIDocument(s.Version))
	return nil
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"status": "ok", "version": s.Version})
}

func (s *server) readyz(w http.ResponseWriter, _ *http.Request) error {
	if err := s.Health.Ready(); err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"status": "ready"})
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	s.Metrics.ServeHTTP(w, r)
	return nil
}
