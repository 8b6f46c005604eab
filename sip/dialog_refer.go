package sip

import (
	"net/url"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Transfers (RFC 3515, RFC 3891, RFC 5589) and messages (RFC 3428) as a call
// asks for them.

// Refer asks the peer to call target; Referred events tell how that goes. The
// target may be a URI with a Replaces part, as Dialog.Replacement makes it.
func (d *Dialog) Refer(target string, h ...Header) error {
	uri, part, _ := strings.Cut(target, "?")
	a, err := ParseAddress(uri)
	if err != nil {
		return fault.New(fault.Invalid, "sip: refer: %w", err)
	}
	value := a.URI()
	if part != "" {
		value += "?" + part
	}
	if strings.ContainsAny(value, "<>\" \r\n\x00") {
		return fault.New(fault.Invalid, "sip: refer: %q is no URI", clip(target, 80))
	}
	return d.command(command{kind: cmdRefer, reason: "<" + value + ">", headers: h})
}

// Consent answers the Asked event of that ID: 202 agrees, 300 to 699 refuses.
func (d *Dialog) Consent(id uint64, code int) error {
	if code != 202 && (code < 300 || code > 699) {
		return fault.New(fault.Invalid, "sip: %d does not answer a REFER", code)
	}
	return d.command(command{kind: cmdConsent, id: id, code: code})
}

// Progress tells the peer how far the call that its REFER asked for has come. A
// final status is the last.
func (d *Dialog) Progress(id uint64, code int, reason string) error {
	if code < 100 || code > 699 {
		return fault.New(fault.Invalid, "sip: %d is no status", code)
	}
	return d.command(command{kind: cmdProgress, id: id, code: code, reason: reason})
}

// Message sends a MESSAGE inside the dialog; a Sent event tells its result.
func (d *Dialog) Message(contentType string, body []byte) error {
	if err := CheckHeaders([]Header{{"Content-Type", contentType}}); err != nil {
		return err
	}
	if len(body) > MaxPageMessage {
		return fault.New(fault.Limit, "sip: a message of %d bytes, at most %d are allowed", len(body), MaxPageMessage)
	}
	return d.command(command{kind: cmdMessage, reason: contentType, body: body})
}

// Replacement is the URI by which somebody else can take the peer of this
// dialog over (RFC 3891 §3): the peer's Contact, with a Replaces part that names
// the dialog as the peer knows it. It is "" before the answer.
func (d *Dialog) Replacement() string {
	tag, target := d.remoteTag.Load(), d.RemoteTarget()
	if tag == nil || *tag == "" || target.Host == "" || !d.up.Load() {
		return ""
	}
	return target.URI() + "?Replaces=" + url.QueryEscape(d.key.callID+";to-tag="+*tag+";from-tag="+d.key.localTag)
}

// Replaces is the ID of the dialog that the INVITE asks to replace, "" for none.
func (d *Dialog) Replaces() string {
	if d.replaces == nil {
		return ""
	}
	return d.replaces.id
}

// replaced names a dialog in a Replaces header field or URI part (RFC 3891 §6.1).
type replaced struct {
	callID, localTag, remoteTag string // as we, who get it, see the dialog
	earlyOnly                   bool
}

func parseReplaces(value string) (r replaced, ok bool) {
	id, params, _ := strings.Cut(value, ";")
	r.callID = strings.TrimSpace(id)
	r.localTag, _ = param(params, "to-tag")
	r.remoteTag, _ = param(params, "from-tag")
	_, r.earlyOnly = param(params, "early-only")
	return r, r.callID != "" && r.localTag != "" && r.remoteTag != ""
}

// toReplace finds the dialog that an INVITE asks to replace; code is why it may
// not (RFC 3891 §3).
func (e *Endpoint) toReplace(m *message, o Origin) (d *Dialog, code int) {
	values := m.headers.All("Replaces")
	if len(values) == 0 {
		return nil, 0
	}
	r, ok := parseReplaces(values[0])
	if !ok || len(values) > 1 {
		return nil, 400
	}
	d = e.dialogs.find(r.callID, r.localTag)
	if d == nil || d.tagOfPeer() != r.remoteTag {
		return nil, 481
	}
	switch {
	case d.told.Load():
		return nil, 603
	case d.up.Load() && r.earlyOnly:
		return nil, 486
	case !d.up.Load() && !d.outbound:
		return nil, 481
	case !mayReplace(o, d):
		return nil, 403
	}
	return d, 0
}

func (d *Dialog) tagOfPeer() string {
	if t := d.remoteTag.Load(); t != nil {
		return *t
	}
	return ""
}

// mayReplace: the phones of our users and trusted sources may take over each
// other's calls, a trunk those that go through it.
func mayReplace(o Origin, d *Dialog) bool {
	switch o.Kind {
	case FromTrusted:
		return true
	case FromUser:
		return d.user || d.origin.Kind == FromTrusted
	case FromTrunk:
		return d.origin.Name == o.Name && !d.user
	}
	return false
}

// ReplacesPart reads the Replaces part of a Refer-To value and finds our dialog
// that it names. uri is the address without it; id is "" when there is no such
// part, ok is false when it names no dialog of ours.
func (e *Endpoint) ReplacesPart(referTo string) (uri, id string, ok bool) {
	v := strings.TrimSpace(referTo)
	if i := strings.IndexByte(v, '<'); i >= 0 {
		v, _, _ = strings.Cut(v[i+1:], ">")
	}
	uri, part, _ := strings.Cut(v, "?")
	for field := range strings.SplitSeq(part, "&") {
		name, value, _ := strings.Cut(field, "=")
		if !strings.EqualFold(name, "Replaces") {
			continue
		}
		text, err := url.PathUnescape(value)
		r, valid := parseReplaces(text)
		if err != nil || !valid {
			return uri, "", false
		}
		// The tags are those of who is to be called: us, for one of our dialogs.
		// Some phones give them from their own side.
		for _, key := range []dialogKey{{r.callID, r.localTag}, {r.callID, r.remoteTag}} {
			if d := e.dialogs.find(key.callID, key.localTag); d != nil {
				return uri, d.id, true
			}
		}
		return uri, "", false
	}
	return uri, "", true
}
