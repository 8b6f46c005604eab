package sip

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Dialog is one call leg as signalling sees it, for both roles: a UAS dialog
// began with a received INVITE, a UAC dialog with Dial.
//
// Its methods post commands to the dialog's goroutine and return; what they do
// comes back as events.
type Dialog struct {
	e           *Endpoint
	key         dialogKey
	id          string
	outbound    bool
	user        bool   // the peer is a user: answer where its packets come from
	account     string // name of that user
	origin      Origin
	request     Address
	from        Address
	to          Address
	headers     Headers
	offer       []byte
	contactUser string
	maxForwards int   // of our INVITEs, as in Outgoing
	plan        *plan // outbound
	base        leg   // outbound: as the INVITE began
	wire        *Trace

	box       mailbox
	outlet    outlet
	remote    atomic.Pointer[Address]
	remoteTag atomic.Pointer[string]
	replaces  *Dialog                  // what the INVITE asks to replace (RFC 3891); nil: nothing
	accepts   atomic.Pointer[[]string] // INFO content types beside DTMF
	hangup    atomic.Bool
	overran   atomic.Bool
	told      atomic.Bool // Ended is out: no more commands
	up        atomic.Bool // answered
	seen      seenSeqs
	firstSeq  atomic.Uint64 // 1 + CSeq of the first request of a callee
	done      chan struct{} // closed when the goroutine has ended

	// Owned by the goroutine.
	core   *core
	peer   hop // where the peer's messages come from
	hops   []hop
	client map[uint64]*clientTx
	timers map[timerName]*dialogTimer
	ended  bool
	leftAt time.Time // when our BYE went out: the end of the talk, whenever its answer comes
	spare  []effect  // the memory of core.out, used in turn

	lastServer atomic.Uint64
	serverMu   sync.Mutex
	server     map[uint64]*serverTx
	acksMu     sync.Mutex
	acks       *recent[ackKey, ackSent] // for repetition
}

// ID names the dialog within its endpoint's life.
func (d *Dialog) ID() string { return d.id }

// Outbound tells that we placed the call.
func (d *Dialog) Outbound() bool { return d.outbound }

// Origin is who sent the INVITE; for an outbound dialog, Name is its trunk or
// user.
func (d *Dialog) Origin() Origin { return d.origin }

// RequestURI is the Request-URI of the INVITE.
func (d *Dialog) RequestURI() Address { return d.request }

// From is the From address of the INVITE.
func (d *Dialog) From() Address { return d.from }

// To is the To address of the INVITE.
func (d *Dialog) To() Address { return d.to }

// RemoteTarget is the newest Contact of the peer.
func (d *Dialog) RemoteTarget() Address {
	if a := d.remote.Load(); a != nil {
		return *a
	}
	return Address{}
}

// Headers is the header fields of the received INVITE, or the extra ones of
// ours.
func (d *Dialog) Headers() Headers { return d.headers }

// Offer is the body of the INVITE.
func (d *Dialog) Offer() []byte { return d.offer }

// Provisional sends a 1xx other than 100 to the caller; with a body it opens
// early media.
func (d *Dialog) Provisional(code int, reason string, body []byte, h ...Header) error {
	if code <= 100 || code > 199 {
		return fault.New(fault.Invalid, "sip: %d is no provisional status", code)
	}
	return d.command(command{kind: cmdProvisional, code: code, reason: reason, body: body, headers: h})
}

// Accept answers the caller 200 with the body, an SDP answer, or an offer when
// the INVITE had none. In an outbound dialog it gives the SDP answer of the
// ACK, after an Answered event that carried the callee's offer.
func (d *Dialog) Accept(body []byte, h ...Header) error {
	return d.command(command{kind: cmdAccept, code: 200, reason: "OK", body: body, headers: h})
}

// Reject answers the caller with a status of 300 to 699. A redirect gives its
// Contact header.
func (d *Dialog) Reject(code int, reason string, h ...Header) error {
	if code < 300 || code > 699 {
		return fault.New(fault.Invalid, "sip: %d is no final status to refuse with", code)
	}
	return d.command(command{kind: cmdReject, code: code, reason: reason, headers: h})
}

// Hangup ends the dialog as its state demands: BYE, CANCEL or 480. It may be
// called at any time and more than once; the first call's headers are sent.
func (d *Dialog) Hangup(h ...Header) {
	if CheckHeaders(h) != nil {
		h = nil
	}
	if d.hangup.CompareAndSwap(false, true) {
		d.box.postUrgent(input{kind: inCommand, cmd: command{kind: cmdHangup, headers: h}})
	}
}

// Reoffer sends a re-INVITE with the SDP offer; the result is a Reoffered event.
func (d *Dialog) Reoffer(body []byte) error {
	if len(body) == 0 {
		return fault.New(fault.Invalid, "sip: a re-INVITE needs an offer")
	}
	return d.command(command{kind: cmdReoffer, body: body})
}

// Respond answers the Offered event of that ID.
func (d *Dialog) Respond(id uint64, code int, body []byte) error {
	if code < 200 || code > 699 {
		return fault.New(fault.Invalid, "sip: %d is no final status", code)
	}
	return d.command(command{kind: cmdRespond, id: id, code: code, body: body})
}

// Info sends an INFO.
func (d *Dialog) Info(contentType string, body []byte) error {
	if err := CheckHeaders([]Header{{"Content-Type", contentType}}); err != nil {
		return err
	}
	return d.command(command{kind: cmdInfo, reason: contentType, body: body})
}

// AnyInfo stands for every content type.
const AnyInfo = "*"

// AcceptInfo names content types of INFO that the call takes beside
// application/dtmf-relay and application/dtmf, or AnyInfo; others are answered
// 415.
func (d *Dialog) AcceptInfo(contentTypes ...string) {
	list := append([]string(nil), contentTypes...)
	d.accepts.Store(&list)
}

func (d *Dialog) command(c command) error {
	if d.told.Load() {
		return errOver
	}
	if err := CheckHeaders(c.headers); err != nil {
		return err
	}
	if err := oneLine("the reason or type", c.reason); err != nil {
		return err
	}
	if len(c.body) > MaxBody {
		return fault.New(fault.Limit, "sip: a body of %d bytes, at most %d are allowed", len(c.body), MaxBody)
	}
	return d.box.post(input{kind: inCommand, cmd: c})
}

var errOver = fault.New(fault.Hangup, "sip: the call is over")

// command is what a call asks of its dialog.
type command struct {
	kind    commandKind
	code    int
	reason  string
	body    []byte
	headers []Header
	id      uint64
}

type commandKind uint8

const (
	cmdProvisional commandKind = iota + 1
	cmdAccept
	cmdReject
	cmdHangup
	cmdReoffer
	cmdRespond
	cmdInfo
	cmdRefer
	cmdMessage
	cmdNotify // of our own making, see core.report
	cmdConsent
	cmdProgress
)

// input is one thing that a dialog's goroutine has to do.
type input struct {
	kind     inputKind
	cmd      command
	msg      *message
	tx       uint64 // inCancel, inFailed
	overtook bool   // inCancel: sipgo knows nothing of it
	timeout  bool   // inFailed: no answer; else the transport failed
	found    []hop  // inRouted
	timer    timerName
	round    uint64 // of the timer, to know stale ones
	reason   string // inClose
}

type inputKind uint8

const (
	inCommand inputKind = iota + 1
	inRequest
	inAck
	inCancel
	inResponse
	inFailed
	inRouted
	inTimer
	inClose
)
