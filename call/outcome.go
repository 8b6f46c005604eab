package call

import (
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

// Outcome is how a call counts.
type Outcome string

// Outcomes of outbound calls.
const (
	Delivered     Outcome = "delivered"      // heard, as DeliveredAfter says
	AnsweredShort Outcome = "answered_short" // answered, but left before that
	Machine       Outcome = "machine"        // a machine answered
	Busy          Outcome = "busy"
	NoAnswer      Outcome = "no_answer"
	Rejected      Outcome = "rejected"
	BadNumber     Outcome = "bad_number"
	TrunkFailed   Outcome = "trunk_failed"
	Failed        Outcome = "failed"  // a fault of script or media after the answer
	Unknown       Outcome = "unknown" // a crash between intent and answer
	NotCalled     Outcome = "not_called"
)

// Outcomes of inbound calls; Failed serves both directions.
const (
	Talked    Outcome = "talked"    // spoke with a person
	Served    Outcome = "served"    // the script did its work
	Missed    Outcome = "missed"    // a person was wanted and none reached
	Abandoned Outcome = "abandoned" // left in the menu
)

// KnownOutcome reports whether o is an outcome that a script may set.
func KnownOutcome(o Outcome) bool {
	switch o {
	case Delivered, AnsweredShort, Machine, Busy, NoAnswer, Rejected, BadNumber, TrunkFailed,
		Failed, Unknown, NotCalled, Talked, Served, Missed, Abandoned:
		return true
	}
	return false
}

// DeliveredAfter says what an outbound call must reach to count as delivered.
// The zero value is the default: the script ended while the callee was still
// there. A pressed key counts under every rule: who reacts has heard enough,
// and must not be rung again for having been quick.
type DeliveredAfter struct {
	Heard   time.Duration // prompts heard for so long
	Percent float64       // of the prompts, 0–100
	Key     bool          // a key was pressed
}

// ParseDeliveredAfter reads "6s", "80%", "key" or "".
func ParseDeliveredAfter(s string) (DeliveredAfter, error) {
	bad := fault.New(fault.Invalid, "deliveredAfter %q is no duration, percentage or \"key\"", s).WithHint(`write "6s", "80%%" or "key"`)
	switch {
	case s == "":
		return DeliveredAfter{}, nil
	case s == "key":
		return DeliveredAfter{Key: true}, nil
	case strings.HasSuffix(s, "%"):
		p, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
		if err != nil || p <= 0 || p > 100 {
			return DeliveredAfter{}, bad
		}
		return DeliveredAfter{Percent: p}, nil
	}
	d, err := duration.Parse(s)
	if err != nil || d <= 0 {
		return DeliveredAfter{}, bad
	}
	return DeliveredAfter{Heard: d}, nil
}

// facts are what the outcome of a call is computed from.
type facts struct {
	outbound, answered bool
	code               int    // final SIP status of an unanswered call
	reason             string // of the dialog's end
	rang               bool
	scriptFailed       bool
	unacknowledged     bool // our answer never reached the caller, as far as we know
	machine            bool // detectMachine said so
	scriptEnded        bool // returned while the other party was there
	keyPressed         bool
	heard              time.Duration
	percent            float64
	after              DeliveredAfter
	connectTried       bool
	talked             bool
	collecting         bool // left while a menu or gather was waiting
	refused            bool // the script rejected or redirected the call
}

func (f *facts) outcome() Outcome {
	if f.outbound {
		return f.outbound_()
	}
	switch {
	case f.scriptFailed || f.unacknowledged:
		return Failed
	case f.talked:
		return Talked
	case f.connectTried:
		return Missed
	case f.scriptEnded || f.refused:
		return Served
	case !f.answered || f.collecting:
		return Abandoned
	}
	return Served
}

func (f *facts) outbound_() Outcome {
	if !f.answered {
		return Unanswered(f.code, f.reason, f.rang)
	}
	switch {
	case f.scriptFailed:
		return Failed
	case f.machine:
		return Machine
	case f.delivered():
		return Delivered
	}
	return AnsweredShort
}

func (f *facts) delivered() bool {
	switch {
	case f.keyPressed:
		return true
	case f.after.Key:
		return false
	case f.after.Percent > 0:
		return f.percent >= f.after.Percent
	case f.after.Heard > 0:
		return f.heard >= f.after.Heard
	}
	return f.scriptEnded
}

// Unanswered maps the end of a dial to an outcome (RFC 3261 §21).
func Unanswered(code int, reason string, rang bool) Outcome {
	switch code {
	case 486, 600:
		return Busy
	case 480, 487:
		return NoAnswer
	case 408: // of a provider: the callee cannot be found in time (RFC 3261 §21.4.9)
		if reason == reasonSilent {
			return TrunkFailed
		}
		return NoAnswer
	case 404, 410, 416, 484, 485, 604:
		return BadNumber
	case 0:
		if rang || reason == "timeout" || reason == "cancel" {
			return NoAnswer
		}
		return TrunkFailed
	}
	if code >= 500 && code < 600 {
		return TrunkFailed
	}
	return Rejected
}

// causes are stable English labels of a call's end.
func cause(code int, reason string, answered bool) string {
	switch {
	case answered && reason == "bye":
		return "normal clearing"
	case reason == reasonUnacknowledged:
		return "our answer was never acknowledged"
	case code == 486 || code == 600:
		return "user busy"
	case reason == reasonSilent:
		return "the trunk does not answer"
	case code == 408 || code == 480 || reason == "timeout": // our own CANCEL of a long ringing brings 487 too
		return "no answer"
	case code == 487 || reason == "cancel":
		return "cancelled by the caller"
	case code == 404 || code == 410 || code == 604 || code == 484:
		return "no such number"
	case code == 403 || code == 603:
		return "call rejected"
	case code >= 500 && code < 600:
		return "network or trunk failure"
	case code >= 300 && code < 400 && !answered:
		return "redirected elsewhere, not followed"
	case reason != "":
		return reason
	}
	return "normal clearing"
}
