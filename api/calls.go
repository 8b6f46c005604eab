package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// placeCall is POST /v1/calls: 202 for a new order, 200 for one that stood.
func (s *server) placeCall(w http.ResponseWriter, r *http.Request) error {
	body, err := object(r)
	if err != nil {
		return err
	}
	var what struct {
		Script string `json:"script"`
	}
	_ = json.Unmarshal(body, &what)
	if err := mayScript(r, what.Script); err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxIdempotencyKey {
		return fault.New(fault.Invalid, "Idempotency-Key: longer than %d characters", maxIdempotencyKey)
	}
	answer, created, err := s.Calls.Place(body, key)
	if err != nil {
		return err
	}
	if created {
		return write(w, http.StatusAccepted, answer)
	}
	return write(w, http.StatusOK, answer)
}

const maxIdempotencyKey = 255

var listFilters = []string{"state", "outcome", "script", "trunk", "to", "from", "key", "since", "until", "limit", "cursor"}

func (s *server) listCalls(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	q, err := query(v)
	if err != nil {
		return err
	}
	rows, next, err := s.Calls.List(q)
	if err != nil {
		return err
	}
	if rows == nil {
		rows = []json.RawMessage{}
	}
	return write(w, http.StatusOK, map[string]any{"calls": rows, "next": next})
}

func query(v url.Values) (q Query, err error) {
	q = Query{
		State: v.Get("state"), Outcome: v.Get("outcome"), Script: v.Get("script"), Trunk: v.Get("trunk"), To: v.Get("to"),
		From: v.Get("from"), Key: v.Get("key"), Tags: map[string]string{},
	}
	for name := range v {
		if tag, ok := strings.CutPrefix(name, "tag."); ok {
			q.Tags[tag] = v.Get(name)
		} else if !slices.Contains(listFilters, name) {
			return q, fault.New(fault.Invalid, "no filter %q", name).WithHint("filters are %s and tag.NAME", strings.Join(listFilters, ", "))
		}
	}
	if q.Since, err = moment("since", v.Get("since")); err != nil {
		return q, err
	}
	if q.Until, err = moment("until", v.Get("until")); err != nil {
		return q, err
	}
	q.Limit, q.Cursor, err = page(v)
	return q, err
}

func (s *server) showCall(w http.ResponseWriter, r *http.Request) error {
	v, err := s.Calls.Show(r.PathValue("id"))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, v)
}

func (s *server) timeline(w http.ResponseWriter, r *http.Request) error {
	v, err := s.Calls.Timeline(r.PathValue("id"))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"events": v})
}

func (s *server) cancelCall(w http.ResponseWriter, r *http.Request) error {
	if err := s.Calls.Cancel(r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) cancelKey(w http.ResponseWriter, r *http.Request) error {
	key := r.URL.Query().Get("key")
	if key == "" {
		return fault.New(fault.Invalid, "DELETE /v1/calls needs ?key=")
	}
	if err := s.Calls.CancelKey(key); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) command(w http.ResponseWriter, r *http.Request) error {
	body, err := object(r)
	if err != nil {
		return err
	}
	v, err := s.Calls.Command(r.PathValue("id"), body)
	if err != nil {
		return err
	}
	if v == nil {
		v = map[string]any{}
	}
	return write(w, http.StatusOK, v)
}

func (s *server) recording(w http.ResponseWriter, r *http.Request) error {
	return s.sendRecording(w, r, r.PathValue("id"))
}

// linkedRecording serves a signed link; the signature is the permission.
func (s *server) linkedRecording(w http.ResponseWriter, r *http.Request) error {
	id, q := r.PathValue("id"), r.URL.Query()
	if !s.Recordings.CheckLink(id, q.Get("until"), q.Get("sig")) {
		return fault.New(fault.Denied, "the link is wrong or has expired")
	}
	return s.sendRecording(w, r, id)
}

func (s *server) sendRecording(w http.ResponseWriter, r *http.Request, id string) error {
	f, at, err := s.Recordings.Recording(id)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", "audio/wav")
	http.ServeContent(w, r, id+".wav", at, f)
	return nil
}
