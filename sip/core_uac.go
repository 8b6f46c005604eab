package sip

import (
	"cmp"
	"time"
)

// clientState is what only an outgoing INVITE needs; invite is also the
// received one of a UAS.
type clientState struct {
	invite      *message // UAS: as received
	headers     []Header
	body        []byte
	auth        []Header // credentials of the newest INVITE
	hops, hop   int      // places to try, and the present one
	seq         uint32   // of the newest INVITE
	answeredSeq uint32   // of the INVITE that the 2xx answered
	timeout     time.Duration
	silence     time.Duration
	forks       map[string]*fork    // early dialogs by To tag
	pracks      map[uint64]prack    // under way
	done        map[string]bool     // To tags of 2xx that were dealt with
	gone        map[string]*message // BYEs of forks whose answer we have not seen
	cancelled   bool                // CANCEL was sent
	ending      bool                // the INVITE is to be cancelled
	reason      []Header            // of the CANCEL
	final       bool                // the INVITE transaction is over
}

// newUAC is the core of a call to place; it waits for inRouted.
func newUAC(l leg, o *Outgoing, headers []Header, seen *seenSeqs, accept func() []string, jitter func(int) int) *core {
	c := &core{leg: l, phase: phRouting, seen: seen, accept: accept, jitter: jitter}
	c.client = clientState{
		headers: headers, body: o.Body, timeout: o.Timeout, silence: o.Silence,
		forks: map[string]*fork{}, done: map[string]bool{}, gone: map[string]*message{},
	}
	if c.client.timeout <= 0 {
		c.client.timeout = DefaultRingTimeout
	}
	c.arm(tmRing, c.client.timeout)
	return c
}

// onRouted begins the INVITE; no hops means that the name did not resolve.
func (c *core) onRouted(hops int) {
	switch {
	case c.phase != phRouting:
	case hops == 0:
		c.finish(Event{Kind: Ended, Code: 503, Reason: ReasonError, Line: "503 No Address"})
	default:
		c.client.hops = hops
		c.phase = phCalling
		if c.client.silence > 0 {
			c.arm(tmSilent, c.client.silence)
		}
		c.lastTx++
		c.inviteTx = c.lastTx
		c.invite()
	}
}

// invite sends the INVITE to the present hop.
func (c *core) invite() {
	c.localSeq++
	c.client.seq = c.localSeq
	if c.client.hop+1 < c.client.hops {
		c.arm(tmHop, hopPatience)
	}
	headers := append(append(append([]Header(nil), c.client.headers...), c.sessionFields()...), c.client.auth...)
	ctype := ""
	if len(c.client.body) > 0 {
		ctype = "application/sdp"
	}
	l := c.leg
	c.emit(effect{kind: fxInvite, tx: c.inviteTx, code: c.client.hop, method: "INVITE", seq: c.client.seq,
		leg: &l, headers: headers, body: c.client.body, ctype: ctype})
}

// cancel ends an INVITE that has no final answer. RFC 3261 §9.1: CANCEL only
// after a provisional.
func (c *core) cancel(ev Event, headers []Header) {
	if c.client.ending {
		return
	}
	c.client.ending, c.client.reason = true, headers
	c.disarm(tmRing)
	switch c.phase {
	case phRouting:
		c.finish(ev)
		return
	case phCalling: // not even a 100: nobody has asked us to stop, nobody is there
		ev.Code = 408
	}
	c.endWith(ev)
	if c.phase == phProceeding {
		c.sendCancel()
	}
	c.phase = phClosing
}

func (c *core) sendCancel() {
	if !c.client.cancelled {
		c.client.cancelled = true
		if c.end != nil {
			c.end.Code = 487 // somebody is there after all
		}
		c.emit(effect{kind: fxCancel, tx: c.inviteTx, seq: c.client.seq, headers: c.client.reason})
		c.arm(tmCancel, timer64)
	}
}

func (c *core) onInviteResponse(m *message) {
	if c.client.silence > 0 {
		c.disarm(tmSilent)
	}
	if c.client.hop+1 < c.client.hops {
		c.disarm(tmHop)
	}
	switch {
	case m.code < 200:
		c.onProvisional(m)
	case m.code < 300:
		c.onAnswer(m)
	case c.client.final:
	case len(m.auth) > 0 && !c.client.ending:
		c.client.auth = m.auth
		c.client.forks = map[string]*fork{}
		c.phase = phCalling
		c.invite()
	case !c.client.ending && c.lift(m):
		c.client.forks = map[string]*fork{}
		c.phase = phCalling
		c.invite()
	case c.failsOver(m):
		c.leaveHop(m.headers == nil)
	default:
		c.onRefused(m)
	}
}

// hopPatience is how long a hop may say nothing at all, not even 100, while
// there is another one: Timer B is longer than most people let it ring.
const hopPatience = 4 * time.Second

// onHopSilent goes on to the next hop. What the silent one may still say is
// refused.
func (c *core) onHopSilent() {
	if c.client.ending || c.phase != phCalling || c.client.hop+1 >= c.client.hops {
		return
	}
	c.leaveHop(true)
}

// leaveHop sends the INVITE to the next hop.
func (c *core) leaveHop(silent bool) {
	if silent {
		c.emit(effect{kind: fxLeave, tx: c.inviteTx})
	}
	c.client.hop++
	c.phase = phCalling
	c.invite()
}

// failsOver tells whether the next hop is tried (RFC 3263 §4.3): this one did
// not answer at all, or said 503 before it rang.
func (c *core) failsOver(m *message) bool {
	silent := m.headers == nil
	return !c.client.ending && c.phase == phCalling && c.client.hop+1 < c.client.hops &&
		(silent || m.code == 503)
}

func (c *core) onProvisional(m *message) {
	if c.phase == phCalling {
		c.phase = phProceeding
	}
	if c.client.ending {
		c.sendCancel()
		return
	}
	if m.code == 100 || c.phase != phProceeding {
		return
	}
	if m.toTag != "" && c.client.forks[m.toTag] == nil && len(c.client.forks) < MaxForks {
		c.client.forks[m.toTag] = &fork{leg: c.leg.answeredBy(m)}
	}
	f := c.client.forks[m.toTag]
	if !c.acknowledged(f, m) {
		return
	}
	if f != nil && len(m.body) > 0 && len(c.client.body) > 0 {
		f.early = m
	}
	c.event(Event{Kind: Provisional, Code: m.code, Reason: m.reason, Body: m.body,
		ContentType: m.contentType(), Headers: m.headers, Tag: m.toTag})
}

// onAnswer takes a 2xx. The first one wins; every other one, and one that
// crossed our CANCEL, is acknowledged and ended.
func (c *core) onAnswer(m *message) {
	if c.client.done[m.toTag] {
		return // retransmitted: the driver has repeated the ACK
	}
	c.client.done[m.toTag] = true
	l := c.leg.answeredBy(m)
	switch {
	case !c.client.ending && (c.phase == phCalling || c.phase == phProceeding):
		c.client.final = true
		c.disarm(tmRing)
		c.leg, c.client.answeredSeq = l, m.seq
		if f := c.client.forks[m.toTag]; f != nil && len(m.body) == 0 {
			// Given already: reliably, or by one who does not say it twice
			// though it should (RFC 3261 §13.2.1).
			if said := cmp.Or(f.answer, f.early); said != nil {
				m.body, m.ctype = said.body, said.contentType()
			}
		}
		c.client.forks = nil
		c.phase = phConfirmed
		if len(c.client.body) == 0 && len(m.body) > 0 {
			c.phase = phAccepted // the callee offers; Accept answers in the ACK
		} else {
			c.emit(effect{kind: fxAck, tx: m.tx, leg: &l, seq: m.seq})
		}
		c.session.sdp = c.client.body
		c.agree(m)
		c.event(Event{Kind: Answered, Code: m.code, Reason: m.reason, Body: m.body,
			ContentType: m.contentType(), Headers: m.headers, Tag: m.toTag})
		if bye := c.client.gone[m.toTag]; bye != nil {
			c.finish(Event{Kind: Ended, Code: 200, Reason: ReasonBye, Remote: true, Headers: bye.headers})
			return
		}
		c.admitEarly()
	case c.client.ending && !c.client.final:
		c.client.final = true
		c.disarm(tmCancel)
		c.leg = l
		c.emit(effect{kind: fxAck, tx: m.tx, leg: &l, seq: m.seq})
		ev := *c.end
		c.bye(ev, []Header{{"Reason", `SIP;cause=487;text="Request Terminated"`}})
	default:
		c.emit(effect{kind: fxAck, tx: m.tx, leg: &l, seq: m.seq, code: forkEnds})
		c.localSeq++
		c.lastTx++
		c.emit(effect{kind: fxRequest, tx: c.lastTx, method: "BYE", seq: c.localSeq, leg: &l, code: forkEnds})
	}
}

// forkEnds marks the ACK and BYE of a fork that lost, for the counters.
const forkEnds = 1

// acknowledge sends the ACK with our answer to the callee's offer.
func (c *core) acknowledge(body []byte) {
	c.phase = phConfirmed
	c.session.sdp = body
	l := c.leg
	c.emit(effect{kind: fxAck, tx: c.inviteTx, leg: &l, seq: c.client.answeredSeq, body: body, ctype: "application/sdp"})
}

func (c *core) onRefused(m *message) {
	c.client.final = true
	c.disarm(tmRing)
	c.disarm(tmCancel)
	ev := Event{Kind: Ended, Code: m.code, Reason: ReasonRejected, Remote: true, Line: m.status(), Headers: m.headers}
	switch {
	case m.headers != nil:
	case m.code == 408:
		ev.Reason = ReasonTimeout
	default:
		ev.Reason = ReasonError
	}
	if c.end != nil { // we had cancelled
		c.end.Code, c.end.Headers, c.end.Line = m.code, m.headers, m.status()
	}
	c.finish(ev)
}
