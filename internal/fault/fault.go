// Package fault gives every error that a user may see the same shape in Go,
// in the terminal, in the HTTP API and in scripts: a stable code, a message, a
// hint and the place.
package fault

import (
	"errors"
	"fmt"
	"net/http"
)

// Code is a stable, upper-case name for a kind of error.
type Code string

// The codes of the public surface; scripts see them as error.code.
const (
	Hangup       Code = "HANGUP"       // the call is over
	Media        Code = "MEDIA"        // audio could not be made, found or played
	Limit        Code = "LIMIT"        // a named limit was reached
	Network      Code = "NETWORK"      // a peer did not answer or refused
	Denied       Code = "DENIED"       // a rule forbids it
	Invalid      Code = "INVALID"      // the input is wrong
	NotFound     Code = "NOT_FOUND"    // no such thing
	Conflict     Code = "CONFLICT"     // it contradicts the present state
	Unavailable  Code = "UNAVAILABLE"  // a part is not there or not ready
	Unauthorized Code = "UNAUTHORIZED" // no or wrong credentials
	Rate         Code = "RATE"         // too many requests
	Script       Code = "SCRIPT"       // an uncaught error of a script
	Internal     Code = "INTERNAL"     // a defect of ours
)

// Exit codes of the command line.
const (
	ExitOK          = 0
	ExitOther       = 1
	ExitUsage       = 2
	ExitConfig      = 10
	ExitScript      = 11
	ExitTest        = 12
	ExitBind        = 13
	ExitTrunk       = 14
	ExitStore       = 15
	ExitBusy        = 20
	ExitNoAnswer    = 21
	ExitRejected    = 22
	ExitOutcome     = 23
	ExitInterrupted = 130
)

// Error is an error that a user may see.
type Error struct {
	Code    Code   // what kind
	Message string // what happened, lower case, one line
	Hint    string // what to do about it; may be empty
	Place   string // file:line:col; may be empty
	Frame   string // lines of source with a caret; may be empty
	Exit    int    // exit status of the command line; 0 means ExitOther
	Err     error  // the cause; may be nil
}

// New returns an error of the code. The format may wrap a cause with %w.
func New(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithExit returns a copy of e with an exit status.
func (e *Error) WithExit(status int) *Error {
	c := *e
	c.Exit = status
	return &c
}

// At returns a copy of e with a place and, if there is one, a code frame.
func (e *Error) At(place, frame string) *Error {
	c := *e
	c.Place, c.Frame = place, frame
	return &c
}

func (e *Error) Error() string {
	if e.Place != "" {
		return e.Place + ": " + e.Message
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of err; an error without one is Internal, nil is "".
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// HintOf is the hint of err, or "".
func HintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

// ExitOf is the exit status for err.
func ExitOf(err error) int {
	if err == nil {
		return ExitOK
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Exit != 0 {
		return e.Exit
	}
	return ExitOther
}

// HTTPStatus is the status of an HTTP answer that carries code.
func HTTPStatus(code Code) int {
	switch code {
	case Unauthorized:
		return http.StatusUnauthorized
	case Denied:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict, Hangup:
		return http.StatusConflict
	case Invalid:
		return http.StatusUnprocessableEntity
	case Rate:
		return http.StatusTooManyRequests
	case Limit, Unavailable:
		return http.StatusServiceUnavailable
	case Network:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}
