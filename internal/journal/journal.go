// Package journal is what the two halves of a durable flow tell each other: the
// journal that a wake-up begins with, and what the flow's code asks for.
//
// A flow's code is run again from its beginning at every wake-up. Each wait or
// step it asks for has a number, from 1 in the order of asking; the results come
// in the order in which they were written down. With the same results in the
// same order the code asks for the same things.
package journal

import (
	"encoding/json"
	"fmt"
	"time"
)

// Limits of one flow.
const (
	MaxEntries = 1000      // steps, waits and calls of one flow
	MaxName    = 200       // bytes of a step's or event's name
	MaxResult  = 256 << 10 // bytes of JSON of one result, event or data
)

// Kind is what a flow's code has asked for.
type Kind string

// The kinds.
const (
	Step  Kind = "step"
	Sleep Kind = "sleep"
	Event Kind = "event"
	Call  Kind = "call"
)

// Problem is an error of a step, a call or a whole flow.
type Problem struct {
	Code    string `json:"code"`
	Name    string `json:"name,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Place   string `json:"place,omitempty"` // file:line:col
	Frame   string `json:"frame,omitempty"`
}

// Entry is one thing that was asked for, with its result once there is one.
type Entry struct {
	N     int             `json:"n"`
	Kind  Kind            `json:"kind"`
	Name  string          `json:"name,omitempty"`
	Place string          `json:"place,omitempty"` // where the code asks for it
	Seq   int             `json:"seq,omitempty"`   // place among the results, from 1; 0 while it is open
	Asked time.Time       `json:"asked"`
	At    time.Time       `json:"at,omitzero"`    // of the result
	Until time.Time       `json:"until,omitzero"` // when it ends by itself, or a failed step is tried again
	Value json.RawMessage `json:"value,omitempty"`
	Error *Problem        `json:"error,omitempty"` // of a step that is still tried, the last one
	Tries int             `json:"tries,omitempty"` // of a step: times that it has failed
	Order string          `json:"order,omitempty"` // of a call
	Ask   json.RawMessage `json:"ask,omitempty"`   // of a call: its options
}

// Done reports whether there is a result.
func (e Entry) Done() bool { return e.Seq > 0 }

// Same reports whether the code asks again for what it had asked for.
func (e Entry) Same(kind Kind, name string) bool { return e.Kind == kind && e.Name == name }

// What names the entry for people: step "sms".
func (e Entry) What() string { return What(e.Kind, e.Name) }

// What names something that code asks for.
func What(kind Kind, name string) string {
	if name == "" {
		return string(kind)
	}
	return fmt.Sprintf("%s %q", kind, name)
}

// Facts are what f shows of its flow.
type Facts struct {
	ID      string          `json:"id"`
	Key     string          `json:"key"`
	Script  string          `json:"script"`
	Data    json.RawMessage `json:"data"`
	Started time.Time       `json:"started"`
	Seed    []byte          `json:"seed"` // 32 bytes, behind the random numbers of the code
}

// Wake is the argument of a flow's export.
type Wake struct {
	Flow    Facts   `json:"flow"`
	Settled []Entry `json:"settled"`
	Open    []Entry `json:"open,omitempty"`
	// Held are steps of Open that are not to be run yet.
	Held []int `json:"held,omitempty"`
	// Ran is how many pieces of the code have run to their end before: what
	// follows the start, the first result, and so on. They write no log again.
	Ran int `json:"ran,omitempty"`
	// Ask is the call whose unless is wanted, 0 for none.
	Ask int `json:"ask,omitempty"`
}

// Asked is the body of flow.wait and flow.done.
type Asked struct {
	N     int             `json:"n"`
	Kind  Kind            `json:"kind"`
	Name  string          `json:"name,omitempty"`
	Place string          `json:"place,omitempty"` // where, if the request does not come from there
	Until time.Time       `json:"until,omitzero"`
	Ask   json.RawMessage `json:"ask,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	Error *Problem        `json:"error,omitempty"`
	// Of a failed step: how often it may be tried in all, and the pause
	// between; 0 is the default rule.
	Tries   int   `json:"tries,omitempty"`
	EveryMs int64 `json:"everyMs,omitempty"`
	Final   bool  `json:"final,omitempty"` // trying again cannot help
}

// Idle is the body of flow.idle: the code waits, having seen so many results.
type Idle struct {
	Seen int `json:"seen"`
	Open int `json:"open"` // what it waits for
}

// Changed is the body of flow.changed: the code does not ask for what the
// journal has.
type Changed struct {
	N    int    `json:"n"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Answer is the body of flow.asked: what unless said.
type Answer struct {
	N     int      `json:"n"`
	Skip  string   `json:"skip,omitempty"`
	Error *Problem `json:"error,omitempty"`
}

// Start is the body of flow.start.
type Start struct {
	Script string          `json:"script"`
	Key    string          `json:"key"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// Signal is the body of flow.signal.
type Signal struct {
	Script string          `json:"script"`
	Key    string          `json:"key"`
	Event  string          `json:"event"`
	Data   json.RawMessage `json:"data,omitempty"`
}
