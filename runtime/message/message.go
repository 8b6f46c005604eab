// Package message is the protocol between the main process and a script
// worker: plain frames over a pair of pipes, or over memory in tests. It knows
// no JavaScript and no telephony.
//
//	host → worker   Load, Start, Settle, Event, End, Unload, Ping
//	worker → host   Ready, Loaded, Call, Update, Done, Pong
//
// A frame names the VM it belongs to and, for Call and Settle, a sequence
// number that is unique within that VM. Each Call is settled exactly once,
// unless the VM ends first. Bodies are JSON with the types below.
//
// # Limits
//
// A body is at most [MaxBody] bytes. A longer one is refused by the writer
// with LIMIT, and ends the connection when it is read. At most [MaxQueue]
// bytes wait in one direction.
package message

import (
	"encoding/json"
	"time"
)

// MaxBody is the greatest length of a frame's body in bytes.
const MaxBody = 16 << 20

// Kind says what a frame is.
type Kind uint8

// The kinds of frame.
const (
	Ready  Kind = iota + 1 // worker: the process is up (Hello)
	Load                   // host: a script version to compile (Bundle)
	Loaded                 // worker: the version is compiled, or failed (LoadResult); VM is 0
	Start                  // host: run an entry in a new VM (Entry)
	Settle                 // host: the answer to Call Seq (Answer)
	Event                  // host: something happened to the call (Notice)
	End                    // host: the call is over: abort signal, grace, then interrupt (Ending)
	Unload                 // host: no new VM will use this version (Bundle with only Version)
	Call                   // worker: the script wants something done (Request)
	Update                 // worker: result, outcome and tags after a slice (State)
	Done                   // worker: the VM has ended; nothing follows from it (Outcome)
	Ping                   // host: is the worker's reader alive
	Pong                   // worker: yes, and how it is (Health)
)

// Frame is one message.
type Frame struct {
	Kind Kind
	VM   uint64 // which VM; 0 means the worker itself
	Seq  uint32 // of a Call and its Settle
	Body json.RawMessage
}

// Hello is the first frame of a worker.
type Hello struct {
	PID int `json:"pid"`
}

// Bundle is one version of one script, ready to compile.
type Bundle struct {
	Script  string      `json:"script"`
	Version string      `json:"version"` // unique per script and content
	Source  string      `json:"source"`  // a CommonJS bundle, one program
	Map     string      `json:"map"`     // its source map, JSON
	Dir     string      `json:"dir"`     // what source names are relative to
	Env     Environment `json:"env"`
	Limits  Limits      `json:"limits"`
	Guard   string      `json:"guard,omitempty"` // "full" or "light", which is also ""
	Steps   bool        `json:"steps,omitempty"` // compile step tracing in
}

// Environment is what every VM of a version may know without asking.
type Environment struct {
	Country   string                     `json:"country"`  // ISO 3166 alpha-2
	Zone      string                     `json:"zone"`     // IANA name
	Language  string                     `json:"language"` // BCP 47
	Secrets   map[string]string          `json:"secrets,omitempty"`
	Schedules map[string]json.RawMessage `json:"schedules,omitempty"` // as internal/schedule reads them
}

// Limits hold for each VM of a version. Zero means the default.
type Limits struct {
	SliceCPU  time.Duration `json:"slice_cpu"`  // CPU of one slice
	Heap      int64         `json:"heap"`       // bytes a call may allocate over its life (bucket)
	Stack     int           `json:"stack"`      // JavaScript frames
	Timers    int           `json:"timers"`     // pending at once
	Requests  int           `json:"requests"`   // Calls not yet settled
	LogBytes  int           `json:"log_bytes"`  // per VM
	Grace     time.Duration `json:"grace"`      // after End, before the interrupt
	BodyBytes int           `json:"body_bytes"` // of one Call
}

// Entry starts an exported function in a new VM.
type Entry struct {
	Script   string          `json:"script"`
	Version  string          `json:"version"`
	Export   string          `json:"export"` // default, afterCall, beforeAttempt, onRequest, …
	Argument json.RawMessage `json:"argument"`
	Now      time.Time       `json:"now"`
}

// LoadResult answers a Load.
type LoadResult struct {
	Script  string       `json:"script"`
	Version string       `json:"version"`
	Error   *ScriptError `json:"error,omitempty"`
}

// Request is a script's wish: a verb of the call, a fetch, a log line. A
// request with Seq 0 expects no answer. Two methods are the runtime's own, both
// with Seq 0: "reply" answers a [Notice] that asked for it, and "limit"
// {limit, max} says that messages without an answer are being dropped. A
// version with Steps also sends "step", a text for each await that is over: the
// source line, what it gave, and the variables.
type Request struct {
	Method string          `json:"method"` // "call.say", "kv.get", "http.fetch", "console.log"
	Args   json.RawMessage `json:"args"`
	At     string          `json:"at"` // file:line:col of the innermost user frame
}

// Answer settles a Request.
type Answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// Error is a fault on its way into a script; it becomes an Error with a code.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Notice tells a VM what happened, for call.on and for callbacks in options.
type Notice struct {
	Name string          `json:"name"` // digit, end, hold, command, callback, …
	Data json.RawMessage `json:"data,omitempty"`
	// Callback, when not 0, names a function that the script passed in the
	// arguments of a Call as {"$fn": N}; Data is then its array of arguments.
	Callback uint32 `json:"callback,omitempty"`
	// Reply, when not 0, asks the worker to send Call("reply", {reply, value
	// or error}) when the callback's promise settles.
	Reply uint32 `json:"reply,omitempty"`
}

// Ending is why a VM has to end.
type Ending struct {
	Reason string `json:"reason"` // hangup, shutdown, limit, …
	Now    bool   `json:"now"`    // no grace
}

// State is what a script has set on its call so far.
type State struct {
	Result  json.RawMessage   `json:"result,omitempty"`
	Outcome string            `json:"outcome,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// Outcome is how a VM ended.
type Outcome struct {
	Value json.RawMessage `json:"value,omitempty"` // what the export returned
	Error *ScriptError    `json:"error,omitempty"` // nil after a normal return
}

// Health is a worker's own view of itself.
type Health struct {
	VMs    int    `json:"vms"`
	Queued int    `json:"queued"` // of VMs, those that run or wait for a lane
	Heap   uint64 `json:"heap"`   // bytes
	// Stuck names a VM that has not reacted to an interrupt for StuckFor,
	// because it is inside a native function; 0 means none.
	Stuck    uint64        `json:"stuck,omitempty"`
	StuckFor time.Duration `json:"stuck_for,omitempty"`
}

// ScriptError is an error of a script with everything a person needs to mend
// it. Place and Stack are mapped back to the author's source.
type ScriptError struct {
	Code    string   `json:"code"`              // SCRIPT for an ordinary throw; LIMIT; HANGUP; or the fault's own
	Name    string   `json:"name"`              // TypeError, …
	Message string   `json:"message"`           //
	Place   string   `json:"place,omitempty"`   // file:line:col
	Frame   string   `json:"frame,omitempty"`   // code frame
	Stack   []string `json:"stack,omitempty"`   // "at fn (file:line:col)"
	Awaited []string `json:"awaited,omitempty"` // where the pending await was, innermost first
	Hint    string   `json:"hint,omitempty"`
}

func (e *ScriptError) Error() string {
	if e.Place != "" {
		return e.Place + ": " + e.Name + ": " + e.Message
	}
	return e.Name + ": " + e.Message
}
