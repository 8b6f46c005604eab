// Package scripttest runs a piece of JavaScript in a real worker, over a pipe
// in memory and on a virtual clock, for the tests of the standard library.
package scripttest

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
)

// Start is the virtual time at which every run begins.
var Start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// Run is one script and its surroundings.
type Run struct {
	// Source is the body of the default export, an async function with the
	// parameter call; require gives the modules.
	Source   string
	Argument any
	Export   string // default: "default"
	Env      message.Environment
	Options  runtime.Options
	// Host answers requests and sees posts (Seq 0). It may send frames back.
	Host func(h *Host, r message.Request, seq uint32) (any, error)
	// Advance is how far the clock may go; default an hour.
	Advance time.Duration
}

// Host is the other end of the connection, on its reading goroutine.
type Host struct {
	conn  message.Conn
	Posts []message.Request
	State message.State
}

// Later, as an answer of Host, leaves a request without one.
var Later = struct{}{}

// Event tells the script that something happened.
func (h *Host) Event(name string, data any) {
	h.send(message.Event, 0, message.Notice{Name: name, Data: encode(data)})
}

// Callback calls a function that the script passed.
func (h *Host) Callback(id uint32, args ...any) {
	h.send(message.Event, 0, message.Notice{Callback: id, Data: encode(args)})
}

// Settle answers a request that was left for later.
func (h *Host) Settle(seq uint32, value any, err error) {
	a := message.Answer{}
	if err != nil {
		a.Error = &message.Error{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}
	} else {
		a.Value = encode(value)
	}
	h.send(message.Settle, seq, a)
}

// End tells the script that its call is over.
func (h *Host) End(reason string) { h.send(message.End, 0, message.Ending{Reason: reason}) }

func (h *Host) send(kind message.Kind, seq uint32, body any) {
	f, err := message.Encode(kind, 1, seq, body)
	if err != nil {
		panic(err)
	}
	_ = h.conn.Send(f) // the worker may have ended
}

func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// Do runs the script to its end and returns how that was.
func (r Run) Do(t testing.TB) (message.Outcome, *Host) {
	t.Helper()
	clk := clock.NewVirtual(Start)
	conn, workerEnd := message.Pipe(clk)
	o := r.Options
	o.Clock, o.Lanes, o.Log = clk, 1, slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- runtime.ServeConn(ctx, workerEnd, o) }()
	h := &Host{conn: conn}
	ended := make(chan message.Outcome, 1)
	go h.read(r, ended)
	r.start(h)
	outcome := wait(t, clk, r.Advance, ended)
	cancel()
	_ = conn.Close()
	if err := <-served; err != nil {
		t.Errorf("worker: %v", err)
	}
	return outcome, h
}

func (r Run) start(h *Host) {
	export := r.Export
	if export == "" {
		export = "default"
	}
	source := `"use strict"; exports["` + export + `"] = async function (call) {` + "\n" + r.Source + "\n};"
	h.send(message.Load, 0, message.Bundle{Script: "test", Version: "1", Source: source, Env: r.Env})
	h.send(message.Start, 0, message.Entry{Script: "test", Version: "1", Export: export, Argument: encode(r.Argument), Now: Start})
}

// patience is how long a script may take on the real clock.
const patience = 20 * time.Second

// wait lets the clock run while the script waits for it.
func wait(t testing.TB, clk *clock.Virtual, limit time.Duration, ended chan message.Outcome) message.Outcome {
	t.Helper()
	if limit == 0 {
		limit = time.Hour
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	end := Start.Add(limit)
	for {
		clk.Settle()
		select {
		case o := <-ended:
			return o
		case <-ctx.Done():
			t.Fatal("the script does not end")
		default:
		}
		if next, ok := clk.Next(); ok && !next.After(end) {
			clk.Advance(next.Sub(clk.Now()))
			continue
		}
		again := make(chan struct{}) // for what does not count as busy, such as the compiler
		clock.System().AfterFunc(time.Millisecond, func() { close(again) })
		select {
		case o := <-ended:
			return o
		case <-ctx.Done():
			t.Fatal("the script does not end")
		case <-again:
		}
	}
}

func (h *Host) read(r Run, ended chan message.Outcome) {
	for {
		f, err := h.conn.Receive()
		if err != nil {
			return
		}
		switch f.Kind {
		case message.Call:
			var q message.Request
			decode(f, &q)
			h.request(r, q, f.Seq)
		case message.Update:
			decode(f, &h.State)
		case message.Done:
			var o message.Outcome
			decode(f, &o)
			ended <- o
		}
	}
}

func (h *Host) request(r Run, q message.Request, seq uint32) {
	if seq == 0 {
		h.Posts = append(h.Posts, q)
	}
	if r.Host == nil {
		if seq != 0 {
			h.Settle(seq, nil, fault.New(fault.Internal, "nobody answers %s", q.Method))
		}
		return
	}
	value, err := r.Host(h, q, seq)
	if seq != 0 && value != Later {
		h.Settle(seq, value, err)
	}
}

func decode(f message.Frame, v any) {
	if err := f.Decode(v); err != nil {
		panic(err)
	}
}
