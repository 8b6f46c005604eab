package sip

import (
	"strconv"
	"time"
)

// Timers of RFC 3261 §17 and ours. The transactions' own run inside sipgo.
const (
	timerT1         = 500 * time.Millisecond
	timerT2         = 4 * time.Second
	timer64         = 64 * timerT1
	offerWait       = 10 * time.Second // for Respond after Offered
	endedWait       = time.Second      // for the answer to BYE or CANCEL before Ended goes out
	provisionalEach = time.Minute      // RFC 3261 §13.3.1.1
	maxGlare        = 3                // retries of a re-INVITE after 491
	maxQueued       = 32               // requests of the call that wait for their turn
)

// phase is how far a dialog has come.
type phase uint8

const (
	phRouting    phase = iota // UAC: no INVITE sent yet
	phCalling                 // UAC: INVITE sent, no answer
	phProceeding              // UAS: INVITE came. UAC: a 1xx came
	phAccepted                // UAS: 2xx sent, no ACK yet. UAC: 2xx with an offer, ACK not sent
	phConfirmed
	phClosing // BYE or CANCEL sent, its end is awaited
	phOver    // nothing more to do
)

// effectKind is what a step asks its driver to do.
type effectKind uint8

const (
	fxRespond effectKind = iota + 1 // answer server transaction tx
	fxRepeat                        // send the last answer of tx again
	fxRequest                       // start client transaction tx on leg
	fxInvite                        // send the initial INVITE to hop number code
	fxAck                           // acknowledge the 2xx to client INVITE tx on leg
	fxCancel                        // cancel the initial INVITE
	fxDrop                          // give up client transaction tx
	fxLeave                         // give up the hop of the INVITE tx, which says nothing
	fxTimer                         // call back after wait
	fxStop                          // forget the timer
	fxQuiet                         // forget all timers but those of the end
	fxEvent                         // tell the call
	fxOver                          // the dialog is done
)

type effect struct {
	kind    effectKind
	tx      uint64
	code    int
	reason  string
	method  string
	seq     uint32
	leg     *leg
	headers []Header
	body    []byte
	ctype   string
	timer   timerName
	wait    time.Duration
	event   Event
}

type timerName uint8

const (
	tm2xx     timerName = iota + 1 // retransmit our 2xx
	tm1xx                          // refresh our 1xx
	tmGap                          // a held request waits no longer
	tmParked                       // a re-INVITE waits no longer for the ACK
	tmOffer                        // the call has not answered an offer
	tmGlare                        // retry our re-INVITE
	tmRing                         // ring time over
	tmCancel                       // a cancelled INVITE never ended
	tmEnded                        // Ended goes out without the peer's answer
	tmSession                      // RFC 4028
	tmEarly                        // a request before the answer waits no longer
	tmPrack                        // repeat a reliable 1xx
	tmSilent                       // nothing at all has come back
	tmHop                          // nor from this hop, and there is another one
	tmRefer                        // the call has not decided on a REFER
)

var timerNames = [...]string{
	tm2xx: "2xx", tm1xx: "1xx", tmGap: "gap", tmParked: "parked", tmOffer: "offer", tmGlare: "glare",
	tmRing: "ring", tmCancel: "cancel", tmEnded: "ended", tmSession: "session", tmEarly: "early", tmPrack: "prack", tmSilent: "silent", tmHop: "hop",
	tmRefer: "refer",
}

// core is the state of a dialog for both roles. It does no I/O and reads no
// clock: step takes an input and leaves effects in out. One goroutine owns it.
type core struct {
	uas   bool
	phase phase
	out   []effect

	leg       leg
	localSeq  uint32
	order     sequencer
	inviteTx  uint64 // UAS: server transaction of the INVITE. UAC: client one
	lastTx    uint64 // newest client transaction number
	offered   uint64 // newest Offered ID
	pending   *remoteOffer
	waiting   *answer2xx
	parked    *message
	early     []*message // UAC: requests that came before the answer
	parkWaits int
	ours      *localOffer
	queue     []command // requests of the call, sent one after the other
	active    *activeRequest
	referring bool      // a REFER of ours is under way
	referral  *referral // of the peer
	referrals uint64    // so far
	session   session
	rel       reliable

	end       *Event // set when the dialog ends, until Ended went out
	endedSent bool
	byeTx     uint64
	byeFields []Header // of the BYE under way
	byeLater  []Header // Hangup came before the ACK
	byeWanted bool

	client clientState
	seen   *seenSeqs       // what was read and may come soon
	accept func() []string // INFO content types of the call
	jitter func(n int) int // random 0..n-1
}

// remoteOffer is a re-INVITE or UPDATE that the call has to answer.
type remoteOffer struct {
	id      uint64
	message *message
	late    bool // the INVITE had no body: our 2xx offers
}

// answer2xx is a 2xx of ours that waits for its ACK.
type answer2xx struct {
	tx    uint64
	seq   uint32
	wait  time.Duration
	total time.Duration
	id    uint64 // of the Offered event; 0 for the initial INVITE
	late  bool
}

// localOffer is a re-INVITE of ours, or an UPDATE with an offer.
type localOffer struct {
	tx      uint64 // 0 while it waits for its turn
	body    []byte
	glares  int
	refresh bool // of the session timer: the call knows nothing of it
	update  bool // sent as an UPDATE, before our answer
}

// activeRequest is the INFO, REFER or the like that is under way.
type activeRequest struct {
	tx  uint64
	cmd command
}

func (c *core) emit(f effect) { c.out = append(c.out, f) }

func (c *core) event(ev Event) {
	if !c.endedSent {
		c.emit(effect{kind: fxEvent, event: ev})
	}
}

func (c *core) arm(t timerName, d time.Duration) { c.emit(effect{kind: fxTimer, timer: t, wait: d}) }

func (c *core) disarm(t timerName) { c.emit(effect{kind: fxStop, timer: t}) }

func (c *core) respond(tx uint64, code int, reason string, body []byte, headers ...Header) {
	ctype := ""
	if len(body) > 0 {
		ctype = "application/sdp"
	}
	c.emit(effect{kind: fxRespond, tx: tx, code: code, reason: reason, body: body, ctype: ctype, headers: headers})
}

// request starts a client transaction inside the dialog.
func (c *core) request(l *leg, method string, headers []Header, ctype string, body []byte) uint64 {
	c.lastTx++
	c.localSeq++
	c.emit(effect{kind: fxRequest, tx: c.lastTx, method: method, seq: c.localSeq, leg: l,
		headers: headers, ctype: ctype, body: body})
	return c.lastTx
}

// step takes one input; after the end it takes none.
func (c *core) step(in input) {
	if c.phase == phOver {
		return
	}
	switch in.kind {
	case inCommand:
		c.onCommand(in.cmd)
	case inRequest:
		c.onRequest(in.msg)
	case inAck:
		c.onAck(in.msg)
	case inCancel:
		c.onCancel(in.tx, in.msg, in.overtook)
	case inResponse:
		c.onResponse(in.msg)
	case inFailed:
		c.onFailed(in.tx, in.timeout)
	case inRouted:
		c.onRouted(len(in.found))
	case inTimer:
		c.onTimer(in.timer)
	case inClose:
		c.onClose(in.reason)
	}
}

func (c *core) onCommand(cmd command) {
	switch {
	case cmd.kind == cmdHangup:
		c.hangup(cmd.headers)
	case c.phase >= phClosing:
	case cmd.kind == cmdReoffer:
		c.reoffer(cmd.body)
	case cmd.kind == cmdRespond:
		c.answerOffer(cmd)
	case cmd.kind.queued():
		c.enqueue(cmd)
	case cmd.kind == cmdConsent:
		c.consent(cmd)
	case cmd.kind == cmdProgress:
		c.progress(cmd)
	case c.uas:
		c.commandUAS(cmd)
	case cmd.kind == cmdAccept && c.phase == phAccepted:
		c.acknowledge(cmd.body)
	}
}

// hangup ends the dialog by what its phase allows.
func (c *core) hangup(headers []Header) {
	switch {
	case c.phase >= phClosing || c.byeWanted:
	case c.uas && c.phase == phProceeding:
		c.respond(c.inviteTx, 480, "Temporarily Unavailable", nil, headers...)
		c.finish(Event{Kind: Ended, Code: 480, Reason: ReasonRejected, Line: "480 Temporarily Unavailable"})
	case c.uas && c.phase == phAccepted:
		// RFC 3261 §15: no BYE before the ACK, or the time for it is over.
		c.byeWanted, c.byeLater = true, headers
		c.endWith(Event{Kind: Ended, Code: 200, Reason: ReasonBye})
	case c.phase < phAccepted:
		c.cancel(Event{Kind: Ended, Code: 487, Reason: ReasonCancel}, headers)
	default:
		if c.phase == phAccepted { // UAC: the callee's offer gets no answer
			c.emit(effect{kind: fxAck, tx: c.inviteTx, leg: &c.leg, seq: c.client.answeredSeq})
		}
		c.bye(Event{Kind: Ended, Code: 200, Reason: ReasonBye}, headers)
	}
}

// bye sends BYE; Ended goes out with its answer, or soon without.
func (c *core) bye(ev Event, headers []Header) {
	c.refusePending(487, "Request Terminated")
	c.phase = phClosing
	c.stopTimers()
	c.byeFields = headers
	c.byeTx = c.request(&c.leg, "BYE", headers, "", nil)
	c.endWith(ev)
}

// endWith keeps ev as the end of the dialog, to be told when the peer has
// answered, at the latest after endedWait.
func (c *core) endWith(ev Event) {
	if c.end == nil {
		c.end = &ev
		c.arm(tmEnded, endedWait)
	}
}

// tellEnd sends Ended once.
func (c *core) tellEnd() {
	if c.end == nil || c.endedSent {
		return
	}
	c.emit(effect{kind: fxEvent, event: *c.end})
	c.endedSent = true
	c.disarm(tmEnded)
}

// finish ends the dialog at once.
func (c *core) finish(ev Event) {
	if c.phase == phOver {
		return
	}
	c.refusePending(487, "Request Terminated")
	if c.end == nil {
		c.end = &ev
	}
	c.tellEnd()
	c.phase = phOver
	c.emit(effect{kind: fxOver})
}

func (c *core) stopTimers() {
	c.emit(effect{kind: fxQuiet})
	c.waiting = nil
}

func (c *core) refusePending(code int, reason string) {
	if c.pending != nil {
		c.respond(c.pending.message.tx, code, reason, nil)
		c.pending = nil
	}
	if c.parked != nil {
		c.respond(c.parked.tx, code, reason, nil)
		c.parked = nil
	}
	c.refuseReferral()
	for _, m := range c.early {
		c.respond(m.tx, 481, "Call/Transaction Does Not Exist", nil)
	}
	c.early = nil
}

func (c *core) onTimer(t timerName) {
	switch t {
	case tm2xx:
		c.repeat2xx()
	case tm1xx:
		c.emit(effect{kind: fxRepeat, tx: c.inviteTx})
		c.arm(tm1xx, provisionalEach)
	case tmGap:
		c.giveUpGap()
	case tmParked:
		c.giveUpParked()
	case tmOffer:
		if p := c.pending; p != nil {
			c.pending = nil
			c.respond(p.message.tx, 500, "Server Internal Error", nil)
		}
	case tmGlare:
		c.sendOffer()
	case tmRing:
		c.cancel(Event{Kind: Ended, Code: 487, Reason: ReasonTimeout}, nil)
	case tmSilent:
		if c.phase == phCalling {
			c.cancel(Event{Kind: Ended, Code: 408, Reason: ReasonTimeout}, nil)
		}
	case tmHop:
		c.onHopSilent()
	case tmCancel:
		c.emit(effect{kind: fxDrop, tx: c.inviteTx})
		c.tellEnd()
		c.finish(Event{})
	case tmEnded:
		c.tellEnd()
	case tmPrack:
		c.onPrackTimer()
	case tmEarly:
		c.admitEarly()
	case tmSession:
		c.onSessionTimer()
	case tmRefer:
		c.refuseReferral()
	}
}

// onClose ends the dialog because the endpoint closes or the dialog failed.
func (c *core) onClose(reason string) {
	ev := Event{Kind: Ended, Code: 503, Reason: reason}
	switch {
	case c.phase == phOver:
		return
	case c.uas && c.phase == phProceeding:
		c.respond(c.inviteTx, 503, "Service Unavailable", nil)
	case c.phase == phProceeding:
		c.emit(effect{kind: fxCancel, tx: c.inviteTx})
	case c.phase == phAccepted || c.phase == phConfirmed:
		c.bye(ev, nil)
	}
	c.finish(ev)
}

// onFailed is the end of a client transaction without a final response.
func (c *core) onFailed(tx uint64, timeout bool) {
	code, reason := 503, "Service Unavailable"
	if timeout {
		code, reason = 408, "Request Timeout"
	}
	c.onResponse(&message{tx: tx, code: code, reason: reason})
}

// onResponse sorts responses to their requests. A transaction that failed comes
// as a response without headers.
func (c *core) onResponse(m *message) {
	switch {
	case !c.uas && m.tx == c.inviteTx:
		c.onInviteResponse(m)
	case m.tx == c.byeTx && c.byeTx != 0:
		c.onByeResponse(m)
	case c.ours != nil && m.tx == c.ours.tx:
		c.onOfferResponse(m)
	case c.client.pracks[m.tx].fork != nil:
		c.onPrackResponse(m)
	case c.session.tx != 0 && m.tx == c.session.tx:
		c.onUpdateResponse(m)
	case c.active != nil && m.tx == c.active.tx:
		c.onActiveResponse(m)
	case m.method == "INVITE" && m.code >= 200 && m.code < 300:
		// Our re-INVITE was accepted while we were closing.
		l := c.leg
		c.emit(effect{kind: fxAck, tx: m.tx, leg: &l, seq: m.seq})
	}
}

func (c *core) onByeResponse(m *message) {
	if m.code < 200 {
		return
	}
	if len(m.auth) > 0 {
		c.retry(m.tx, &c.leg, "BYE", append(append([]Header(nil), c.byeFields...), m.auth...), "", nil)
		return
	}
	c.tellEnd()
	c.finish(Event{})
}

// retry sends a challenged request again as the same client transaction number.
func (c *core) retry(tx uint64, l *leg, method string, headers []Header, ctype string, body []byte) {
	c.localSeq++
	at := *l
	c.emit(effect{kind: fxRequest, tx: tx, method: method, seq: c.localSeq, leg: &at,
		headers: headers, ctype: ctype, body: body})
}

// lost ends a dialog that the peer does not know any more (RFC 3261 §12.2.1.2).
func (c *core) lost(m *message) bool {
	if m.code != 481 && m.code != 408 || c.phase != phConfirmed {
		return false
	}
	reason := ReasonError
	if m.code == 408 {
		reason = ReasonTimeout
	}
	c.bye(Event{Kind: Ended, Code: m.code, Reason: reason, Remote: true, Line: m.status(), Headers: m.headers}, nil)
	return true
}

func retryAfter(seconds int) Header { return Header{"Retry-After", strconv.Itoa(seconds)} }
