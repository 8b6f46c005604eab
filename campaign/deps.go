package campaign

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Attempt is one dial, as the Dialer gets it.
type Attempt struct {
	ID       string // "<campaign>-<contact>.<n>"
	Order    string // ID without ".<n>"
	Campaign string
	Key      string // of the contact
	N, Of    int
	To       string // E.164
	From     string
	Hide     bool // the callee sees no number
	Trunk    string
	Script   string
	Zone     string // of the contact
	Priority int
	Data     json.RawMessage
	Timeout  time.Duration // of the ringing; 0 is the config's
	After    string        // delivered_after; "" is the script's
	Callback json.RawMessage
	At       time.Time

	retry Retry
	more  bool // another number would be dialled if this one does not exist
}

// Final reports whether no further attempt of the contact follows a result, as
// the rules stand now.
func (a Attempt) Final(r Result) bool {
	if r.Outcome == BadNumber && a.more && a.N < a.Of && r.Retry == nil {
		return false
	}
	_, again := a.retry.Next(r.Outcome, a.N, a.Of, r.Retry, a.At)
	return !again
}

// Result is what became of an attempt.
type Result struct {
	Outcome  Outcome
	Code     int  // final SIP status
	Answered bool // somebody or something answered
	Keyed    bool // a key was pressed
	TalkMs   int64
	HeardMs  int64
	Percent  int
	Result   json.RawMessage // business result; nil keeps the one before
	Retry    *Override       // call.retry
	Pause    time.Duration   // the earliest next attempt, as who refused asks
}

// Decision is what the script's beforeAttempt has answered; the zero value
// is: dial.
type Decision struct {
	Skip  string          // closes the contact as not_called with these words
	Later time.Duration   // puts it off without using up an attempt
	Data  json.RawMessage // replaces the contact's data
}

// Dialer places calls. Its methods return at once.
type Dialer interface {
	// Dial places an attempt whose intent is on disk. It ends in one
	// Campaign.Result with the attempt's ID, come what may.
	Dial(a Attempt)
	// Cancel gives up an attempt that nobody has answered yet. It too ends in
	// a Result.
	Cancel(id string)
}

// Preparer is a Dialer that has something to do before the intent, such as
// asking the script. Each Prepare ends in one Campaign.Prepared.
type Preparer interface {
	Prepare(a Attempt)
}

// Lines lends lines of trunks. Take reserves one for the attempt, false when
// none is free; Give returns one that was not used: after Dial the line is the
// dialer's.
type Lines interface {
	Take(a Attempt) bool
	Give(a Attempt)
}

// StopList are the numbers that are never called. An error means that nobody
// knows, and nobody is called.
type StopList interface {
	Has(phone string) (bool, error)
}

// Deps are what a campaign works with. Clock, Repo and Dialer are needed.
type Deps struct {
	Clock  clock.Clock
	Repo   Repo
	Dialer Dialer
	Lines  Lines    // nil: no limit but the campaign's own
	Stop   StopList // nil: nobody
	Phones *Phones  // numbers in a call, shared with all other campaigns and orders; nil: its own
	Caps   []Rate   // frequency caps of the project, beside the campaign's
	Quiet  Hours    // quiet hours of the project, beside the campaign's
	Zone   string   // of numbers that tell none; "" is UTC
	// Lookup is the result of an attempt of an earlier process, if its record
	// was kept; nil: none was.
	Lookup func(attempt string) (Result, bool)
	// Changed hears of the row after each change, on the goroutine that made
	// it and with the turn held: it must return at once and not call back.
	Changed func(Row)
	// Closed hears of each contact that is done, like Changed.
	Closed func(Row, Contact)
	Log    *slog.Logger // nil means silence
}
