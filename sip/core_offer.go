package sip

import "time"

// reoffer begins a re-INVITE; it waits while another offer is under way.
func (c *core) reoffer(body []byte) {
	if c.ours != nil && c.ours.refresh && c.session.later == nil {
		c.session.later = body
		return
	}
	if c.ours != nil || c.phase != phConfirmed {
		c.event(Event{Kind: Reoffered, Code: 491, Reason: "Request Pending"})
		return
	}
	c.ours = &localOffer{body: body}
	c.sendOffer()
}

func (c *core) sendOffer() {
	o := c.ours
	switch {
	case o == nil || o.tx != 0 || c.phase != phConfirmed:
	case c.pending != nil || c.waiting != nil:
		c.glare(&message{code: 491, reason: "Request Pending"})
	default:
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
