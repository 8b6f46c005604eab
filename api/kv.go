package api

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/loopstart/loopstart/internal/fault"
)

// maxKey is the longest key in bytes: that of kv in scripts, which could not
// read a longer one.
const maxKey = 512

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
		return noKey(key)
	}
	return write(w, http.StatusOK, map[string]any{"key": key, "value": value})
}

func noKey(key string) error { return fault.New(fault.NotFound, "no key %q", key) }

// putKV stores the body, which is the JSON value; ?ttl= is a duration.
func (s *server) putKV(w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return fault.New(fault.Network, "body: %w", err)
	}
	if !json.Valid(raw) {
		return fault.New(fault.Invalid, "the body is no JSON value").WithHint(`a text is written with its quotes: "open"`)
	}
	if key := r.PathValue("key"); len(key) > maxKey {
		return tooLong(fault.New(fault.Limit, "the key has %d bytes, %d are possible", len(key), maxKey))
	}
	ttl, err := span("ttl", r.URL.Query().Get("ttl"))
	if err != nil {
		return err
	}
	if err := s.KV.Set(r.PathValue("key"), raw, ttl); fault.CodeOf(err) == fault.Limit {
		return tooLong(err) // the same again would not help
	} else if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) deleteKV(w http.ResponseWriter, r *http.Request) error {
	was, err := s.KV.Delete(r.PathValue("key"))
	switch {
	case err != nil:
		return err
	case !was:
		return noKey(r.PathValue("key"))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
