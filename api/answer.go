package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/loopstart/loopstart/internal/fault"
)

// write answers with a JSON value.
func write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Internal, "answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that left is no concern of ours
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

// statusError is a fault whose status is not the one of its code.
type statusError struct {
	status int
	fault  *fault.Error
}

// tooLong is a limit that the request itself is over: no Retry-After helps.
func tooLong(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return statusError{http.StatusRequestEntityTooLarge, f}
	}
	return err
}

func (e statusError) Error() string { return e.fault.Error() }

func (e statusError) Unwrap() error { return e.fault }

// fail answers with an error. What is wrong inside goes to the log under a
// reference, and so does a script's own error when a stranger asked: neither
// code nor paths leave the house.
func (s *server) fail(w http.ResponseWriter, req *http.Request, r route, err error) {
	f := faultOf(err)
	hidden := f.Code == fault.Internal || r.hook() && (f.Code == fault.Script || f.Place != "" || f.Frame != "")
	if hidden {
		ref := rand.Text()[:12]
		s.Log.Error("api: "+f.Message, "ref", ref, "method", req.Method, "route", r.pattern, "code", string(f.Code), "place", f.Place)
		f = fault.New(f.Code, "something went wrong inside").WithHint("the log has it under %s", ref)
	}
	status := fault.HTTPStatus(f.Code)
	if se, ok := errors.AsType[statusError](err); ok {
		status = se.status
	}
	h := w.Header()
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	}
	var p problem
	p.Error.Code, p.Error.Message, p.Error.Hint, p.Error.Place, p.Error.Frame = f.Code, f.Message, f.Hint, f.Place, f.Frame
	_ = write(w, status, p) // five texts
}

func faultOf(err error) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.New(fault.Internal, "%w", err)
}
