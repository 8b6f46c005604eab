package sip

import "time"

// Requests of the call that change nothing in the dialog itself, INFO, MESSAGE,
// REFER and NOTIFY, go out one after the other: digits stay in order, and so
// does the progress of a transfer.

// queued tells which commands wait for their turn.
func (k commandKind) queued() bool {
	return k == cmdInfo || k == cmdMessage || k == cmdRefer || k == cmdNotify
}

// outgoing is the request of a queued command. What reason holds depends on the
// kind: a content type, or the value of Refer-To.
func (cmd *command) outgoing() (method string, headers []Header, ctype string) {
	switch cmd.kind {
	case cmdRefer:
		return "REFER", append([]Header{{"Refer-To", cmd.reason}}, cmd.headers...), ""
	case cmdMessage:
		return "MESSAGE", cmd.headers, cmd.reason
	case cmdNotify:
		return "NOTIFY", cmd.headers, cmd.reason
	}
	return "INFO", cmd.headers, cmd.reason
}

// enqueue takes a request of the call.
func (c *core) enqueue(cmd command) {
	if c.phase < phProceeding || len(c.queue) >= maxQueued || !c.uas && c.phase < phAccepted {
		c.outcome(cmd, &message{code: 503, reason: "Service Unavailable"})
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
	c.referring = c.referring || cmd.kind == cmdRefer
	method, headers, ctype := cmd.outgoing()
	a.tx = c.request(&c.leg, method, headers, ctype, cmd.body)
}

func (c *core) onActiveResponse(m *message) {
	if m.code < 200 {
		return
	}
	a := c.active
	if len(m.auth) > 0 {
		method, headers, ctype := a.cmd.outgoing()
		c.retry(a.tx, &c.leg, method, append(append([]Header(nil), headers...), m.auth...), ctype, a.cmd.body)
		return
	}
	c.active = nil
	c.outcome(a.cmd, m)
	if !c.lost(m) {
		c.sendNext()
	}
}

// outcome tells the call what became of a request of its own.
func (c *core) outcome(cmd command, m *message) {
	switch cmd.kind {
	case cmdInfo, cmdMessage:
		c.event(Event{Kind: Sent, Code: m.code, Reason: m.reason, Headers: m.headers})
	case cmdRefer:
		ev := Event{Kind: Referred, Code: m.code, Reason: m.reason, Headers: m.headers}
		switch {
		case m.code >= 300:
			ev.ID = 1
			c.referring = false
		case m.headers.Get("Refer-Sub") == "false": // RFC 4488: nothing more will be told
			ev.ID = 1
			c.referring = false
		default:
			ev.Code = 100 // accepted: what the new call does comes by NOTIFY
		}
		c.event(ev)
	}
}

// referWait is how long the call may take to say yes or no to a REFER.
const referWait = 10 * time.Second
