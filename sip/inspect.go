package sip

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// allowed are the methods that a dialog of ours understands.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY, REFER, MESSAGE, REGISTER"

// inspect validates one message. It returns the canonical bytes for the
// parser, or an answer to send back, or neither. Both live until m is used
// again.
func (e *Endpoint) inspect(m *rawMessage, data []byte, source netip.AddrPort, stream bool, out *bytes.Buffer) (pass, answer bool) {
	out.Reset()
	inDialog, ok := e.admit(data, source, stream)
	if !ok {
		return false, false
	}
	m.inside = inDialog
	bad := m.parseRaw(data, stream)
	if bad == nil && !inDialog && m.method != "" && m.method != "ACK" && m.method != "CANCEL" && e.crowded(source.Addr()) {
		e.count.crowded.Add(1)
		bad = refuseBusy
	}
	if bad == nil {
		e.count.received.Add(1)
		if m.method != "" {
			m.stamp(source)
		}
		m.write(out)
		return true, false
	}
	e.count.malformed.Add(1)
	return false, bad.code > 0 && e.refuseRaw(m, bad, source, out)
}

// refuseRaw writes an answer from what could be read of the request.
func (e *Endpoint) refuseRaw(m *rawMessage, r *refusal, source netip.AddrPort, out *bytes.Buffer) bool {
	if len(m.via) == 0 {
		return false
	}
	m.stamp(source)
	out.WriteString("SIP/2.0 " + strconv.Itoa(r.code) + " " + r.reason + "\r\n")
	for _, v := range m.via {
		out.WriteString("Via: " + v + "\r\n")
	}
	for _, key := range [...]string{"from", "to", "call-id", "cseq"} {
		f := m.get(key)
		if f == nil {
			continue
		}
		value := f.value
		if key == "to" && !strings.Contains(strings.ToLower(value), "tag=") {
			value += ";tag=" + e.tagFor(m.via[0], m.via[0], m.via[0])
		}
		out.WriteString(headerTitle(key) + ": " + value + "\r\n")
	}
	switch r.code {
	case 405:
		out.WriteString("Allow: " + allowed + "\r\n")
	case 503:
		out.WriteString("Retry-After: " + strconv.Itoa(retryAfterSeconds) + "\r\n")
	}
	out.WriteString("Server: " + e.agent() + "\r\nContent-Length: 0\r\n\r\n")
	e.count.answered.Add(1)
	return true
}

// tagFor is our To tag for a request outside a dialog. It is computed from the
// request, so that every answer to it, to its retransmissions and to its
// CANCEL carries the same one, whoever sends it.
func (e *Endpoint) tagFor(callID, fromTag, branch string) string {
	mac := hmac.New(sha256.New, e.secret[:])
	mac.Write([]byte(callID + "\x00" + fromTag + "\x00" + branch))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
