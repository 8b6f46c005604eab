// Package host is the main process's half of loopstart:call: it turns the
// messages of a script into verbs on its call, and what happens to the call
// into events of the script. Shapes are in stdlib/WIRE.md.
//
// # Concurrency
//
// Request is called on the reader goroutine of the worker's connection and
// only posts to the call; everything else runs on the call's goroutine.
//
// # Errors
//
// A request that cannot be read is answered INVALID, one for a call that is
// over HANGUP, an unknown method NOT_FOUND.
package host

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// VM is the running script, as the supervisor gives it.
type VM interface {
	Settle(seq uint32, value any, err error)
	Event(message.Notice)
	End(reason string)
}

// Links makes signed addresses of recordings.
type Links interface {
	Link(recording string, ttl time.Duration) (string, error)
}

// Retries takes a script's wish for a further attempt of its order.
type Retries interface {
	Retry(c *call.Call, r Retry) error
}

// Retry overrides the retry rule of the order for this contact.
type Retry struct {
	After    time.Duration
	At       time.Time
	Never    bool
	StopList bool
}

// Services are what the verbs need beside the call itself.
type Services struct {
	Links   Links
	Retries Retries
	Ring    time.Duration // default ring time of connect and dial
}

// Session couples one VM with one call. It is the call's call.Script.
type Session struct {
	call *call.Call
	vm   VM
	serv Services
	// cancels holds how to give up each waiting verb that has a signal, by the
	// number the script gave it; call goroutine only.
	cancels map[uint32]func()
	// watches end what the script hears of conferences, by its function; call
	// goroutine only.
	watches map[uint32]func()
}

// New couples vm with c.
func New(c *call.Call, vm VM, s Services) *Session {
	return &Session{call: c, vm: vm, serv: s, cancels: map[uint32]func(){}, watches: map[uint32]func(){}}
}

// Notify implements call.Script.
func (s *Session) Notify(name string, data any) {
	s.vm.Event(message.Notice{Name: name, Data: encode(data)})
}

// Callback implements call.Script.
func (s *Session) Callback(id uint32, args ...any) {
	if args == nil {
		args = []any{}
	}
	s.vm.Event(message.Notice{Callback: id, Data: encode(args)})
}

// End implements call.Script.
func (s *Session) End(reason string) { s.vm.End(reason) }

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

// Handles reports whether a method is one of this package.
func Handles(method string) bool {
	_, ok := verbs[method]
	return ok
}

// request is one verb on its way.
type request struct {
	s      *Session
	seq    uint32
	cancel uint32 // what call.cancel names it by; 0: it has no signal
	args   json.RawMessage
	leg    *call.Leg
	verb   call.Verb
}

// Request carries out one message of the script.
func (s *Session) Request(seq uint32, r message.Request) {
	do, ok := verbs[r.Method]
	if !ok {
		s.vm.Settle(seq, nil, fault.New(fault.NotFound, "no such verb: %s", r.Method))
		return
	}
	q := &request{s: s, seq: seq, args: r.Args}
	q.verb = call.Verb{At: r.At, Reply: func(value any, err error) {
		if q.cancel != 0 {
			delete(s.cancels, q.cancel)
		}
		if seq != 0 {
			s.vm.Settle(seq, value, err)
		}
	}}
	if !s.call.Do(func() { q.run(do) }) && seq != 0 {
		s.vm.Settle(seq, nil, fault.New(fault.Hangup, "the call is over"))
	}
}

func (q *request) run(do func(*request)) {
	var target struct {
		Call   string `json:"call"`
		Cancel uint32 `json:"cancel"`
	}
	if err := json.Unmarshal(q.args, &target); err != nil {
		q.invalid(err)
		return
	}
	leg, err := q.s.call.Leg(target.Call)
	if err != nil {
		q.verb.Reply(nil, err)
		return
	}
	q.leg, q.cancel = leg, target.Cancel
	do(q)
}

// read decodes the arguments into v; a failure settles the request.
func (q *request) read(v any) bool {
	dec := json.NewDecoder(bytes.NewReader(q.args))
	if err := dec.Decode(v); err != nil {
		q.invalid(err)
		return false
	}
	return true
}

func (q *request) invalid(err error) {
	q.verb.Reply(nil, fault.New(fault.Invalid, "options: %w", err))
}

// onCancel tells how to give the verb up when its {signal} fires.
func (q *request) onCancel(f func()) {
	if q.cancel != 0 && q.seq != 0 {
		q.s.cancels[q.cancel] = f
	}
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
