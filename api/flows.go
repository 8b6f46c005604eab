package api

import (
	"encoding/json"
	"net/http"

	"github.com/loopstart/loopstart/internal/fault"
)

// Flows are the durable flows of scripts.
type Flows interface {
	// StartFlow begins a flow; body is {key, data}. created is false when the
	// flow of that key was running.
	StartFlow(script string, body json.RawMessage) (answer any, created bool, err error)
	// SignalFlow sends a running flow an event; body is {event, data}.
	SignalFlow(script, key string, body json.RawMessage) error
	// ListFlows is a page of flows, newest first.
	ListFlows(q FlowQuery) (rows []json.RawMessage, next string, err error)
	// ShowFlow is the last flow with the key, with its journal.
	ShowFlow(script, key string) (any, error)
	CancelFlow(script, key string) error
	// RetryFlow lets a flow that failed go on; latest takes the version that
	// new flows get.
	RetryFlow(script, key string, latest bool) error
}

// FlowQuery selects flows.
type FlowQuery struct {
	State, Script, Key string
	Limit              int
	Cursor             string
}

// flowOf is the flow that the path names, if the token covers its script.
func flowOf(r *http.Request) (script, key string, err error) {
	script, key = r.PathValue("script"), r.PathValue("key")
	return script, key, mayScript(r, script)
}

// startFlow is POST /v1/flows/{script}: 202 for a new flow, 200 for one that
// was running.
func (s *server) startFlow(w http.ResponseWriter, r *http.Request) error {
	script, _, err := flowOf(r)
	if err != nil {
		return err
	}
	body, err := object(r)
	if err != nil {
		return err
	}
	answer, created, err := s.Flows.StartFlow(script, body)
	if err != nil {
		return err
	}
	if created {
		return write(w, http.StatusAccepted, answer)
	}
	return write(w, http.StatusOK, answer)
}

func (s *server) signalFlow(w http.ResponseWriter, r *http.Request) error {
	script, key, err := flowOf(r)
	if err != nil {
		return err
	}
	body, err := object(r)
	if err != nil {
		return err
	}
	if err := s.Flows.SignalFlow(script, key, body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listFlows(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	q := FlowQuery{State: v.Get("state"), Script: v.Get("script"), Key: v.Get("key")}
	t := token(r)
	err := narrow(t, &q.Script)
	if err != nil {
		return err
	}
	if q.Limit, q.Cursor, err = page(v); err != nil {
		return err
	}
	rows, next, err := seen(t, q.Script, q.Limit, func(limit int, cursor *string) ([]json.RawMessage, string, error) {
		if q.Limit = limit; cursor != nil {
			q.Cursor = *cursor
		}
		return s.Flows.ListFlows(q)
	})
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"flows": rows, "next": next})
}

func (s *server) showFlow(w http.ResponseWriter, r *http.Request) error {
	script, key, err := flowOf(r)
	if err != nil {
		return err
	}
	v, err := s.Flows.ShowFlow(script, key)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, v)
}

func (s *server) cancelFlow(w http.ResponseWriter, r *http.Request) error {
	script, key, err := flowOf(r)
	if err == nil {
		err = s.Flows.CancelFlow(script, key)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) retryFlow(w http.ResponseWriter, r *http.Request) error {
	script, key, err := flowOf(r)
	if err != nil {
		return err
	}
	latest := r.URL.Query().Get("latest")
	if latest != "" && latest != "true" && latest != "false" {
		return fault.New(fault.Invalid, "latest: %q is neither true nor false", latest)
	}
	if err := s.Flows.RetryFlow(script, key, latest == "true"); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
