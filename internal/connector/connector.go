// Package connector is what the connectors to other systems share: the parts of
// the house they are given, waiting on an injected clock, a lock by name, and
// HTTP that stays in the process.
//
// # Concurrency
//
// Everything may be used from any goroutine. Callers count as busy on the
// clock; who waits here is taken off it.
//
// # Limits
//
// [MaxWaiting] wait for one lock; more get RATE.
package connector

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// HTTP makes requests.
type HTTP interface {
	Do(ctx context.Context, r netx.Request) (*netx.Response, error)
}

// KV is the project's key-value space: what a connector keeps there is seen by
// scripts and goes away by itself.
type KV interface {
	Get(key string) (value json.RawMessage, ok bool, err error)
	Set(key string, value json.RawMessage, ttl time.Duration) error
}

// Vault keeps what no script may see. What Store returned nil for is on disk.
type Vault interface {
	Load(key string) (value []byte, ok bool, err error)
	Store(key string, value []byte) error
}

// Job is work that must not be lost.
type Job struct {
	ID          string // a second job of the same name is the same job
	Queue       string // jobs of one queue are done in order
	Kind        string // what the connector called it
	Destination string // what fails and rests together
	Payload     json.RawMessage
}

// Outbox returns when a job is on disk; it hands jobs back until they are done.
type Outbox interface {
	Put(Job) error
}

// Recording is a recording's file.
type Recording struct {
	Name string // with the extension of its format: c1.1.ogg
	Type string // audio/wav, audio/ogg, audio/mpeg
	Data []byte
}

// Recordings are the files of calls.
type Recordings interface {
	// Read gives the file, of at most so many bytes; one of a format that is not
	// among the extensions (".mp3") comes as WAV. Without any all will do.
	Read(id string, most int64, formats ...string) (Recording, error)
	Link(id string, ttl time.Duration) (string, error)
}

// Result is what an attempt at a job came to; the zero value is success.
type Result struct {
	Err   error
	Stop  bool          // it will never work
	After time.Duration // not to be tried earlier
}

// Limited is an error with the time after which another attempt makes sense.
type Limited struct {
	Fault *fault.Error
	After time.Duration
}

// Error implements error.
func (l Limited) Error() string { return l.Fault.Error() }

// Unwrap gives the fault: errors.As finds it.
func (l Limited) Unwrap() error { return l.Fault }

// Judge tells from an error whether an attempt at a job is worth repeating:
// what the other system refuses for its content never is; what it cannot do
// now, or does not let us do yet, is.
func Judge(err error) Result {
	r := Result{Err: err}
	if l, ok := errors.AsType[Limited](err); ok {
		r.After = l.After
	}
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.NotFound:
		r.Stop = true
	}
	return r
}

// endKey is where a context keeps its end.
type endKey struct{}

// Within ends a context after d on the clock. What the end of the time sets
// going counts as busy until the returned function is called.
func Within(ctx context.Context, clk clock.Clock, d time.Duration) (context.Context, func()) {
	ctx, stop := context.WithCancelCause(context.WithValue(ctx, endKey{}, clk.Now().Add(d)))
	t := clk.AfterFunc(d, func() {
		clk.Busy(1)
		stop(fault.New(fault.Network, "no answer within %s", d))
	})
	return ctx, func() {
		if !t.Stop() {
			clk.Busy(-1)
		}
		stop(nil)
	}
}

// Left is the time until the end that Within has set, at most d.
func Left(ctx context.Context, clk clock.Clock, d time.Duration) time.Duration {
	if end, ok := ctx.Value(endKey{}).(time.Time); ok {
		return max(min(d, end.Sub(clk.Now())), time.Millisecond)
	}
	return d
}

// Pause waits on the clock, or until ctx ends; its caller counts as busy.
func Pause(ctx context.Context, clk clock.Clock, d time.Duration) {
	if d <= 0 {
		return
	}
	woken := make(chan struct{})
	t := clk.AfterFunc(d, func() {
		clk.Busy(1)
		close(woken)
	})
	clk.Busy(-1)
	select {
	case <-woken:
	case <-ctx.Done():
		if t.Stop() {
			clk.Busy(1)
		} else {
			<-woken
		}
	}
}
