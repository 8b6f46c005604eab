package sip

import (
	"strconv"
	"time"
)

// EventKind says what an Event reports.
type EventKind uint8

// The kinds of events of a dialog.
const (
	// Provisional is a 1xx of the callee. Body may hold SDP, Tag tells forks apart.
	Provisional EventKind = iota + 1
	// Answered is the 2xx of the callee. Body is the SDP answer, or an offer
	// when our INVITE had none: Accept then sends our answer.
	Answered
	// Confirmed is the ACK of our 2xx. Body is the SDP answer when our 2xx
	// carried the offer; after a re-INVITE, ID names its Offered event, and
	// there is no Confirmed unless it was answered with an offer.
	Confirmed
	// Offered is a re-INVITE or UPDATE: the call must Respond to ID. An empty
	// Body asks for an offer of ours.
	Offered
	// Reoffered is the result of our Reoffer: Code and, for 2xx, Body.
	Reoffered
	// Info is an INFO, already answered 200.
	Info
	// Messaged is a MESSAGE (RFC 3428), already answered 200.
	Messaged
	// Sent is the result of our Info or Message, in the order of the calls.
	Sent
	// Asked is a REFER: the peer wants the other side of this call to talk with
	// somebody else, the value of whose Refer-To is Line. The call must Consent
	// to ID, and when it agreed tell by Progress how that goes.
	Asked
	// Referred is progress of our Refer: Code is that of the new call, 0 < Code
	// < 200 while it is set up; ID is 1 on the last one.
	Referred
	// Traced is a SIP message for the timeline. Line is its short form, Remote
	// tells that it was received.
	Traced
	// Ended is the last event, exactly once. Remote tells that the other side
	// ended it; Code is the final status, Reason one of the Reason constants,
	// Headers those of the message that ended it.
	Ended
)

// Reasons of Ended.
const (
	ReasonBye      = "bye"      // BYE from either side
	ReasonCancel   = "cancel"   // CANCEL from either side
	ReasonRejected = "rejected" // a final answer of 300 and more, from either side
	ReasonTimeout  = "timeout"  // ring time over, or the peer does not answer at all
	ReasonError    = "error"    // transport, overflow or a defect
	ReasonClosed   = "closed"   // the endpoint closes
)

// Event is something that happened in a dialog. Fields that a kind does not
// use are zero.
type Event struct {
	Kind        EventKind
	At          time.Time
	Code        int
	Reason      string
	Body        []byte
	ContentType string
	ID          uint64
	Headers     Headers
	Remote      bool
	Line        string
	Tag         string
}

var eventNames = [...]string{
	Provisional: "provisional", Answered: "answered", Confirmed: "confirmed", Offered: "offered",
	Reoffered: "reoffered", Info: "info", Messaged: "messaged", Sent: "sent", Asked: "asked", Referred: "referred", Traced: "traced", Ended: "ended",
}

// String is the kind's name in lower case.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "event " + strconv.Itoa(int(k))
}
