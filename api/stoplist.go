package api

import (
	"encoding/json"
	"net/http"

	"github.com/loopstart/loopstart/internal/fault"
)

// stopNumber is the number of the path; a + may have come as a blank.
func stopNumber(r *http.Request) string { return plus(r.PathValue("phone")) }

func (s *server) listStopped(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	list, next, err := s.StopList.StopList(limit, cursor)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"stoplist": list, "next": next})
}

func (s *server) stopped(w http.ResponseWriter, r *http.Request) error {
	st, err := s.StopList.Stopped(stopNumber(r))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, st)
}

// stop takes {reason, expires}, or nothing.
func (s *server) stop(w http.ResponseWriter, r *http.Request) error {
	body, err := object(r)
	if err != nil {
		return err
	}
	var o struct{ Reason, Expires string }
	if err := strict(body, &o, "reason, expires"); err != nil {
		return err
	}
	st, err := s.StopList.Stop(stopNumber(r), o.Reason, o.Expires)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, st)
}

func (s *server) unstop(w http.ResponseWriter, r *http.Request) error {
	was, err := s.StopList.Unstop(stopNumber(r))
	switch {
	case err != nil:
		return err
	case !was:
		return fault.New(fault.NotFound, "%s is not on the stop-list", stopNumber(r))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// strict reads a small object whose fields are texts.
func strict(body json.RawMessage, into any, fields string) error {
	if err := decodeStrict(body, into); err != nil {
		return fault.BadJSON(err, fields)
	}
	return nil
}
