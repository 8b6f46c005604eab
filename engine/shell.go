package engine

import (
	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/scripts"
)

// What the command line needs of the packages below, so that it imports the
// engine only.
type (
	// Record is one call as it is kept.
	Record = call.Record
	// Entry is one line of a timeline.
	Entry = call.Entry
	// Outcome is how a call counts.
	Outcome = call.Outcome
	// Change is what happened to a script.
	Change = scripts.Change
	// Token is a bearer token of the API.
	Token = api.Token
)

// Outcomes that decide an exit status.
const (
	Delivered = call.Delivered
	Served    = call.Served
	Talked    = call.Talked
	Busy      = call.Busy
	NoAnswer  = call.NoAnswer
	Rejected  = call.Rejected
)

// Kinds of Change.
const (
	Swapped = scripts.Swapped
	Failed  = scripts.Failed
	Removed = scripts.Removed
	Freed   = scripts.Freed
	Held    = scripts.Held
	Tried   = scripts.Tried
)

// LocalToken is a token with full rights for the verbs of this machine.
func LocalToken(token string) Token { return Token{Name: "local", Token: token} }

// Unanswered is the outcome of a dial that was not answered.
func Unanswered(code int, reason string) Outcome { return call.Unanswered(code, reason, true) }

// SIPAddr is where SIP is listened to over UDP, else TCP.
func (e *Engine) SIPAddr() string {
	if a := e.sip.LocalAddr("udp"); a.IsValid() {
		return a.String()
	}
	return e.sip.LocalAddr("tcp").String()
}

// ScriptsDir is the folder of the scripts.
func (e *Engine) ScriptsDir() string { return e.path(e.Config().Scripts.Dir) }
