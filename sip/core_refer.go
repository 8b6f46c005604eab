package sip

import (
	"fmt"
	"strconv"
	"strings"
)

// referral is a REFER of the peer (RFC 3515): the call is asked, and when it
// agrees the peer hears by NOTIFY how the new call goes. There is one at a time.
type referral struct {
	id      uint64
	message *message
	silent  bool // Refer-Sub: false (RFC 4488): no NOTIFY is wanted
	agreed  bool
}

// onRefer asks the call whether it lets itself be transferred.
func (c *core) onRefer(m *message) {
	to := m.headers.All("Refer-To")
	switch {
	case len(to) != 1 || strings.Contains(to[0], ">,"):
		c.respond(m.tx, 400, "Exactly One Refer-To Is Needed", nil)
	case c.phase != phConfirmed:
		c.respond(m.tx, 603, "Decline", nil)
	case c.referral != nil:
		c.respond(m.tx, 491, "Request Pending", nil)
	default:
		c.referrals++
		silent := strings.EqualFold(strings.TrimSpace(m.headers.Get("Refer-Sub")), "false")
		c.referral = &referral{id: c.referrals, message: m, silent: silent}
		c.arm(tmRefer, referWait)
		c.event(Event{Kind: Asked, ID: c.referrals, Headers: m.headers, Line: to[0]})
	}
}

// consent is the call's answer to a REFER.
func (c *core) consent(cmd command) {
	r := c.referral
	if r == nil || r.id != cmd.id || r.agreed {
		return
	}
	c.disarm(tmRefer)
	if cmd.code >= 300 {
		c.referral = nil
		c.respond(r.message.tx, cmd.code, textOr(cmd.reason, cmd.code), nil)
		return
	}
	r.agreed = true
	var h []Header
	if r.silent {
		h = []Header{{"Refer-Sub", "false"}}
	}
	c.respond(r.message.tx, 202, "Accepted", nil, h...)
	c.report(100, "Trying")
}

// progress is how far the new call has come, for the peer.
func (c *core) progress(cmd command) {
	if r := c.referral; r != nil && r.id == cmd.id && r.agreed {
		c.report(cmd.code, textOr(cmd.reason, cmd.code))
	}
}

// report sends a NOTIFY (RFC 3515 §2.4.4); a final status ends the subscription.
func (c *core) report(code int, reason string) {
	r := c.referral
	state := "active;expires=60"
	if code >= 200 {
		state = "terminated;reason=noresource"
		c.referral = nil
	}
	if r.silent {
		return
	}
	c.enqueue(command{
		kind: cmdNotify, reason: "message/sipfrag;version=2.0", body: fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", code, reason),
		headers: []Header{{"Event", "refer;id=" + strconv.FormatUint(uint64(r.message.seq), 10)}, {"Subscription-State", state}},
	})
}

// refuseReferral answers a REFER that nobody has decided on.
func (c *core) refuseReferral() {
	if r := c.referral; r != nil && !r.agreed {
		c.respond(r.message.tx, 603, "Decline", nil)
	}
	c.referral = nil
}

// MaxPageMessage is the longest MESSAGE that is taken, in bytes (RFC 3428 §8
// asks senders for 1300 at most).
const MaxPageMessage = 16 << 10

// onMessage takes a MESSAGE inside the dialog (RFC 3428).
func (c *core) onMessage(m *message) {
	if code, h := refusePage(m); code != 0 {
		c.respond(m.tx, code, statusText(code), nil, h...)
		return
	}
	c.respond(m.tx, 200, "OK", nil)
	if len(m.body) > 0 {
		c.event(Event{Kind: Messaged, ContentType: m.pageType(), Body: m.body, Headers: m.headers})
	}
}

// refusePage tells why a MESSAGE is not taken; 0 is that it is.
func refusePage(m *message) (code int, h []Header) {
	t := m.pageType()
	switch {
	case len(m.body) > MaxPageMessage:
		return 413, nil
	case m.headers.Get("Content-Encoding") != "" && !m.headers.Has("Content-Encoding", "identity"):
		return 415, []Header{{"Accept-Encoding", "identity"}}
	case len(m.body) > 0 && !strings.HasPrefix(t, "text/") && t != "application/json" && t != "application/xml":
		return 415, []Header{{"Accept", pageTypes}}
	}
	return 0, nil
}

// pageTypes are the bodies of MESSAGE that we take.
const pageTypes = "text/plain, text/html, text/*, application/json, application/xml"

// pageType is the content type of a MESSAGE; text when it names none.
func (m *message) pageType() string {
	if t := m.contentType(); t != "" {
		return t
	}
	return "text/plain"
}
