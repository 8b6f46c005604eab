package sip

import "time"

// reoffer begins a re-INVITE, before our answer to the INVITE an UPDATE where the
// peer takes one; it waits while another offer is under way.
func (c *core) reoffer(body []byte) {
	if c.ours != nil && c.ours.refresh && c.session.later == nil {
		c.session.later = body
		return
	}
	if c.ours != nil || c.phase != phConfirmed && !c.mayUpdate() {
		c.event(Event{Kind: Reoffered, Code: 491, Reason: "Request Pending"})
		return
	}
	c.ours = &localOffer{body: body}
	c.sendOffer()
}

// mayUpdate tells that a caller whom we have not answered yet takes another offer
// of ours: both sides have agreed reliably, and it has said that it knows UPDATE
// (RFC 3311 §5.1). To a callee an UPDATE would be of no use: its answer goes where
// our INVITE came from all the same.
func (c *core) mayUpdate() bool {
	return c.uas && c.phase == phProceeding && c.rel.agreed && !c.rel.open && c.client.invite.headers.Has("Allow", "UPDATE")
}

func (c *core) sendOffer() {
	o := c.ours
	switch {
	case o == nil || o.tx != 0:
	case c.mayUpdate() && c.pending == nil:
		o.update = true
		o.tx = c.request(&c.leg, "UPDATE", nil, "application/sdp", o.body)
	case c.phase == phProceeding:
		c.settleOffer(&message{code: 491, reason: "Request Pending"})
	case c.phase != phConfirmed:
	case c.pending != nil || c.waiting != nil:
		c.glare(&message{code: 491, reason: "Request Pending"})
	default:
		o.update = false
		o.tx = c.request(&c.leg, "INVITE", c.sessionFields(), "application/sdp", o.body)
	}
}

// glare tries again later (RFC 3261 §14.1): the owner of the Call-ID waits
// longer, so that the two do not meet again.
func (c *core) glare(m *message) {
	o := c.ours
	o.tx = 0
	if o.glares++; o.glares > maxGlare {
		c.settleOffer(m)
		return
	}
	wait := time.Duration(c.jitter(200)) * 10 * time.Millisecond
	if !c.uas {
		wait = 2100*time.Millisecond + time.Duration(c.jitter(190))*10*time.Millisecond
	}
	c.arm(tmGlare, wait)
}

func (c *core) onOfferResponse(m *message) {
	o := c.ours
	switch {
	case m.code < 200:
		return
	case o.update:
		c.onUpdateOffered(m)
		return
	case m.code < 300:
		c.retarget(m)
		l := c.leg
		c.emit(effect{kind: fxAck, tx: m.tx, leg: &l, seq: m.seq})
		c.agree(m)
	case len(m.auth) > 0:
		c.retry(o.tx, &c.leg, "INVITE", append(c.sessionFields(), m.auth...), "application/sdp", o.body)
		return
	case m.code == 491:
		c.glare(m)
		return
	case c.lift(m):
		o.tx = 0
		c.sendOffer()
		return
	}
	c.settleOffer(m)
	c.lost(m)
}

// onUpdateOffered takes the answer to an UPDATE before our answer to the INVITE.
// One that meets another is not repeated: the call offers again once it is answered.
func (c *core) onUpdateOffered(m *message) {
	if len(m.auth) > 0 {
		c.retry(c.ours.tx, &c.leg, "UPDATE", m.auth, "application/sdp", c.ours.body)
		return
	}
	if m.code < 300 {
		c.retarget(m)
	}
	c.settleOffer(m)
}

// settleOffer tells the result of our offer; that of a refresh concerns nobody
// but the timer. An offer of the call that waited for it comes next.
func (c *core) settleOffer(m *message) {
	o := c.ours
	c.ours = nil
	if !o.refresh {
		if m.code < 300 {
			c.session.sdp = o.body
		}
		c.event(Event{Kind: Reoffered, Code: m.code, Reason: m.reason, Body: m.body,
			ContentType: m.contentType(), Headers: m.headers})
		return
	}
	if m.code >= 300 {
		c.arm(tmSession, refreshAgain)
	}
	if later := c.session.later; later != nil {
		c.session.later = nil
		c.reoffer(later)
	}
}
