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
		c.retry(o.tx, "INVITE", append(c.sessionFields(), m.auth...), "application/sdp", o.body)
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

// enqueue sends INFO and REFER one after the other, so that digits stay in
// order.
func (c *core) enqueue(cmd command) {
	if c.phase < phProceeding || len(c.queue) >= maxQueued || !c.uas && c.phase < phAccepted {
		if cmd.kind == cmdRefer {
			c.event(Event{Kind: Referred, Code: 503, Reason: "Service Unavailable", ID: 1})
		}
		return
	}
	c.queue = append(c.queue, cmd)
	c.sendNext()
}

func (c *core) sendNext() {
	if c.active != nil || len(c.queue) == 0 || c.phase >= phClosing {
		return
	}
	cmd := c.queue[0]
	c.queue = c.queue[1:]
	a := &activeRequest{cmd: cmd}
	c.active = a
	if cmd.kind == cmdRefer {
		c.referring = true
		a.tx = c.request(&c.leg, "REFER", append([]Header{{"Refer-To", cmd.reason}}, cmd.headers...), "", nil)
		return
	}
	a.tx = c.request(&c.leg, "INFO", cmd.headers, cmd.reason, cmd.body)
}

func (c *core) onActiveResponse(m *message) {
	if m.code < 200 {
		return
	}
	a := c.active
	if len(m.auth) > 0 {
		headers, ctype := append(append([]Header(nil), a.cmd.headers...), m.auth...), a.cmd.reason
		method := "INFO"
		if a.cmd.kind == cmdRefer {
			method, ctype = "REFER", ""
			headers = append([]Header{{"Refer-To", a.cmd.reason}}, headers...)
		}
		c.retry(a.tx, method, headers, ctype, a.cmd.body)
		return
	}
	c.active = nil
	if a.cmd.kind == cmdRefer {
		ev := Event{Kind: Referred, Code: m.code, Reason: m.reason, Headers: m.headers}
		if m.code >= 300 {
			ev.ID = 1
			c.referring = false
		} else {
			ev.Code = 100 // accepted: what the new call does comes by NOTIFY
		}
		c.event(ev)
	}
	if !c.lost(m) {
		c.sendNext()
	}
}
