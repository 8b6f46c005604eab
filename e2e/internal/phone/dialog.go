package phone

import (
	"fmt"
	"net/netip"
	"strconv"
)

// inDialog builds a request of this side.
func (c *Call) inDialog(method string, body string, headers ...Header) *Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	from, to := c.Invite.Get("from"), c.Invite.Get("to")
	if !c.outgoing {
		from, to = to+";tag="+c.localTag, from
	} else if Tag(to) == "" && c.remoteTag != "" {
		to += ";tag=" + c.remoteTag
	}
	m := &Message{Method: method, URI: c.target, Body: body, Headers: []Header{
		c.phone.Via(), {"Max-Forwards", "70"}, {"From", from}, {"To", to}, {"Call-ID", c.ID}, {"CSeq", strconv.Itoa(c.seq) + " " + method}, c.phone.Contact(),
	}}
	m.Headers = append(m.Headers, headers...)
	return m
}

// Send sends a request inside the dialog and returns it.
func (c *Call) Send(method, contentType, body string, headers ...Header) *Message {
	c.t.Helper()
	if body != "" {
		headers = append(headers, Header{"Content-Type", contentType})
	}
	m := c.inDialog(method, body, headers...)
	c.transmit(m)
	return m
}

// Again sends a message once more, unchanged.
func (c *Call) Again(m *Message) {
	c.t.Helper()
	c.transmit(m)
}

// Reinvite sends a re-INVITE.
func (c *Call) Reinvite(offer string) *Message {
	c.t.Helper()
	return c.Send("INVITE", "application/sdp", offer)
}

// Hangup sends BYE.
func (c *Call) Hangup() *Message {
	c.t.Helper()
	return c.Send("BYE", "", "")
}

// Cancel takes back the INVITE (RFC 3261 §9.1).
func (c *Call) Cancel() {
	c.t.Helper()
	c.transmit(&Message{Method: "CANCEL", URI: c.Invite.URI, Headers: []Header{
		{"Via", c.Invite.Get("via")}, {"Max-Forwards", "70"}, {"From", c.Invite.Get("from")}, {"To", c.Invite.Get("to")}, {"Call-ID", c.ID},
		{"CSeq", "1 CANCEL"},
	}})
}

// Reply answers a request of the other side within the dialog.
func (c *Call) Reply(req *Message, code int, reason, body string, headers ...Header) {
	c.t.Helper()
	if code/100 == 2 || code > 100 && code < 200 {
		headers = append(headers, c.phone.Contact())
	}
	if err := c.phone.Reply(req, code, reason, body, headers...); err != nil {
		c.t.Fatal(err)
	}
}

// Ring answers the INVITE with 180.
func (c *Call) Ring() {
	c.t.Helper()
	c.Reply(c.Invite, 180, "Ringing", "")
}

// PickUp accepts the call: audio flows as soon as the answer is on its way.
func (c *Call) PickUp() {
	c.t.Helper()
	if c.Media == nil {
		c.Media = NewMedia(c.t, c.phone.Addr.Addr())
	}
	c.Media.Connect(c.Invite.Body)
	c.Reply(c.Invite, 200, "OK", c.Media.Answer(c.Invite.Body))
	c.Media.Start()
}

// Refuse answers the INVITE with a final status.
func (c *Call) Refuse(code int, reason string, headers ...Header) {
	c.t.Helper()
	c.Reply(c.Invite, code, reason, "", headers...)
}

// Fork is an answer to the INVITE in the name of another phone: the To tag
// differs.
func (c *Call) Fork(code int, reason, body, tag string, contact Header) {
	c.t.Helper()
	m := *c.Invite
	m.Headers = nil
	for _, h := range c.Invite.Headers {
		if canonical(h.Name) == "to" {
			h.Value += ";tag=" + tag
		}
		m.Headers = append(m.Headers, h)
	}
	if err := c.phone.Reply(&m, code, reason, body, contact); err != nil {
		c.t.Fatal(err)
	}
}

// Tag is this side's tag.
func (c *Call) Tag() string { return c.localTag }

// Target is the remote target of the dialog.
func (c *Call) Target() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target
}

// Info sends a key as SIP INFO in the form of application/dtmf-relay.
func (c *Call) Info(key byte) {
	c.t.Helper()
	c.Send("INFO", "application/dtmf-relay", fmt.Sprintf("Signal=%c\r\nDuration=160\r\n", key))
}

// MediaAddr is the address of the phone, for media of its own.
func (c *Call) MediaAddr() netip.Addr { return c.phone.Addr.Addr() }
