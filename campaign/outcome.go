package campaign

// Outcome is how an attempt, and in the end a contact, counts. The values are
// those of outbound calls.
type Outcome string

// The outcomes of an attempt.
const (
	Delivered     Outcome = "delivered"      // heard, as delivered_after says
	AnsweredShort Outcome = "answered_short" // answered, but left before that
	Machine       Outcome = "machine"
	Busy          Outcome = "busy"
	NoAnswer      Outcome = "no_answer"
	Rejected      Outcome = "rejected"
	BadNumber     Outcome = "bad_number"
	TrunkFailed   Outcome = "trunk_failed"
	Failed        Outcome = "failed"     // a fault of script or media after the answer
	Unknown       Outcome = "unknown"    // the process ended between intent and result
	NotCalled     Outcome = "not_called" // never dialled; Contact.Reason says why
)

// Outcomes are all of them, in the order of reports.
func Outcomes() []Outcome {
	return []Outcome{Delivered, AnsweredShort, Machine, Busy, NoAnswer, Rejected, BadNumber, TrunkFailed, Failed, Unknown, NotCalled}
}

// Reasons why a contact was closed without its last attempt saying so, and
// why one that is open has to wait.
const (
	ReasonStopList  = "stop_list"
	ReasonExpired   = "expired"
	ReasonCancelled = "cancelled"
	ReasonSkipped   = "skipped" // by beforeAttempt; followed by ": " and its words
	ReasonWindow    = "window"
	ReasonDailyCap  = "daily_cap"
	ReasonFrequency = "frequency"
	ReasonInCall    = "in_call" // another campaign or order is calling the number
	ReasonLater     = "later"   // beforeAttempt asked for it
	ReasonBadNumber = "bad_number"
)
