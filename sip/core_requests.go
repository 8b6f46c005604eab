package sip

import (
	"slices"
	"strconv"
	"strings"
)

// supported are the option tags that a peer may require of us.
var supported = []string{"timer", "100rel", "replaces", "norefersub"}

// onRequest takes a request inside the dialog and puts it into order.
func (c *core) onRequest(m *message) {
	if !c.uas && (c.phase == phCalling || c.phase == phProceeding) && len(c.early) < maxHeld {
		// Its 2xx may have come before and be still with another goroutine.
		if c.early = append(c.early, m); len(c.early) == 1 {
			c.arm(tmEarly, gapWait)
		}
		return
	}
	c.admit(m)
}

// admitEarly looks again at what came before the answer.
func (c *core) admitEarly() {
	list := c.early
	c.early = nil
	c.disarm(tmEarly)
	for _, m := range list {
		c.admit(m)
	}
}

func (c *core) admit(m *message) {
	if !c.uas && c.phase < phAccepted && m.method == "BYE" && len(c.client.gone) < MaxForks {
		c.onBye(m)
		return
	}
	if !c.isPeer(m.fromTag) {
		c.respond(m.tx, 481, "Call/Transaction Does Not Exist", nil)
		return
	}
	if c.phase >= phClosing {
		if m.method == "BYE" {
			c.respond(m.tx, 200, "OK", nil)
		} else {
			c.respond(m.tx, 481, "Call/Transaction Does Not Exist", nil)
		}
		return
	}
	due, held, stale := c.order.add(m)
	switch {
	case stale:
		// RFC 3261 §12.2.2: a request that is out of order.
		c.respond(m.tx, 500, "Request Out of Order", nil, retryAfter(0))
	case held && len(c.order.held) == 1:
		c.arm(tmGap, gapWait)
	case !held && len(c.order.held) == 0:
		c.disarm(tmGap)
	}
	for _, m := range due {
		c.dispatch(m)
	}
}

// giveUpGap handles what was held, unless the missing request has been read
// already and is only slow.
func (c *core) giveUpGap() {
	if o := &c.order; len(o.held) > 0 && o.waits < maxWait && c.seen.between(o.last, o.held[0].seq) {
		o.waits++
		c.arm(tmGap, gapWait)
		return
	}
	for _, m := range c.order.flush() {
		c.dispatch(m)
	}
}

// giveUpParked refuses a re-INVITE that came before the ACK, unless the ACK has
// been read.
func (c *core) giveUpParked() {
	switch m := c.parked; {
	case m == nil:
	case c.waiting != nil && c.seen.acked(c.waiting.seq) && c.parkWaits < maxWait:
		c.parkWaits++
		c.arm(tmParked, gapWait)
	default:
		c.parked = nil
		c.respond(m.tx, 491, "Request Pending", nil)
	}
}

// isPeer compares the tag of the sender: of the peer, or before an answer of
// any fork. A callee that has answered with no tag may have one in its own
// requests; that it knows Call-ID and tag of ours is enough.
func (c *core) isPeer(tag string) bool {
	if !c.uas && c.phase >= phAccepted && c.leg.remoteTag == "" {
		return true
	}
	return tag == c.leg.remoteTag && (c.uas || c.phase >= phAccepted || tag != "") || c.client.forks[tag] != nil
}

func (c *core) dispatch(m *message) {
	if c.phase >= phClosing {
		c.respond(m.tx, 481, "Call/Transaction Does Not Exist", nil)
		return
	}
	if unknown := unsupported(m.headers); unknown != "" {
		c.respond(m.tx, 420, "Bad Extension", nil, Header{"Unsupported", unknown})
		return
	}
	switch m.method {
	case "BYE":
		c.onBye(m)
	case "INVITE":
		c.onReinvite(m)
	case "UPDATE":
		c.onUpdate(m)
	case "INFO":
		c.onInfo(m)
	case "OPTIONS":
		c.respond(m.tx, 200, "OK", nil, Header{"Accept", "application/sdp"})
	case "NOTIFY":
		c.onNotify(m)
	case "REFER":
		c.onRefer(m)
	case "MESSAGE":
		c.onMessage(m)
	case "PRACK":
		c.onPrack(m)
	default:
		c.respond(m.tx, 405, "Method Not Allowed", nil)
	}
}

// unsupported lists the tags of Require that we do not know.
func unsupported(h Headers) string {
	var out []string
	for _, v := range h.All("Require") {
		for tag := range strings.SplitSeq(v, ",") {
			if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(supported, strings.ToLower(tag)) {
				out = append(out, tag)
			}
		}
	}
	return strings.Join(out, ", ")
}

func (c *core) onBye(m *message) {
	c.respond(m.tx, 200, "OK", nil)
	code := 200
	if c.phase < phAccepted {
		if !c.uas { // the answer of this fork is still on its way to us
			c.client.gone[m.fromTag] = m
			return
		}
		code = 487 // what the INVITE has come to
		c.respond(c.inviteTx, code, "Request Terminated", nil)
	}
	if c.end != nil { // our own end was waiting for the ACK
		c.end.Headers = m.headers
	}
	c.finish(Event{Kind: Ended, Code: code, Reason: ReasonBye, Remote: true, Headers: m.headers})
}

// onReinvite gives an offer to the call, unless another one is under way
// (RFC 3261 §14.2).
func (c *core) onReinvite(m *message) {
	switch {
	case c.phase < phAccepted && c.uas, c.pending != nil:
		c.respond(m.tx, 500, "Server Internal Error", nil, retryAfter(1+c.jitter(10)))
	case c.waiting != nil && c.parked == nil:
		// Its ACK was sent before and is still with another goroutine.
		c.parked, c.parkWaits = m, 0
		c.arm(tmParked, gapWait)
	case c.phase != phConfirmed, c.waiting != nil, c.ours != nil && c.ours.tx != 0:
		c.respond(m.tx, 491, "Request Pending", nil)
	default:
		c.offer(m)
	}
}

func (c *core) offer(m *message) {
	if len(m.body) > 0 && m.contentType() != "application/sdp" {
		c.respond(m.tx, 415, "Unsupported Media Type", nil, Header{"Accept", "application/sdp"})
		return
	}
	c.offered++
	c.pending = &remoteOffer{id: c.offered, message: m, late: len(m.body) == 0}
	c.event(Event{Kind: Offered, ID: c.offered, Body: m.body, ContentType: m.contentType(), Headers: m.headers})
	c.arm(tmOffer, offerWait)
}

// onUpdate answers an UPDATE without body itself (RFC 3311 §5.2).
func (c *core) onUpdate(m *message) {
	switch {
	case len(m.body) == 0:
		c.retarget(m)
		c.respond(m.tx, 200, "OK", nil, c.refreshed(m)...)
	case c.pending != nil, c.phase < phAccepted && !c.earlyAgreed():
		c.respond(m.tx, 500, "Server Internal Error", nil, retryAfter(1+c.jitter(10)))
	case c.ours != nil && c.ours.tx != 0, c.waiting != nil && c.waiting.late:
		c.respond(m.tx, 491, "Request Pending", nil)
	default:
		c.offer(m)
	}
}

// answerOffer is the call's answer to an Offered event.
func (c *core) answerOffer(cmd command) {
	p := c.pending
	if p == nil || p.id != cmd.id {
		return
	}
	c.pending = nil
	c.disarm(tmOffer)
	if cmd.code >= 300 {
		c.respond(p.message.tx, cmd.code, statusText(cmd.code), nil)
		return
	}
	c.retarget(p.message)
	if len(cmd.body) > 0 {
		c.session.sdp = cmd.body
	}
	c.respond(p.message.tx, cmd.code, statusText(cmd.code), cmd.body, c.refreshed(p.message)...)
	if p.message.method == "INVITE" {
		c.await(answer2xx{tx: p.message.tx, seq: p.message.seq, id: p.id, late: p.late})
	}
}

// retarget follows the Contact of a target refresh request (RFC 3261 §12.2.2).
func (c *core) retarget(m *message) {
	switch f := c.client.forks[m.fromTag]; {
	case m.contact == "":
	case f != nil: // before the answer
		f.target = m.contact
	default:
		c.leg.target = m.contact
	}
}

// await repeats a 2xx until its ACK comes (RFC 3261 §13.3.1.4). That is also
// so over TCP: the ACK may come another way.
func (c *core) await(a answer2xx) {
	a.wait = timerT1
	c.waiting = &a
	c.arm(tm2xx, a.wait)
}

func (c *core) repeat2xx() {
	a := c.waiting
	if a == nil {
		return
	}
	a.total += a.wait
	if a.total >= timer64 {
		c.waiting = nil
		c.phase = phConfirmed
		c.bye(Event{Kind: Ended, Code: 408, Reason: ReasonTimeout, Remote: true}, c.byeLater)
		return
	}
	c.emit(effect{kind: fxRepeat, tx: a.tx})
	a.wait = min(2*a.wait, timerT2, timer64-a.total)
	c.arm(tm2xx, a.wait)
}

// onAck matches by the INVITE's number: other requests may have come since.
func (c *core) onAck(m *message) {
	a := c.waiting
	if a == nil || m.seq != a.seq {
		return
	}
	c.waiting = nil
	c.disarm(tm2xx)
	if c.phase == phAccepted {
		c.phase = phConfirmed
	}
	if a.id == 0 || a.late {
		c.event(Event{Kind: Confirmed, ID: a.id, Body: m.body, ContentType: m.contentType()})
	}
	if c.byeWanted {
		c.bye(Event{Kind: Ended, Code: 200, Reason: ReasonBye}, c.byeLater)
		return
	}
	if p := c.parked; p != nil {
		c.parked = nil
		c.disarm(tmParked)
		c.onReinvite(p)
	}
}

// revoke takes back an answer that a CANCEL forestalled.
func (c *core) revoke(tx uint64) {
	if c.waiting != nil && c.waiting.tx == tx {
		c.waiting = nil
		c.disarm(tm2xx)
	}
	if c.uas && tx == c.inviteTx && c.phase == phAccepted {
		c.phase = phProceeding
	}
}

// onCancel ends an INVITE that the peer gave up. sipgo has answered 487, unless
// the CANCEL had overtaken its INVITE.
func (c *core) onCancel(tx uint64, m *message, overtook bool) {
	switch {
	case c.uas && tx == c.inviteTx && c.phase == phProceeding:
		if overtook {
			c.respond(tx, 487, "Request Terminated", nil)
		}
		c.finish(Event{Kind: Ended, Code: 487, Reason: ReasonCancel, Remote: true, Headers: m.headers})
	case c.pending != nil && c.pending.message.tx == tx:
		c.pending = nil
		c.disarm(tmOffer)
	case c.parked != nil && c.parked.tx == tx:
		c.parked = nil
	}
}

// onInfo takes DTMF and what the call asked for.
func (c *core) onInfo(m *message) {
	t := m.contentType()
	switch {
	case len(m.body) == 0:
		c.respond(m.tx, 200, "OK", nil)
	case t == "application/dtmf-relay", t == "application/dtmf", slices.Contains(c.accept(), t), slices.Contains(c.accept(), AnyInfo):
		c.respond(m.tx, 200, "OK", nil)
		c.event(Event{Kind: Info, ContentType: t, Body: m.body, Headers: m.headers})
	default:
		c.respond(m.tx, 415, "Unsupported Media Type", nil,
			Header{"Accept", strings.Join(append([]string{"application/dtmf-relay", "application/dtmf"}, c.accept()...), ", ")})
	}
}

// onNotify takes the progress of our REFER (RFC 3515 §2.4.4).
func (c *core) onNotify(m *message) {
	event, _, _ := strings.Cut(m.headers.Get("Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "refer") || !c.referring {
		c.respond(m.tx, 481, "Subscription Does Not Exist", nil)
		return
	}
	c.respond(m.tx, 200, "OK", nil)
	state, _, _ := strings.Cut(m.headers.Get("Subscription-State"), ";")
	code, reason := fragment(m.body)
	final := code >= 200 || strings.EqualFold(strings.TrimSpace(state), "terminated")
	ev := Event{Kind: Referred, Code: code, Reason: reason, Headers: m.headers}
	if final {
		ev.ID = 1
		c.referring = false
	}
	if code > 0 || final {
		c.event(ev)
	}
}

// fragment reads the status line of a message/sipfrag body.
func fragment(body []byte) (code int, reason string) {
	line, _, _ := strings.Cut(string(body), "\n")
	parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(parts) < 2 || !strings.EqualFold(parts[0], "SIP/2.0") {
		return 0, ""
	}
	n, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil || n < 100 || n > 699 {
		return 0, ""
	}
	if len(parts) == 3 {
		reason = parts[2]
	}
	return int(n), reason
}
