package sip

import (
	"strconv"
	"strings"
)

// newUAS is the core of a received INVITE.
func newUAS(m *message, seen *seenSeqs, accept func() []string, jitter func(int) int) *core {
	return &core{
		uas: true, phase: phProceeding, leg: inboundLeg(m), inviteTx: m.tx,
		order:  sequencer{known: true, last: m.seq},
		client: clientState{invite: m}, seen: seen, accept: accept, jitter: jitter,
	}
}

func (c *core) commandUAS(cmd command) {
	if c.phase != phProceeding {
		return
	}
	switch cmd.kind {
	case cmdProvisional:
		c.provisional(cmd)
	case cmdAccept:
		c.acceptCall(cmd)
	case cmdReject:
		reason := textOr(cmd.reason, cmd.code)
		c.respond(c.inviteTx, cmd.code, reason, nil, cmd.headers...)
		c.finish(Event{Kind: Ended, Code: cmd.code, Reason: ReasonRejected, Line: strconv.Itoa(cmd.code) + " " + reason})
	}
}

func textOr(reason string, code int) string {
	if reason != "" && !strings.ContainsAny(reason, "\r\n\x00") {
		return reason
	}
	return statusText(code)
}

// statusTexts are the reason phrases of RFC 3261 §21 that we send.
var statusTexts = map[int]string{
	180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily",
	400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large", 415: "Unsupported Media Type", 420: "Bad Extension",
	480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
	483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
	491: "Request Pending", 500: "Server Internal Error", 503: "Service Unavailable",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}

func statusText(code int) string {
	if t, ok := statusTexts[code]; ok {
		return t
	}
	return "Status " + strconv.Itoa(code)
}
